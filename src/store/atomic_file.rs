//! A file that is replaced whole or not at all: the content is written to
//! `.NAME.tmp`, synced, and renamed to NAME.
//!
//! For a token file, the lock on `.NAME.lock` is held meanwhile. That file is
//! empty and stays. Its modification time says when the lock last changed
//! hands. A file that only gets output (`-o`) has no lock, and so a temporary
//! name of its own each time.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::{files, ownership};
use crate::error::Error;
use crate::output;
use crate::platform;
use crate::random;

/// The least that is written and synced before anything irrevocable happens.
const MIN_ROOM: u64 = 64 << 10;
/// How long one holder may have the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// After this a wait is reported.
const LOCK_NOTICE: Duration = Duration::from_secs(1);
/// Between two tries; doubled each time, since most locks are held for no
/// longer than a request takes.
const LOCK_PAUSES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(20);

/// Where a file is, or will be.
#[derive(Debug, Clone)]
pub struct AtomicFile {
    target: PathBuf,
    temporary: PathBuf,
    /// None for a file that is no token file.
    lock: Option<PathBuf>,
    /// A mount point can't be renamed over: it is locked and written itself.
    is_mounted: bool,
}

impl AtomicFile {
    /// A file for output. A symbolic link stands for its target, there already
    /// or not.
    pub fn of(path: &Path) -> Result<AtomicFile, Error> {
        let failed = |error| Error::local(format!("writing {}", path.display()), error);
        let target = files::resolve(path).map_err(failed)?;
        if fs::metadata(&target).is_ok_and(|found| !found.is_file()) {
            return Err(failed(io::Error::other("not a regular file")));
        }
        Ok(AtomicFile {
            temporary: files::beside(&target, &format!(".{}.tmp", &random::hex()[..8])),
            is_mounted: files::is_mount_point(&target),
            target,
            lock: None,
        })
    }

    /// A token file, in a directory that others can't write.
    pub fn of_token(path: &Path) -> Result<AtomicFile, Error> {
        files::check_directories(path)?;
        let file = AtomicFile::of(path)?;
        Ok(AtomicFile {
            temporary: files::beside(&file.target, ".tmp"),
            lock: Some(files::beside(&file.target, ".lock")),
            ..file
        })
    }

    /// Takes the lock, waiting for its holder.
    ///
    /// # Errors
    /// Exit 8: the lock can't be made, or one process has held it for 60 s.
    pub fn lock(&self) -> Result<Lock, Error> {
        match self.lock_unless(|| None::<std::convert::Infallible>)? {
            Turn::Lock(lock) => Ok(lock),
            Turn::Done(never) => match never {},
        }
    }

    /// Takes the lock. None where another process has it.
    pub fn try_lock(&self) -> Result<Option<Lock>, Error> {
        let held = self.open_lock()?;
        match self.is_taken(held.as_ref())? {
            true => self.locked(held).map(Some),
            false => Ok(None),
        }
    }

    /// Takes the lock, unless `done` finds meanwhile that it isn't needed.
    pub fn lock_unless<T>(&self, mut done: impl FnMut() -> Option<T>) -> Result<Turn<T>, Error> {
        let held = self.open_lock()?;
        let changed_hands = || held.as_ref()?.metadata().ok()?.modified().ok();
        let (begun, mut notified) = (Instant::now(), false);
        let (mut last, mut since) = (changed_hands(), begun);
        let mut pause = *LOCK_PAUSES.start();
        loop {
            if self.is_taken(held.as_ref())? {
                return self.locked(held).map(Turn::Lock);
            }
            if !platform::READERS_BLOCK_RENAMES
                && let Some(found) = done()
            {
                return Ok(Turn::Done(found));
            }
            let seen = changed_hands();
            if seen != last {
                (last, since) = (seen, Instant::now());
            }
            if since.elapsed() >= LOCK_TIMEOUT {
                let error = self.error("another process has kept it locked for 60 s");
                let lock = self.lock.as_ref().unwrap_or(&self.target);
                let lock = platform::quoted(&lock.to_string_lossy());
                return Err(if platform::HAS_FUSER {
                    error.hint(format!("`fuser {lock}` shows which one."))
                } else {
                    error
                });
            }
            if begun.elapsed() >= LOCK_NOTICE && !notified {
                notified = true;
                output::info(&format!(
                    "yandex-token: waiting for another process to finish with {}",
                    self.target.display()
                ));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(*LOCK_PAUSES.end());
        }
    }

    /// Whether the lock could be taken at once.
    fn is_taken(&self, lock: Option<&File>) -> Result<bool, Error> {
        match lock.map_or(Ok(()), File::try_lock) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(self.error(error)),
        }
    }

    fn open_lock(&self) -> Result<Option<File>, Error> {
        let Some(path) = &self.lock else {
            return Ok(None);
        };
        if self.is_mounted {
            let file = File::options().read(true).write(true).open(&self.target);
            return file.map(Some).map_err(|error| {
                self.error(error).hint(
                    "The file is a mount of its own: mount it so that this user can write it, or \
                     mount its directory.",
                )
            });
        }
        let owner = ownership::owner_of_directory(ownership::parent(&self.target));
        let owner = owner.or_else(|| ownership::owner_to_keep(&self.target));
        let lock = files::open_lock(path, owner);
        lock.map(Some).map_err(|error| self.error(error))
    }

    /// The lock was taken: what a killed holder has left is removed.
    fn locked(&self, held: Option<File>) -> Result<Lock, Error> {
        if let Some(held) = &held {
            held.set_modified(SystemTime::now())
                .map_err(|error| self.error(error))?;
            if !self.is_mounted {
                let _ = fs::remove_file(&self.temporary);
            }
        }
        Ok(Lock {
            file: self.clone(),
            _held: held,
        })
    }

    fn error(&self, why: impl ToString) -> Error {
        Error::local(format!("writing {}", self.target.display()), why)
    }
}

/// What came of waiting for a lock.
pub enum Turn<T> {
    Lock(Lock),
    Done(T),
}

/// The lock on a file, until it is dropped. The file can be replaced once.
pub struct Lock {
    file: AtomicFile,
    _held: Option<File>,
}

impl Lock {
    /// Makes sure that the file can be replaced, and that there is room: for
    /// what it holds and as much again.
    pub fn make_sure_of_room(&self) -> Result<(), Error> {
        let target = &self.file.target;
        if !self.file.is_mounted && ownership::is_of_another_user(target) {
            let error = self.file.error("the file belongs to another user");
            return Err(error.hint("Remove it first, or run this as that user."));
        }
        // An immutable file can't be renamed over, a read-only one can.
        match File::options().write(true).open(target) {
            Err(error) if platform::is_unchangeable(&error) => return Err(self.file.error(error)),
            _ => {}
        }
        let size = fs::metadata(target).map_or(0, |found| found.len() * 2);
        let room = vec![b' '; size.max(MIN_ROOM) as usize];
        let made = match self.file.is_mounted {
            true => append_and_cut(target, &room),
            false => {
                let written = self.write_temporary(&room);
                written.and(fs::remove_file(&self.file.temporary))
            }
        };
        made.map_err(|error| self.file.error(error))
    }

    /// Puts the content in place: written, synced, renamed.
    pub fn commit(self, content: &[u8]) -> Result<(), Error> {
        let (target, temporary) = (&self.file.target, &self.file.temporary);
        let written = match self.file.is_mounted {
            true => write_in_place(target, content),
            false => self
                .write_temporary(content)
                .and_then(|()| platform::retry(|| fs::rename(temporary, target))),
        };
        if let Err(error) = written {
            let _ = fs::remove_file(temporary);
            return Err(self.file.error(error));
        }
        self.sync_directory();
        Ok(())
    }

    /// Removes the file itself.
    pub fn remove_target(self) -> Result<(), Error> {
        let target = &self.file.target;
        let removed = match self.file.is_mounted {
            true => write_in_place(target, b""),
            false => platform::retry(|| fs::remove_file(target)),
        };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let what = format!("removing {}", target.display());
                return Err(Error::local(what, error));
            }
            _ => self.sync_directory(),
        }
        Ok(())
    }

    fn write_temporary(&self, content: &[u8]) -> io::Result<()> {
        let owner = ownership::owner_to_keep(&self.file.target);
        let mut file = files::create_private(&self.file.temporary, owner)?;
        file.write_all(content)?;
        platform::sync(&file)
    }

    /// A rename or removal itself reaches the disk with the directory. Not
    /// every system can open one.
    fn sync_directory(&self) {
        let dir = File::open(ownership::parent(&self.file.target));
        let _ = dir.and_then(|dir| platform::sync(&dir));
    }
}

/// Writes a file over in one go, with blanks up to its old length, so that a
/// reader never finds a part of the old content behind the new one.
fn write_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let mut padded = content.to_vec();
    padded.resize(padded.len().max(file.metadata()?.len() as usize), b' ');
    file.write_all(&padded)?;
    file.set_len(content.len() as u64)?;
    platform::sync(&file)
}

/// Makes sure of room behind what a file holds: blanks, which a reader skips.
fn append_and_cut(path: &Path, room: &[u8]) -> io::Result<()> {
    let mut file = File::options().append(true).open(path)?;
    let size = file.metadata()?.len();
    let written = file.write_all(room).and_then(|()| platform::sync(&file));
    file.set_len(size)?;
    written
}
