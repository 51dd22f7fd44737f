//! Whose files and directories can be trusted with a token: what other users
//! could replace, or have planted, is refused.
//!
//! One rule for reading and writing, for a name and for what a link leads to:
//! a directory that others can write is refused, unless it is sticky and what
//! it holds is the user's own or root's. Where there are no such modes, all is
//! trusted.

#[cfg(not(unix))]
pub use not_unix::*;
#[cfg(unix)]
pub use unix::*;

use std::path::Path;

/// A user and a group.
pub type Owner = (u32, u32);

/// The directory that a file is in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, File, Metadata};
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::sync::Mutex;

    use super::{Owner, parent};
    use crate::error::Error;
    use crate::output;
    use crate::platform;

    /// Refuses what another user has put into a directory that everybody can
    /// write, /tmp for instance: a link there would choose which of our files is
    /// replaced, and a pipe would take the token. Linux can do the same, but its
    /// `fs.protected_symlinks` and `fs.protected_fifos` may be off.
    pub fn refuse_planted(path: &Path) -> io::Result<()> {
        let Ok(found) = fs::symlink_metadata(path) else {
            return Ok(());
        };
        let dir = fs::metadata(parent(path))?;
        // A user's link in a directory of his own would lead root anywhere.
        let is_open = is_world_writable(&dir) || (found.is_symlink() && !is_trusted(dir.uid()));
        match is_open && !is_trusted(found.uid()) {
            true => Err(planted(path)),
            false => Ok(()),
        }
    }

    /// Refuses a lock that is not the user's own, root's, or this owner's.
    pub fn refuse_planted_lock(path: &Path, file: &File, owner: Option<Owner>) -> io::Result<()> {
        let found = file.metadata()?;
        let is_owners = owner.is_some_and(|(user, _)| user == found.uid());
        let is_ours = is_trusted(found.uid()) || is_owners;
        match is_ours && found.is_file() && found.nlink() == 1 {
            true => Ok(()),
            false => Err(planted(path)),
        }
    }

    fn planted(path: &Path) -> io::Error {
        io::Error::other(format!("{} was put there by another user", path.display()))
    }

    /// Refuses a directory in which other users can replace our files, and warns
    /// of one in which a group can.
    pub fn check_directory(dir: &Path) -> Result<(), Error> {
        let found = fs::metadata(dir)
            .map_err(|error| Error::local(format!("looking at {}", dir.display()), error))?;
        // Root works in a user's own directory; nobody else does.
        let is_open = is_world_writable(&found);
        let is_foreign = !is_trusted(found.uid()) && (!is_root() || is_open);
        let is_own = found.uid() == user();
        let is_sticky = found.mode() & 0o1000 != 0;
        if is_foreign || (is_open && !is_sticky) {
            let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
            let what = format!("keeping a token in {}", dir.display());
            let why = "other users can replace the files in this directory";
            return Err(Error::local(what, why).hint(if is_own {
                let dir = platform::quoted(&dir.to_string_lossy());
                format!("Run `chmod o-w {dir}`, or use another directory.")
            } else if is_open {
                let below = dir.join("yandex-token");
                let below = platform::quoted(&below.to_string_lossy());
                format!("Use a directory of your own: mkdir -m 700 {below}")
            } else {
                "Use a directory of your own.".to_owned()
            }));
        }
        if found.mode() & 0o020 != 0 && !is_sticky && (is_own || is_root()) {
            warn_once(format!(
                "a group can replace the files in {}: `chmod g-w` if it need not",
                dir.display()
            ));
        }
        Ok(())
    }

    /// Others who can read a token can use it.
    pub fn warn_of_readers(path: &Path, found: &Metadata) {
        let is_changeable = || {
            let writable = File::options().write(true).open(path);
            let is_read_only = |error: io::Error| error.kind() == ErrorKind::ReadOnlyFilesystem;
            (found.uid() == user() || is_root()) && !writable.is_err_and(is_read_only)
        };
        if found.mode() & 0o077 != 0 && is_changeable() {
            let path = path.display();
            warn_once(format!("other users can read {path}: `chmod 600` it"));
        }
        if !is_trusted(found.uid()) {
            warn_once(format!("{} belongs to another user", path.display()));
        }
    }

    /// Whether nobody but this user and root can have written the file, which
    /// may be named by a link.
    pub fn is_ours_alone(path: &Path) -> io::Result<bool> {
        let found = fs::metadata(path)?;
        Ok(is_trusted(found.uid()) && found.mode() & 0o022 == 0)
    }

    /// For whom root replaces a file: its owner, in a directory that is that
    /// owner's or root's and that not everybody can write.
    pub fn owner_to_keep(target: &Path) -> Option<Owner> {
        let file = fs::metadata(target).ok()?;
        let dir = fs::metadata(parent(target)).ok()?;
        let is_closed = !is_world_writable(&dir) && [0, file.uid()].contains(&dir.uid());
        (is_root() && file.uid() != 0 && is_closed).then(|| (file.uid(), file.gid()))
    }

    /// For whom root makes a lock or a directory: whoever owns the directory
    /// that it is in, unless everybody can write there.
    pub fn owner_of_directory(dir: &Path) -> Option<Owner> {
        let found = fs::metadata(dir).ok()?;
        let is_users = is_root() && found.uid() != 0 && !is_world_writable(&found);
        is_users.then(|| (found.uid(), found.gid()))
    }

    /// Whether a file is another user's, and can't be replaced as that user
    /// would.
    pub fn is_of_another_user(path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| found.uid() != user()) && !is_root()
    }

    /// This user, or root, against whom there is no defence.
    pub fn is_trusted(owner: u32) -> bool {
        owner == 0 || owner == user()
    }

    fn is_world_writable(found: &Metadata) -> bool {
        found.mode() & 0o002 != 0
    }

    fn user() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    fn is_root() -> bool {
        user() == 0
    }

    /// A file is read more than once, and `status` reads many.
    fn warn_once(text: String) {
        static WARNED: Mutex<Vec<String>> = Mutex::new(Vec::new());
        if let Ok(mut warned) = WARNED.lock()
            && !warned.contains(&text)
        {
            output::warn(&text);
            warned.push(text);
        }
    }
}

#[cfg(not(unix))]
mod not_unix {
    use std::fs::{self, File, Metadata};
    use std::io;
    use std::path::Path;

    use super::Owner;
    use crate::error::Error;

    pub fn refuse_planted(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub fn refuse_planted_lock(_: &Path, _: &File, _: Option<Owner>) -> io::Result<()> {
        Ok(())
    }

    pub fn check_directory(_: &Path) -> Result<(), Error> {
        Ok(())
    }

    pub fn warn_of_readers(_: &Path, _: &Metadata) {}

    pub fn is_ours_alone(path: &Path) -> io::Result<bool> {
        fs::metadata(path).map(|_| true)
    }

    pub fn owner_to_keep(_: &Path) -> Option<Owner> {
        None
    }

    pub fn owner_of_directory(_: &Path) -> Option<Owner> {
        None
    }

    pub fn is_of_another_user(_: &Path) -> bool {
        false
    }
}
