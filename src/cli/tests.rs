//! What the help and the command line as a whole must keep.

use clap::CommandFactory;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_help_fits_into_80_columns() {
    let root = Cli::command();
    let names = root.get_subcommands().map(|command| command.get_name());
    let calls = [vec!["-h"], vec!["--help"]].into_iter();
    let calls = calls.chain(names.flat_map(|name| [vec![name, "-h"], vec![name, "--help"]]));
    let pages = calls.map(|call| {
        let call = ["yandex-token"].into_iter().chain(call);
        let help = parse_with_clap(call.map(OsString::from)).err();
        help.expect("no command").to_string()
    });
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
