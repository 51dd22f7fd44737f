//! The one application that the sandbox knows, and what it may ask for.

use std::net::IpAddr;

use url::{Host, Position, Url};

use super::parameters::Parameters;

/// An application "for user login" may have scopes of so many groups.
const MAX_GROUPS: usize = 3;

#[derive(Clone)]
pub struct Registration {
    pub client_id: String,
    pub client_secret: String,
    /// "For API access": its only redirect URI is the page that shows a code.
    pub is_for_api: bool,
    /// Must match exactly; with `is_for_api` there are none.
    pub redirect_uris: Vec<String>,
    /// What was chosen when it was registered; empty where anything that could
    /// have been chosen counts.
    pub scopes: Vec<String>,
    /// The users whose tokens it may ask for as a service application; empty
    /// for anybody.
    pub service_users: Vec<String>,
    /// The sandbox's own address.
    pub origin: String,
}

impl Registration {
    /// The URI to redirect to: the one asked for, if it is registered, to the
    /// letter; with none asked for, the first registered.
    pub fn redirect_uri(&self, asked: Option<&str>) -> Option<String> {
        let shows_code = format!("{}/verification_code", self.origin);
        let Some(asked) = asked else {
            return Some(self.redirect_uris.first().cloned().unwrap_or(shows_code));
        };
        let is_registered = match self.is_for_api {
            true => asked == shows_code,
            false => self.redirect_uris.iter().any(|uri| uri == asked) || is_loopback(asked),
        };
        is_registered.then(|| asked.to_owned())
    }

    /// What a request asks for.
    ///
    /// # Errors
    /// What the application does not have.
    pub fn scopes(&self, parameters: &Parameters) -> Result<Scopes, &'static str> {
        let words = |name| {
            let text = parameters.get(name).unwrap_or_default();
            text.split(' ')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let mut required = words("scope");
        let mut optional = words("optional_scope");
        required.sort();
        required.dedup();
        optional.sort();
        optional.dedup();
        optional.retain(|scope| !required.contains(scope));

        let asked = || required.iter().chain(&optional);
        if !asked().all(|scope| is_scope(scope)) {
            return Err("a scope is group:name, and scopes are separated by spaces");
        }
        if !self.scopes.is_empty() && !asked().all(|scope| self.scopes.contains(scope)) {
            return Err("the application does not have one of these scopes");
        }
        can_be_registered(asked(), self.is_for_api)?;
        Ok(Scopes { required, optional })
    }

    /// Whether it may ask for a token of this user.
    pub fn serves(&self, user: &str) -> bool {
        let mut users = self.service_users.iter();
        self.service_users.is_empty() || users.any(|other| other.eq_ignore_ascii_case(user))
    }

    /// Whether a token that was granted these tells what belongs to a scope.
    pub fn covers(&self, granted: &Granted, scope: &str) -> bool {
        match (&granted.0, self.scopes.is_empty()) {
            (Some(granted), _) => granted.iter().any(|granted| granted == scope),
            (None, true) => !self.is_for_api,
            (None, false) => self.scopes.iter().any(|registered| registered == scope),
        }
    }
}

/// Whether an application of this kind can have these scopes.
pub fn can_be_registered<'a>(
    scopes: impl Iterator<Item = &'a String>,
    is_for_api: bool,
) -> Result<(), &'static str> {
    let mut groups: Vec<&str> = scopes.map(|scope| group(scope)).collect();
    groups.sort_unstable();
    groups.dedup();
    if is_for_api && groups.contains(&"login") {
        return Err("an application for API access has no scopes of the group login");
    }
    if !is_for_api && groups.len() > MAX_GROUPS {
        return Err("an application for user login has scopes of at most three groups");
    }
    Ok(())
}

/// The scopes of a request. With both empty, all that the application has.
#[derive(Debug, Clone, Default)]
pub struct Scopes {
    pub required: Vec<String>,
    /// The user can untick these.
    pub optional: Vec<String>,
}

/// The scopes of a token, in order; None: all that the application has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted(pub Option<Vec<String>>);

impl Scopes {
    /// What is granted where the user leaves these of the optional ones; None
    /// where nothing is left.
    pub fn granted(&self, left: impl Fn(usize, &str) -> bool) -> Option<Granted> {
        if self.required.is_empty() && self.optional.is_empty() {
            return Some(Granted(None));
        }
        let optional = self.optional.iter().enumerate();
        let kept = optional.filter(|(at, scope)| left(*at, scope));
        let mut granted: Vec<_> = self.required.clone();
        granted.extend(kept.map(|(_, scope)| scope.clone()));
        granted.sort();
        (!granted.is_empty()).then_some(Granted(Some(granted)))
    }

    /// What the token's answer says in `scope`: only that it is less than what
    /// was asked for.
    pub fn fewer(&self, granted: &Granted) -> Option<String> {
        let granted = granted.0.as_ref()?;
        let is_fewer = granted.len() < self.required.len() + self.optional.len();
        is_fewer.then(|| granted.join(" "))
    }
}

/// The part before the colon.
fn group(scope: &str) -> &str {
    scope.split(':').next().unwrap_or_default()
}

/// RFC 6749, 3.3, and Yandex's own form: a group, a colon and a name.
fn is_scope(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"\\,".contains(&b);
    text.bytes().all(plain)
        && text
            .split_once(':')
            .is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
}

/// `http` on this machine, which the sandbox takes as registered.
fn is_loopback(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else {
        return false;
    };
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    };
    // Parsing forgives blanks, line breaks and odd ways to write an address;
    // what is compared exactly has none of them.
    let is_plain = uri.starts_with(&url[..Position::AfterHost])
        && !uri.contains(|c: char| c.is_ascii_control() || c == ' ' || c == '\\');
    local && is_plain && url.scheme() == "http" && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::parameters::tests::parameters as asked;

    fn application(is_for_api: bool, redirect_uris: &[&str], scopes: &[&str]) -> Registration {
        Registration {
            client_id: "id".into(),
            client_secret: "secret".into(),
            is_for_api,
            redirect_uris: redirect_uris.iter().map(|&uri| uri.to_owned()).collect(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            service_users: Vec::new(),
            origin: "http://127.0.0.1:1".into(),
        }
    }

    #[test]
    fn a_redirect_uri_is_registered_to_the_letter_or_on_loopback() {
        let site = "https://site.ru/get_token";
        let login = application(false, &[site], &[]);
        for good in [
            site,
            "http://127.0.0.1:8000/",
            "http://localhost:1/x",
            "http://[::1]/",
        ] {
            assert_eq!(login.redirect_uri(Some(good)).as_deref(), Some(good));
        }
        assert_eq!(login.redirect_uri(None).as_deref(), Some(site));
        for bad in [
            "https://site.ru/get_token/",
            "https://SITE.ru/get_token",
            "https://127.0.0.1/",
            "http://localhost.evil.example/",
            "http://192.168.0.1/",
            " http://127.0.0.1:8000/",
            "http://127.0.0.1:8000/x\r\nX: y",
            "http:127.0.0.1:8000/",
            "http:\\\\127.0.0.1:8000\\",
            "http://2130706433:8000/",
            "http://127.1:8000/",
            "",
        ] {
            assert_eq!(login.redirect_uri(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn an_application_for_api_access_has_the_page_that_shows_a_code_alone() {
        let api = application(true, &[], &[]);
        let page = "http://127.0.0.1:1/verification_code";
        assert_eq!(api.redirect_uri(None).as_deref(), Some(page));
        assert_eq!(api.redirect_uri(Some(page)).as_deref(), Some(page));
        assert_eq!(api.redirect_uri(Some("http://127.0.0.1:8000/")), None);
    }

    #[test]
    fn a_kind_of_application_has_the_scopes_of_its_kind() {
        let login = application(false, &[], &[]);
        let api = application(true, &[], &[]);
        let three = asked("scope=login:info+login:email+direct:api&optional_scope=metrika:read");
        assert!(login.scopes(&three).is_ok());
        assert!(api.scopes(&three).is_err());
        let four = asked("scope=direct:api+metrika:read+cloud_api:disk.read&optional_scope=a:b");
        assert!(login.scopes(&four).is_err());
        assert!(api.scopes(&four).is_ok());
        assert!(api.scopes(&asked("scope=%D1%8F")).is_err());
        let registered = application(false, &[], &["login:info"]);
        assert!(registered.scopes(&asked("scope=login:info")).is_ok());
        assert!(
            registered
                .scopes(&asked("optional_scope=login:email"))
                .is_err()
        );
    }

    #[test]
    fn fewer_scopes_are_told_and_all_of_them_are_not() {
        let login = application(false, &[], &[]);
        let scopes = login
            .scopes(&asked("scope=a:b+a:c&optional_scope=a:d+a:b+a:e"))
            .expect("it is right");
        assert_eq!(scopes.optional, ["a:d", "a:e"]);
        let all = scopes.granted(|_, _| true).expect("it is right");
        assert_eq!(scopes.fewer(&all), None);
        let some = scopes.granted(|at, _| at == 1).expect("it is right");
        assert_eq!(scopes.fewer(&some).as_deref(), Some("a:b a:c a:e"));
        let whatever = login.scopes(&asked("")).expect("it is right");
        let whatever = (
            whatever.granted(|_, _| false).expect("it is right"),
            whatever,
        );
        assert_eq!(whatever.1.fewer(&whatever.0), None);
        let only = login
            .scopes(&asked("optional_scope=a:b"))
            .expect("it is right");
        assert_eq!(only.granted(|_, _| false), None);
    }
}
