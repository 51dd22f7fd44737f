//! Where a token can go: modes, links, pipes, devices.

use std::fs::{self, File};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::channel;

use crate::support::browser::answer;
use crate::support::files::{chmod, mkfifo, read_fifo};
use crate::support::login::{ANSWER, TOKEN, complete, login};
use crate::support::server::Server;
use crate::support::{Home, Running, TIMEOUT, mode, run};

#[test]
fn the_file_is_for_its_owner_alone_whatever_the_umask() {
    for umask in ["000", "022", "077", "0777"] {
        for (options, file) in [
            (&["-o", "out"] as &[_], "out"),
            (&["--token-file", "my.json"], "my.json"),
            (&["--save"], "data/yandex-token/default.json"),
            (&["--profile", "work"], "data/yandex-token/work.json"),
        ] {
            for existing in [false, true] {
                let (home, server) = (Home::new(), Server::json(200, ANSWER));
                let path = home.path().join(file);
                if existing {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(&path, "old").unwrap();
                    chmod(&path, 0o644);
                }
                let before = format!("umask {umask}");
                let done = complete(home.after(&before, &login(&server, options)));
                let case = format!("umask {umask}, {file}, existing: {existing}");
                assert_eq!(done.code, Some(0), "{case}: {done:#?}");
                assert_eq!(done.stdout, "", "{case}");
                assert_eq!(mode(&path), 0o600, "{case}");
                assert!(fs::read_to_string(&path).unwrap().contains(TOKEN), "{case}");
                let left = home.files();
                assert_eq!(left, [file], "{case}");
            }
        }
    }
}

#[test]
fn the_data_directory_is_for_its_owner_alone() {
    for umask in ["000", "022", "077"] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        let before = format!("umask {umask}");
        complete(home.after(&before, &login(&server, &["--save"])));
        assert_eq!(mode(&home.data()), 0o700, "umask {umask}");
    }
}

#[test]
fn a_symbolic_link_is_followed_and_stays_one() {
    for option in ["-o", "--token-file"] {
        for (link, target, there) in [
            ("a/link", "real", true),
            ("a/link", "real", false),
            ("a/link", "../b/real", true),
            ("a/link", "../b/real", false),
            ("a/link", "/b/real", true),
            ("a/link", "/b/real", false),
            // Through a directory that is itself a link, and a second link.
            ("a/link", "elsewhere/real", false),
            ("a/link", "elsewhere/../b/again", false),
        ] {
            let (home, server) = (Home::new(), Server::json(200, ANSWER));
            let at = |name: &str| home.path().join(name);
            fs::create_dir_all(at("a")).unwrap();
            fs::create_dir_all(at("b")).unwrap();
            symlink("../b", at("a/elsewhere")).unwrap();
            symlink("real", at("b/again")).unwrap();
            let text = match target.strip_prefix('/') {
                Some(below) => at(below),
                None => PathBuf::from(target),
            };
            symlink(&text, at(link)).unwrap();
            let real = match target {
                "real" => at("a/real"),
                _ => at("b/real"),
            };
            if there {
                fs::write(&real, "old").unwrap();
                chmod(&real, 0o644);
            }
            let case = format!("{option} {link} -> {target}, there: {there}");
            let done = complete(home.command(&login(&server, &[option, link])));
            assert_eq!(done.code, Some(0), "{case}: {done:#?}");
            assert_eq!(fs::read_link(at(link)).unwrap(), text, "{case}");
            assert!(fs::symlink_metadata(&real).unwrap().is_file(), "{case}");
            assert!(fs::read_to_string(&real).unwrap().contains(TOKEN), "{case}");
            assert_eq!(mode(&real), 0o600, "{case}");
            let expected = ["a/elsewhere", "a/link", "b/again"].map(String::from);
            let mut left = home.files();
            left.retain(|name| at(name) != real);
            assert_eq!(left, expected, "{case}");
        }
    }
}

#[test]
fn a_fifo_is_written_to_and_stays_one() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let fifo = home.path().join("fifo");
    mkfifo(&fifo);
    symlink("fifo", home.path().join("link")).unwrap();
    for name in ["fifo", "link"] {
        let text = read_fifo(fifo.clone());
        let options = ["-o", name, "--format", "env"];
        let done = complete(home.command(&login(&server, &options)));
        assert_eq!((done.code, &*done.stdout), (Some(0), ""), "{done:#?}");
        let text = text.recv_timeout(TIMEOUT).unwrap();
        assert_eq!(text, format!("YANDEX_TOKEN={TOKEN}\n"));
        assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo());
        assert_eq!(home.files(), ["fifo", "link"]);
    }
}

#[test]
fn a_token_that_the_reader_of_a_fifo_does_not_take_is_kept() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let fifo = home.path().join("fifo");
    mkfifo(&fifo);
    let opened = fifo.clone();
    let (sender, reader) = channel();
    std::thread::spawn(move || sender.send(File::open(opened).unwrap()));
    let mut running = Running::start(&mut home.command(&login(&server, &["-o", "fifo"])));
    let url = running.url();
    drop(reader.recv_timeout(TIMEOUT).unwrap());
    let page = answer(&url, &[("code", "1234567")]);
    assert!(!page.body.contains("You are logged in"), "{page:#?}");
    let done = running.finish();
    assert_eq!(done.code, Some(1), "{done:#?}");
    done.fails(1, "What was received is kept in ");
}

#[test]
fn a_device_and_a_descriptor_are_opened_and_never_replaced() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let line = format!("{TOKEN}\n");
    let done = complete(home.command(&login(&server, &["-o", "/dev/stdout"])));
    assert_eq!((done.code, done.stdout), (Some(0), line.clone()));
    let done = complete(home.command(&login(&server, &["-o", "/dev/null"])));
    assert_eq!((done.code, &*done.stdout), (Some(0), ""));
    assert!(
        fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );

    // Behind a descriptor there can be a regular file, which is the shell's.
    let file = home.path().join("out");
    for (before, path) in [
        ("exec 3>>out", "/dev/fd/3"),
        ("exec >>out", "/dev/stdout"),
        ("exec >>out", "/dev/fd/1"),
    ] {
        fs::write(&file, "before\n").unwrap();
        chmod(&file, 0o644);
        let inode = fs::metadata(&file).unwrap().ino();
        let done = complete(home.after(before, &login(&server, &["-o", path])));
        assert_eq!((done.code, &*done.stdout), (Some(0), ""), "{before}");
        let written = fs::read_to_string(&file).unwrap();
        assert_eq!(written, format!("before\n{line}"), "{before}");
        let after = fs::metadata(&file).unwrap();
        assert_eq!((after.ino(), after.mode() & 0o777), (inode, 0o644));
        assert_eq!(home.files(), ["out"]);
    }
}

#[test]
fn a_token_that_a_closed_pipe_does_not_take_is_kept() {
    for format in ["token", "json"] {
        let (home, server) = (Home::new(), Server::json(200, ANSWER));
        // A child that another test is starting could hold a pipe's reading end
        // for a moment; a socket is shut down for all who hold it.
        let (reader, writer) = UnixStream::pair().unwrap();
        let arguments = login(&server, &["--format", format]);
        // The writing end travels as standard input.
        let mut command = home.after("exec 1>&0 </dev/null", &arguments);
        let mut running = Running::start(command.stdin(OwnedFd::from(writer)));
        let url = running.url();
        reader.shutdown(Shutdown::Both).unwrap();
        let page = answer(&url, &[("code", "1234567")]);
        assert!(!page.body.contains("You are logged in"), "{page:#?}");
        let done = running.finish();
        assert_eq!((done.code, done.signal), (Some(1), None), "{done:#?}");
        done.fails(1, "What was received is kept in ")
            .hides(&[TOKEN]);
    }
}

#[test]
fn a_closed_standard_output_is_1_and_costs_no_token() {
    let server = Server::json(200, ANSWER).idle();
    let login = login(&server, &[]);
    let refresh = [
        "refresh",
        "--client-id",
        "app",
        "--oauth-url",
        &server.origin,
    ];
    for arguments in [&login[..], &refresh, &["status"], &["man"], &["--version"]] {
        let home = Home::new();
        let mut command = home.after("exec >&-", arguments);
        command.env("YANDEX_REFRESH_TOKEN", "r1");
        run(command).fails(1, "standard output: it is closed");
    }
    assert!(server.requests().is_empty());
    // Python and Node open /dev/null for reading and writing, as Rust does.
    let home = Home::new();
    assert_eq!(run(home.after("exec 1<>/dev/null", &["man"])).code, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_is_full_is_a_local_fault() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let done = complete(home.after("exec >/dev/full", &login(&server, &[])));
    done.fails(8, "standard output").hides(&[TOKEN]);
    let done = complete(home.command(&login(&server, &["-o", "/dev/full"])));
    done.fails(8, "/dev/full").hides(&[TOKEN]);
}

#[test]
fn a_lock_that_another_process_holds_is_waited_for_and_named() {
    let (home, server) = (Home::new(), Server::json(200, ANSWER));
    let held = File::create(home.path().join(".out.lock")).unwrap();
    held.lock().unwrap();
    let options = ["--token-file", "out"];
    let mut running = Running::start(&mut home.command(&login(&server, &options)));
    running.line("waiting for another process");
    held.unlock().unwrap();
    answer(&running.url(), &[("code", "1234567")]);
    let done = running.finish();
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(home.files(), ["out"]);
}
