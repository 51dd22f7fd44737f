//! What a person sees who asks for help.

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
            let wide = done.stdout.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{name}");
            assert!(
                !done.stdout.lines().any(|line| line.ends_with(' ')),
                "{name}: blanks at a line's end: {}",
                done.stdout
            );
        }
    }
}
