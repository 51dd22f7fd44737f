//! The README's recipes as they stand there, with the sandbox in Yandex's
//! place, and stand-ins for the programs that tokens are handed to.
#![cfg(unix)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::files::install;
use crate::support::{BINARY, Finished, Home, run};

const README: &str = include_str!("../../../README.md");
const README_RU: &str = include_str!("../../../README.ru.md");

/// The block behind `<!-- run: NAME -->`.
pub fn block(name: &str) -> String {
    let mark = format!("<!-- run: {name} -->\n```");
    let (_, rest) = README
        .split_once(&mark)
        .unwrap_or_else(|| panic!("{name} is not in the README"));
    let (_language, rest) = rest.split_once('\n').unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Directories of programs: ours, and ones that write down what they are given.
pub fn programs(home: &Home) -> PathBuf {
    let bin = home.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(BINARY, bin.join("yandex-token")).unwrap();
    for name in ["gh", "vault", "kubectl", "pass", "curl"] {
        let text = format!(
            "echo \"$0 $*\" >>'{0}/calls'; cat >'{0}/{name}.in'\n",
            home.path().display()
        );
        install(home, &format!("bin/{name}"), &text);
    }
    bin
}

/// Runs recipes one after another in one shell under the sandbox.
fn run_recipes(home: &Home, before: &str, names: &[&str]) -> Finished {
    let bin = programs(home);
    let blocks: String = names.iter().map(|name| block(name)).collect();
    let script = format!("set -eu\n{before}\n{blocks}");
    let mut command: Command = home.command(&["sandbox", "--", "sh", "-c", &script]);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    command
        .env("PATH", path)
        .env("GITHUB_ENV", home.path().join("github.env"));
    let done = run(command);
    assert_eq!(done.code, Some(0), "{done:#?}");
    done
}

fn read(home: &Home, name: &str) -> String {
    fs::read_to_string(home.path().join(name)).unwrap()
}

/// The sandbox's token, as a script that has logged in has it.
const LOGGED_IN: &str =
    "yandex-token login -q --device --device-id ci-pipeline-1 --format json -o got.json
YANDEX_TOKEN_JSON=$(cat got.json)";

#[test]
fn ci_is_bootstrapped_by_a_device_login_and_the_answer_kept_as_a_secret() {
    let home = Home::new();
    run_recipes(&home, "", &["bootstrap"]);
    let kept: Value = serde_json::from_str(&read(&home, "gh.in")).unwrap();
    assert!(kept["refresh_token"].as_str().unwrap().starts_with("1:"));
    assert!(read(&home, "calls").ends_with("gh secret set YANDEX_TOKEN_JSON\n"));
    assert!(!home.path().join("yandex.json").exists());
}

#[test]
fn a_job_mints_a_masked_token_and_hands_back_only_a_file_that_changed() {
    let home = Home::new();
    let done = run_recipes(&home, LOGGED_IN, &["job", "hand-back"]);
    let token = read(&home, "github.env");
    let token = token.strip_prefix("YANDEX_TOKEN=").unwrap().trim();
    assert_eq!(done.stdout, format!("::add-mask::{token}\n"));
    assert!(!home.path().join("calls").exists(), "nothing has changed");
    assert_eq!(crate::support::mode(&home.path().join("token.json")), 0o600);

    let home = Home::new();
    let expired = format!(
        "{LOGGED_IN}\nYANDEX_TOKEN_JSON=$(sed 's/\"expires_at\":[0-9]*/\"expires_at\":1/' got.json)"
    );
    run_recipes(&home, &expired, &["job", "hand-back"]);
    let handed: Value = serde_json::from_str(&read(&home, "gh.in")).unwrap();
    let first: Value = serde_json::from_str(&read(&home, "got.json")).unwrap();
    assert_ne!(
        handed["refresh_token"], first["refresh_token"],
        "the rotated one"
    );
}

#[test]
fn a_refresh_token_alone_is_enough_for_a_job() {
    let home = Home::new();
    let before = format!(
        "{LOGGED_IN}\nYANDEX_REFRESH_TOKEN=$(sed 's/.*\"refresh_token\":\"\\([^\"]*\\)\".*/\\1/' got.json)"
    );
    run_recipes(&home, &before, &["refresh-token"]);
    assert!(read(&home, "github.env").starts_with("YANDEX_TOKEN=y0_"));
    let next: Value = serde_json::from_str(&read(&home, "token.json")).unwrap();
    assert!(next["refresh_token"].as_str().unwrap().starts_with("1:"));
}

#[test]
fn a_gitlab_job_hands_the_token_on_in_a_file() {
    let home = Home::new();
    let before = "yandex-token login -q --device --save";
    let done = run_recipes(&home, before, &["gitlab"]);
    assert_eq!(done.stdout, "");
    assert!(read(&home, "token.env").starts_with("YANDEX_TOKEN=y0_"));
    assert_eq!(crate::support::mode(&home.path().join("token.env")), 0o600);
}

#[test]
fn a_token_is_handed_over_through_a_pipe() {
    let home = Home::new();
    run_recipes(&home, "yandex-token login -q --device --save", &["pipes"]);
    assert!(read(&home, "vault.in").starts_with("{\"access_token\":\"y0_"));
    for name in ["kubectl", "pass"] {
        let token = read(&home, &format!("{name}.in"));
        assert!(
            token.starts_with("y0_") && token.ends_with('\n'),
            "{token:?}"
        );
    }
    let calls = read(&home, "calls");
    assert_eq!(calls.lines().count(), 3);
    assert!(!calls.contains("y0_"), "no token is an argument: {calls}");
}

#[test]
#[ignore = "needs curl"]
fn a_script_is_tested_against_the_sandbox_as_in_the_workflow() {
    let commands = steps(&block("report-workflow"));
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in &commands[1..] {
        let home = Home::new();
        let bin = programs(&home);
        fs::remove_file(bin.join("curl")).unwrap();
        for (name, recipe) in [("report.sh", "report"), ("test.sh", "report-test")] {
            install(&home, name, &block(recipe));
        }
        assert_eq!(at_a_shell(&home, command).code, Some(0), "{command}");
    }
}

#[test]
fn a_script_is_run_in_a_sandbox() {
    let home = Home::new();
    programs(&home);
    install(&home, "your-script", "env");
    let done = at_a_shell(&home, &block("sandbox"));
    for name in [
        "YANDEX_OAUTH_URL=",
        "YANDEX_CLIENT_ID=",
        "YANDEX_CLIENT_SECRET=",
    ] {
        assert!(done.stdout.contains(name), "{done:#?}");
    }
}

fn at_a_shell(home: &Home, text: &str) -> Finished {
    let mut command = Command::new("/bin/sh");
    home.furnish(&mut command);
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", home.path().join("bin").display());
    command.args(["-euc", text]).env("PATH", path);
    run(command)
}

/// The commands behind `run:` in a workflow.
fn steps(workflow: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut block = None;
    for line in workflow.lines() {
        let indent = line.len() - line.trim_start().len();
        match (line.trim_start().strip_prefix("- run: "), block) {
            (Some("|"), _) => {
                block = Some(indent);
                found.push(String::new());
            }
            (Some(command), _) => {
                block = None;
                found.push(command.to_owned());
            }
            (None, Some(outer)) if indent > outer => {
                let last = found.last_mut().unwrap();
                last.push_str(line.trim_start());
                last.push('\n');
            }
            (None, _) => block = None,
        }
    }
    found
}

#[test]
fn the_line_for_bash_completes_in_bash() {
    let home = Home::new();
    programs(&home);
    let text = format!(
        "bash -euc '{}\ncomplete -p yandex-token'",
        block("completions")
    );
    let done = at_a_shell(&home, &text);
    assert!(done.stdout.contains("complete"), "{done:#?}");
}

/// What the action does, `actions` tests.
#[test]
fn the_workflow_uses_the_action_by_the_names_that_it_has() {
    let action = include_str!("../../../action.yml");
    let workflow = block("action");
    let (_, with) = workflow.split_once("    with:\n").unwrap();
    let inputs: Vec<_> = with
        .lines()
        .map_while(|line| line.strip_prefix("      "))
        .collect();
    let outputs: Vec<_> = workflow
        .split("steps.yandex.outputs.")
        .skip(1)
        .map(|rest| rest.split([' ', '\n']).next().unwrap())
        .collect();
    assert_eq!((inputs.len(), outputs.len()), (3, 3), "{workflow}");
    for name in inputs.iter().chain(&outputs) {
        let name = name.split(':').next().unwrap();
        assert!(action.contains(&format!("\n  {name}:\n")), "{name}");
    }
}

#[test]
fn every_block_of_the_readmes_is_run() {
    let sources = [
        include_str!("readme.rs"),
        include_str!("readme_logins.rs"),
        include_str!("../listener/proxy.rs"),
        include_str!("../../../.ci/run"),
    ];
    for readme in [README, README_RU] {
        for (before, _) in fences(readme) {
            let name = before.strip_prefix("<!-- run: ").unwrap_or_else(|| {
                panic!("a block behind {before:?} has no name");
            });
            let name = name.strip_suffix(" -->").unwrap();
            let run = |source: &str| {
                source.contains(&format!("\"{name}\""))
                    || source.contains(&format!("recipe {name} "))
            };
            assert!(sources.into_iter().any(run), "{name} is run by nothing");
        }
    }
}

#[test]
fn both_readmes_have_the_same_blocks() {
    let [english, russian] = [README, README_RU].map(fences);
    for ((mark, block), other) in english.iter().zip(&russian) {
        assert_eq!((mark, block), (&other.0, &other.1));
    }
    assert_eq!(english.len(), russian.len());
}

/// Each block with the line before it.
fn fences(readme: &str) -> Vec<(String, String)> {
    let (mut found, mut before, mut open) = (Vec::new(), "", None);
    for line in readme.lines() {
        match &mut open {
            None if line.starts_with("```") => open = Some((before.to_owned(), line.to_owned())),
            None => before = line,
            Some((_, text)) => {
                text.push('\n');
                text.push_str(line);
                if line == "```" {
                    found.extend(open.take());
                }
            }
        }
    }
    found
}
