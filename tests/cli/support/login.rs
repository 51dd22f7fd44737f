//! A login that the test takes part in: what it is given, and how it ends.

use std::process::Command;

use super::browser::answer;
#[cfg(unix)]
use super::files::script;
use super::server::Server;
use super::{Finished, Running};
#[cfg(unix)]
use super::{Home, run};

pub const TOKEN: &str = "y0_AgAAAAABcd-ef.gh~ij+kl/mn=";

pub const ANSWER: &str = r#"{"access_token": "y0_AgAAAAABcd-ef.gh~ij+kl/mn=", "expires_in": 3600, "refresh_token": "1:r3fr3sh:x:y", "scope": "login:info", "token_type": "bearer"}"#;

/// The arguments of a login at this server, whose browser is the test.
pub fn login<'a>(server: &'a Server, options: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = with_browser(server, options);
    arguments.push("--no-browser");
    arguments
}

/// The arguments of a login that opens `$BROWSER`.
pub fn with_browser<'a>(server: &'a Server, options: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["login", "--client-id", "app"];
    arguments.extend(["--redirect-uri", "http://127.0.0.1:0/"]);
    arguments.extend(["--oauth-url", &server.origin]);
    arguments.extend(options);
    arguments
}

/// Runs a login and answers it with a code.
#[track_caller]
pub fn complete(mut command: Command) -> Finished {
    let mut running = Running::start(&mut command);
    answer(&running.url(), &[("code", "1234567")]);
    running.finish()
}

/// A browser that only tells that it was opened, through a file or a FIFO.
#[cfg(unix)]
pub fn browser(home: &Home) -> std::path::PathBuf {
    let told = home.path().join("opened");
    script(home, &format!("echo yes >'{}'", told.display()))
}

/// Runs a login that has to fail with 8 before a browser opens.
#[cfg(unix)]
#[track_caller]
pub fn refused(home: &Home, mut command: Command, says: &str) -> Finished {
    command.env("BROWSER", browser(home));
    let done = run(command);
    done.fails(8, says);
    assert!(!done.stderr.contains("/authorize"), "{done:#?}");
    assert!(!home.path().join("opened").exists(), "a browser was opened");
    let left = home.files();
    assert!(
        !left.iter().any(|name| name.ends_with("out.tmp")),
        "{left:?}"
    );
    done
}
