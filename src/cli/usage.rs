//! Errors of the command line, in clap's form: without a value that could be a
//! secret, and with a tip where another program's word is typed.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::output::sanitize;

/// What people type out of habit, and what to write instead.
const HABITS: [(&str, &str); 7] = [
    (
        "whoami",
        "`yandex-token status --online` shows whose token is saved",
    ),
    (
        "auth",
        "run `yandex-token login` to log in, `yandex-token status` to list the saved tokens",
    ),
    ("--json", "use --format json"),
    (
        "--port",
        "use --redirect-uri http://127.0.0.1:PORT/ (sandbox: --listen 127.0.0.1:PORT)",
    ),
    (
        "--client-secret",
        "other users can see a program's arguments: use --client-secret-file FILE (- is \
         standard input), or set YANDEX_CLIENT_SECRET",
    ),
    (
        "--token",
        "no option takes a token: get and save one with `yandex-token login --save`",
    ),
    (
        "--refresh-token",
        "set YANDEX_REFRESH_TOKEN, and run `yandex-token refresh`",
    ),
];

/// Stands for a value that is not repeated: a secret, a URL with a password,
/// or a screenful.
const HIDDEN: &str = "...";

pub fn explain(mut error: Error) -> Error {
    let context = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::ValueValidation | ErrorKind::TooManyValues => ContextKind::InvalidValue,
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(context).cloned() else {
        return error;
    };
    let habit = HABITS.iter().find(|(typed, _)| *typed == word);
    let is_similar = error.get(ContextKind::SuggestedSubcommand).is_some();
    let is_shown = context != ContextKind::InvalidValue
        && (habit.is_some() || is_similar || word.starts_with('-'));
    let shown = if is_shown { &word } else { HIDDEN };
    error.insert(context, ContextValue::String(sanitize(shown)));
    let usage = error.get(ContextKind::Usage).map(ToString::to_string);
    let takes_program = usage.is_some_and(|usage| usage.contains("-- <"));
    let tip = match habit {
        Some((_, tip)) => tip,
        None if !is_shown && takes_program => "put `--` before the program",
        None => return error,
    };
    for kind in [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::Usage,
    ] {
        error.remove(kind);
    }
    let tip = ContextValue::StyledStrs(vec![tip.into()]);
    error.insert(ContextKind::Suggested, tip);
    error
}
