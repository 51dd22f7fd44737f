//! A file that is replaced whole or not at all.
//!
//! One neighbour, `.NAME.tmp`, is everything that takes: its lock is the lock
//! on NAME, its bytes are the room reserved on the disk, and once the content
//! is written and synced it takes NAME's place by a rename. Its name never
//! changes, so whatever a kill leaves is found and used by the next run, and
//! nothing piles up.
//!
//! Whoever holds the lock on the inode that `.NAME.tmp` names *now* is the
//! holder. Only the holder renames or removes it; whoever was waiting for the
//! old inode finds out that the name has moved on, and tries again.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::output;
use crate::private_dir::runtime_dirs;
use crate::random;

/// What is written and synced before anything irrevocable happens.
const RESERVATION: usize = 64 << 10;
const LOCK_TIME: Duration = Duration::from_secs(60);
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Where a file is, or will be.
#[derive(Debug, Clone)]
pub struct Place {
    target: PathBuf,
    temporary: PathBuf,
}

impl Place {
    /// The place of any file. A symbolic link stands for its target, there
    /// already or not.
    pub fn of(path: &Path) -> Result<Place, Error> {
        let what = || format!("writing {}", path.display());
        let target = resolve(path).map_err(|error| Error::local(what(), error))?;
        match fs::metadata(&target) {
            Ok(found) if !found.is_file() => {
                return Err(Error::local(what(), "not a regular file"));
            }
            _ => {}
        }
        let Some(name) = target.file_name() else {
            return Err(Error::local(what(), "not the name of a file"));
        };
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(".tmp");
        Ok(Place {
            temporary: target.with_file_name(temporary),
            target,
        })
    }

    /// The place of a token file: its directory must not let others replace
    /// what is in it.
    pub fn of_token(path: &Path) -> Result<Place, Error> {
        let place = Place::of(path)?;
        check_directory(place.directory())?;
        Ok(place)
    }

    fn directory(&self) -> &Path {
        match self.target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Takes the lock, waiting for whoever has it.
    ///
    /// # Errors
    /// Exit 8: the directory can't be written, or the lock wasn't had in 60 s.
    pub fn lock(&self) -> Result<Lock, Error> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            match self.try_lock() {
                Ok(Some(file)) => {
                    return Ok(Lock {
                        place: self.clone(),
                        file,
                        done: false,
                    });
                }
                Ok(None) => {}
                Err(error) => return Err(self.error(error)),
            }
            let waited = begun.elapsed();
            if waited >= LOCK_TIME {
                return Err(self
                    .error("another process has kept it locked for 60 s")
                    .hint(format!("`fuser {}` names it.", self.temporary.display())));
            }
            if waited >= LOCK_PATIENCE && !told {
                told = true;
                output::say(&format!(
                    "yandex-token: waiting for another process to finish with {}",
                    self.target.display()
                ));
            }
            thread::sleep(LOCK_PAUSE);
        }
    }

    /// One try. None where another process is the holder.
    fn try_lock(&self) -> io::Result<Option<File>> {
        let file = open_private(&self.temporary)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(is_named(&file, &self.temporary).then_some(file))
    }

    fn error(&self, why: impl ToString) -> Error {
        Error::local(format!("writing {}", self.target.display()), why)
    }
}

/// The lock on a place. Dropped, it leaves the place as it was.
pub struct Lock {
    place: Place,
    file: File,
    done: bool,
}

impl Lock {
    /// Makes sure that there is room for the content to come.
    pub fn reserve(&mut self) -> Result<(), Error> {
        self.write(&[b' '; RESERVATION])
            .map_err(|error| self.place.error(error))
    }

    /// Puts the content in place: written, synced, renamed.
    pub fn commit(mut self, content: &[u8]) -> Result<(), Error> {
        self.write(content)
            .and_then(|()| self.file.set_len(content.len() as u64))
            .and_then(|()| self.file.sync_all())
            .and_then(|()| fs::rename(&self.place.temporary, &self.place.target))
            .map_err(|error| self.place.error(error))?;
        self.done = true;
        // The rename itself reaches the disk with the directory.
        #[cfg(unix)]
        let _ = File::open(self.place.directory()).and_then(|dir| dir.sync_all());
        Ok(())
    }

    /// Lets others have the lock while the reservation stays.
    pub fn park(mut self) -> Reservation {
        self.done = true;
        Reservation {
            place: self.place.clone(),
        }
    }

    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(content)?;
        self.file.sync_all()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.place.temporary);
        }
    }
}

/// Room that was made sure of, for as long as a person takes to log in. The
/// lock is free meanwhile, so that nobody waits for that person. Dropping any
/// clone gives the room up.
#[derive(Clone)]
pub struct Reservation {
    place: Place,
}

impl Reservation {
    /// Makes sure that the place can be written, with room for its content.
    pub fn make(place: &Place) -> Result<Reservation, Error> {
        let mut lock = place.lock()?;
        lock.reserve()?;
        Ok(lock.park())
    }

    pub fn target(&self) -> &Path {
        &self.place.target
    }

    /// Puts the content in place. Where that fails in spite of the
    /// reservation, it is kept elsewhere and the error names the file.
    pub fn commit(self, content: &[u8]) -> Result<(), Error> {
        let saved = self.place.lock().and_then(|lock| lock.commit(content));
        saved.map_err(|error| match rescue(content) {
            Ok(kept) => error.hint(format!("What was received is kept in {}", kept.display())),
            Err(_) => error.hint("What was received could not be kept anywhere: log in again."),
        })
    }
}

impl Drop for Reservation {
    /// Removes what is left of the reservation, unless somebody works with it.
    fn drop(&mut self) {
        if !self.place.temporary.exists() {
            return;
        }
        if let Ok(Some(file)) = self.place.try_lock() {
            drop(Lock {
                place: self.place.clone(),
                file,
                done: false,
            });
        }
    }
}

/// Keeps what could not be saved where it should be.
fn rescue(content: &[u8]) -> io::Result<PathBuf> {
    let mut failed = io::Error::from(ErrorKind::NotFound);
    for dir in runtime_dirs() {
        let path = dir.join(format!("yandex-token-{}", random::hex()));
        let kept = private_options()
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
        match kept {
            Ok(()) => return Ok(path),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn private_options() -> fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Opens or makes a file of ours that nobody else can read, whatever the
/// umask, and whatever somebody may have planted under its name.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = private_options();
    options.create(true).truncate(false);
    #[cfg(unix)]
    {
        use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

        let file = options.custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
        let found = file.metadata()?;
        let ours = found.is_file() && found.uid() == nix::unistd::geteuid().as_raw();
        // A second link would keep the content readable under another name.
        if !ours || found.nlink() > 1 {
            return Err(io::Error::other(format!(
                "{} is there and not a plain file of yours",
                path.display()
            )));
        }
        if found.mode() & 0o777 != 0o600 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
        Ok(file)
    }
    #[cfg(not(unix))]
    options.open(path)
}

/// Whether the name still belongs to the file that is open.
fn is_named(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else {
            return false;
        };
        (open.dev(), open.ino()) == (named.dev(), named.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// Follows symbolic links to where a file is or would be made.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        let Ok(link) = fs::read_link(&path) else {
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
            return Ok(parent.canonicalize()?.join(name));
        };
        path = match path.parent() {
            Some(parent) => parent.join(link),
            None => link,
        };
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Refuses a directory in which anybody can replace our files.
fn check_directory(dir: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let mode = fs::metadata(dir)
            .map_err(|error| Error::local(format!("looking at {}", dir.display()), error))?
            .mode();
        if mode & 0o1002 == 0o002 {
            return Err(Error::local(
                format!("keeping a token in {}", dir.display()),
                "every user can replace the files in this directory",
            )
            .hint(format!(
                "Run `chmod o-w {}`, or use another directory.",
                dir.display()
            )));
        }
        if mode & 0o1020 == 0o020 {
            output::warn(&format!(
                "a group can replace the files in {}: `chmod g-w` if it need not",
                dir.display()
            ));
        }
    }
    let _ = dir;
    Ok(())
}
