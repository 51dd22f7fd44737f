//! The one application that the sandbox knows, and what it may ask for.

use url::Url;

use super::Options;
use super::parameters::Parameters;
use crate::http::is_loopback_name;

/// An application "for user login" may have scopes of so many groups.
const MAX_GROUPS: usize = 3;

/// What a request asks for, its scopes sorted. With no scopes, all that the
/// application has.
#[derive(Clone)]
pub struct Access {
    pub required: Vec<String>,
    /// The user can untick these.
    pub optional: Vec<String>,
    device_id: Option<String>,
}

/// What the user allows.
#[derive(Clone, Default)]
pub struct Grant {
    /// Sorted; empty for all that the application has.
    pub scopes: Vec<String>,
    /// Whether that is less than what was asked for.
    pub is_reduced: bool,
    pub device_id: Option<String>,
}

impl Options {
    /// The URI to redirect to: the one asked for, if it is registered exactly
    /// so; with none asked for, the first registered.
    pub fn redirect_uri(&self, asked: Option<&str>, origin: &str) -> Option<Url> {
        let shows_code = format!("{origin}/verification_code");
        let uri = match asked {
            None => self.redirect_uris.first().unwrap_or(&shows_code),
            Some(asked) => asked,
        };
        let is_registered = match self.is_for_api {
            true => uri == shows_code,
            false => asked.is_none() || self.redirect_uris.iter().any(|other| other == uri),
        };
        let url = Url::parse(uri).ok()?;
        (is_registered || !self.is_for_api && is_loopback(&url)).then_some(url)
    }

    /// What a request asks for.
    ///
    /// # Errors
    /// Why the application can't have it.
    pub fn access(&self, parameters: &Parameters) -> Result<Access, &'static str> {
        let words = |name| {
            let text = parameters.get(name).unwrap_or_default().split(' ');
            let mut words: Vec<_> = text.filter(|word| !word.is_empty()).collect();
            words.sort_unstable();
            words.dedup();
            words.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let (required, mut optional) = (words("scope"), words("optional_scope"));
        optional.retain(|scope| !required.contains(scope));
        let asked = [&required[..], &optional].concat();
        if !asked.iter().all(|scope| is_scope(scope)) {
            return Err("a scope is group:name, and scopes are separated by spaces");
        }
        if !self.scopes.is_empty() && !asked.iter().all(|scope| self.scopes.contains(scope)) {
            return Err("the application does not have one of these scopes");
        }
        can_be_registered(&asked, self.is_for_api)?;
        Ok(Access {
            required,
            optional,
            device_id: parameters.get("device_id").map(str::to_owned),
        })
    }

    /// Whether it may ask for a token of this user.
    pub fn serves(&self, user: &str) -> bool {
        let mut users = self.service_users.iter();
        self.service_users.is_empty() || users.any(|other| other.eq_ignore_ascii_case(user))
    }

    /// Whether user info includes what this scope covers.
    pub fn covers(&self, grant: &Grant, scope: &str) -> bool {
        let granted = match grant.scopes.is_empty() {
            true => &self.scopes,
            false => &grant.scopes,
        };
        granted.iter().any(|granted| granted == scope) || granted.is_empty() && !self.is_for_api
    }
}

/// Whether an application of this kind can have these scopes.
pub fn can_be_registered(scopes: &[String], is_for_api: bool) -> Result<(), &'static str> {
    let groups = scopes.iter().filter_map(|scope| scope.split(':').next());
    let mut groups: Vec<_> = groups.collect();
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

impl Access {
    /// What is granted where the user leaves these of the optional scopes; None
    /// where nothing is left.
    pub fn grant(&self, left: impl Fn(usize) -> bool) -> Option<Grant> {
        let optional = self.optional.iter().enumerate();
        let optional = optional.filter(|(at, _)| left(*at)).map(|(_, scope)| scope);
        let mut scopes: Vec<_> = self.required.iter().chain(optional).cloned().collect();
        scopes.sort();
        let asked = self.required.len() + self.optional.len();
        (asked == 0 || !scopes.is_empty()).then_some(Grant {
            is_reduced: scopes.len() < asked,
            scopes,
            device_id: self.device_id.clone(),
        })
    }
}

/// RFC 6749, 3.3, and Yandex's own form: a group, a colon and a name.
fn is_scope(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && !b"\"\\,".contains(&b);
    let parts = text.split_once(':');
    text.bytes().all(is_plain) && parts.is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
}

/// `http` on this machine, which the sandbox takes as registered.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "http" && url.fragment().is_none() && is_loopback_name(host)
}
