//! What a person is told before and while a login waits for them.

use std::env;

use url::Url;

use crate::login::paste;
use crate::login::redirect_uri::RedirectUri;
use crate::output;

pub fn loopback(url: &Url, redirect_uri: &RedirectUri, is_sandbox: bool) {
    output::info("The application must have this Redirect URI registered, to the letter:");
    output::info("");
    output::info(&format!("    {}", redirect_uri.as_str()));
    output::info("");
    if !redirect_uri.is_loopback() {
        return link(
            "Open this start link, in the browser that is to log in:",
            url,
        );
    }
    link("Log in here:", url);
    let is_ssh = env::var_os("SSH_CONNECTION").is_some_and(|value| !value.is_empty());
    if is_ssh && !is_sandbox {
        output::info(
            "This is an SSH session. For a browser on the machine that you sit at, run there",
        );
        output::info("");
        output::info(&format!("    {}", ssh_line(redirect_uri)));
        output::info("");
        if paste::can_ask() {
            output::info("or paste here the address that the browser ends up at.");
        }
    }
}

pub fn paste(url: &Url) {
    link("Log in here, and copy the code that Yandex shows:", url);
}

fn link(invitation: &str, url: &Url) {
    output::info(invitation);
    output::info("");
    output::prompt(&format!("    {url}"));
    output::info("");
}

/// Two lines: what to do now, and what to do instead.
pub fn no_browser(why: &str, redirect_uri: &RedirectUri) {
    if !redirect_uri.is_loopback() {
        return open_yourself(why);
    }
    let now = match paste::can_ask() {
        true => "open the URL anywhere, and paste here the address it ends up at".to_owned(),
        false => format!(
            "run `{}` where a browser is, and open the URL there",
            ssh_line(redirect_uri)
        ),
    };
    output::warn(&format!("no browser could be opened ({why}): {now}."));
    output::info(
        "That is for an application \"for user login\"; one \"for API access\" logs in with \
         --device or --paste.",
    );
}

pub fn open_yourself(why: &str) {
    output::warn(&format!(
        "no browser could be opened ({why}): open the URL above yourself"
    ));
}

/// The command that brings a browser's redirect to this machine.
fn ssh_line(redirect_uri: &RedirectUri) -> String {
    let (host, port) = (redirect_uri.host(), redirect_uri.port());
    // "client port server port", by sshd.
    let connection = env::var("SSH_CONNECTION").unwrap_or_default();
    let mut parts = connection.split(' ').skip(2);
    let server = parts.next().unwrap_or("THIS-HOST");
    let ssh_port = match parts.next() {
        Some(port) if port != "22" => format!(" -p {port}"),
        _ => String::new(),
    };
    let user = env::var("USER").map_or_else(|_| String::new(), |user| format!("{user}@"));
    format!("ssh -N -L {port}:{host}:{port}{ssh_port} {user}{server}")
}
