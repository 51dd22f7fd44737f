//! Files that nobody else may read, replace or have planted.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;

pub fn private_options() -> fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// For this user alone, whatever the umask made of it.
pub fn make_private(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    let _ = file;
    Ok(())
}

/// Opens or makes a file that nobody but its user can read, whatever the
/// umask, and whatever somebody may have planted under its name. Root makes it
/// for the owner of `target`, and shares it with that user.
pub fn open_private(path: &Path, target: &Path) -> io::Result<File> {
    let mut options = private_options();
    options.create(true).truncate(false);
    #[cfg(unix)]
    {
        use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};

        let file = options.custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
        let found = file.metadata()?;
        let me = nix::unistd::geteuid();
        let owner = other_owner(target).filter(|_| me.is_root());
        let is_owners = owner.is_some_and(|(user, _)| user == found.uid());
        // A second link would keep the content readable under another name.
        let is_plain = found.is_file() && found.nlink() <= 1;
        if !is_plain || !(found.uid() == me.as_raw() || is_owners) {
            return Err(io::Error::other(format!(
                "{} is there and not a plain file of yours",
                path.display()
            )));
        }
        if let Some((user, group)) = owner.filter(|_| !is_owners)
            && let Err(error) = fchown(&file, Some(user), Some(group))
        {
            let _ = fs::remove_file(path);
            return Err(error);
        }
        make_private(&file)?;
        Ok(file)
    }
    #[cfg(not(unix))]
    {
        let _ = target;
        options.open(path)
    }
}

/// What is in the file, as far as a token file may be long.
pub fn content(mut file: &File) -> Vec<u8> {
    let mut content = Vec::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(super::MAX_FILE).read_to_end(&mut content));
    read.map_or_else(|_| Vec::new(), |_| content)
}

/// The owner and group of a file that is not this user's.
#[cfg(unix)]
pub fn other_owner(path: &Path) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;

    let found = fs::metadata(path).ok()?;
    (found.uid() != nix::unistd::geteuid().as_raw()).then(|| (found.uid(), found.gid()))
}

#[cfg(not(unix))]
pub fn other_owner(_path: &Path) -> Option<(u32, u32)> {
    None
}

pub fn is_root() -> bool {
    #[cfg(unix)]
    return nix::unistd::geteuid().is_root();
    #[cfg(not(unix))]
    return false;
}

/// Whether the name still belongs to the file that is open.
pub fn is_named(file: &File, path: &Path) -> bool {
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

/// The directory that a file is in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Follows symbolic links to where a file is or would be made.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        follow_no_planted_link(parent(&path))?;
        let Ok(link) = fs::read_link(&path) else {
            let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
            return Ok(parent(&path).canonicalize()?.join(name));
        };
        take_nothing_planted(&path)?;
        path = match path.parent() {
            Some(parent) => parent.join(link),
            None => link,
        };
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Opens a file to read it, without waiting for the other end of a pipe. Only
/// where its name is a link is there one that could have been planted; a
/// directory could as well be planted whole.
pub fn open(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use nix::libc::{ELOOP, O_NOFOLLOW, O_NONBLOCK};
        use std::os::unix::fs::OpenOptionsExt;

        let open = |flags| File::options().read(true).custom_flags(flags).open(path);
        match open(O_NONBLOCK | O_NOFOLLOW) {
            Err(error) if error.raw_os_error() == Some(ELOOP) => {
                follow_no_planted_link(path)?;
                open(O_NONBLOCK)
            }
            opened => opened,
        }
    }
    #[cfg(not(unix))]
    {
        File::open(path)
    }
}

/// Refuses a path that leads through a link that another user has planted.
pub fn follow_no_planted_link(path: &Path) -> io::Result<()> {
    let mut links = path.ancestors().filter(|part| part.is_symlink());
    links.try_for_each(take_nothing_planted)
}

/// Refuses what another user has put into a directory that everybody can
/// write, /tmp for instance: a link there would choose which of our files is
/// replaced, and a pipe would take the token. Linux can do the same, but its
/// `fs.protected_symlinks` and `fs.protected_fifos` may be off.
pub fn take_nothing_planted(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let is_open = fs::metadata(parent(path))?.mode() & 0o002 != 0;
        if is_open && !is_trusted(fs::symlink_metadata(path)?.uid()) {
            return Err(io::Error::other(format!(
                "{} was put there by another user",
                path.display()
            )));
        }
    }
    let _ = path;
    Ok(())
}

/// Whether nobody but this user and root can have written the file, which may
/// be named by a link.
pub fn is_ours_alone(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let found = fs::metadata(path)?;
        Ok(is_trusted(found.uid()) && found.mode() & 0o022 == 0)
    }
    #[cfg(not(unix))]
    {
        fs::metadata(path).map(|_| true)
    }
}

/// This user, or root, against whom there is no defence.
#[cfg(unix)]
fn is_trusted(user: u32) -> bool {
    user == 0 || user == nix::unistd::geteuid().as_raw()
}

/// Refuses a directory in which anybody can replace our files, and warns of one
/// in which a group can.
pub fn check_directory(dir: &Path) -> Result<(), Error> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if closed_mode(dir)? & 0o1020 == 0o020 && !TOLD.swap(true, Ordering::Relaxed) {
        crate::output::warn(&format!(
            "a group can replace the files in {}: `chmod g-w` if it need not",
            dir.display()
        ));
    }
    Ok(())
}

/// Refuses a directory in which anybody can replace our files.
pub fn refuse_open_directory(dir: &Path) -> Result<(), Error> {
    closed_mode(dir).map(drop)
}

/// The mode of a directory, unless anybody can replace our files in it.
fn closed_mode(dir: &Path) -> Result<u32, Error> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let found = fs::metadata(dir)
            .map_err(|error| Error::local(format!("looking at {}", dir.display()), error))?;
        let mode = found.mode();
        // The sticky bit does not hold the directory's owner.
        let is_sticky = mode & 0o1000 != 0 && is_trusted(found.uid());
        if mode & 0o002 != 0 && !is_sticky {
            return Err(Error::local(
                format!("keeping a token in {}", dir.display()),
                "other users can replace the files in this directory",
            )
            .hint(format!(
                "Run `chmod o-w {}`, or use another directory.",
                dir.display()
            )));
        }
        Ok(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        Ok(0)
    }
}
