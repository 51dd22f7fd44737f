//! Places that can't take a token: found out before anybody is asked to log
//! in, or else what was received is kept elsewhere.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::browser::answer;
use crate::support::files::{chmod, mkfifo, read_fifo};
use crate::support::login::{ANSWER, TOKEN, complete, login, with_browser};
use crate::support::login::{browser, refused};
use crate::support::server::Server;
use crate::support::{Home, Running, TIMEOUT, mode};

#[test]
fn the_browser_of_these_tests_reports_that_it_was_opened() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    mkfifo(&home.path().join("opened"));
    let opened = read_fifo(home.path().join("opened"));
    let mut command = home.command(&with_browser(&server, &["-o", "out"]));
    command.env("BROWSER", browser(&home));
    let mut running = Running::start(&mut command);
    let url = running.url();
    assert_eq!(opened.recv_timeout(TIMEOUT).unwrap(), "yes\n");
    answer(&url, &[("code", "1234567")]);
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_a_browser_opens() {
    let server = Server::json(200, ANSWER).idle();
    let long = "n".repeat(300);
    for (options, says) in [
        (["-o", "dir"], "dir"),
        (["-o", "no/such/out"], "no/such/out"),
        (["-o", "file/out"], "file/out"),
        (["-o", "loop"], "loop"),
        (["-o", "nowhere"], "nowhere"),
        (["-o", &long], &long),
        (["-o", "/dev/fd/9"], "/dev/fd/9"),
        (["-o", "/proc/out"], "/proc/out"),
        (["--token-file", "dir"], "not a regular file"),
        (["--token-file", "no/such/out"], "no/such"),
        (["--token-file", "fifo"], "not a regular file"),
        (["--token-file", "to-fifo"], "not a regular file"),
        (["--token-file", "/dev/null"], "not a regular file"),
        (["--token-file", "/dev/stdout"], "writing"),
        (["--token-file", "loop"], "symbolic links"),
        (["--profile", "dir"], "not a regular file"),
        (["--profile", "fifo"], "not a regular file"),
    ] {
        let home = Home::new();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(home.data().join("dir.json")).unwrap();
        mkfifo(&home.data().join("fifo.json"));
        fs::create_dir(at("dir")).unwrap();
        fs::write(at("file"), "").unwrap();
        mkfifo(&at("fifo"));
        symlink("fifo", at("to-fifo")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("no/such/out", at("nowhere")).unwrap();
        refused(&home, home.command(&with_browser(&server, &options)), says);
        assert!(at("dir").is_dir());
        assert!(fs::metadata(at("fifo")).unwrap().file_type().is_fifo());
    }
}

#[test]
fn a_data_directory_that_cannot_be_is_refused_before_a_browser_opens() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    fs::write(home.path().join("file"), "").unwrap();
    for dir in ["file", "file/below"] {
        let mut command = home.command(&with_browser(&server, &["--save"]));
        command.env("XDG_DATA_HOME", home.path().join(dir));
        refused(&home, command, "file");
    }
}

#[test]
fn a_file_that_may_not_grow_is_refused_before_a_browser_opens() {
    for (options, kept) in [
        (["-o", "out"], None),
        (["-o", "old-out"], Some("old-out")),
        (["--token-file", "out"], None),
        (["--profile", "out"], None),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
        if let Some(name) = kept {
            fs::write(home.path().join(name), "old").unwrap();
        }
        let arguments = with_browser(&server, &options);
        let command = home.after("ulimit -f 8", &arguments);
        refused(&home, command, "out");
        if let Some(name) = kept {
            let old = fs::read_to_string(home.path().join(name)).unwrap();
            assert_eq!(old, "old");
        }
    }
}

/// A small file system of its own, for as long as this lives.
struct Tmpfs<'a>(&'a Path);

impl Tmpfs<'_> {
    fn mount(at: &Path) -> Tmpfs<'_> {
        fs::create_dir(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs"]);
        assert!(mount.arg(at).status().unwrap().success());
        Tmpfs(at)
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
#[ignore = "needs root to mount a tmpfs"]
fn a_full_disk_is_refused_before_a_browser_opens() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let disk = home.path().join("disk");
    let _mounted = Tmpfs::mount(&disk);
    fs::write(disk.join("filler"), [1; 5000]).unwrap();
    for option in ["-o", "--token-file"] {
        let arguments = with_browser(&server, &[option, "disk/out"]);
        refused(&home, home.command(&arguments), "disk/out");
        let mut left = home.files();
        left.retain(|name| name.starts_with("disk/"));
        assert_eq!(left, ["disk/filler"], "only the filler");
    }
    fs::remove_file(disk.join("filler")).unwrap();
    let done = complete(home.command(&login(&server, &["-o", "disk/out"])));
    assert_eq!(done.code, Some(0), "with room it goes well: {done:#?}");
}

#[test]
fn a_token_directory_that_everybody_can_write_is_refused() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER).idle());
    let dir = home.path().join("dir");
    fs::create_dir(&dir).unwrap();
    fs::create_dir(home.data()).unwrap();
    symlink("dir/real", home.path().join("link")).unwrap();
    for (options, dir) in [
        (["--token-file", "dir/out"], &dir),
        (["--token-file", "link"], &dir),
        (["--profile", "out"], &home.data()),
    ] {
        for bad in [0o777, 0o702] {
            chmod(dir, bad);
            let command = home.command(&with_browser(&server, &options));
            let done = refused(&home, command, "other users can replace");
            let name = dir.to_str().unwrap();
            assert!(done.stderr.contains(name), "{done:#?}");
        }
    }
}

#[test]
fn a_token_directory_that_a_group_can_write_is_warned_about() {
    for (mode, warned) in [
        (0o770, true),
        (0o720, true),
        (0o700, false),
        (0o755, false),
        (0o1777, false),
        (0o1770, false),
    ] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let dir = home.path().join("dir");
        fs::create_dir(&dir).unwrap();
        chmod(&dir, mode);
        let done = complete(home.command(&login(&server, &["--token-file", "dir/out"])));
        assert_eq!(done.code, Some(0), "{mode:o}: {done:#?}");
        let warning = "yandex-token: warning: a group can replace";
        assert_eq!(done.stderr.contains(warning), warned, "{mode:o}: {done:#?}");
    }
}

/// Takes the directory away while the person logs in.
#[track_caller]
fn kept_elsewhere(umask: &str) {
    for (runtime, kept_in) in [
        (None, "tmp"),
        (Some("run"), "run"),
        (Some("no/such/dir"), "tmp"),
    ] {
        for (option, expected) in [("-o", TOKEN), ("--token-file", "r3fr3sh")] {
            let (home, server) = (Home::new(), Server::json(200, ANSWER));
            let at = |name: &str| home.path().join(name);
            fs::create_dir(at("dir")).unwrap();
            fs::create_dir(at("run")).unwrap();
            let arguments = login(&server, &[option, "dir/out"]);
            let mut command = home.after(&format!("umask {umask}"), &arguments);
            command.envs(runtime.map(|dir| ("XDG_RUNTIME_DIR", at(dir))));
            let mut running = Running::start(&mut command);
            let url = running.url();
            fs::rename(at("dir"), at("gone")).unwrap();
            let page = answer(&url, &[("code", "1234567")]);
            assert!(!page.body.contains("You are logged in"), "{page:#?}");
            let done = running.finish();
            done.fails(8, "dir/out").hides(&[TOKEN, "r3fr3sh"]);
            let kept: Vec<_> = fs::read_dir(at(kept_in)).unwrap().collect();
            assert_eq!(kept.len(), 1, "{done:#?}");
            let kept = kept[0].as_ref().unwrap().path();
            let named = done.stderr.contains(kept.to_str().unwrap());
            assert!(named, "{done:#?}");
            assert_eq!(mode(&kept), 0o600, "{kept_in}, {option}");
            let text = fs::read_to_string(&kept).unwrap();
            assert!(text.contains(expected), "{kept_in}, {option}");
        }
    }
}

#[test]
fn what_cannot_be_saved_after_all_is_kept_for_its_owner_and_named() {
    kept_elsewhere("000");
    kept_elsewhere("022");
}

#[test]
fn what_is_kept_elsewhere_can_be_read_whatever_the_umask() {
    kept_elsewhere("0777");
}
