//! A real pseudo-terminal with the program as its session's foreground.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::pty::openpty;
use nix::sys::termios::{InputFlags, LocalFlags, OutputFlags, tcgetattr};

use super::{BINARY, Home, TIMEOUT};

pub struct Terminal {
    master: File,
    child: Child,
    output: Receiver<Vec<u8>>,
    seen: String,
    searched: usize,
}

impl Terminal {
    pub fn start(home: &Home, arguments: &[&str]) -> Terminal {
        Terminal::shell(home, "exec \"$@\"", arguments)
    }

    /// The program as `"$@"` of a shell script.
    pub fn shell(home: &Home, script: &str, arguments: &[&str]) -> Terminal {
        let pty = openpty(None, None).unwrap();
        let mut command = Command::new("setsid");
        home.furnish(&mut command);
        command
            .args(["--ctty", "--wait", "bash", "-c", script, "sh", BINARY])
            .args(arguments)
            .stdin(pty.slave.try_clone().unwrap())
            .stdout(pty.slave.try_clone().unwrap())
            .stderr(pty.slave);
        let child = command.spawn().unwrap();
        drop(command);
        let master = File::from(pty.master);
        let mut reader = master.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut chunk) {
                if sender.send(chunk[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal {
            master,
            child,
            output,
            seen: String::new(),
            searched: 0,
        }
    }

    /// Waits for this text, behind what was waited for before.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        let until = Instant::now() + TIMEOUT;
        loop {
            if let Some(at) = self.seen[self.searched..].find(text) {
                self.searched += at + text.len();
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("{text:?} was never shown:\n{}", self.seen),
            }
        }
    }

    /// Waits for the authorize URL.
    #[track_caller]
    pub fn url(&mut self) -> String {
        self.shows("/authorize?");
        self.shows("\r\n");
        let line = self.seen.lines().find(|line| line.contains("/authorize?"));
        line.unwrap().trim().to_owned()
    }

    pub fn types(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Modes of input, output and line. More can't be compared: musl leaves some
    /// of what it returns as it was in memory.
    pub fn settings(&self) -> (InputFlags, OutputFlags, LocalFlags) {
        let found = tcgetattr(&self.master).unwrap();
        (found.input_flags, found.output_flags, found.local_flags)
    }

    /// The exit status as a shell would give it.
    pub fn finish(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;

        let until = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().or(status.signal().map(|signal| 128 + signal));
            }
            assert!(Instant::now() < until, "it never ended:\n{}", self.seen);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What is left to see once the program has ended and the lines have been
    /// redrawn.
    pub fn screen(&mut self) -> String {
        while let Ok(bytes) = self.output.recv_timeout(TIMEOUT) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        let lines = self.seen.split("\r\n");
        let lines = lines.map(|line| line.rsplit("\r\x1b[K").next().unwrap());
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
