//! What the help and the command line as a whole must keep.

use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_help_fits_into_80_columns() {
    let mut root = Cli::command();
    root.build();
    let names: Vec<_> = root
        .get_subcommands()
        .map(|c| c.get_name().to_owned())
        .collect();
    let mut pages = vec![
        root.render_long_help().to_string(),
        root.render_help().to_string(),
    ];
    for name in names {
        let command = root.find_subcommand_mut(&name).expect("listed");
        pages.push(command.render_long_help().to_string());
        pages.push(command.render_help().to_string());
    }
    for page in pages {
        for line in page.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn each_help_begins_with_what_the_list_of_commands_says() {
    let listed = Cli::command();
    let mut built = Cli::command();
    built.build();
    for command in listed.get_subcommands() {
        let about = command.get_about().expect("it is listed with one");
        let own = built.find_subcommand(command.get_name());
        let own = own.and_then(clap::Command::get_about).expect("built");
        assert_eq!(own.to_string(), about.to_string());
    }
}
