//! The secrets of a token in the system's keychain, through the credential
//! helpers of Docker and Podman: `docker-credential-HELPER ACTION`, with its
//! input on standard input.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::token::Secrets;
use crate::error::Error;
use crate::json;
use crate::output;
use crate::platform;
use crate::signals;

const USERNAME: &str = "yandex-token";
/// As long as a login's secret can be expected to be.
const PROBE_SECRET: usize = 512;
const POLL: Duration = Duration::from_micros(500);

/// A helper's name is part of a program's, never a path.
pub fn is_helper_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=100).contains(&name.len()) && name.bytes().all(fits)
}

/// One entry of a keychain.
#[derive(PartialEq)]
pub struct Entry {
    helper: String,
    url: String,
}

impl Entry {
    /// # Errors
    /// Exit 8: a file specifies what is no helper or no entry.
    pub fn new(helper: &str, profile: &str, id: Option<&str>) -> Result<Entry, Error> {
        let what = format!("the keychain of profile {profile}");
        if !is_helper_name(helper) {
            return Err(Error::local(what, "the token file names no helper"));
        }
        let id = id.filter(|id| is_helper_name(id));
        let id = id.ok_or_else(|| Error::local(what, "the token file names no entry"))?;
        Ok(Entry {
            helper: helper.to_owned(),
            url: format!("https://oauth.yandex.com/yandex-token/{profile}/{id}"),
        })
    }

    /// Stores, reads and erases a secret of no meaning.
    ///
    /// # Errors
    /// Exit 8: the helper doesn't do what it should.
    pub fn probe(&self) -> Result<(), Error> {
        self.store(&Secrets {
            access_token: "x".repeat(PROBE_SECRET).into(),
            refresh_token: None,
        })?;
        self.erase()
    }

    /// The secrets. None where there is no such entry.
    pub fn get(&self) -> Result<Option<Secrets>, Error> {
        let text = self.get_text()?;
        let secrets = text.map(|text| Secrets::parse(text.expose_secret()));
        let secrets = secrets.transpose();
        secrets.map_err(|why| self.failed("get", format!("the secret: {why}")))
    }

    /// Stores the secrets, and makes sure that they are there.
    pub fn store(&self, secrets: &Secrets) -> Result<(), Error> {
        let secret = secrets.to_json();
        let request = json!({
            "ServerURL": self.url, "Username": USERNAME, "Secret": secret.expose_secret(),
        });
        self.run("store", &request.to_string().into())?;
        let kept = self.get_text()?;
        match kept.is_some_and(|kept| kept.expose_secret() == secret.expose_secret()) {
            true => Ok(()),
            false => Err(self.failed("store", "it did not keep the entry")),
        }
    }

    /// Erases the entry, which need not be there.
    pub fn erase(&self) -> Result<(), Error> {
        self.run("erase", &self.url.clone().into()).map(drop)
    }

    fn get_text(&self) -> Result<Option<SecretString>, Error> {
        let Some(answer) = self.run("get", &self.url.clone().into())? else {
            return Ok(None);
        };
        let fields = json::object(answer.expose_secret().as_bytes());
        let fields = fields.map_err(|why| self.failed("get", format!("the answer: {why}")))?;
        match (fields.get("Secret"), fields.get("Username")) {
            (Some(Value::String(secret)), _) if secret.is_empty() => Ok(None),
            (Some(Value::String(secret)), Some(user)) if user == USERNAME => {
                Ok(Some(secret.as_str().into()))
            }
            _ => Err(self.failed("get", "the answer is not our entry")),
        }
    }

    /// What the helper answers. None where it has no such entry.
    fn run(&self, action: &str, input: &SecretString) -> Result<Option<SecretString>, Error> {
        let mut command = Command::new(self.program()?);
        command
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        for name in platform::SECRET_VARIABLES {
            command.env_remove(name);
        }
        // Held back signals hold for the helper too: it must not die of them
        // before it has stored what was spent for.
        let started = match signals::are_held() {
            true => command.spawn(),
            false => signals::delivered(|| command.spawn()),
        };
        let mut child = started.map_err(|error| self.failed(action, error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that doesn't read it may have an answer all the same.
            let _ = stdin.write_all(input.expose_secret().as_bytes());
        }
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| self.failed(action, "no answer"))?;
        let (sender, answer) = channel();
        thread::spawn(move || sender.send(io::read_to_string(stdout).map(SecretString::from)));
        let limit = if io::stderr().is_terminal() { 60 } else { 5 };
        let until = Instant::now() + Duration::from_secs(limit);
        let answer = answer.recv_timeout(Duration::from_secs(limit));
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                // It closes its output just before it ends.
                Ok(None) if answer.is_ok() && Instant::now() < until => thread::sleep(POLL),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(self.failed(action, format!("no answer within {limit} s")));
                }
            }
        };
        let answer = answer.map_err(|_| self.failed(action, "no answer"))?;
        let answer = answer.map_err(|_| self.failed(action, "the answer is not UTF-8"))?;
        let said = answer.expose_secret().trim();
        match status.success() {
            true => Ok(Some(answer)),
            false if said.contains("credentials not found") && action != "store" => Ok(None),
            // It may repeat what it was given or has found.
            false if said.is_empty() || said.contains("access_token") => {
                Err(self.failed(action, status))
            }
            false => Err(self.failed(action, output::short(said))),
        }
    }

    /// Never from a relative entry of `PATH`: that is whatever the current
    /// directory holds.
    fn program(&self) -> Result<PathBuf, Error> {
        let name = format!(
            "docker-credential-{}{}",
            self.helper,
            env::consts::EXE_SUFFIX
        );
        let path = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(&name))
            .find(|program| program.is_file());
        found.ok_or_else(|| {
            Error::local("the keychain", format!("{name} is not in PATH")).hint(
                "Install it (Debian: golang-docker-credential-helpers), or keep the token in a \
                 file: login --keychain none",
            )
        })
    }

    fn failed(&self, action: &str, why: impl ToString) -> Error {
        let what = format!("docker-credential-{} {action}", self.helper);
        Error::local(what, why).hint(format!(
            "The keychain may be locked: unlock it, or log in with --keychain none. The entry is {}",
            self.url
        ))
    }
}
