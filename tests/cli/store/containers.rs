//! What a container does to files, done with namespaces: a token file that is
//! mounted by itself, a root that is read-only, a user without an entry in
//! passwd, Kubernetes' secrets and emptyDirs. And files that can't be replaced.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::together::rotating;
use crate::support::files::{chmod, program_for_all};
use crate::support::login::{ANSWER, TOKEN, complete, login, refused, with_browser};
use crate::support::server::Server;
use crate::support::{BINARY, Finished, Home, Running, now, run};

/// The token file on the host, and where the container has it.
const MOUNTED: &str = "mount --bind disk.json app/token.json";
const TOKEN_FILE: [&str; 2] = ["--token-file", "app/token.json"];

/// The program after mounts that nobody else sees.
fn contained(home: &Home, mounts: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    home.furnish(&mut command);
    let script = format!("set -e; {mounts}; exec \"$@\"");
    command.args(["-m", "sh", "-c", &script, "sh", BINARY]);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The same with the token file of `TOKEN_FILE` mounted by itself.
fn mounted(home: &Home, server: &Server, command: &str) -> Command {
    let mut command = contained(home, MOUNTED, &[&[command][..], &TOKEN_FILE].concat());
    command.env("YANDEX_OAUTH_URL", &server.origin);
    command
}

/// A token with this much life left, and issued as long ago.
fn token(server: &Server, left: i64) -> String {
    let expires_at = now().saturating_add_signed(left);
    let issued_at = now() - left.unsigned_abs();
    json!({"access_token": "a1", "refresh_token": "r1", "client_id": "app",
        "issued_at": issued_at, "expires_at": expires_at, "oauth_url": server.origin})
    .to_string()
}

fn with_mount(content: &str) -> Home {
    let home = Home::new();
    fs::create_dir(home.path().join("app")).unwrap();
    fs::write(home.path().join("app/token.json"), "").unwrap();
    fs::write(disk(&home), content).unwrap();
    chmod(&disk(&home), 0o600);
    home
}

fn disk(home: &Home) -> std::path::PathBuf {
    home.path().join("disk.json")
}

fn on_disk(home: &Home) -> Value {
    serde_json::from_str(&fs::read_to_string(disk(home)).unwrap()).unwrap()
}

#[track_caller]
fn prints(done: &Finished, token: &str) {
    let printed = (done.code, &*done.stdout, &*done.stderr);
    assert_eq!(printed, (Some(0), &*format!("{token}\n"), ""), "{done:#?}");
}

/// Nothing is made beside a file that is mounted by itself.
#[track_caller]
fn alone(home: &Home) {
    let names = fs::read_dir(home.path().join("app")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["token.json"]);
    assert_eq!(home.files(), ["app/token.json", "disk.json"]);
}

#[test]
#[ignore = "needs root to mount"]
fn a_login_writes_a_token_file_that_is_mounted_by_itself() {
    for old in ["", "{\"access_token\": \"0ld\"}", &" ".repeat(5000)] {
        let (home, server) = (with_mount(old), Server::json(200, ANSWER));
        let inode = fs::metadata(disk(&home)).unwrap().ino();
        let arguments = login(&server, &TOKEN_FILE);
        let done = complete(contained(&home, MOUNTED, &arguments));
        assert_eq!((done.code, &*done.stdout), (Some(0), ""), "{done:#?}");
        assert_eq!(on_disk(&home)["access_token"], TOKEN);
        assert_eq!(fs::metadata(disk(&home)).unwrap().ino(), inode);
        alone(&home);
        prints(&run(mounted(&home, &server, "token")), TOKEN);
    }
}

#[test]
#[ignore = "needs root to mount"]
fn a_mounted_token_file_is_refreshed_renewed_and_emptied_by_a_revocation() {
    let server = rotating("r1", 3600);
    let home = with_mount(&token(&server, 3600));
    prints(&run(mounted(&home, &server, "token")), "a2");
    prints(&run(mounted(&home, &server, "refresh")), "a3");
    assert_eq!(on_disk(&home)["refresh_token"], "r3");
    // Through a link as well, and by an absolute name.
    symlink("app/token.json", home.path().join("link")).unwrap();
    let link = home.path().join("link");
    let arguments = ["refresh", "--token-file", link.to_str().unwrap()];
    let mut command = contained(&home, MOUNTED, &arguments);
    command.env("YANDEX_OAUTH_URL", &server.origin);
    prints(&run(command), "a4");
    fs::remove_file(link).unwrap();
    alone(&home);

    let agreeing = Server::json(200, r#"{"status": "ok"}"#);
    fs::write(disk(&home), token(&agreeing, 3600)).unwrap();
    let done = run(mounted(&home, &agreeing, "revoke"));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(fs::read_to_string(disk(&home)).unwrap(), "");
    run(mounted(&home, &agreeing, "token")).fails(7, "no token is saved");
    run(mounted(&home, &agreeing, "revoke")).fails(7, "no token is saved");
    assert_eq!(agreeing.requests().len(), 1);
}

#[test]
#[ignore = "needs root to mount"]
fn twenty_containers_at_once_lose_no_refresh_token_of_a_mounted_file() {
    let server = rotating("r1", 3600);
    let home = with_mount(&token(&server, -10));
    let start = |name| Running::start(&mut mounted(&home, &server, name));
    let refreshing: Vec<_> = (0..20).map(|_| start("refresh")).collect();
    let reading: Vec<_> = (0..20).map(|_| start("token")).collect();
    let mut printed: Vec<_> = refreshing.into_iter().map(|r| r.finish().stdout).collect();
    for reader in reading {
        let done = reader.finish();
        assert_eq!(done.code, Some(0), "a reader found it whole: {done:#?}");
    }
    printed.sort();
    printed.dedup();
    assert_eq!(printed.len(), 20, "each made its own: {printed:?}");
    let newest = server.requests().len() + 1;
    assert_eq!(on_disk(&home)["refresh_token"], format!("r{newest}"));
    alone(&home);
}

#[test]
#[ignore = "needs root to mount"]
fn a_mounted_file_that_may_not_grow_is_refused_before_anything_is_spent() {
    let server = Server::json(200, "{}").idle();
    for limit in ["0", "8"] {
        let content = token(&server, 3600);
        let home = with_mount(&content);
        let before = format!("{MOUNTED}; ulimit -f {limit}");
        let mut command = contained(&home, &before, &[&["refresh"][..], &TOKEN_FILE].concat());
        command.env("YANDEX_OAUTH_URL", &server.origin);
        run(command).fails(8, "token.json");
        assert_eq!(fs::read_to_string(disk(&home)).unwrap(), content);
    }
    assert!(server.requests().is_empty());
}

#[test]
#[ignore = "needs root to mount"]
fn a_read_only_mounted_file_is_printed_and_refused_before_anything_is_spent() {
    let server = Server::json(200, "{}").idle();
    let home = with_mount(&token(&server, 3600));
    let read_only = format!("{MOUNTED}; mount -o remount,bind,ro app/token.json");
    // Due, and nothing to be done about it here: silent.
    let at = |arguments: &[&str]| {
        let mut command = contained(&home, &read_only, arguments);
        command.env("YANDEX_OAUTH_URL", &server.origin);
        command
    };
    prints(&run(at(&[&["token"][..], &TOKEN_FILE].concat())), "a1");
    for name in ["refresh", "revoke"] {
        let done = run(at(&[&[name][..], &TOKEN_FILE].concat()));
        done.fails(8, "Read-only file system");
        done.fails(8, "mount its directory");
    }
    refused(&home, at(&with_browser(&server, &TOKEN_FILE)), "Read-only");
    assert!(server.requests().is_empty());
}

/// Makes a file immutable for as long as this lives.
struct Immutable<'a>(&'a Path);

impl Immutable<'_> {
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn make(path: &Path) -> Option<Immutable<'_>> {
        let made = Command::new("chattr").arg("+i").arg(path).output();
        let is_made = made.is_ok_and(|made| made.status.success());
        if !is_made {
            eprintln!("skipped: this file system has no immutable files");
        }
        is_made.then_some(Immutable(path))
    }
}

impl Drop for Immutable<'_> {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg("-i").arg(self.0).status();
    }
}

#[test]
#[ignore = "needs root to make a file immutable"]
fn an_immutable_token_file_is_refused_before_the_server_is_asked() {
    let (home, server) = (Home::new(), Server::json(200, "{}").idle());
    home.save(&token(&server, 3600));
    let path = home.data().join("default.json");
    let Some(_immutable) = Immutable::make(&path) else {
        return;
    };
    let at = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("YANDEX_OAUTH_URL", &server.origin);
        command
    };
    for name in ["refresh", "revoke"] {
        run(at(&[name])).fails(8, "default.json: Operation not permitted");
    }
    refused(
        &home,
        at(&with_browser(&server, &["--save"])),
        "not permitted",
    );
    prints(&run(at(&["token"])), "a1");
    assert!(server.requests().is_empty());
}

/// A user that the image doesn't know, as OpenShift starts a container.
const ARBITRARY: &str = "setpriv --reuid=1000700000 --regid=0 --clear-groups";

/// The program as that user, where everything but what is mounted is read-only.
fn as_arbitrary(home: &Home, mounts: &str, arguments: &[&str]) -> Command {
    let copy = program_for_all(home);
    let mounts = format!(
        "{mounts}; mount -o remount,bind,ro /; shift; set -- {ARBITRARY} '{}' \"$@\"",
        copy.display()
    );
    contained(home, &mounts, arguments)
}

#[test]
#[ignore = "needs root to mount"]
fn a_login_in_the_sandbox_needs_no_place_to_write() {
    let home = Home::new();
    let arguments = ["login", "--sandbox", "--no-browser"];
    let mut command = as_arbitrary(&home, "true", &arguments);
    command.env("HOME", "/").env_remove("XDG_DATA_HOME");
    let done = run(command);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(!done.stdout.trim().is_empty(), "{done:#?}");
}

#[test]
#[ignore = "needs root to mount"]
fn without_a_home_the_hint_names_the_options_to_give() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    let arguments = login(&server, &["--save"]);
    let mut command = as_arbitrary(&home, "true", &arguments);
    command.env("HOME", "/").env_remove("XDG_DATA_HOME");
    let done = run(command);
    done.fails(8, "XDG_DATA_HOME").fails(8, "--token-file");
    assert!(server.requests().is_empty());
}

#[test]
#[ignore = "needs root to mount"]
fn a_mounted_secret_is_printed_without_a_word() {
    let (home, server) = (Home::new(), Server::json(200, "{}").idle());
    let secret = home.path().join("secret");
    fs::create_dir_all(secret.join("..2026_11_28")).unwrap();
    chmod(&secret, 0o1777);
    let file = secret.join("..2026_11_28/token.json");
    fs::write(&file, token(&server, 3600)).unwrap();
    chmod(&file, 0o644);
    symlink("..2026_11_28", secret.join("..data")).unwrap();
    symlink("..data/token.json", secret.join("token.json")).unwrap();
    let arguments = ["token", "--token-file", "secret/token.json"];
    for user in ["arbitrary", "root"] {
        let mut command = match user {
            "root" => contained(&home, "mount -o remount,bind,ro /", &arguments),
            _ => as_arbitrary(&home, "true", &arguments),
        };
        command.env("YANDEX_OAUTH_URL", &server.origin);
        prints(&run(command), "a1");
    }
    assert!(server.requests().is_empty());
}

#[test]
#[ignore = "needs root to mount"]
fn an_empty_dir_is_refused_and_its_subdirectory_as_hinted_is_taken() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let scratch = home.path().join("scratch");
    for dir in ["scratch", "mounted"] {
        fs::create_dir(home.path().join(dir)).unwrap();
        chmod(&home.path().join(dir), 0o777);
    }
    let mounts = "mount --bind scratch mounted; umask 022";
    let arguments = login(&server, &["--token-file", "mounted/token.json"]);
    let done = run(as_arbitrary(&home, mounts, &arguments));
    done.fails(8, "other users can replace");
    let hint = done.stderr.split("mkdir -m 700 ").nth(1).unwrap().trim();
    assert!(hint.ends_with("/mounted/yandex-token"), "{done:#?}");

    let mounts = format!("{mounts}; {ARBITRARY} mkdir -m 700 {hint}");
    let file = format!("{hint}/token.json");
    let arguments = login(&server, &["--token-file", &file]);
    let done = complete(as_arbitrary(&home, &mounts, &arguments));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let saved = fs::read_to_string(scratch.join("yandex-token/token.json")).unwrap();
    assert!(saved.contains(TOKEN));
}

#[test]
fn a_file_size_limit_is_an_error_and_no_silent_death() {
    // In blocks of 512 bytes; the room that is made sure of grows with the file.
    for (limit, kept, code) in [(0, 0, 8), (128, 40_000, 8), (128, 0, 0)] {
        let (home, server) = (Home::new(), rotating("r1", 3600).idle());
        let mut old: Value = serde_json::from_str(&token(&server, 3600)).unwrap();
        old["unknown"] = "k".repeat(kept).into();
        home.save(&old.to_string());
        let mut command = home.after(&format!("ulimit -f {limit}"), &["refresh"]);
        command.env("YANDEX_OAUTH_URL", &server.origin);
        let done = run(command);
        let case = format!("{limit} {kept}: {done:#?}");
        assert_eq!((done.code, done.signal), (Some(code), None), "{case}");
        if code != 0 {
            done.fails(8, "default.json");
            assert_eq!(home.saved(), old.to_string(), "{case}");
            assert!(server.requests().is_empty(), "{case}");
        }
    }
}
