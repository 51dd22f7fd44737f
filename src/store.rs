//! Saved tokens: where they are, and what a token file holds.
//!
//! How a file is replaced without ever being half there is in [`place`]. This
//! is the one module that writes tokens out, so `expose_secret` here is the
//! format of the token file and nothing else.

pub mod place;

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::oauth::response::TokenResponse;
use crate::random;
use place::Place;

/// More than any token file has.
const MAX_FILE: u64 = 1 << 20;

/// What is known of a token: the server's answer and how it was got.
pub struct StoredToken {
    pub access_token: SecretString,
    token_type: Option<String>,
    refresh_token: Option<SecretString>,
    scope: Option<String>,
    /// Seconds since the epoch.
    expires_at: Option<u64>,
    client_id: String,
    oauth_url: String,
    device_id: Option<String>,
}

impl StoredToken {
    /// A token that has just been answered.
    pub fn new(
        answer: TokenResponse,
        client_id: String,
        oauth_url: String,
        device_id: Option<String>,
    ) -> StoredToken {
        StoredToken {
            access_token: answer.access_token,
            token_type: answer.token_type,
            refresh_token: answer.refresh_token,
            scope: answer.scope,
            expires_at: answer
                .expires_in
                .map(|seconds| now().saturating_add(seconds)),
            client_id,
            oauth_url,
            device_id,
        }
    }

    /// The token file: one line of JSON.
    pub fn to_json(&self) -> SecretString {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        let secret = |secret: &SecretString| json!(secret.expose_secret());
        set("access_token", Some(secret(&self.access_token)));
        set(
            "token_type",
            self.token_type.as_ref().map(|text| json!(text)),
        );
        set("refresh_token", self.refresh_token.as_ref().map(secret));
        set("scope", self.scope.as_ref().map(|text| json!(text)));
        set("expires_at", self.expires_at.map(|seconds| json!(seconds)));
        set("client_id", Some(json!(self.client_id)));
        set("oauth_url", Some(json!(self.oauth_url)));
        set("device_id", self.device_id.as_ref().map(|text| json!(text)));
        format!("{}\n", Value::Object(fields)).into()
    }
}

/// Which token file is meant.
#[derive(Debug, Clone)]
pub enum Location {
    /// A name in the data directory; see [`is_profile_name`].
    Profile(String),
    File(PathBuf),
}

impl Location {
    /// # Errors
    /// When the system names no home to keep a profile in.
    pub fn path(&self) -> Result<PathBuf, Error> {
        match self {
            Location::Profile(name) => Ok(data_dir()?.join(format!("{name}.json"))),
            Location::File(path) => Ok(path.clone()),
        }
    }

    /// Where the token file will be replaced; a profile's directory is made
    /// if it isn't there.
    pub fn place(&self) -> Result<Place, Error> {
        if let Location::Profile(_) = self {
            make_data_dir()?;
        }
        Place::of_token(&self.path()?)
    }

    /// The application that the saved token was issued to, as far as one is
    /// saved and says so.
    pub fn saved_client_id(&self) -> Option<String> {
        let path = self.path().ok()?;
        // No open() on anything that could hang, a FIFO for instance.
        if !fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut text = Vec::new();
        let file = fs::File::open(path).ok()?;
        file.take(MAX_FILE).read_to_end(&mut text).ok()?;
        let fields: Map<String, Value> = serde_json::from_slice(&text).ok()?;
        let client_id = fields.get("client_id")?.as_str()?;
        (!client_id.is_empty()).then(|| client_id.to_owned())
    }
}

/// A profile's name is the stem of a file name, never a path.
pub fn is_profile_name(name: &str) -> bool {
    !name.starts_with('.')
        && (1..=100).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "._-@+".contains(c))
}

/// `$XDG_DATA_HOME/yandex-token`, or the platform's own.
pub fn data_dir() -> Result<PathBuf, Error> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || std::env::home_dir().filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| {
            if cfg!(windows) {
                absolute("APPDATA")
            } else if cfg!(target_os = "macos") {
                home().map(|home| home.join("Library/Application Support"))
            } else {
                home().map(|home| home.join(".local/share"))
            }
        })
        .map(|dir| dir.join("yandex-token"))
        .ok_or_else(|| {
            Error::local(
                "finding the data directory",
                "this user has no home directory",
            )
            .hint("Set XDG_DATA_HOME, or name the file with --token-file.")
        })
}

/// Makes the data directory, for this user alone.
fn make_data_dir() -> Result<PathBuf, Error> {
    let dir = data_dir()?;
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(|e| creating(parent, &e))?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(&dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(creating(&dir, &error)),
        _ => Ok(dir),
    }
}

fn creating(dir: &Path, cause: &std::io::Error) -> Error {
    Error::local(format!("creating {}", dir.display()), cause)
}

/// This machine's `device_id`: a UUID, made once and kept.
pub fn device_id() -> Result<String, Error> {
    let path = make_data_dir()?.join("device-id");
    let place = Place::of_token(&path)?;
    let kept = || fs::read_to_string(&path).map(|text| text.trim().to_owned());
    if let Ok(id) = kept() {
        return checked_device_id(id, &path);
    }
    let lock = place.lock()?;
    match kept() {
        Ok(id) => checked_device_id(id, &path),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let id = random::uuid();
            lock.commit(format!("{id}\n").as_bytes())?;
            Ok(id)
        }
        Err(error) => Err(Error::local(format!("reading {}", path.display()), error)),
    }
}

fn checked_device_id(id: String, path: &Path) -> Result<String, Error> {
    if is_device_id(&id) {
        return Ok(id);
    }
    Err(Error::local(
        format!("reading {}", path.display()),
        "not a device ID (6 to 50 printable ASCII characters)",
    )
    .hint("Remove the file, and the next login makes another."))
}

/// Yandex's limits: 6 to 50 characters, printable ASCII.
pub fn is_device_id(id: &str) -> bool {
    (6..=50).contains(&id.len()) && id.bytes().all(|b| (b' '..=b'~').contains(&b))
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_a_name_and_never_a_path() {
        for good in ["default", "work-2", "Рабочий", "a.b@c"] {
            assert!(is_profile_name(good), "{good}");
        }
        for bad in [
            "",
            "a/b",
            "..",
            ".hidden",
            "a\\b",
            "a\0",
            "a b",
            "a\nb",
            &"x".repeat(101),
        ] {
            assert!(!is_profile_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_lifetime_beyond_all_time_does_not_wrap() {
        let answer = TokenResponse {
            access_token: "t".into(),
            token_type: None,
            refresh_token: None,
            scope: None,
            expires_in: Some(u64::MAX),
        };
        let token = StoredToken::new(answer, "id".into(), "https://a.example".into(), None);
        assert_eq!(token.expires_at, Some(u64::MAX));
    }
}
