//! `completions`: a script for each shell, and what that script asks at every
//! Tab. The scripts only pass words on and show what comes back, so that all
//! shells know the same, from the same source as `--help`.
//!
//! An answer is one candidate a line; or a line that leaves the rest to the
//! shell: `:files`, or `:program N` where word N is a program of its own. No
//! candidate begins with a colon. Nothing is ever said on standard error, and
//! no token file is opened.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint};

use crate::cli::{self, Cli, Shell};
use crate::error::Error;
use crate::{output, store};

pub fn run(options: cli::Completions) -> Result<ExitCode, Error> {
    let text = match options.words.is_empty() {
        true => script(options.shell).to_owned(),
        false => answer(options.shell, &words(options.shell, options.words)),
    };
    output::result(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("completions/yandex-token.bash"),
        Shell::Zsh => include_str!("completions/_yandex-token"),
        Shell::Fish => include_str!("completions/yandex-token.fish"),
        Shell::Powershell => include_str!("completions/yandex-token.ps1"),
        Shell::Elvish => include_str!("completions/yandex-token.elv"),
    }
}

/// PowerShell before 7.3 drops an empty argument, so its script puts a colon
/// before the unfinished word.
fn words(shell: Shell, words: Vec<OsString>) -> Vec<String> {
    let mut words: Vec<_> = words
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if shell == Shell::Powershell
        && let Some(last) = words.last_mut()
    {
        *last = last.strip_prefix(':').unwrap_or(last).to_owned();
    }
    words
}

fn answer(shell: Shell, words: &[String]) -> String {
    let mut root = Cli::command();
    root.build();
    let Some((unfinished, before)) = words.split_last() else {
        return String::new();
    };
    let candidates = match Line::read(&root, before) {
        Line::Value(option) => values(option, ""),
        Line::Program(at) => return format!(":program {at}\n"),
        Line::Open { command, given } => match unfinished.split_once('=') {
            Some((name, _)) => match long_option(command, name) {
                Some(option) => values(option, &format!("{name}=")),
                None => Vec::new(),
            },
            None => open(command, &given, unfinished),
        },
    };
    candidates
        .iter()
        .filter(|candidate| candidate.text.starts_with(unfinished.as_str()) || candidate.is_order())
        .map(|candidate| candidate.line(shell))
        .collect()
}

/// Where the words before the unfinished one have led.
enum Line<'a> {
    /// The unfinished word is the value of this option.
    Value(&'a Arg),
    /// The words from this one on, counted from 0, are a program's.
    Program(usize),
    /// It may be an option, a command, or an argument.
    Open {
        command: &'a Command,
        given: Vec<&'a Arg>,
    },
}

impl<'a> Line<'a> {
    fn read(root: &'a Command, before: &[String]) -> Line<'a> {
        let mut command = root;
        let mut given = Vec::new();
        let mut value_of = None;
        for (at, word) in before.iter().enumerate() {
            if value_of.take().is_some() {
                continue;
            }
            if word == "--" && program(command).is_some() {
                return Line::Program(at + 1);
            }
            let (option, has_value) = match word.split_once('=') {
                Some((name, _)) => (long_option(command, name), true),
                None => (option(command, word), false),
            };
            if let Some(option) = option {
                given.push(option);
                let wants_value = option.get_action().takes_values() && !has_value;
                value_of = wants_value.then_some(option);
            } else if let Some(found) = command.find_subcommand(word) {
                command = found;
            } else if let Some(argument) = command.get_positionals().next() {
                given.push(argument);
            }
        }
        match value_of {
            Some(option) => Line::Value(option),
            None => Line::Open { command, given },
        }
    }
}

fn long_option<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let name = word.strip_prefix("--")?;
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(name))
}

/// The option that a word is; of short ones in a row, the last.
fn option<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    long_option(command, word).or_else(|| {
        let short = word.strip_prefix('-')?.chars().last();
        let mut arguments = command.get_arguments();
        arguments.find(|arg| short.is_some() && arg.get_short() == short)
    })
}

/// What stands behind a `--`.
fn program(command: &Command) -> Option<&Arg> {
    command.get_positionals().find(|arg| arg.is_last_set())
}

/// Commands or arguments; options where an option is begun, or where there is
/// nothing else.
fn open(command: &Command, given: &[&Arg], unfinished: &str) -> Vec<Candidate> {
    let mut found: Vec<_> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .map(|sub| Candidate::new(sub.get_name(), sub.get_about()))
        .collect();
    let argument = command
        .get_positionals()
        .find(|arg| !given.contains(arg) && !arg.is_last_set());
    if let Some(argument) = argument {
        found.extend(values(argument, ""));
    }
    if unfinished.starts_with('-') || found.is_empty() {
        let repeatable = |arg: &Arg| matches!(arg.get_action(), ArgAction::Append);
        found = command
            .get_arguments()
            .filter(|arg| !given.contains(arg) || repeatable(arg))
            .filter_map(|arg| Some((format!("--{}", arg.get_long()?), arg)))
            .map(|(name, arg)| Candidate::new(&name, arg.get_help()))
            .collect();
        found.extend(program(command).map(|arg| Candidate::new("--", arg.get_help())));
    }
    found
}

/// What an option can be given, behind this prefix.
fn values(option: &Arg, prefix: &str) -> Vec<Candidate> {
    if option.get_id() == "profile" {
        let names = store::profiles().unwrap_or_default();
        return names
            .iter()
            .map(|name| Candidate::new(&format!("{prefix}{name}"), None))
            .collect();
    }
    if option.get_value_hint() == ValueHint::AnyPath {
        return vec![Candidate::new(":files", None)];
    }
    option
        .get_possible_values()
        .iter()
        .map(|value| Candidate::new(&format!("{prefix}{}", value.get_name()), value.get_help()))
        .collect()
}

struct Candidate {
    text: String,
    /// What the word means, in a few words; empty where that is plain.
    about: String,
}

impl Candidate {
    fn new(text: &str, help: Option<&clap::builder::StyledStr>) -> Candidate {
        let help = help.map(ToString::to_string).unwrap_or_default();
        let help = help.replace('\n', " ");
        let end = [". ", "; ", " ["]
            .iter()
            .filter_map(|end| help.find(end))
            .min();
        Candidate {
            text: text.to_owned(),
            about: help[..end.unwrap_or(help.len())].to_owned(),
        }
    }

    /// An order to the shell, not a word.
    fn is_order(&self) -> bool {
        self.text.starts_with(':')
    }

    fn line(&self, shell: Shell) -> String {
        let Candidate { text, about } = self;
        match shell {
            _ if about.is_empty() && shell != Shell::Zsh || self.is_order() => format!("{text}\n"),
            Shell::Bash => format!("{text}\n"),
            Shell::Zsh => format!("{}:{about}\n", text.replace(':', "\\:")),
            Shell::Fish | Shell::Powershell | Shell::Elvish => format!("{text}\t{about}\n"),
        }
    }
}
