//! Which directories and files can be trusted with a token: what other users
//! could replace, or have planted, is refused.
//!
//! One rule for reading and writing, for a name and for what a link leads to:
//! a directory that others can write is refused, unless it is sticky and what
//! it holds is the user's own or root's.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::Mutex;

use crate::error::Error;
use crate::platform;

/// The directory that a file is in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A name beside a file: `.NAME` and the suffix.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(suffix);
    path.with_file_name(name)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Makes a file that only its user can read, whatever the umask. Root may make
/// it for another user.
pub fn create_private(path: &Path, owner: Option<Owner>) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| named(path, &error))?;
    #[cfg(unix)]
    if let Err(error) = prepare(&file, owner) {
        let _ = fs::remove_file(path);
        return Err(named(path, &error));
    }
    let _ = owner;
    Ok(file)
}

#[cfg(unix)]
fn prepare(file: &File, owner: Option<Owner>) -> io::Result<()> {
    use std::os::unix::fs::{PermissionsExt, fchown};

    if file.metadata()?.permissions().mode() & 0o777 != 0o600 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    match owner {
        Some((user, group)) => fchown(file, Some(user), Some(group)),
        None => Ok(()),
    }
}

/// Opens the lock file, which is made once and stays.
pub fn open_lock(path: &Path, owner: Option<Owner>) -> io::Result<File> {
    match create_private(path, owner) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        created => return created,
    }
    let mut options = File::options();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

        options.custom_flags(O_NOFOLLOW | O_NONBLOCK);
        let file = options.open(path).map_err(|error| named(path, &error))?;
        let found = file.metadata()?;
        let is_owners =
            is_trusted(found.uid()) || owner.is_some_and(|(user, _)| user == found.uid());
        if !is_owners || !found.is_file() || found.nlink() > 1 {
            let why = format!("{} was put there by another user", path.display());
            return Err(io::Error::other(why));
        }
        Ok(file)
    }
    #[cfg(not(unix))]
    options.open(path).map_err(|error| named(path, &error))
}

/// Follows symbolic links to where a file is or would be made, none of them
/// planted.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        for link in parent(&path).ancestors().filter(|part| part.is_symlink()) {
            refuse_planted(link)?;
        }
        refuse_planted(&path)?;
        let Ok(link) = fs::read_link(&path) else {
            let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
            return Ok(platform::plain_path(parent(&path).canonicalize()?).join(name));
        };
        path = parent(&path).join(link);
    }
    Err(io::Error::other("too many symbolic links"))
}

/// The directories that choose a token file: that of its name, and where that
/// is a link, that of each next one.
pub fn check_directories(path: &Path) -> Result<(), Error> {
    let mut path = path.to_owned();
    for _ in 0..40 {
        check_directory(parent(&path))?;
        match fs::read_link(&path) {
            Ok(link) => path = parent(&path).join(link),
            Err(_) => break,
        }
    }
    Ok(())
}

/// Opens a file to read it, without waiting for the other end of a pipe.
pub fn open(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use nix::libc::{ELOOP, O_NOFOLLOW, O_NONBLOCK};
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

        let mut options = File::options();
        options.read(true).custom_flags(O_NONBLOCK | O_NOFOLLOW);
        let (path, file) = match options.open(path) {
            Err(error) if error.raw_os_error() == Some(ELOOP) => {
                let target = resolve(path)?;
                let file = options.open(&target)?;
                (target, file)
            }
            opened => (path.to_owned(), opened?),
        };
        if !is_trusted(file.metadata()?.uid()) {
            refuse_planted(&path)?;
        }
        Ok(file)
    }
    #[cfg(not(unix))]
    File::open(path)
}

/// Refuses what another user has put into a directory that everybody can
/// write, /tmp for instance: a link there would choose which of our files is
/// replaced, and a pipe would take the token. Linux can do the same, but its
/// `fs.protected_symlinks` and `fs.protected_fifos` may be off.
pub fn refuse_planted(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let Ok(found) = fs::symlink_metadata(path) else {
            return Ok(());
        };
        let dir = fs::metadata(parent(path))?;
        // A user's link in a directory of his own would lead root anywhere.
        let is_open = dir.mode() & 0o002 != 0 || (found.is_symlink() && !is_trusted(dir.uid()));
        if is_open && !is_trusted(found.uid()) {
            return Err(io::Error::other(format!(
                "{} was put there by another user",
                path.display()
            )));
        }
    }
    let _ = path;
    Ok(())
}

/// Refuses a directory in which other users can replace our files, and warns of
/// one in which a group can.
fn check_directory(dir: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let found = fs::metadata(dir)
            .map_err(|error| Error::local(format!("looking at {}", dir.display()), error))?;
        let (mode, owner) = (found.mode(), found.uid());
        // Root works in a user's own directory; nobody else does.
        let is_foreign = !is_trusted(owner) && (!is_root() || mode & 0o002 != 0);
        let is_sticky = mode & 0o1000 != 0;
        if is_foreign || (mode & 0o002 != 0 && !is_sticky) {
            let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
            let below = dir.join("yandex-token");
            let hint = match (owner == user(), mode & 0o002 != 0) {
                (true, _) => format!(
                    "Run `chmod o-w {}`, or use another directory.",
                    dir.display()
                ),
                (_, true) => format!(
                    "Use a directory of your own: mkdir -m 700 {}",
                    below.display()
                ),
                _ => "Use a directory of your own.".to_owned(),
            };
            let what = format!("keeping a token in {}", dir.display());
            let why = "other users can replace the files in this directory";
            return Err(Error::local(what, why).hint(hint));
        }
        if mode & 0o1020 == 0o020 && (owner == user() || is_root()) {
            warn_once(format!(
                "a group can replace the files in {}: `chmod g-w` if it need not",
                dir.display()
            ));
        }
    }
    let _ = dir;
    Ok(())
}

/// Others who can read a token can use it.
pub fn warn_of_readers(path: &Path, found: &fs::Metadata) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

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
    let _ = (path, found);
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

/// Whether a file is mounted by itself, as containers do: then it can't be
/// renamed or replaced, only written.
pub fn is_mount_point(path: &Path) -> bool {
    if !cfg!(target_os = "linux") {
        return false;
    }
    // proc(5): the fifth field, with blanks and such as octal escapes.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let escaped = path.to_string_lossy();
    let escaped = escaped
        .replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011");
    mounts
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(&escaped))
}

/// A file is read more than once, and `status` reads many.
#[cfg(unix)]
fn warn_once(text: String) {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    if let Ok(mut told) = TOLD.lock()
        && !told.contains(&text)
    {
        crate::output::warn(&text);
        told.push(text);
    }
}

/// A user and group.
pub type Owner = (u32, u32);

/// For whom root replaces a file: its owner, in a directory that is that
/// owner's or root's and that not everybody can write.
pub fn owner_to_keep(target: &Path) -> Option<Owner> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let (file, dir) = (
            fs::metadata(target).ok()?,
            fs::metadata(parent(target)).ok()?,
        );
        let is_closed = dir.mode() & 0o002 == 0 && [0, file.uid()].contains(&dir.uid());
        (is_root() && file.uid() != 0 && is_closed).then(|| (file.uid(), file.gid()))
    }
    #[cfg(not(unix))]
    {
        let _ = target;
        None
    }
}

/// For whom root makes a lock or a directory: whoever owns the directory that
/// it is in, unless everybody can write there.
pub fn owner_of_directory(dir: &Path) -> Option<Owner> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let found = fs::metadata(dir).ok()?;
        let is_closed = found.mode() & 0o002 == 0;
        (is_root() && found.uid() != 0 && is_closed).then(|| (found.uid(), found.gid()))
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        None
    }
}

/// Whether a file is another user's, and can't be replaced as that user would.
pub fn is_of_another_user(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        fs::metadata(path).is_ok_and(|found| found.uid() != user()) && !is_root()
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Whether even the owner can't write: immutable, or a read-only mount.
pub fn is_unchangeable(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use nix::libc::{EPERM, EROFS, ETXTBSY};

        matches!(error.raw_os_error(), Some(EPERM | EROFS | ETXTBSY))
    }
    #[cfg(not(unix))]
    {
        error.kind() == ErrorKind::ReadOnlyFilesystem
    }
}

#[cfg(unix)]
fn user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[cfg(unix)]
fn is_root() -> bool {
    user() == 0
}

/// This user, or root, against whom there is no defence.
#[cfg(unix)]
fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == user()
}
