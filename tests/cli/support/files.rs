//! Files of a kind that a test needs: scripts, FIFOs, those of another user.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use super::{BINARY, Home};

pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

pub fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Reads a FIFO to its end from a thread: nobody hangs where nothing comes.
pub fn read_fifo(path: PathBuf) -> Receiver<String> {
    let (sender, text) = channel();
    std::thread::spawn(move || {
        let mut read = String::new();
        File::open(path).unwrap().read_to_string(&mut read).unwrap();
        let _ = sender.send(read);
    });
    text
}

/// A browser that is this shell script, run in the home.
pub fn script(home: &Home, body: &str) -> PathBuf {
    install(home, "browser", body)
}

pub fn install(home: &Home, name: &str, body: &str) -> PathBuf {
    let path = home.path().join(name);
    // Written by a child: a file that any process has open for writing can't
    // be run, and a fork of another test could have ours open.
    let made = Command::new("/bin/sh")
        .args([
            "-c",
            "printf '#!/bin/sh\\n%s\\n' \"$2\" >\"$1\" && chmod 755 \"$1\"",
        ])
        .arg("sh")
        .args([path.as_os_str(), body.as_ref()])
        .status();
    assert!(made.unwrap().success());
    path
}

/// A copy of the program that every user can run: the build directory can be
/// closed to others.
pub fn program_for_all(home: &Home) -> PathBuf {
    let copy = home.path().join("yandex-token");
    if !copy.exists() {
        // By a child: a file that any process has open for writing can't be run.
        let copied = Command::new("cp").arg(BINARY).arg(&copy).status();
        assert!(copied.unwrap().success());
    }
    chmod(&copy, 0o755);
    copy
}

/// The program as nobody, in a home that is nobody's, after `before`.
pub fn as_nobody(home: &Home, before: &str, arguments: &[&str]) -> Command {
    let copy = program_for_all(home);
    for dir in ["", "tmp", "data"] {
        give(&home.path().join(dir));
    }
    let become_nobody = format!(
        "{before}\nshift; set -- setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups \
         '{}' \"$@\"",
        copy.display()
    );
    home.after(&become_nobody, arguments)
}

pub const NOBODY: u32 = 65534;

pub fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}
