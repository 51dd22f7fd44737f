//! What a person is shown before and while a login waits for them.

use std::env;
use std::time::Duration;

use url::Url;

use crate::commands::sandbox::IN_SANDBOX;
use crate::login::browser::{self, Browser};
use crate::login::device::clock;
use crate::login::paste;
use crate::login::redirect_uri::RedirectUri;
use crate::oauth::response::DeviceCode;
use crate::output;

pub fn loopback(url: &Url, redirect_uri: &RedirectUri, browser: &Browser, is_sandbox: bool) {
    let is_ssh = browser::set("SSH_CONNECTION").is_some();
    match redirect_uri.is_loopback() {
        true => link(invitation(browser), url),
        false => link(
            "Open this start link in the browser that you log in with:",
            url,
        ),
    }
    match browser {
        Browser::Impossible(why) if is_sandbox => return sandbox_user(why),
        Browser::Impossible(why) if !is_ssh => no_browser(why),
        _ => {}
    }
    // There it need not be registered.
    if is_sandbox || env::var_os(IN_SANDBOX).is_some() {
        return output::info("Waiting for the redirect.");
    }
    if is_ssh && redirect_uri.is_loopback() {
        let line = format!("    {}", ssh_line(redirect_uri));
        let first = "This is an SSH session. First run this on the machine with the browser:";
        for line in [first, "", &line, ""] {
            output::info(line);
        }
        if paste::can_ask() {
            output::info(
                "Or log in without it. The browser will fail to load the last page: paste",
            );
            output::info("the address of that page here.");
        }
    }
    output::info(&format!(
        "Waiting for the redirect to {} (a registered Redirect URI).",
        redirect_uri.as_str()
    ));
}

pub fn paste(url: &Url, browser: &Browser, is_sandbox: bool) {
    link(invitation(browser), url);
    match browser {
        Browser::Impossible(why) if is_sandbox => return sandbox_user(why),
        Browser::Impossible(why) => no_browser(why),
        _ => {}
    }
    output::info("Then copy the code that Yandex shows.");
}

pub fn device(code: &DeviceCode, timeout: Duration) {
    output::prompt("Open this page on any device, and enter the code:");
    output::prompt("");
    output::url(code.verification_url.as_str());
    output::prompt("");
    output::user_code(&code.user_code);
    output::prompt("");
    output::info(&match timeout < code.expires_in {
        true => format!("Waiting {} for you to enter it.", clock(timeout)),
        false => format!(
            "The code is valid for {}. Waiting for you to enter it.",
            clock(code.expires_in)
        ),
    });
}

/// The first line of a login, before its URL.
fn invitation(browser: &Browser) -> &'static str {
    match browser {
        Browser::Commands(_) => "Opening your browser to log in. If it does not open, visit:",
        Browser::Unwanted | Browser::Impossible(_) => "Open this URL in a browser to log in:",
    }
}

fn link(invitation: &str, url: &Url) {
    output::info(invitation);
    output::info("");
    output::url(url.as_str());
    output::info("");
}

pub fn no_browser(why: &str) {
    output::warn(&format!(
        "no browser could be opened ({why}): open the URL yourself"
    ));
}

pub fn sandbox_user(why: &str) {
    output::info(&format!("No browser ({why}): the sandbox plays the user."));
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
