//! Two real users of one machine: what the other one sees of a login and of
//! what it keeps, and what he can do to it. Run as root, which becomes both.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::browser::{answer, parameter};
use crate::support::files::{as_nobody, chmod, give, mkfifo};
use crate::support::login::{ANSWER, TOKEN, complete, login, refused, with_browser};
use crate::support::server::{Server, json};
use crate::support::{Home, Running, TIMEOUT, free_port, rows, run, wait_for};

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

/// Checks that the script is kept out.
#[track_caller]
fn may_not(home: &Home, script: &str) {
    let done = stranger(home, script).output().unwrap();
    assert!(!done.status.success(), "{script}: {done:?}");
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(why.contains("Permission denied"), "{script}: {why}");
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
fn another_user_sees_no_secret_of_a_login_and_reads_nothing_that_it_keeps() {
    let (server, was_asked, release) = Server::held(ANSWER);
    let home = Home::new();
    shared(&home);
    let arguments = login(&server, &["--token-file", "shared/token"]);
    let mut command = as_nobody(&home, "", &arguments);
    command.env("YANDEX_CLIENT_SECRET", "s3cr3t");
    command.env("TMPDIR", home.path().join("shared"));
    let mut running = Running::start(&mut command);
    let url = running.url();
    let pid = running.child.id();
    let call = {
        let url = url.clone();
        std::thread::spawn(move || answer(&url, &[("code", "c0de1234")]))
    };
    was_asked.recv_timeout(TIMEOUT).unwrap();

    let arguments = sees(&home, "cat /proc/[0-9]*/cmdline");
    assert!(arguments.contains("shared/token"), "the login is seen");
    let state = parameter(&url, "state").unwrap();
    for secret in ["s3cr3t", "c0de1234", &state] {
        assert!(!arguments.contains(secret), "{secret}");
    }
    for what in ["cat PROC/environ", "ls PROC/fd", "cat PROC/mem"] {
        may_not(&home, &what.replace("PROC", &format!("/proc/{pid}")));
    }
    may_not(&home, "flock -n shared/.token.lock true");
    assert_eq!(sees(&home, "ls -A shared").trim(), ".token.lock");
    drop(release);
    call.join().unwrap();
    let done = running.finish();
    assert_eq!(done.code, Some(0), "{done:#?}");
    may_not(&home, "cat shared/token");
    may_not(&home, "echo x >shared/token");
    let moves = "mv shared/token shared/other || rm -f shared/token";
    let done = stranger(&home, moves).output().unwrap();
    assert!(!done.status.success(), "{done:?}");
    let saved = fs::read_to_string(home.path().join("shared/token")).unwrap();
    assert!(saved.contains(TOKEN));
}

#[test]
#[ignore = "needs another user account"]
fn another_user_reads_neither_an_output_file_nor_what_is_kept_in_an_emergency() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let shared = shared(&home);
    complete(as_nobody(&home, "", &login(&server, &["-o", "shared/out"])));
    may_not(&home, "cat shared/out");

    let dir = home.path().join("dir");
    fs::create_dir(&dir).unwrap();
    give(&dir);
    let arguments = login(&server, &["-o", "dir/out"]);
    let mut command = as_nobody(&home, "umask 000", &arguments);
    let mut running = Running::start(command.env("TMPDIR", &shared));
    let url = running.url();
    chmod(&dir, 0o555);
    answer(&url, &[("code", "1234567")]);
    running.finish().fails(8, "kept in").hides(&[TOKEN]);
    let seen = sees(&home, "ls shared; cat shared/yandex-token-*");
    assert!(seen.contains("Permission denied"), "{seen}");
    assert!(!seen.contains(TOKEN), "{seen}");
}

#[test]
#[ignore = "needs another user account"]
fn another_user_looks_into_no_private_directory_of_a_sandbox() {
    let home = Home::new();
    let shared = shared(&home);
    let (reader, writer) = std::io::pipe().unwrap();
    let program = ["sh", "-c", "echo \"$YANDEX_TOKEN_FILE\" && read -r _"];
    let arguments = [&["sandbox", "--"][..], &program].concat();
    let mut command = as_nobody(&home, "umask 000", &arguments);
    command.env("TMPDIR", &shared).stdin(reader);
    let mut running = Running::start(&mut command);
    let file = running.output_line();
    let dir = Path::new(&file).parent().unwrap();
    assert!(dir.starts_with(&shared), "{file}");
    may_not(&home, &format!("ls '{}'", dir.display()));
    may_not(&home, &format!("cat '{file}'"));
    may_not(&home, &format!("echo x >'{file}'"));
    drop(writer);
    running.finish();
    assert_eq!(sees(&home, "ls -A shared"), "");
}

#[test]
#[ignore = "needs another user account"]
fn another_user_can_connect_and_end_nothing_without_the_state() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let mut running = Running::start(&mut as_nobody(&home, "", &login(&server, &[])));
    let url = running.url();
    let uri = parameter(&url, "redirect_uri").unwrap();
    for [query] in rows(
        "?
         ?code=1
         ?code=1&state=
         ?code=1&state=AAAA
         ?error=access_denied
         ?error=access_denied&state=AAAA",
    ) {
        let script = format!("curl -s -o /dev/null -w '%{{http_code}}' '{uri}{query}'");
        assert_eq!(sees(&home, &script), "400", "{query}");
    }
    answer(&url, &[("code", "c0de1234")]);
    assert_eq!(running.finish().stdout, format!("{TOKEN}\n"));
}

#[test]
#[ignore = "needs another user account"]
fn another_user_who_saw_the_browser_start_can_spoil_the_login_and_has_no_token() {
    let server = Server::start(|_| json(400, r#"{"error": "invalid_grant"}"#));
    let home = Home::new();
    // Its argument is seen for as long as it runs; it ends with the home.
    let browser = crate::support::files::script(&home, "while [ -e browser ]; do sleep 0.1; done");
    let mut command = as_nobody(&home, "", &with_browser(&server, &[]));
    let mut running = Running::start(command.env("BROWSER", &browser));
    let url = running.url();
    let state = parameter(&url, "state").unwrap();
    let uri = parameter(&url, "redirect_uri").unwrap();
    wait_for("the browser", || {
        sees(&home, "cat /proc/[0-9]*/cmdline").contains(&state)
    });
    let script = format!("curl -sL '{uri}?code=f0rged&state={state}'");
    let page = sees(&home, &script);
    assert!(page.contains("The login failed"), "{page}");
    running.finish().fails(5, "invalid_grant");
    server.exchange_of(&url);
}

#[test]
#[ignore = "needs another user account"]
fn a_port_that_another_user_took_first_is_8_or_the_next_one_is_used() {
    for squatted in ["127.0.0.1", "[::1]"] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
        let port = free_port();
        let uri = format!("http://localhost:{port}/");
        // The copy of the program is made here.
        drop(as_nobody(&home, "", &[]));
        let script = format!("exec ./yandex-token sandbox --listen {squatted}:{port}");
        let mut squatter = Running::start(&mut stranger(&home, &script));
        squatter.sandbox_lines();
        let arguments = ["login", "--client-id", "app", "--oauth-url", &server.origin];
        let arguments = [&arguments[..], &["--redirect-uri", &uri]].concat();
        let done = refused(&home, as_nobody(&home, "", &arguments), "in use");
        assert!(done.stderr.contains(&port.to_string()), "{done:#?}");

        let other = format!("http://127.0.0.1:{}/", free_port());
        let arguments = [&arguments[..], &["--redirect-uri", &other, "--no-browser"]].concat();
        let mut running = Running::start(&mut as_nobody(&home, "", &arguments));
        let url = running.url();
        assert_eq!(parameter(&url, "redirect_uri"), Some(other));
        answer(&url, &[("code", "c0de1234")]);
        assert_eq!(running.finish().code, Some(0));
    }
}

#[test]
#[ignore = "needs another user account"]
fn what_another_user_planted_in_a_shared_directory_is_not_followed() {
    // As root; what is theirs they have written, or let lead elsewhere.
    let theirs = "set -e
        theirs() {
            chown -h 12345:12345 \"$1\"; [ -L \"$1\" ] || [ -d \"$1\" ] || chmod 666 \"$1\"
        }
        cd shared;";
    for [path, plant] in rows(
        "shared/token    | ln -s ../mine token; theirs token
         shared/token    | ln -s ../theirs/new token; theirs token
         shared/token    | ln -s ../mine other; theirs other; ln -s other token; OWN token
         shared/dir/mine | ln -s .. dir; theirs dir
         shared/token    | mkfifo token; theirs token
         shared/token    | echo theirs >token; theirs token
         shared/token    | ln -s ../mine .token.tmp; theirs .token.tmp
         shared/token    | mkdir .token.tmp; theirs .token.tmp
         shared/token    | ln -s ../mine .token.lock; theirs .token.lock
         shared/token    | ln ../mine .token.lock
         shared/token    | mkfifo .token.lock; theirs .token.lock
         shared/token    | : >.token.lock; theirs .token.lock",
    ) {
        // What `-o` makes beside the file has another name each time.
        let options = match plant.contains(".token") {
            true => &["--token-file"][..],
            false => &["--token-file", "-o"],
        };
        for option in options {
            let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
            shared(&home);
            let foreign = home.path().join("theirs");
            fs::create_dir(&foreign).unwrap();
            chmod(&foreign, 0o1777);
            belongs_to_stranger(&foreign);
            let mine = home.path().join("mine");
            fs::write(&mine, "mine").unwrap();
            give(&mine);
            let plant = plant.replace("OWN", "chown -h 65534:65534");
            let planted = Command::new("sh")
                .current_dir(home.path())
                .arg("-c")
                .arg(theirs.to_owned() + &plant)
                .status();
            assert!(planted.unwrap().success(), "{plant}");
            let before = sees(&home, "ls -lR shared theirs");
            let arguments = with_browser(&server, &[option, path]);
            let done = refused(&home, as_nobody(&home, "", &arguments), "/");
            let kept = fs::read_to_string(&mine).unwrap();
            assert_eq!(kept, "mine", "{plant}: {done:#?}");
            let after = sees(&home, "ls -lR shared theirs");
            assert_eq!(after, before, "{plant}, {option}");
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
        let text = crate::support::files::read_fifo(fifo);
        let arguments = login(&server, &["-o", "shared/fifo"]);
        let done = complete(as_nobody(&home, "", &arguments));
        assert_eq!(done.code, Some(0), "{done:#?}");
        assert_eq!(text.recv_timeout(TIMEOUT).unwrap(), format!("{TOKEN}\n"));
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
