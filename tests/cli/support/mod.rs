//! What every test stands on. Nothing here sleeps to wait for something: it
//! waits for the thing, and panics where that does not come.

#[cfg(target_os = "linux")]
pub mod authority;
pub mod browser;
#[cfg(unix)]
pub mod documents;
#[cfg(unix)]
pub mod files;
pub mod login;
#[cfg(target_os = "linux")]
pub mod proxy;
pub mod public;
pub mod sandbox;
pub mod server;
#[cfg(target_os = "linux")]
pub mod terminal;
pub mod waiting;
#[cfg(target_os = "linux")]
pub mod webdriver;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

#[cfg(unix)]
pub use documents::block;
use server::Server;

pub const BINARY: &str = env!("CARGO_BIN_EXE_yandex-token");

/// Long enough for a loaded machine; only a failing test waits for it.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The access token and the refresh token of one that has expired.
pub const OLD: [&str; 2] = ["0ldt0ken", "r3fr3sh"];

/// A user's home, gone when it is dropped.
pub struct Home(PathBuf);

impl Home {
    pub fn new() -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "yt-test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("tmp")).unwrap();
        fs::create_dir_all(path.join("data")).unwrap();
        Home(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The data directory of the program in this home.
    pub fn data(&self) -> PathBuf {
        self.0.join("data/yandex-token")
    }

    /// The program, in this home and with nothing else from our environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        self.furnish(&mut command);
        command.args(arguments);
        command
    }

    /// The program, started by a shell after `before`, a limit for instance.
    #[cfg(unix)]
    pub fn after(&self, before: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        self.furnish(&mut command);
        let script = format!("{before}; exec \"$@\"");
        command.args(["-c", &script, "sh", BINARY]).args(arguments);
        command
    }

    /// The program, for which this server is the authorization server.
    pub fn at(&self, server: &Server, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("YANDEX_OAUTH_URL", &server.origin);
        command
    }

    pub fn furnish(&self, command: &mut Command) {
        command.env_clear().current_dir(&self.0);
        for name in ["PATH", "SYSTEMROOT", "COMPUTERNAME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", &self.0)
            .env("TMPDIR", self.0.join("tmp"))
            .env("XDG_DATA_HOME", self.0.join("data"));
        #[cfg(windows)]
        command.env("TEMP", self.0.join("tmp"));
    }

    /// Saves a token file as the default profile, readable by us alone.
    pub fn save(&self, content: &str) {
        let path = self.data().join("default.json");
        fs::create_dir_all(self.data()).unwrap();
        fs::write(&path, content).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(self.data(), fs::Permissions::from_mode(0o700)).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// Saves a token of this server that has to be refreshed, with `OLD`.
    pub fn save_expired(&self, oauth_url: &str) {
        let token = serde_json::json!({
            "access_token": OLD[0], "refresh_token": OLD[1], "expires_at": now() - 10,
            "client_id": "app", "oauth_url": oauth_url,
        });
        self.save(&token.to_string());
    }

    /// What the default profile holds.
    pub fn saved(&self) -> String {
        fs::read_to_string(self.data().join("default.json")).unwrap()
    }

    /// The same as JSON.
    pub fn token(&self) -> Value {
        serde_json::from_str(&self.saved()).unwrap()
    }

    /// Every file below the home but the lock files, by its path in it, sorted.
    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut dirs = vec![self.0.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    dirs.push(path);
                } else {
                    let name = path.strip_prefix(&self.0).unwrap();
                    let name = name.to_string_lossy();
                    found.push(name.replace(std::path::MAIN_SEPARATOR, "/"));
                }
            }
        }
        found.retain(|name| !name.ends_with(".lock"));
        found.sort();
        found
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// None where it died by a signal.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Checks the exit status, that nothing is on standard output, and that
    /// standard error says this, in an error's form.
    #[track_caller]
    pub fn fails(&self, code: i32, says: &str) -> &Finished {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        let line = self.stderr.lines().find(|line| {
            // Errors of the command line have clap's form.
            line.starts_with("error: ")
                || line.starts_with("yandex-token: ")
                    && !line.starts_with("yandex-token: warning: ")
        });
        assert!(line.is_some(), "no error line: {self:#?}");
        assert!(
            self.stderr.contains(says),
            "{says:?} is not said: {self:#?}"
        );
        self
    }

    /// Checks that this is all on standard output, and no error.
    #[track_caller]
    pub fn prints(&self, text: &str) -> &Finished {
        assert_eq!((self.code, &*self.stdout), (Some(0), text), "{self:#?}");
        self
    }

    /// The content of the file in which an error says that a token is kept.
    #[track_caller]
    pub fn kept(&self) -> String {
        let path = self
            .stderr
            .split("is kept in ")
            .nth(1)
            .expect("a path")
            .trim();
        #[cfg(unix)]
        assert_eq!(mode(Path::new(path)), 0o600);
        fs::read_to_string(path).unwrap()
    }

    /// Checks that nothing on either stream could move a cursor.
    #[track_caller]
    pub fn is_plain(&self) -> &Finished {
        let is_control = |c: char| c.is_control() && c != '\n';
        let shown = [&self.stdout, &self.stderr].map(|text| text.contains(is_control));
        assert_eq!(shown, [false; 2], "{self:#?}");
        self
    }

    /// Checks that none of the secrets is on standard error.
    #[track_caller]
    pub fn hides(&self, secrets: &[&str]) -> &Finished {
        for secret in secrets {
            assert!(
                !self.stderr.contains(secret),
                "{secret} is shown: {self:#?}"
            );
        }
        self
    }
}

/// Runs a command to its end with this on its standard input.
pub fn run_with(mut command: Command, input: &str) -> Finished {
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.child.stdin.take().unwrap();
    // It fails where the program has ended without reading all of it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    running.finish()
}

pub fn run(mut command: Command) -> Finished {
    Running::start(&mut command).finish()
}

/// A process that ends with its test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running program, its standard error read as it comes.
pub struct Running {
    pub child: Child,
    stderr_lines: Receiver<String>,
    stdout_lines: Receiver<String>,
    stderr: String,
    stdout: String,
    pub started: Instant,
}

/// The lines of a pipe as they come, each with its end.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    let mut pipe = BufReader::new(pipe);
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).unwrap() > 0 {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                return;
            }
            line.clear();
        }
    });
    lines
}

impl Running {
    pub fn start(command: &mut Command) -> Running {
        let started = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running {
            stderr_lines: lines(child.stderr.take().unwrap()),
            stdout_lines: lines(child.stdout.take().unwrap()),
            child,
            stderr: String::new(),
            stdout: String::new(),
            started,
        }
    }

    /// Waits for a line on standard error that holds this.
    #[track_caller]
    pub fn line(&mut self, holds: &str) -> String {
        let until = Instant::now() + TIMEOUT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.stderr_lines.recv_timeout(left) {
                Ok(line) => {
                    self.stderr.push_str(&line);
                    if line.contains(holds) {
                        return line.trim_end_matches('\n').to_owned();
                    }
                }
                Err(_) => panic!("{holds:?} was never said:\n{}", self.stderr),
            }
        }
    }

    /// Waits for the authorize URL.
    #[track_caller]
    pub fn url(&mut self) -> String {
        self.line("/authorize?").trim().to_owned()
    }

    /// Waits for a line on standard output, which is read here as it comes.
    #[track_caller]
    pub fn output_line(&mut self) -> String {
        let line = self.stdout_lines.recv_timeout(TIMEOUT).unwrap();
        self.stdout.push_str(&line);
        line.trim_end_matches('\n').to_owned()
    }

    /// Waits for the three lines of a sandbox: origin, ID and secret.
    #[track_caller]
    pub fn sandbox_lines(&mut self) -> [String; 3] {
        [(); 3].map(|()| self.output_line().split_once('=').unwrap().1.to_owned())
    }

    /// Waits for the program's end.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let until = Instant::now() + TIMEOUT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > until {
                let _ = self.child.kill();
                panic!("it never ended:\n{}", self.stderr);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        for (text, lines) in [
            (&mut self.stderr, &self.stderr_lines),
            (&mut self.stdout, &self.stdout_lines),
        ] {
            while let Ok(line) = lines.recv_timeout(TIMEOUT) {
                text.push_str(&line);
            }
        }
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        #[cfg(not(unix))]
        let signal = None;
        Finished {
            code: status.code(),
            signal,
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rows of a table, one in a line, whose columns stand between bars.
#[track_caller]
pub fn rows<const COLUMNS: usize>(table: &str) -> Vec<[&str; COLUMNS]> {
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    let rows = lines.map(|line| {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        <[&str; COLUMNS]>::try_from(columns).unwrap_or_else(|_| panic!("{line}"))
    });
    rows.collect()
}

/// The bytes of a text in which some are written as in Rust; `\e` is an escape.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_owned();
    for part in parts {
        let (byte, length) = match part.as_bytes().first() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b't') => (b'\t', 1),
            Some(b'e') => (0x1b, 1),
            Some(b'0') => (0, 1),
            Some(b'x') => (u8::from_str_radix(&part[1..3], 16).unwrap(), 3),
            _ => panic!("\\{part}"),
        };
        bytes.push(byte);
        bytes.extend(&part.as_bytes()[length..]);
    }
    bytes
}

/// Waits until this is so.
#[track_caller]
pub fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < until, "it never came: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Seconds since the epoch.
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// What a token file holds but for the note of a renewal that failed.
pub fn without_note(token_file: &str) -> Value {
    let mut token: Value = serde_json::from_str(token_file).unwrap();
    let fields = token.as_object_mut().unwrap();
    fields.retain(|name, _| !name.starts_with("renew_"));
    token
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[cfg(unix)]
pub fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o7777
}

/// Sends signals, one after the other, to a running program.
#[cfg(unix)]
pub fn send(running: &Running, names: &[&str]) {
    let id = running.child.id();
    let script: Vec<_> = names
        .iter()
        .map(|name| format!("kill -s {name} {id}"))
        .collect();
    let sent = Command::new("/bin/sh")
        .args(["-c", &script.join(" && ")])
        .status();
    assert!(sent.unwrap().success());
}

pub fn several_at_once<T: Send>(threads: usize, all: Vec<T>, work: impl Fn(T) + Sync) {
    let all = Mutex::new(all);
    let next = || all.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(one) = next() {
                    work(one);
                }
            });
        }
    });
}
