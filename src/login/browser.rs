//! Opens a URL in the user's browser, without our secrets, our streams or our
//! process group, and without ever waiting for it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::platform;

/// How long a launcher can still report that it failed.
const WATCH_TIME: Duration = Duration::from_secs(3);
const WATCH_PAUSE: Duration = Duration::from_millis(20);

/// What would open a URL here.
#[derive(Debug)]
pub enum Browser {
    /// To be tried in turn.
    Commands(Vec<Command>),
    /// `BROWSER=none`: the user wants none.
    Unwanted,
    /// None can be opened, and why.
    Impossible(String),
}

impl Browser {
    /// What `BROWSER` specifies, or else the desktop's own.
    pub fn find(url: &str) -> Browser {
        let desktop = ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"];
        if let Some(browser) = set("BROWSER") {
            from_variable(&browser, url)
        } else if set("SSH_CONNECTION").is_some() {
            Browser::Impossible("this is an SSH session".into())
        } else if platform::NEEDS_DISPLAY && !desktop.into_iter().any(|name| set(name).is_some()) {
            Browser::Impossible("there is no display here".into())
        } else {
            Browser::Commands(open::commands(url))
        }
    }
}

/// Tries the commands from a thread of its own; `failed` is called with the
/// reason when none of them opened the URL.
pub fn open(commands: Vec<Command>, failed: impl FnOnce(String) + Send + 'static) {
    thread::spawn(move || {
        let mut last = "no program that opens a URL was found".to_owned();
        for command in commands {
            let name = command.get_program().to_string_lossy().into_owned();
            match run(command) {
                Ok(()) => return,
                Err(why) => last = format!("{name} {why}"),
            }
        }
        failed(last);
    });
}

pub fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// A list of commands, each split at blanks, without a shell.
fn from_variable(value: &OsStr, url: &str) -> Browser {
    let is_file = |path: &Path| path.is_absolute() && path.is_file();
    if is_file(Path::new(value)) {
        let mut command = Command::new(value);
        command.arg(url);
        return Browser::Commands(vec![command]);
    }
    let value = value.to_string_lossy();
    let mut commands = Vec::new();
    let mut why = "$BROWSER has no command in it".to_owned();
    for element in value.split(platform::LIST_SEPARATOR).map(str::trim) {
        if element == "none" && commands.is_empty() {
            return Browser::Unwanted;
        }
        let mut words: Vec<_> = match is_file(Path::new(element)) {
            true => vec![element],
            false => element.split_whitespace().collect(),
        };
        if words.is_empty() {
            continue;
        }
        let program = words.remove(0);
        if is_text_mode(program) {
            why = format!("{program} needs a terminal of its own");
            continue;
        }
        if !words.iter().any(|word| word.contains("%s")) {
            words.push("%s");
        }
        let mut command = Command::new(program);
        command.args(words.iter().map(|word| word.replace("%s", url)));
        commands.push(command);
    }
    match commands.is_empty() {
        true => Browser::Impossible(why),
        false => Browser::Commands(commands),
    }
}

/// Whether it needs a terminal, which a browser that we start does not get.
fn is_text_mode(program: &str) -> bool {
    let name = Path::new(program).file_name().unwrap_or_default();
    let names = "browsh elinks links links2 lynx w3m www-browser";
    names.split(' ').any(|text_mode| name == text_mode)
}

/// Starts a launcher and watches it for as long as it can still fail.
fn run(mut command: Command) -> Result<(), String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for name in platform::SECRET_VARIABLES {
        command.env_remove(name);
    }
    platform::detach(&mut command);
    // explorer.exe ends with 1 where it has opened the page, PowerShell with 0.
    let program = Path::new(command.get_program()).file_name();
    let program = program.unwrap_or_default().to_string_lossy().to_lowercase();
    let is_believed =
        program == "powershell.exe" || (platform::LAUNCHERS_TELL && !program.ends_with(".exe"));
    let child = crate::signals::delivered(|| command.spawn());
    let child = child.map_err(|error| format!("did not start: {error}"))?;
    watch(child, is_believed)
}

fn watch(mut child: Child, is_believed: bool) -> Result<(), String> {
    let until = Instant::now() + WATCH_TIME;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) if !status.success() && is_believed => {
                return Err(format!("ended with {status}"));
            }
            Ok(None) => thread::sleep(WATCH_PAUSE),
            _ => return Ok(()),
        }
    }
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    /// The words of each command that a value stands for.
    fn commands(value: &str) -> Result<Vec<String>, String> {
        match from_variable(OsStr::new(value), "http://u/?a=1") {
            Browser::Commands(commands) => Ok(commands
                .iter()
                .map(|command| {
                    let words = command.get_args().map(|word| word.to_string_lossy());
                    let program = command.get_program().to_string_lossy().into_owned();
                    words.fold(program, |line, word| line + "|" + &word)
                })
                .collect()),
            Browser::Unwanted => Err("unwanted".into()),
            Browser::Impossible(why) => Err(why),
        }
    }

    #[test]
    fn a_value_is_a_list_of_commands_split_at_blanks() {
        for (value, wanted) in [
            ("firefox", &["firefox|http://u/?a=1"][..]),
            ("firefox --new %s x", &["firefox|--new|http://u/?a=1|x"]),
            (
                "a -b:: w3m :c --url=%s",
                &["a|-b|http://u/?a=1", "c|--url=http://u/?a=1"],
            ),
            ("%s", &["%s|http://u/?a=1"]),
            ("/bin/sh", &["/bin/sh|http://u/?a=1"]),
        ] {
            let wanted: Vec<_> = wanted.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(commands(value), Ok(wanted), "{value}");
        }
        for (value, why) in [
            ("none", "unwanted"),
            (" : ", "$BROWSER has no command in it"),
            ("/usr/bin/lynx", "/usr/bin/lynx needs a terminal of its own"),
        ] {
            assert_eq!(commands(value), Err(why.to_owned()), "{value}");
        }
    }
}
