//! Whose files and directories can be trusted with a token: what other users
//! could replace, or have planted, is refused.
//!
//! One rule for reading and writing, for a name and for what a link leads to:
//! a directory that others can write is refused, unless it is sticky and what
//! it holds is the user's own or root's. Where there are no such modes, all is
//! trusted.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Mutex;

use crate::error::Error;
use crate::output;
use crate::platform;
#[cfg(not(unix))]
use elsewhere::{links, mode, owner, user};
#[cfg(unix)]
use unix::{links, mode, owner, user};

/// A user and a group.
pub type Owner = (u32, u32);

/// The directory that a file is in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

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
    let is_open = is_world_writable(&dir) || (found.is_symlink() && !is_trusted(&dir));
    match is_open && !is_trusted(&found) {
        true => Err(planted(path)),
        false => Ok(()),
    }
}

/// Refuses a lock that is not the user's own, root's, or this owner's.
pub fn refuse_planted_lock(path: &Path, file: &File, owner: Option<Owner>) -> io::Result<()> {
    let found = file.metadata()?;
    let is_owners = owner.is_some_and(|(user, _)| user == user_of(&found));
    let is_ours = is_trusted(&found) || is_owners;
    match is_ours && found.is_file() && links(&found) == 1 {
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
    let is_foreign = !is_trusted(&found) && (!is_root() || is_open);
    let is_own = user_of(&found) == user();
    let is_sticky = mode(&found) & 0o1000 != 0;
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
    if mode(&found) & 0o020 != 0 && !is_sticky && (is_own || is_root()) {
        warn_once(format!(
            "a group can replace the files in {}: run `chmod g-w` on it if it should not",
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
        (user_of(found) == user() || is_root()) && !writable.is_err_and(is_read_only)
    };
    if mode(found) & 0o077 != 0 && is_changeable() {
        let path = path.display();
        warn_once(format!(
            "other users can read {path}: run `chmod 600` on it"
        ));
    }
    if !is_trusted(found) {
        warn_once(format!("{} belongs to another user", path.display()));
    }
}

/// Whether nobody but this user and root can have written the file, which
/// may be named by a link.
pub fn is_ours_alone(path: &Path) -> io::Result<bool> {
    let found = fs::metadata(path)?;
    Ok(is_trusted(&found) && mode(&found) & 0o022 == 0)
}

/// For whom root replaces a file: its owner, in a directory that is that
/// owner's or root's and that not everybody can write.
pub fn owner_to_keep(target: &Path) -> Option<Owner> {
    let file = fs::metadata(target).ok()?;
    let dir = fs::metadata(parent(target)).ok()?;
    let is_closed = !is_world_writable(&dir) && [0, user_of(&file)].contains(&user_of(&dir));
    (is_root() && user_of(&file) != 0 && is_closed).then(|| owner(&file))
}

/// The owner of a lock or directory that root makes: the owner of the directory
/// that it is in, unless everybody can write there.
pub fn owner_of_directory(dir: &Path) -> Option<Owner> {
    let found = fs::metadata(dir).ok()?;
    let is_users = is_root() && user_of(&found) != 0 && !is_world_writable(&found);
    is_users.then(|| owner(&found))
}

/// Whether a file is another user's, and can't be replaced as that user
/// would.
pub fn is_of_another_user(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| user_of(&found) != user()) && !is_root()
}

/// Whether it is this user's, or that of root, against whom there is no
/// defence.
pub fn is_trusted(found: &Metadata) -> bool {
    user_of(found) == 0 || user_of(found) == user()
}

fn is_world_writable(found: &Metadata) -> bool {
    mode(found) & 0o002 != 0
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

fn user_of(found: &Metadata) -> u32 {
    owner(found).0
}

#[cfg(unix)]
mod unix {
    use std::fs::Metadata;
    use std::os::unix::fs::MetadataExt;

    pub fn user() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    pub fn owner(found: &Metadata) -> super::Owner {
        (found.uid(), found.gid())
    }

    pub fn mode(found: &Metadata) -> u32 {
        found.mode()
    }

    pub fn links(found: &Metadata) -> u64 {
        found.nlink()
    }
}

/// As if all were root's, for root alone.
#[cfg(not(unix))]
mod elsewhere {
    use std::fs::Metadata;

    pub fn user() -> u32 {
        0
    }

    pub fn owner(_: &Metadata) -> super::Owner {
        (0, 0)
    }

    pub fn mode(_: &Metadata) -> u32 {
        0o600
    }

    pub fn links(_: &Metadata) -> u64 {
        1
    }
}
