//! `man`: the manual pages, from the same source as `--help`: what is said
//! there of a command and its options is said here, and what only a manual
//! has room for is in [`facts`].

mod facts;
mod roff;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory};

use crate::cli::{self, Cli};
use crate::error::Error;
use crate::output;
use roff::Page;

pub fn run(options: cli::Man) -> Result<ExitCode, Error> {
    let mut root = Cli::command();
    root.build();
    let name = options.command.as_deref();
    let usage = match name.and_then(|name| root.find_subcommand_mut(name)) {
        Some(command) => command.render_usage(),
        None => root.render_usage(),
    };
    let usage = usage.to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let page = match name.and_then(|name| root.find_subcommand(name)) {
        Some(command) => page_of_command(&root, command, usage),
        None => page_of_tool(&root, usage),
    };
    output::result(&page.into_text())?;
    if std::io::stdout().is_terminal() {
        let command = name.map(|name| format!(" {name}")).unwrap_or_default();
        output::info(&format!(
            "This is roff. To read it: yandex-token man{command} | man -l -"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn page_of_tool(root: &Command, usage: &str) -> Page {
    let mut page = start(root, "yandex-token", usage);
    page.paragraph(facts::DESCRIPTION);
    page.section("COMMANDS");
    for command in listed(root) {
        let name = format!("yandex-token-{}(1)", command.get_name());
        page.item(&roff::reference(&name), &roff::sentence(&about(command)));
    }
    options(&mut page, root);
    page.section("EXIT STATUS");
    for (status, when) in facts::EXIT_STATUS {
        page.item(&roff::bold(status), when);
    }
    page.section("ENVIRONMENT");
    page.paragraph("An option beats its variable. An empty variable counts as unset.");
    for (name, text, _) in facts::VARIABLES {
        page.item(&roff::bold(name), text);
    }
    page.section("FILES");
    for (path, text) in facts::FILES {
        page.item(&roff::italic(path), text);
    }
    examples(&mut page, root);
    see_also(&mut page, root, None);
    page
}

fn page_of_command(root: &Command, command: &Command, usage: &str) -> Page {
    let mut page = start(
        command,
        &format!("yandex-token-{}", command.get_name()),
        usage,
    );
    for text in description(command) {
        page.paragraph(&text);
    }
    options(&mut page, command);
    page.section("EXIT STATUS");
    page.paragraph(facts::exit_status(command.get_name()));
    let variables: Vec<_> = facts::VARIABLES
        .iter()
        .filter(|(name, _, options)| {
            let reads = |arg: &Arg| options.contains(&arg.get_id().as_str());
            command.get_arguments().any(reads) || said(command).contains(name)
        })
        .collect();
    if !variables.is_empty() {
        page.section("ENVIRONMENT");
        for (name, text, _) in variables {
            page.item(&roff::bold(name), text);
        }
    }
    if command.get_arguments().any(|arg| arg.get_id() == "profile") {
        page.section("FILES");
        let (path, text) = facts::FILES[0];
        page.item(&roff::italic(path), text);
    }
    examples(&mut page, command);
    see_also(&mut page, root, Some(command));
    page
}

fn start(command: &Command, name: &str, usage: &str) -> Page {
    let mut page = Page::start(name, facts::DATE, env!("CARGO_PKG_VERSION"));
    page.section("NAME");
    let about = about(command);
    let mut letters = about.chars();
    let first = letters.next().map(|c| c.to_lowercase().to_string());
    page.filled(&format!(
        "{} \\- {}",
        roff::escape(name),
        roff::escape(&format!(
            "{}{}",
            first.unwrap_or_default(),
            letters.as_str()
        ))
    ));
    page.section("SYNOPSIS");
    page.synopsis(usage);
    page.section("DESCRIPTION");
    page
}

/// The commands that have a page.
fn listed(root: &Command) -> impl Iterator<Item = &Command> {
    root.get_subcommands()
        .filter(|sub| sub.get_name() != "help")
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// All the running text of a command's help.
fn said(command: &Command) -> String {
    let long = command.get_long_about().map(ToString::to_string);
    let after = command.get_after_help().map(ToString::to_string);
    [long, after].into_iter().flatten().collect()
}

/// What the help says before its options, and the remarks behind its examples.
fn description(command: &Command) -> Vec<String> {
    let about = match command.get_long_about().or(command.get_about()) {
        Some(text) => text.to_string(),
        None => String::new(),
    };
    let about = about.split("\n\n").enumerate().map(|(at, text)| match at {
        0 => roff::sentence(text),
        _ => text.to_owned(),
    });
    let remarks = blocks(command)
        .into_iter()
        .filter(|block| !is_example(block));
    about.chain(remarks).collect()
}

/// Whether a paragraph is a list of examples, introduced or not.
fn is_example(block: &str) -> bool {
    block.starts_with("  ") || block.contains(":\n  ")
}

/// The paragraphs behind the options of a command's help.
fn blocks(command: &Command) -> Vec<String> {
    let after = command.get_after_help().map(ToString::to_string);
    let after = after.unwrap_or_default();
    after.split("\n\n").map(str::to_owned).collect()
}

/// The examples of the help: a line that ends with a colon introduces some,
/// two blanks are before a command, more before what it does.
fn examples(page: &mut Page, command: &Command) {
    page.section("EXAMPLES");
    for block in blocks(command) {
        if !is_example(&block) {
            continue;
        }
        let intro = block.lines().next().filter(|line| line.ends_with(':'));
        if let Some(intro) = intro.filter(|intro| !intro.starts_with("Example")) {
            page.paragraph(intro);
        }
        let mut lines = block
            .lines()
            .filter(|line| line.starts_with("  "))
            .peekable();
        while let Some(line) = lines.next() {
            let mut text = Vec::new();
            while let Some(more) = lines.next_if(|next| next.starts_with("      ")) {
                text.push(more.trim());
            }
            page.example(line.trim(), &text.join(" "));
        }
    }
}

/// The arguments, then the options in the groups of the help.
fn options(page: &mut Page, command: &Command) {
    page.section("OPTIONS");
    for argument in command.get_positionals() {
        page.item(&roff::argument(argument), &explained(argument));
    }
    let options = || command.get_arguments().filter(|arg| !arg.is_positional());
    let mut groups: Vec<Option<&str>> = Vec::new();
    for heading in options().filter_map(Arg::get_help_heading) {
        if !groups.contains(&Some(heading)) {
            groups.push(Some(heading));
        }
    }
    groups.push(None);
    let grouped = groups.len() > 1;
    for group in groups {
        if grouped {
            page.subsection(group.unwrap_or("Other options"));
        }
        let members = || options().filter(|option| option.get_help_heading() == group);
        let own = members().filter(|option| !is_general(option));
        for option in own.chain(members().filter(|option| is_general(option))) {
            page.item(&roff::option(option), &explained(option));
            for value in option.get_possible_values() {
                if let Some(help) = value.get_help() {
                    page.value(value.get_name(), &help.to_string());
                }
            }
            page.end_values();
        }
    }
}

fn is_general(option: &Arg) -> bool {
    ["verbose", "quiet", "help", "version"].contains(&option.get_id().as_str())
}

/// The help of an option; what is in brackets there becomes a sentence.
fn explained(option: &Arg) -> String {
    let help = match option.get_id().as_str() {
        "help" => "Print help; with -h a summary".to_owned(),
        _ => option
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default(),
    };
    let help = help.replace('\n', " ");
    let mut parts = help.split(" [").map(|part| part.trim_end_matches(']'));
    let mut text = roff::sentence(parts.next().unwrap_or_default());
    for part in parts {
        match part.split_once(": ") {
            Some(("default", value)) => text.push_str(&format!(" Default: {value}.")),
            Some(("env", value)) => text.push_str(&format!(" Environment: {value}.")),
            _ => text.push_str(&format!(" {part}.")),
        }
    }
    text
}

fn see_also(page: &mut Page, root: &Command, but: Option<&Command>) {
    page.section("SEE ALSO");
    let own = but.map(Command::get_name);
    let mut pages: Vec<String> = listed(root)
        .map(Command::get_name)
        .filter(|name| Some(*name) != own)
        .map(|name| format!("yandex-token-{name}(1)"))
        .collect();
    if but.is_some() {
        pages.insert(0, "yandex-token(1)".to_owned());
    }
    page.references(&pages);
    if but.is_none() {
        page.paragraph(facts::STANDARDS);
    }
}
