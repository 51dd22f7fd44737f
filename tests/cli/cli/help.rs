//! What a person sees who asks for help, or mistypes.

use crate::support::{Home, run};

pub const COMMANDS: [&str; 9] = [
    "login",
    "token",
    "refresh",
    "revoke",
    "status",
    "exec",
    "sandbox",
    "completions",
    "man",
];

#[test]
fn a_mistyped_word_is_answered_with_what_was_meant_and_where_to_read_on() {
    let home = Home::new();
    for (line, meant, help) in [
        ("tokne", "'token'", "`yandex-token --help`"),
        (
            "login --client-di x",
            "'--client-id'",
            "`yandex-token login --help`",
        ),
        ("token --format jsno", "'json'", "--help`"),
        ("completions zhs", "zsh", "--help`"),
        ("man logn", "'login'", "--help`"),
        (
            "login --device --paste",
            "'--paste'",
            "`yandex-token login --help`",
        ),
        ("exec ./script", "behind `--`", "`yandex-token exec --help`"),
        (
            "sandbox ./script",
            "behind `--`",
            "`yandex-token sandbox --help`",
        ),
        ("exec", "<PROGRAM>", "`yandex-token exec --help`"),
        ("status extra", "'extra'", "`yandex-token status --help`"),
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let done = run(home.command(&words));
        done.fails(2, meant).fails(2, help);
        assert_eq!(done.stderr.lines().count(), 2, "{line}: {done:#?}");
    }
}

#[test]
fn every_help_has_an_example_and_is_plain_text() {
    let home = Home::new();
    for name in COMMANDS {
        for flag in ["-h", "--help"] {
            let done = run(home.command(&[name, flag]));
            assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{done:#?}");
            let example = format!("  yandex-token {name}");
            let examples = done.stdout.split("\nExample").nth(1).unwrap_or_default();
            assert!(
                examples.contains(&example) || examples.contains(&example[2..]),
                "{name}: {}",
                done.stdout
            );
            assert!(!done.stdout.contains('\u{1b}'), "{name}");
            assert!(
                !done.stdout.lines().any(|line| line.ends_with(' ')),
                "{name}: blanks at a line's end: {}",
                done.stdout
            );
        }
    }
}
