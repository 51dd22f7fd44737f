//! `completions`: prints a shell's script, and answers it at every Tab. The
//! engine is clap_complete's; the names of saved tokens are ours.

use std::env;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_complete::env::{CompleteEnv, Shells};

use crate::cli::{self, Cli};
use crate::error::{Error, Kind};
use crate::output;

/// What the scripts set when they ask; its value is the shell.
const VARIABLE: &str = "_YANDEX_TOKEN_COMPLETE";
const NAME: &str = "yandex-token";

/// As a file in zsh's fpath the script is the function that answers, too.
const AUTOLOAD: &[u8] = b"\
[[ $funcstack[1] == _yandex-token ]] && _clap_dynamic_completer_yandex_token \"$@\"\n";

pub fn run(options: cli::Completions) -> Result<(), Error> {
    let failed = |why: String| Error::new(Kind::Other, "printing the script", why);
    let shells = Shells::builtins();
    let mut script = Vec::new();
    shells
        .completer(&options.shell.to_string())
        .ok_or_else(|| failed("unknown shell".into()))?
        .write_registration(VARIABLE, NAME, NAME, NAME, &mut script)
        .map_err(|error| failed(error.to_string()))?;
    if options.shell == Shell::Zsh {
        script.extend_from_slice(AUTOLOAD);
    }
    output::result(&String::from_utf8_lossy(&script))
}

/// The answer to a script, if it is one that asks. A failure is no candidates,
/// silently: it would be printed into the line that somebody is typing.
pub fn answer() -> Option<ExitCode> {
    env::var_os(VARIABLE)?;
    let asked = CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .bin(NAME)
        .completer(NAME)
        .try_complete(env::args_os(), env::current_dir().ok().as_deref());
    match asked {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        Err(_) => Some(ExitCode::FAILURE),
    }
}
