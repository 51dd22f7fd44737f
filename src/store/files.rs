//! Names and openings of files that hold tokens: made private from the first
//! byte, links followed to where they lead, nothing waited for.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::ownership::{self, Owner, check_directory, parent, refuse_planted};
use crate::error::Error;
use crate::platform;

/// Links that are followed one after the other.
const MAX_LINKS: usize = 40;

/// A name beside a file: `.NAME` and the suffix.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(suffix);
    path.with_file_name(name)
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
    let file = open_itself(path, File::options().read(true).write(true));
    let file = file.map_err(|error| named(path, &error))?;
    ownership::refuse_planted_lock(path, &file, owner)?;
    Ok(file)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Opens no link, and waits for no other end of a pipe.
fn open_itself(path: &Path, options: &mut fs::OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    {
        use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
        use std::os::unix::fs::OpenOptionsExt;

        options.custom_flags(O_NOFOLLOW | O_NONBLOCK);
    }
    options.open(path)
}

/// Follows symbolic links to where a file is or would be made, none of them
/// planted.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
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
    for _ in 0..MAX_LINKS {
        check_directory(parent(&path))?;
        match fs::read_link(&path) {
            Ok(link) => path = parent(&path).join(link),
            Err(_) => break,
        }
    }
    Ok(())
}

/// Opens a file to read it, where no other user has planted it.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let read = |path: &Path| open_itself(path, File::options().read(true));
    let is_link = |error: &io::Error| error.raw_os_error() == Some(platform::IS_LINK);
    let (path, file) = match read(path) {
        Err(error) if is_link(&error) => {
            let target = resolve(path)?;
            let file = read(&target)?;
            (target, file)
        }
        opened => (path.to_owned(), opened?),
    };
    let found = file.metadata()?;
    if !ownership::is_trusted(&found) {
        refuse_planted(&path)?;
    }
    Ok((file, found))
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
