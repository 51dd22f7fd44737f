//! The completion scripts in the shells themselves: at a terminal, with the
//! Tab key, and what the completed line does when it is run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::terminal::Terminal;
use crate::support::{BINARY, Home, now, run};

/// A home with two saved tokens, a token file, and programs to run.
fn home() -> Home {
    let home = Home::new();
    for name in ["work", "me.home"] {
        let content = format!(
            r#"{{"access_token": "of-{}", "expires_at": {}}}"#,
            name.replace('.', "-at-"),
            now() + 90_000
        );
        home.save(&content);
        let saved = home.data().join("default.json");
        fs::rename(saved, home.data().join(format!("{name}.json"))).unwrap();
    }
    let file = home.path().join("found-file.json");
    fs::write(file, r#"{"access_token": "of-a-file"}"#).unwrap();
    fs::create_dir(home.path().join("bin")).unwrap();
    symlink(BINARY, home.path().join("bin/yandex-token")).unwrap();
    program(
        &home.path().join("bin/zz-show-it"),
        "echo \"it has $YANDEX_TOKEN and $1\"",
    );
    home
}

fn program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A shell at a terminal, ready for a line; `setup` is its start-up file, and
/// `shell` the command that starts it.
fn terminal(home: &Home, setup: &str, shell: &str) -> Terminal {
    fs::write(home.path().join("setup"), setup).unwrap();
    let script = format!(
        "stty rows 40 cols 100; TERM=xterm PATH=$HOME/bin:$PATH LC_ALL=C.UTF-8 exec {shell}"
    );
    let mut terminal = Terminal::shell(home, &script, &[]);
    terminal.shows("ready> ");
    terminal
}

/// Completes lines with the Tab key, and looks at what they do. The blank
/// behind it is for elvish, which adds none.
fn completes_at_a_terminal(mut terminal: Terminal) {
    for (keys, shows) in [
        ("yandex-token st\t --prof\t wo\t \r", "RENEWAL"),
        ("yandex-token tok\t -p me\t \r", "of-me-at-home"),
        ("yandex-token token --token-file fou\t \r", "of-a-file"),
        (
            "yandex-token exec --profile wo\t -- zz-show-it --this\r",
            "it has of-work and --this",
        ),
        (
            "yandex-token token --profile work --format js\t \r",
            "\"access_token\":\"of-work\"",
        ),
    ] {
        terminal.types(keys);
        terminal.shows(shows);
        terminal.shows("ready> ");
    }
    terminal.types("yandex-token \t\t");
    terminal.shows("completions");
}

#[test]
#[ignore = "needs zsh, fish and elvish"]
fn bash_completes_commands_options_profiles_and_files() {
    let home = home();
    let setup = "PS1='ready> '\nsource <(yandex-token completions bash)";
    completes_at_a_terminal(terminal(&home, setup, "bash --rcfile $HOME/setup -i"));
}

#[test]
#[ignore = "needs zsh, fish and elvish"]
fn zsh_completes_commands_options_profiles_and_files() {
    for load in [
        "autoload -U compinit; compinit -u -D; source <(yandex-token completions zsh)",
        "yandex-token completions zsh >$HOME/bin/_yandex-token; fpath+=$HOME/bin
         autoload -U compinit; compinit -u -D",
    ] {
        let home = home();
        let setup = format!("PS1='ready> '\n{load}");
        let start = "sh -c 'mv setup .zshrc; exec zsh -d -i'";
        completes_at_a_terminal(terminal(&home, &setup, start));
    }
}

#[test]
#[ignore = "needs zsh, fish and elvish"]
fn elvish_completes_commands_options_profiles_and_files() {
    let home = home();
    let setup = "set edit:prompt = { put 'ready> ' }
        eval (yandex-token completions elvish | slurp)";
    completes_at_a_terminal(terminal(&home, setup, "elvish -rc $HOME/setup"));
}

#[test]
#[ignore = "needs zsh, fish and elvish"]
fn fish_completes_commands_options_profiles_and_files() {
    let home = home();
    let complete = |line: &str| {
        let mut fish = Command::new("fish");
        home.furnish(&mut fish);
        let path = std::env::var("PATH").unwrap();
        fish.env("PATH", format!("{}/bin:{path}", home.path().display()));
        let script = format!("yandex-token completions fish | source\ncomplete -C '{line}'");
        fish.args(["--no-config", "-c", &script]);
        let done = run(fish);
        assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{done:#?}");
        done.stdout
    };
    for (line, first) in [
        ("yandex-token lo", "login\tGet a token by logging in\n"),
        (
            "yandex-token token --prof",
            "--profile\tName of the saved token",
        ),
        ("yandex-token token --profile wo", "work\n"),
        ("yandex-token token --profile=me", "--profile=me.home\n"),
        ("yandex-token token --token-file fou", "found-file.json"),
        (
            "yandex-token token --token-file=fou",
            "--token-file=found-file.json",
        ),
    ] {
        let shown = complete(line);
        assert!(shown.starts_with(first), "{line}: {shown}");
    }
    assert_eq!(complete("yandex-token token --client-id "), "");
}

#[test]
fn an_answer_to_a_script_names_what_is_saved_and_says_nothing_on_standard_error() {
    let home = home();
    let answer = |words: &[&str]| {
        let mut command = home.command(&[&["--", "yandex-token"], words].concat());
        command.env("_YANDEX_TOKEN_COMPLETE", "fish");
        let done = run(command);
        assert_eq!(done.stderr, "", "{done:#?}");
        done.stdout
    };
    assert_eq!(answer(&["token", "--profile", ""]), "me.home\nwork\n");
    assert_eq!(answer(&["exec", "--profile=w"]), "--profile=work\n");
    assert!(answer(&["login", "--format", "js"]).starts_with("json\t"));
    for words in [&["nosuch", "--what=", "\u{1}"][..], &["-"], &["--"], &[]] {
        answer(words);
    }
    // Nothing is saved, or what should hold it is no directory.
    fs::remove_dir_all(home.data()).unwrap();
    assert_eq!(answer(&["token", "--profile", ""]), "");
    fs::write(home.data(), "").unwrap();
    assert_eq!(answer(&["token", "--profile", ""]), "");
}
