//! Saved tokens: which file is meant, what is in it ([`token`]), and how it is
//! replaced without ever being half there ([`atomic_file`]).

pub mod atomic_file;
pub mod files;
pub mod keychain;
pub mod ownership;
pub mod renewal;
pub mod token;

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::error::{Error, Kind};
use crate::output;
use crate::platform;
use crate::private_dir;
use atomic_file::{AtomicFile, Lock};
use keychain::Entry;
use token::StoredToken;

const NO_HOME: &str = "Set XDG_DATA_HOME, or pass the token file with --token-file.";
/// How often a mounted file that makes no sense is read again.
const TORN_TRIES: u32 = 3;
const TORN_PAUSE: Duration = Duration::from_millis(20);
/// More than any token file has.
const MAX_FILE: u64 = 1 << 20;

/// Which token file is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Location {
    /// A name in the data directory; see [`is_profile_name`].
    Profile(String),
    File(PathBuf),
}

impl Default for Location {
    fn default() -> Location {
        Location::Profile("default".to_owned())
    }
}

/// In the words of a message.
impl Display for Location {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Location::Profile(name) => write!(f, "profile {name}"),
            Location::File(path) => write!(f, "{}", path.display()),
        }
    }
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
    pub fn file(&self) -> Result<AtomicFile, Error> {
        if let Location::Profile(_) = self {
            make_data_dir()?;
        }
        AtomicFile::of_token(&self.path()?)
    }

    /// Reads the token, its secrets from the keychain where that keeps them.
    /// None where there is none.
    ///
    /// # Errors
    /// Exit 7: the keychain has lost them; 8: file or keychain can't be read.
    pub fn load(&self) -> Result<Option<StoredToken>, Error> {
        // A login may put another entry in its place meanwhile.
        for _ in 0..TORN_TRIES {
            let Some(mut token) = self.load_file()? else {
                return Ok(None);
            };
            let Some(entry) = self.entry(&token)? else {
                return Ok(Some(token));
            };
            if let Some(secrets) = entry.get()? {
                token.secrets = secrets;
                return Ok(Some(token));
            }
        }
        let why = "the keychain has no such entry";
        Err(Error::new(Kind::NoToken, "the saved token", why).hint(self.login_again()))
    }

    /// Where the keychain keeps the token's secrets, if it does.
    pub fn entry(&self, token: &StoredToken) -> Result<Option<Entry>, Error> {
        match (&token.keychain, self) {
            (None, _) => Ok(None),
            (Some(helper), Location::Profile(name)) => {
                Entry::new(helper, name, token.keychain_id.as_deref()).map(Some)
            }
            (Some(_), Location::File(path)) => Err(Error::local(
                format!("reading {}", path.display()),
                "its secrets are in a keychain, which only a profile can have",
            )
            .hint("Use --profile.")),
        }
    }

    /// Saves the token: its secrets in the keychain where that keeps them,
    /// then the file. What another entry kept before is erased.
    pub fn commit(&self, lock: Lock, token: &StoredToken) -> Result<(), Error> {
        let old = self.load_file().ok().flatten();
        let old = old.and_then(|old| self.entry(&old).ok().flatten());
        let new = self.entry(token)?;
        if let Some(new) = &new {
            new.store(&token.secrets)?;
        }
        let is_moved = old != new;
        if let Err(error) = lock.commit(token.to_file().expose_secret().as_bytes()) {
            if let Some(new) = new.filter(|_| is_moved) {
                let _ = new.erase();
            }
            return Err(error);
        }
        if let Some(Err(error)) = old.filter(|_| is_moved).map(|old| old.erase()) {
            output::warn(&format!("the old token is still in the keychain: {error}"));
        }
        Ok(())
    }

    /// Reads the token file alone: no keychain is asked. None where there is
    /// none.
    ///
    /// # Errors
    /// Exit 8: it can't be read, or holds something else.
    pub fn load_file(&self) -> Result<Option<StoredToken>, Error> {
        let path = self.path()?;
        let failed = |why: String| Error::local(format!("reading {}", path.display()), why);
        let is_mounted = || files::resolve(&path).is_ok_and(|path| files::is_mount_point(&path));
        let mut tries = TORN_TRIES;
        loop {
            let text = match read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(error.to_string())),
            };
            // A user who can replace the file chooses the token that we print.
            files::check_directories(&path)?;
            if text.trim_ascii().is_empty() {
                return Ok(None);
            }
            match StoredToken::parse(&text) {
                Ok(token) => {
                    self.entry(&token)?;
                    return Ok(Some(token));
                }
                // One that is written in place may be half there.
                Err(_) if tries > 0 && is_mounted() => {
                    tries -= 1;
                    thread::sleep(TORN_PAUSE);
                }
                Err(why) => {
                    return Err(failed(format!("not a token file: {why}"))
                        .hint(format!("Make a new one: {}", self.login())));
                }
            }
        }
    }

    /// The command that gets this token anew, with what it remembers.
    pub fn login(&self) -> String {
        self.command("login")
    }

    /// The hint that goes with a token that can't be used any more.
    pub fn login_again(&self) -> String {
        format!("Log in again: {}", self.login())
    }

    /// A command on this token, for a shell.
    pub fn command(&self, command: &str) -> String {
        let place = match self {
            Location::Profile(name) => format!("--profile {name}"),
            Location::File(path) => {
                format!("--token-file {}", platform::quoted(&path.to_string_lossy()))
            }
        };
        format!("yandex-token {command} {place}")
    }

    /// Adds to the saved token whose it is, unless another has taken its place
    /// since.
    pub fn note_account(&self, token: &StoredToken, account: &str) -> Result<(), Error> {
        let lock = self.file()?.lock()?;
        let is_it = |saved: &StoredToken| match saved.keychain_id {
            Some(_) => saved.has_times_of(token) && saved.keychain_id == token.keychain_id,
            None => saved.is_same_as(token),
        };
        let Some(mut saved) = self.load_file()?.filter(is_it) else {
            return Ok(());
        };
        saved.account = Some(account.to_owned());
        lock.commit(saved.to_file().expose_secret().as_bytes())
    }

    /// Whether the token file is one of the profiles.
    pub fn is_in_data_directory(&self) -> bool {
        let Location::File(path) = self else {
            return true;
        };
        let data = data_dir().ok().and_then(|dir| dir.canonicalize().ok());
        data.is_some() && ownership::parent(path).canonicalize().ok() == data
    }
}

/// Reads a file of ours, unless it is none: a FIFO would hang, and a huge file
/// fill the memory.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let (file, found) = platform::retry(|| files::open(path))?;
    if !found.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    if found.len() > MAX_FILE {
        return Err(std::io::Error::other("larger than 1 MiB"));
    }
    ownership::warn_of_readers(path, &found);
    // One byte more shows the end of the file without growing.
    let mut text = Vec::with_capacity(found.len() as usize + 1);
    file.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(text)
}

/// A profile's name is the stem of a file name, never a path.
pub fn is_profile_name(name: &str) -> bool {
    !name.starts_with('.')
        && (1..=100).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "._-@+".contains(c))
}

/// The names of the saved tokens, sorted.
pub fn profiles() -> Result<Vec<String>, Error> {
    let dir = data_dir()?;
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::local(format!("reading {}", dir.display()), error)),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
        .filter(|name| is_profile_name(name))
        .collect();
    names.sort();
    Ok(names)
}

/// `$XDG_DATA_HOME/yandex-token`, or the platform's own.
fn data_dir() -> Result<PathBuf, Error> {
    let given = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = given
        .filter(|path| path.is_absolute())
        .or_else(platform::data_home);
    let home = home.ok_or_else(|| {
        let why = "this user has no home directory";
        Error::local("finding the data directory", why).hint(NO_HOME)
    })?;
    Ok(home.join("yandex-token"))
}

/// Makes the data directory, and what is missing above it, for this user
/// alone.
fn make_data_dir() -> Result<(), Error> {
    let dir = data_dir()?;
    let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    for dir in missing.into_iter().rev() {
        // Root makes it for the user whose home it is in.
        let owner = ownership::owner_of_directory(ownership::parent(dir));
        match private_dir::create(dir).and_then(|()| platform::give(dir, owner)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                let what = format!("creating {}", dir.display());
                return Err(Error::local(what, error).hint(NO_HOME));
            }
            _ => {}
        }
    }
    Ok(())
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
}
