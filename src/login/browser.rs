//! Opens a URL in the user's browser, without our secrets, our streams or our
//! process group, and without ever waiting for it.

use std::env;
use std::ffi::OsString;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::platform;

/// How long a launcher can still say that it failed.
const WATCH_TIME: Duration = Duration::from_secs(3);
const WATCH_PAUSE: Duration = Duration::from_millis(20);

/// Variables of ours that no other program needs.
pub const SECRET_VARIABLES: [&str; 2] = ["YANDEX_CLIENT_SECRET", "YANDEX_REFRESH_TOKEN"];

/// Opens the URL from a thread of its own; `failed` is told why when nothing
/// could be opened.
pub fn open(url: &str, failed: impl FnOnce(String) + Send + 'static) {
    let url = url.to_owned();
    thread::spawn(move || {
        if let Err(why) = launch(&url) {
            failed(why);
        }
    });
}

fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Why no browser can be opened here at all.
fn impossible() -> Option<&'static str> {
    let desktop = [
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "WSL_DISTRO_NAME",
        "WSL_INTEROP",
    ];
    if set("BROWSER").is_some() {
        None
    } else if set("SSH_CONNECTION").is_some() {
        Some("this is an SSH session")
    } else if platform::NEEDS_DISPLAY && !desktop.into_iter().any(|name| set(name).is_some()) {
        Some("there is no display here")
    } else {
        None
    }
}

fn launch(url: &str) -> Result<(), String> {
    if let Some(why) = impossible() {
        return Err(why.into());
    }
    if let Some(browser) = set("BROWSER") {
        let mut command = Command::new(&browser);
        command.arg(url);
        let name = browser.to_string_lossy();
        return run(command).map_err(|why| format!("$BROWSER ({name}) {why}"));
    }
    let mut last = "no program that opens a URL was found".to_owned();
    for command in open::commands(url) {
        let name = command.get_program().to_string_lossy().into_owned();
        match run(command) {
            Ok(()) => return Ok(()),
            Err(why) => last = format!("{name} {why}"),
        }
    }
    Err(last)
}

/// Starts a launcher and watches it for as long as it can still fail.
fn run(mut command: Command) -> Result<(), String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    platform::detach(&mut command);
    let child = crate::signals::delivered(|| command.spawn());
    watch(child.map_err(|error| format!("could not be started ({error})"))?)
}

fn watch(mut child: Child) -> Result<(), String> {
    let until = Instant::now() + WATCH_TIME;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) if !status.success() && platform::LAUNCHERS_TELL => {
                return Err(format!("ended with {status}"));
            }
            Ok(None) => thread::sleep(WATCH_PAUSE),
            _ => return Ok(()),
        }
    }
    Ok(())
}
