//! Two real users of one machine: what the other one sees of a login and of
//! what it keeps, and what he can do to it. Run as root, which becomes both.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::accounts::{as_nobody, give};
use crate::faults::refused;
use crate::output::{ANSWER, TOKEN, complete, login, with_browser};
use crate::places::{chmod, mkfifo};
use crate::support::server::Server;
use crate::support::{Home, PATIENCE, run};

const STRANGER: u32 = 12345;

/// A shell script of the other user.
fn stranger(home: &Home, script: &str) -> Command {
    let mut command = Command::new("setpriv");
    home.furnish(&mut command);
    let user = STRANGER.to_string();
    command
        .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
        .args(["sh", "-c", script])
        .stdin(Stdio::null());
    command
}

#[track_caller]
fn sees(home: &Home, script: &str) -> String {
    let Output { stdout, stderr, .. } = stranger(home, script).output().unwrap();
    String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()
}

fn belongs_to_stranger(path: &Path) {
    std::os::unix::fs::lchown(path, Some(STRANGER), Some(STRANGER)).unwrap();
}

/// A directory like /tmp.
fn shared(home: &Home) -> std::path::PathBuf {
    let shared = home.path().join("shared");
    fs::create_dir(&shared).unwrap();
    chmod(&shared, 0o1777);
    shared
}

#[test]
#[ignore = "needs another user account"]
fn what_another_user_planted_in_a_shared_directory_is_not_followed() {
    type Plant = fn(&Path, &Path);
    let link: Plant = |shared, mine| {
        symlink(mine, shared.join("token")).unwrap();
        belongs_to_stranger(&shared.join("token"));
    };
    let nowhere: Plant = |shared, _| {
        symlink("../theirs/new", shared.join("token")).unwrap();
        belongs_to_stranger(&shared.join("token"));
    };
    let second: Plant = |shared, mine| {
        symlink(mine, shared.join("other")).unwrap();
        belongs_to_stranger(&shared.join("other"));
        symlink("other", shared.join("token")).unwrap();
        give_link(&shared.join("token"));
    };
    let fifo: Plant = |shared, _| {
        mkfifo(&shared.join("token"));
        chmod(&shared.join("token"), 0o666);
        belongs_to_stranger(&shared.join("token"));
    };
    let file: Plant = |shared, _| {
        fs::write(shared.join("token"), "theirs").unwrap();
        chmod(&shared.join("token"), 0o666);
        belongs_to_stranger(&shared.join("token"));
    };
    let temporary_link: Plant = |shared, mine| {
        symlink(mine, shared.join(".token.tmp")).unwrap();
        belongs_to_stranger(&shared.join(".token.tmp"));
    };
    let temporary_hard_link: Plant = |shared, mine| {
        fs::hard_link(mine, shared.join(".token.tmp")).unwrap();
    };
    let temporary_fifo: Plant = |shared, _| {
        mkfifo(&shared.join(".token.tmp"));
        chmod(&shared.join(".token.tmp"), 0o666);
        belongs_to_stranger(&shared.join(".token.tmp"));
    };
    let temporary_directory: Plant = |shared, _| {
        fs::create_dir(shared.join(".token.tmp")).unwrap();
        belongs_to_stranger(&shared.join(".token.tmp"));
    };
    for (name, plant, path) in [
        ("link", link, "shared/token"),
        ("nowhere", nowhere, "shared/token"),
        ("second link", second, "shared/token"),
        (
            "directory",
            |shared, mine| {
                symlink(mine.parent().unwrap(), shared.join("dir")).unwrap();
                belongs_to_stranger(&shared.join("dir"));
            },
            "shared/dir/mine",
        ),
        ("FIFO", fifo, "shared/token"),
        ("file", file, "shared/token"),
        ("temporary link", temporary_link, "shared/token"),
        ("temporary hard link", temporary_hard_link, "shared/token"),
        ("temporary FIFO", temporary_fifo, "shared/token"),
        ("temporary directory", temporary_directory, "shared/token"),
    ] as [(&str, Plant, &str); _]
    {
        for option in ["-o", "--token-file"] {
            let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
            let (shared, theirs) = (shared(&home), home.path().join("theirs"));
            fs::create_dir(&theirs).unwrap();
            chmod(&theirs, 0o1777);
            belongs_to_stranger(&theirs);
            let mine = home.path().join("mine");
            fs::write(&mine, "mine").unwrap();
            give(&mine);
            plant(&shared, &mine);
            let before = sees(&home, "ls -lR shared theirs");
            let arguments = with_browser(&server, &[option, path]);
            let done = refused(&home, as_nobody(&home, "", &arguments), "shared");
            assert_eq!(
                fs::read_to_string(&mine).unwrap(),
                "mine",
                "{name}: {done:#?}"
            );
            assert_eq!(
                sees(&home, "ls -lR shared theirs"),
                before,
                "{name}, {option}"
            );
        }
    }
}

fn give_link(path: &Path) {
    std::os::unix::fs::lchown(path, Some(65534), Some(65534)).unwrap();
}

#[test]
#[ignore = "needs another user account"]
fn a_link_or_pipe_of_ones_own_or_of_roots_in_a_shared_directory_is_followed() {
    for owner in [65534, 0] {
        for option in ["-o", "--token-file"] {
            let (home, server) = (Home::new(), Server::json(200, ANSWER));
            let shared = shared(&home);
            symlink("../kept", shared.join("token")).unwrap();
            std::os::unix::fs::lchown(shared.join("token"), Some(owner), Some(owner)).unwrap();
            let arguments = login(&server, &[option, "shared/token"]);
            let done = complete(as_nobody(&home, "", &arguments));
            assert_eq!(done.code, Some(0), "{done:#?}");
            let kept = fs::read_to_string(home.path().join("kept")).unwrap();
            assert!(kept.contains(TOKEN), "{kept}");
        }
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let fifo = shared(&home).join("fifo");
        mkfifo(&fifo);
        chmod(&fifo, 0o622);
        chown(&fifo, Some(owner), Some(owner)).unwrap();
        let text = crate::places::read_fifo(fifo);
        let arguments = login(&server, &["-o", "shared/fifo"]);
        let done = complete(as_nobody(&home, "", &arguments));
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert_eq!(text.recv_timeout(PATIENCE).unwrap(), format!("{TOKEN}\n"));
    }
}

#[test]
#[ignore = "needs another user account"]
fn a_token_is_not_read_through_a_link_that_another_user_planted() {
    let home = Home::new();
    let shared = shared(&home);
    let mine = home.path().join("mine");
    fs::write(&mine, r#"{"access_token": "m1ne"}"#).unwrap();
    give(&mine);
    chmod(&mine, 0o600);
    symlink("../mine", shared.join("token")).unwrap();
    give_link(&shared.join("token"));
    let token = || as_nobody(&home, "", &["token", "--token-file", "shared/token"]);
    assert_eq!(run(token()).stdout, "m1ne\n", "one's own");
    belongs_to_stranger(&shared.join("token"));
    run(token()).fails(8, "shared/token");
}

#[test]
#[ignore = "needs another user account"]
fn no_token_is_kept_in_a_directory_whose_other_owner_lets_everybody_in() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    let shared = shared(&home);
    belongs_to_stranger(&shared);
    let arguments = with_browser(&server, &["--token-file", "shared/token"]);
    refused(&home, as_nobody(&home, "", &arguments), "shared");
}
