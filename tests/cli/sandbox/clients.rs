//! OAuth libraries that others wrote, for other languages, against the sandbox.

use std::path::Path;

use crate::support::{Home, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs a program under a sandbox in which everything is allowed.
#[track_caller]
fn under_the_sandbox(options: &[&str], program: &[&Path], tests: usize) {
    let home = Home::new();
    let mut command = home.command(&["sandbox"]);
    command.args(options).arg("--").args(program);
    let done = run(command);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(done.stdout.matches("ok ").count(), tests, "{done:#?}");
}

#[test]
#[ignore = "needs target/clients/python, see .ci/run"]
fn clients_in_python_run_all_the_grants() {
    let root = Path::new(ROOT);
    let python = root.join("target/clients/python/bin/python");
    let script = root.join("tests/clients/clients.py");
    // The user of that device has not answered at first.
    let pending = ["--fault", "token/device_code:authorization_pending:1"];
    under_the_sandbox(&pending, &[&python, &script], 7);
}

#[test]
#[ignore = "needs target/clients/node, see .ci/run"]
fn clients_in_javascript_run_their_grants() {
    // Modules are looked for beside the script.
    let script = Path::new(ROOT).join("target/clients/node/clients.mjs");
    std::fs::copy(Path::new(ROOT).join("tests/clients/clients.mjs"), &script).unwrap();
    under_the_sandbox(&[], &[Path::new("node"), &script], 4);
}

#[test]
#[ignore = "needs php-cli and php-curl"]
fn php_logs_in_with_an_array_and_with_a_string() {
    let script = Path::new(ROOT).join("tests/clients/clients.php");
    under_the_sandbox(&[], &[Path::new("php"), &script], 2);
}

#[test]
#[ignore = "needs rclone and curl"]
fn rclone_logs_in_and_refreshes() {
    let script = Path::new(ROOT).join("tests/clients/rclone.sh");
    under_the_sandbox(&[], &[Path::new("sh"), &script], 2);
}
