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
    for name in ["work", "me@site"] {
        let content = format!(
            r#"{{"access_token": "of-{}", "expires_at": {}}}"#,
            name.replace('@', "-at-"),
            now() + 90_000
        );
        home.save(&content);
        let saved = home.data().join("default.json");
        fs::rename(saved, home.data().join(format!("{name}.json"))).unwrap();
    }
    let file = home.path().join("found file.json");
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

/// Completes lines with the Tab key, and looks at what they do. `choose` is
/// what takes up the only choice there is, where that must be quoted.
fn completes_at_a_terminal(mut terminal: Terminal, choose: &str) {
    let file = format!("yandex-token token --token-file fou{choose}\r");
    let name = format!("yandex-token tok\t--profile=me@s{choose}\r");
    let format = format!("yandex-token token --profile work --format=js{choose}\r");
    for (keys, shows) in [
        ("yandex-token st\t--prof\two\t\r", "the application's"),
        (&name, "of-me-at-site"),
        (&file, "of-a-file"),
        (
            "yandex-token exec --profile wo\t-- zz-sh\t --this\r",
            "it has of-work and --this",
        ),
        (&format, "\"access_token\":\"of-work\""),
    ] {
        terminal.types(keys);
        terminal.shows(shows);
        terminal.shows("ready> ");
    }
    terminal.types("yandex-token \t\t");
    terminal.shows("completions");
}

#[test]
#[ignore = "needs bash-completion, zsh, fish and elvish"]
fn bash_completes_commands_options_profiles_files_and_programs() {
    for bash_completion in ["", ". /usr/share/bash-completion/bash_completion\n"] {
        let home = home();
        let setup =
            format!("{bash_completion}PS1='ready> '\nsource <(yandex-token completions bash)");
        completes_at_a_terminal(
            terminal(&home, &setup, "bash --rcfile $HOME/setup -i"),
            "\t",
        );
    }
}

#[test]
#[ignore = "needs bash-completion, zsh, fish and elvish"]
fn zsh_completes_commands_options_profiles_files_and_programs() {
    for load in [
        "autoload -U compinit; compinit -u -D; source <(yandex-token completions zsh)",
        "yandex-token completions zsh >$HOME/bin/_yandex-token; fpath+=$HOME/bin
         autoload -U compinit; compinit -u -D",
    ] {
        let home = home();
        let setup = format!("PS1='ready> '\n{load}");
        let start = "sh -c 'mv setup .zshrc; exec zsh -d -i'";
        completes_at_a_terminal(terminal(&home, &setup, start), "\t");
    }
}

#[test]
#[ignore = "needs bash-completion, zsh, fish and elvish"]
fn elvish_completes_commands_options_profiles_files_and_programs() {
    let home = home();
    let setup = "set edit:prompt = { put 'ready> ' }
        eval (yandex-token completions elvish | slurp)";
    completes_at_a_terminal(terminal(&home, setup, "elvish -rc $HOME/setup"), "\t\r");
}

#[test]
#[ignore = "needs bash-completion, zsh, fish and elvish"]
fn fish_completes_commands_options_profiles_files_and_programs() {
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
        (
            "yandex-token lo",
            "login\tGet a token, through the browser\n",
        ),
        (
            "yandex-token token --prof",
            "--profile\tThe saved token with this name\n",
        ),
        ("yandex-token token --profile wo", "work\n"),
        ("yandex-token token --profile=me", "--profile=me@site\n"),
        ("yandex-token token --token-file fou", "found file.json\n"),
        (
            "yandex-token token --token-file=fou",
            "--token-file=found file.json\n",
        ),
        ("yandex-token exec -- zz-sh", "zz-show-it"),
        ("yandex-token exec -- cat fou", "found file.json"),
    ] {
        let shown = complete(line);
        assert!(shown.starts_with(first), "{line}: {shown}");
    }
    assert_eq!(complete("yandex-token token --client-id "), "");
}

#[test]
fn an_answer_to_a_script_names_what_is_saved_and_never_fails() {
    let home = home();
    let answer = |shell: &str, words: &[&str]| {
        let done = run(home.command(&[&["completions", shell, "--"], words].concat()));
        assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{done:#?}");
        done.stdout
    };
    assert_eq!(
        answer("bash", &["token", "--profile", ""]),
        "me@site\nwork\n"
    );
    assert_eq!(
        answer("elvish", &["exec", "--profile=w"]),
        "--profile=work\n"
    );
    assert_eq!(answer("fish", &["login", "-vo", "x"]), ":files\n");
    assert_eq!(
        answer("bash", &["exec", "-q", "--", "sh", "-c", ""]),
        ":program 3\n"
    );
    assert_eq!(
        answer("bash", &["login", "--paste", "--pa"]),
        "",
        "given already"
    );
    assert_eq!(
        answer("bash", &["login", "--scope", "a", "--sc"]),
        "--scope\n"
    );
    assert_eq!(answer("powershell", &[":tok"]).lines().count(), 1);
    assert_eq!(
        answer("powershell", &["login", "--format", ":"])
            .lines()
            .next(),
        Some("token\tThe access token")
    );
    for words in [
        &["nosuch", "--what=", "\u{1}"][..],
        &["-"],
        &["--"],
        &["login", "--", ""],
    ] {
        answer("fish", words);
    }

    // Nothing is saved, or what should hold it is no directory.
    fs::remove_dir_all(home.data()).unwrap();
    assert_eq!(answer("bash", &["token", "--profile", ""]), "");
    fs::write(home.data(), "").unwrap();
    assert_eq!(answer("bash", &["token", "--profile", ""]), "");
}
