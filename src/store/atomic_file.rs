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
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::files::{
    check_directory, content, is_named, is_root, make_private, open_private, other_owner, parent,
    private_options, resolve,
};
use super::token::StoredToken;
use crate::error::Error;
use crate::output;
use crate::private_dir::runtime_dirs;
use crate::random;

/// What is written and synced before anything irrevocable happens.
const RESERVATION: usize = 64 << 10;
const LOCK_TIME: Duration = Duration::from_secs(60);
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Between two tries; doubled each time, since most locks are held for no
/// longer than a request takes.
const LOCK_PAUSES: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(20);

/// Where a file is, or will be.
#[derive(Debug, Clone)]
pub struct AtomicFile {
    target: PathBuf,
    temporary: PathBuf,
    /// What a killed process had written whole, but not renamed yet, is known
    /// by this.
    is_whole: Option<fn(&[u8]) -> bool>,
}

impl AtomicFile {
    /// The place of any file. A symbolic link stands for its target, there
    /// already or not.
    pub fn of(path: &Path) -> Result<AtomicFile, Error> {
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
        Ok(AtomicFile {
            temporary: target.with_file_name(temporary),
            target,
            is_whole: None,
        })
    }

    /// The place of a token file. A token that a killed process had received
    /// and written, but not put in place, is put in place by the next lock:
    /// the refresh token it replaces is spent.
    pub fn of_token(path: &Path) -> Result<AtomicFile, Error> {
        let mut place = AtomicFile::of(path)?.in_safe_directory()?;
        // Where the path is a link, whoever replaces that chooses the file.
        if path.is_symlink() {
            check_directory(parent(path))?;
        }
        place.is_whole = Some(|content| StoredToken::parse(content).is_ok());
        Ok(place)
    }

    /// Refuses a directory in which others could replace our file.
    pub fn in_safe_directory(self) -> Result<AtomicFile, Error> {
        check_directory(self.directory())?;
        Ok(self)
    }

    fn directory(&self) -> &Path {
        parent(&self.target)
    }

    /// Takes the lock, waiting for whoever has it.
    ///
    /// # Errors
    /// Exit 8: the directory can't be written, or the lock wasn't had in 60 s.
    pub fn lock(&self) -> Result<Lock, Error> {
        match self.lock_unless(|| None::<std::convert::Infallible>)? {
            Turn::Lock(lock) => Ok(lock),
            Turn::Done(never) => match never {},
        }
    }

    /// Takes the lock where no other process has it.
    pub fn lock_if_free(&self) -> Result<Option<Lock>, Error> {
        let file = self.try_lock().map_err(|error| self.error(error))?;
        Ok(file.map(|file| Lock {
            place: self.clone(),
            file,
            done: false,
        }))
    }

    /// Takes the lock, unless `done` finds meanwhile that it isn't needed.
    pub fn lock_unless<T>(&self, mut done: impl FnMut() -> Option<T>) -> Result<Turn<T>, Error> {
        let begun = Instant::now();
        let mut told = false;
        let mut pause = *LOCK_PAUSES.start();
        loop {
            match self.try_lock() {
                Ok(Some(file)) => {
                    return Ok(Turn::Lock(Lock {
                        place: self.clone(),
                        file,
                        done: false,
                    }));
                }
                Ok(None) => {}
                Err(error) => return Err(self.error(error)),
            }
            if let Some(found) = done() {
                return Ok(Turn::Done(found));
            }
            let waited = begun.elapsed();
            if waited >= LOCK_TIME {
                return Err(self
                    .error("another process has kept it locked for 60 s")
                    .hint(format!("`fuser {}` names it.", self.temporary.display())));
            }
            if waited >= LOCK_PATIENCE && !told {
                told = true;
                output::info(&format!(
                    "yandex-token: waiting for another process to finish with {}",
                    self.target.display()
                ));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(*LOCK_PAUSES.end());
        }
    }

    /// One try. None where another process is the holder.
    fn try_lock(&self) -> io::Result<Option<File>> {
        let file = open_private(&self.temporary, &self.target)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if !is_named(&file, &self.temporary) {
            return Ok(None);
        }
        if self.is_left_whole(&file)? {
            file.set_len(content(&file).trim_ascii_end().len() as u64)?;
            file.sync_all()?;
            fs::rename(&self.temporary, &self.target)?;
            return Ok(None);
        }
        Ok(Some(file))
    }

    /// Whether a killed process left whole what should be in place: not older
    /// than what is there, which somebody may have restored since.
    fn is_left_whole(&self, file: &File) -> io::Result<bool> {
        let Some(is_whole) = self.is_whole else {
            return Ok(false);
        };
        let written = file.metadata()?.modified()?;
        let restored = fs::metadata(&self.target).and_then(|found| found.modified());
        Ok(restored.map_or(true, |since| since <= written) && is_whole(&content(file)))
    }

    /// Puts in place what a killed process left whole. True where there was
    /// something.
    pub fn recover(&self) -> bool {
        // No open() on what could hang or lead elsewhere.
        let is_plain = fs::symlink_metadata(&self.temporary).is_ok_and(|left| left.is_file());
        let left = is_plain.then(|| File::open(&self.temporary));
        if !left
            .is_some_and(|left| left.is_ok_and(|file| self.is_left_whole(&file).unwrap_or(false)))
        {
            return false;
        }
        self.lock().is_ok()
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

/// The lock on a place. Dropped, it leaves the place as it was.
pub struct Lock {
    place: AtomicFile,
    file: File,
    done: bool,
}

impl Lock {
    /// Makes sure that there is room for the content to come, and that the
    /// file can be replaced as its owner would.
    pub fn reserve(&mut self) -> Result<(), Error> {
        if other_owner(&self.place.target).is_some() && !is_root() {
            return Err(self.place.error("the file belongs to another user"));
        }
        self.write(&[b' '; RESERVATION])
            .and_then(|()| self.file.sync_all())
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

    /// Like [`Lock::commit`], but where that fails in spite of the
    /// reservation, the content is kept elsewhere and the error names the file.
    pub fn commit_or_rescue(self, content: &[u8]) -> Result<(), Error> {
        self.commit(content)
            .map_err(|error| rescued(error, content))
    }

    /// Removes the file itself.
    pub fn remove_target(self) -> Result<(), Error> {
        match fs::remove_file(&self.place.target) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::local(
                format!("removing {}", self.place.target.display()),
                error,
            )),
            _ => Ok(()),
        }
    }

    /// Lets others have the lock while the reservation stays.
    pub fn park(mut self) -> Reservation {
        self.done = true;
        // Not left to a close that may fail: we would wait for ourselves.
        let _ = self.file.unlock();
        Reservation {
            place: self.place.clone(),
        }
    }

    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(content)
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
    place: AtomicFile,
}

impl Reservation {
    /// Makes sure that the place can be written, with room for its content.
    pub fn make(place: &AtomicFile) -> Result<Reservation, Error> {
        let mut lock = place.lock()?;
        lock.reserve()?;
        Ok(lock.park())
    }

    /// Puts the content in place, or where that fails in spite of the
    /// reservation, elsewhere; the error then names the file.
    pub fn commit(self, content: &[u8]) -> Result<(), Error> {
        let saved = self.place.lock().and_then(|lock| lock.commit(content));
        saved.map_err(|error| rescued(error, content))
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

/// Adds to an error where the content is now.
pub fn rescued(error: Error, content: &[u8]) -> Error {
    match rescue(content) {
        Ok(kept) => error.hint(format!("What was received is kept in {}", kept.display())),
        Err(_) => error.hint("What was received could not be kept anywhere: log in again."),
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
            .and_then(|mut file| {
                make_private(&file)?;
                file.write_all(content)?;
                file.sync_all()
            });
        match kept {
            Ok(()) => return Ok(path),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
