//! The manual pages: complete, clean to those who read roff, and no wider
//! than a terminal.

use std::fs;
use std::process::Command;

use crate::cli::help::COMMANDS;
use crate::support::{Home, run};

/// The pages, by the command that they are of; first the tool's own.
fn pages() -> impl Iterator<Item = &'static str> {
    [""].into_iter().chain(COMMANDS)
}

fn printed(home: &Home, arguments: &[&str]) -> String {
    let done = run(home.command(arguments));
    assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{done:#?}");
    done.stdout
}

fn page(home: &Home, name: &str) -> String {
    let arguments = ["man", name];
    printed(home, &arguments[..1 + usize::from(!name.is_empty())])
}

/// The lines of a section, without its heading.
fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let quote = if title.contains(' ') { "\"" } else { "" };
    let heading = format!("\n.SH {quote}{title}{quote}\n");
    let (_, rest) = page.split_once(&heading).expect(title);
    rest.split("\n.SH ").next().unwrap()
}

#[test]
fn every_command_has_a_page_with_all_that_its_help_says_of_it() {
    let home = Home::new();
    let commands = printed(&home, &["--help"]);
    let (_, commands) = commands.split_once("Commands:\n").unwrap();
    let commands = commands.split("\n\n").next().unwrap().lines();
    let names: Vec<_> = commands
        .map(|line| line.split_whitespace().next().unwrap())
        .filter(|name| *name != "help")
        .collect();
    assert_eq!(names, COMMANDS);
    for name in pages() {
        let page = page(&home, name);
        let help = printed(&home, &[name, "--help"][usize::from(name.is_empty())..]);
        for title in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"] {
            assert!(!section(&page, title).is_empty(), "{name}: {title}");
        }
        for option in help
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
        {
            let option = option.trim_end_matches([',', '.', '`']).replace('-', "\\-");
            assert!(page.contains(&option), "{name}: {option}");
        }
        for option in section(&page, "OPTIONS").split(".TP\n").skip(1) {
            let help = option.lines().nth(1).unwrap_or_default();
            assert!(!help.is_empty(), "{name}: no help in {option}");
        }
    }
    let main = page(&home, "");
    for (title, word) in [
        ("EXIT STATUS", "no usable token"),
        ("ENVIRONMENT", "YANDEX_CLIENT_SECRET"),
        ("FILES", "yandex\\-token/NAME.json"),
    ] {
        assert!(section(&main, title).contains(word), "{title}: {main}");
    }
}

#[test]
#[ignore = "needs groff and mandoc"]
fn groff_and_mandoc_find_nothing_to_say_and_80_columns_are_enough() {
    let home = Home::new();
    let path = home.path().join("page.1");
    for name in pages() {
        fs::write(&path, page(&home, name)).unwrap();
        for program in [
            "mandoc -T lint -W error",
            "groff -man -ww -Tutf8 -P-cbou",
            "mandoc -O width=78",
        ] {
            let mut words = program.split(' ');
            let mut command = Command::new(words.next().unwrap());
            command.args(words).arg(&path);
            let done = run(command);
            assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{done:#?}");
            let plain = done.stdout.lines().map(without_overstrikes);
            for line in plain {
                assert!(line.chars().count() <= 80, "{name}, {program}: {line}");
            }
        }
    }
}

/// What a terminal shows of a line whose bold letters are typed twice.
fn without_overstrikes(line: &str) -> String {
    let mut shown = String::new();
    for c in line.chars() {
        match c {
            '\u{8}' => drop(shown.pop()),
            _ => shown.push(c),
        }
    }
    shown
}

#[test]
fn a_page_of_no_command_is_refused_with_those_there_are() {
    let home = Home::new();
    let done = run(home.command(&["man", "logn"]));
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("'login'"), "{done:#?}");
}
