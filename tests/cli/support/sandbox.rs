//! A sandbox that is being served, and a person who presses its buttons.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use url::Url;
use url::form_urlencoded::{self, Serializer};

use super::browser::{Reply, address, get, parameter, request};
use super::{Finished, Home, Running};

pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

pub const REDIRECT_URI: &str = "http://127.0.0.1:8000/";

/// The credentials of the application. In every form, `$ID` and `$SECRET`
/// stand for its own.
pub const OWN: &str = "client_id=$ID&client_secret=$SECRET";

/// A value in a form or a query.
pub fn encoded(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// A sandbox that is being served.
pub struct Served {
    pub running: Running,
    pub origin: String,
    pub client_id: String,
    pub client_secret: String,
    _home: Home,
}

impl Served {
    pub fn start(options: &[&str]) -> Served {
        let home = Home::new();
        let mut command = home.command(&["sandbox"]);
        command.args(options);
        Served::run(home, command)
    }

    pub fn run(home: Home, mut command: Command) -> Served {
        let mut running = Running::start(&mut command);
        let [origin, client_id, client_secret] = running.sandbox_lines();
        Served {
            running,
            origin,
            client_id,
            client_secret,
            _home: home,
        }
    }

    /// One whose user allows everything.
    pub fn allowing(options: &[&str]) -> Served {
        Served::start(&[&["--consent", "allow"], options].concat())
    }

    /// Ends it.
    pub fn end(mut self) -> Finished {
        self.running.child.kill().unwrap();
        self.running.finish()
    }

    pub fn address(&self) -> SocketAddr {
        address(&self.origin)
    }

    /// One request to this server.
    pub fn request(&self, method: &str, target: &str, headers: &str, form: &str) -> Reply {
        let form = form.replace("$ID", &self.client_id);
        let form = form.replace("$SECRET", &self.client_secret);
        let url = format!("{}{target}", self.origin);
        request(method, &url, headers, &form)
    }

    pub fn get(&self, target: &str) -> Reply {
        self.request("GET", target, "", "")
    }

    pub fn post(&self, target: &str, form: &str) -> Reply {
        self.request("POST", target, FORM, form)
    }

    /// An authorize URL; these parameters replace or go beside the usual ones,
    /// and an empty one leaves out what has its name.
    pub fn authorize(&self, parameters: &str) -> String {
        let given: Vec<_> = form_urlencoded::parse(parameters.as_bytes()).collect();
        let usual = [
            ("response_type", "code"),
            ("client_id", &*self.client_id),
            ("redirect_uri", REDIRECT_URI),
            ("state", "st-1"),
        ];
        let is_given = |name: &str| given.iter().any(|(other, _)| other == name);
        let usual = usual.iter().filter(|(name, _)| !is_given(name));
        let mut url = Url::parse(&self.origin).unwrap().join("authorize").unwrap();
        url.query_pairs_mut()
            .extend_pairs(usual)
            .extend_pairs(given.iter().filter(|(_, value)| !value.is_empty()));
        url.to_string()
    }

    /// The answer to an authorization request.
    pub fn ask(&self, parameters: &str) -> Reply {
        get(&self.authorize(parameters))
    }

    /// The code of a user who allows everything.
    #[track_caller]
    pub fn code(&self, parameters: &str) -> String {
        parameter(&redirected(&self.ask(parameters)), "code").unwrap()
    }

    /// What the token endpoint gives for the code of such a redirect.
    #[track_caller]
    pub fn exchanged(&self, redirect: &Reply) -> Value {
        let code = parameter(&redirected(redirect), "code").unwrap();
        let form = format!("grant_type=authorization_code&code={code}&{OWN}");
        json(200, &self.post("/token", &form))
    }

    /// A token that was asked for with these parameters.
    #[track_caller]
    pub fn token(&self, parameters: &str) -> Value {
        self.exchanged(&self.ask(parameters))
    }

    pub fn refresh(&self, token: &Value) -> Reply {
        let refresh_token = encoded(text(&token["refresh_token"]));
        let form = format!("grant_type=refresh_token&refresh_token={refresh_token}&{OWN}");
        self.post("/token", &form)
    }

    /// User info for this `Authorization`.
    pub fn info(&self, authorization: &str) -> Reply {
        let header = format!("Authorization: {authorization}\r\n");
        self.request("GET", "/info?format=json", &header, "")
    }

    /// The user behind a token.
    #[track_caller]
    pub fn user(&self, token: &Value) -> Value {
        let authorization = format!("OAuth {}", text(&token["access_token"]));
        json(200, &self.info(&authorization))
    }

    /// Presses a button of a consent page by its label.
    #[track_caller]
    pub fn press(&self, page: &str, label: &str) -> Reply {
        self.press_without(page, label, &[])
    }

    /// Unticks these boxes, and presses a button.
    #[track_caller]
    pub fn press_without(&self, page: &str, label: &str, unticked: &[&str]) -> Reply {
        let (action, mut fields) = form_behind(page, label);
        for name in unticked {
            let before = fields.len();
            fields.retain(|(other, _)| other != name);
            assert_eq!(fields.len(), before - 1, "{name}: {page}");
        }
        let action = Url::parse(&self.origin).unwrap().join(&action).unwrap();
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        request("POST", action.as_str(), FORM, &body)
    }
}

/// Where a page's form goes, and with which fields, when a button is pressed.
#[track_caller]
fn form_behind(page: &str, label: &str) -> (String, Vec<(String, String)>) {
    let (_, form) = page.split_once("<form").expect("a form");
    let (form, _) = form.split_once("</form>").unwrap();
    let (head, inside) = form.split_once('>').unwrap();
    assert_eq!(attribute(head, "method").as_deref(), Some("post"));
    let mut fields = Vec::new();
    for tag in inside.split('<') {
        let (tag, text) = tag.split_once('>').unwrap_or((tag, ""));
        let input = tag.starts_with("input ").then(|| attribute(tag, "type"));
        let input = input.flatten().unwrap_or_default();
        let hidden = input == "hidden" || input == "checkbox" && tag.contains(" checked");
        let pressed = tag.starts_with("button") && text.trim() == label;
        if hidden || pressed {
            fields.push((
                attribute(tag, "name").unwrap(),
                attribute(tag, "value").unwrap(),
            ));
        }
    }
    let named = |wanted: &str| fields.iter().any(|(name, _)| name == wanted);
    assert!(named("request") && named("decision"), "{label:?}: {page}");
    (attribute(head, "action").unwrap(), fields)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(rest.split('"').next()?.to_owned())
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The JSON of an answer with this status.
#[track_caller]
pub fn json(status: u16, reply: &Reply) -> Value {
    assert_eq!(reply.status, status, "{reply:#?}");
    let kind = reply.header("Content-Type");
    assert_eq!(kind, Some("application/json"), "{reply:#?}");
    assert_eq!(reply.header("Cache-Control"), Some("no-store"));
    serde_json::from_str(&reply.body).unwrap()
}

/// Checks that an answer is this error and no token.
#[track_caller]
pub fn refused(reply: &Reply, error: &str) -> Value {
    let body = json(400, reply);
    assert_eq!(body["error"], error, "{reply:#?}");
    assert_eq!(body.get("access_token"), None);
    body
}

/// The address that an answer redirects to.
#[track_caller]
pub fn redirected(reply: &Reply) -> String {
    assert_eq!(reply.status, 302, "{reply:#?}");
    reply.header("Location").unwrap().to_owned()
}

/// Checks that an answer is a page about this and leads nowhere.
#[track_caller]
pub fn refused_with_a_page(reply: &Reply, says: &str) {
    assert_eq!(reply.status, 400, "{reply:#?}");
    assert_eq!(reply.header("Location"), None);
    let kind = reply.header("Content-Type").unwrap();
    assert_eq!(kind, "text/html; charset=utf-8");
    assert!(reply.body.contains(says), "{says:?}: {reply:#?}");
}
