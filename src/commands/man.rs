//! `man`: the manual pages, rendered by clap_mangen from the source of
//! `--help`, with the sections that clap does not know.

mod facts;

use std::io::IsTerminal;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::cli::{self, Cli};
use crate::error::{EXIT_STATUS, Error};
use crate::output;

pub fn run(options: cli::Man) -> Result<(), Error> {
    let mut root = Cli::command()
        .disable_help_subcommand(true)
        .subcommand_help_heading("COMMANDS");
    root.build();
    let name = options.command.as_deref();
    let command = name.and_then(|name| root.find_subcommand(name));
    let page = page(command.unwrap_or(&root), command.is_none())
        .map_err(|error| Error::local("rendering the page", error))?;
    output::result(&page)?;
    if std::io::stdout().is_terminal() {
        let command = name.map(|name| format!(" {name}")).unwrap_or_default();
        output::info(&format!(
            "This is roff. To read it: yandex-token man{command} | man -l -"
        ));
    }
    Ok(())
}

fn page(command: &Command, is_root: bool) -> std::io::Result<String> {
    let title = command.get_display_name().unwrap_or(command.get_name());
    // clap_mangen leaves out the help of options that `-h` hides.
    let shown = command
        .clone()
        .mut_args(|option| option.hide_short_help(false));
    let man = Man::new(shown)
        .title(title.to_uppercase())
        .date(facts::DATE)
        .source(concat!("yandex-token ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if is_root {
        man.render_subcommands_section(&mut page)?;
    }
    let mut more = Roff::new();
    if is_root {
        section(&mut more, "EXIT STATUS", EXIT_STATUS);
        section(&mut more, "ENVIRONMENT", facts::VARIABLES);
        section(&mut more, "FILES", facts::FILES);
    }
    if let Some(examples) = command.get_after_help() {
        more.control("SH", ["EXAMPLES"]);
        // 80 columns, whatever the help has.
        more.control("in", ["2"]);
        more.control("nf", []);
        for line in examples.to_string().lines() {
            more.text([roman(line)]);
        }
        more.control("fi", []);
    }
    more.control("SH", ["SEE ALSO"]);
    match is_root {
        true => more.text([roman(facts::STANDARDS)]),
        false => more.text([
            bold("yandex-token"),
            roman("(1): exit status, environment, files"),
        ]),
    };
    more.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn section(roff: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (name, text) in entries {
        roff.control("TP", []);
        let name = match title {
            "FILES" => italic(*name),
            _ => bold(*name),
        };
        roff.text([name]);
        roff.text([roman(*text)]);
    }
}
