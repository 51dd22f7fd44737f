//! What differs between systems and is no more than a few lines. Unix and the
//! rest have the same functions, so that callers need not know the system.
//!
//! Larger things have homes of their own: signals in `signals`, the owners and
//! modes of files in `store::files`, private directories in `private_dir`.

use std::env;
use std::fs::File;
use std::io;
use std::path::{MAIN_SEPARATOR, PathBuf};

#[cfg(not(unix))]
pub use elsewhere::*;
#[cfg(unix)]
pub use unix::*;

/// Whether a browser can only be shown on a display that the environment names.
pub const NEEDS_DISPLAY: bool = cfg!(target_os = "linux");

/// Whether the status of what opens a URL says that it did not.
pub const LAUNCHERS_TELL: bool = cfg!(not(windows));

/// Whether a file that is being read can't be replaced.
pub const READERS_BLOCK_RENAMES: bool = cfg!(windows);

/// How many connections a server holds before the oldest gives way. Windows
/// can't end a read that has begun: the oldest gives way there when its time
/// is over, so there is room for more.
pub const MAX_CONNECTIONS: usize = if cfg!(windows) { 512 } else { 64 };

/// Whether there is a `fuser`, which names the processes that have a file open.
pub const HAS_FUSER: bool = cfg!(unix);

/// The shell command that sets a variable for its programs.
pub const EXPORT: &str = if cfg!(windows) { "set " } else { "export " };

/// A canonical path as people write it: on Windows without its `\\?\` prefix.
pub fn plain_path(path: PathBuf) -> PathBuf {
    let plain = path
        .to_str()
        .filter(|_| cfg!(windows))
        .and_then(without_prefix);
    plain.map_or(path, PathBuf::from)
}

/// A drive's path, or that of a network share.
fn without_prefix(path: &str) -> Option<String> {
    let plain = path.strip_prefix(r"\\?\")?;
    match plain.strip_prefix(r"UNC\") {
        Some(share) => Some(format!(r"\\{share}")),
        None => (plain.get(1..2) == Some(":")).then(|| plain.to_owned()),
    }
}

/// A word for a shell: that of Unix, or cmd.exe, where no path has a `"` in it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:@+,%".contains(c) || c == MAIN_SEPARATOR;
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false if cfg!(windows) => format!("\"{word}\""),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Has the content of a file reach the disk.
pub fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // It is F_FULLFSYNC, which a network share may not know.
        #[cfg(target_os = "macos")]
        Err(error) if is_unsupported(&error) => Ok(nix::unistd::fsync(file)?),
        synced => synced,
    }
}

#[cfg(target_os = "macos")]
fn is_unsupported(error: &io::Error) -> bool {
    use nix::libc::{EINVAL, ENOTSUP, ENOTTY, EOPNOTSUPP};

    matches!(
        error.raw_os_error(),
        Some(EINVAL | ENOTSUP | ENOTTY | EOPNOTSUPP)
    )
}

/// What separates the commands in `BROWSER`.
pub const LIST_SEPARATOR: char = if cfg!(windows) { ';' } else { ':' };

/// Variables of ours that no other program needs.
pub const SECRET_VARIABLES: [&str; 2] = ["YANDEX_CLIENT_SECRET", "YANDEX_REFRESH_TOKEN"];

/// The credential helper of the system's own keychain.
pub const KEYCHAIN: &str = if cfg!(windows) {
    "wincred"
} else if cfg!(target_os = "macos") {
    "osxkeychain"
} else {
    "secretservice"
};

/// Where programs keep what they have to remember.
pub fn data_home() -> Option<PathBuf> {
    let home = || env::home_dir().filter(|path| path.is_absolute());
    if cfg!(windows) {
        let path = env::var_os("APPDATA").map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        home().map(|home| home.join(".local/share"))
    }
}

/// Whether a name could not be looked up: the resolver's failure has no kind of
/// its own.
pub fn is_lookup(error: &io::Error) -> bool {
    // WSAHOST_NOT_FOUND to WSANO_DATA
    cfg!(windows) && matches!(error.raw_os_error(), Some(11001..=11004))
        || error.to_string().starts_with("failed to lookup address")
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::net::TcpListener;
    use std::os::unix::fs::chown;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::path::Path;
    use std::process::{Command, ExitStatus};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use nix::libc;
    use nix::sys::socket::{Backlog, listen};
    use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

    /// The error of an address family that the machine doesn't have.
    pub const NO_ADDRESS_FAMILY: i32 = libc::EAFNOSUPPORT;

    /// The error of a link that is not to be followed.
    pub const IS_LINK: i32 = libc::ELOOP;

    /// Whether even the owner can't write: immutable, or a read-only mount.
    pub fn is_unchangeable(error: &io::Error) -> bool {
        let code = error.raw_os_error();
        matches!(code, Some(libc::EPERM | libc::EROFS | libc::ETXTBSY))
    }

    /// Elsewhere a file that another process has open is busy.
    pub fn retry<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        attempt()
    }

    /// The terminal's settings before its input was hidden.
    static SHOWN: Mutex<Option<Termios>> = Mutex::new(None);

    fn shown() -> MutexGuard<'static, Option<Termios>> {
        SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows nothing of what is typed at standard input.
    pub fn hide_input() {
        let stdin = std::io::stdin();
        if let Ok(before) = tcgetattr(&stdin) {
            let mut hidden = before.clone();
            hidden.local_flags.remove(LocalFlags::ECHO);
            if tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden).is_ok() {
                *shown() = Some(before);
            }
        }
    }

    /// Ends what [`hide_input`] began.
    pub fn show_input() {
        if let Some(before) = shown().take() {
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &before);
        }
    }

    /// Gives a file of root's to a user and a group.
    pub fn give(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
        owner.map_or(Ok(()), |(user, group)| chown(path, Some(user), Some(group)))
    }

    pub fn host_name() -> Option<String> {
        nix::unistd::gethostname().ok()?.into_string().ok()
    }

    /// Whether a file or socket could not be made because too many are open.
    pub fn is_out_of_descriptors(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
    }

    /// A longer backlog than the 128 of the standard library: a client that finds
    /// it full tries again only after a second.
    pub fn lengthen_queue(listener: &TcpListener) {
        let _ = listen(listener, Backlog::MAXCONN);
    }

    /// Keeps the terminal's signals from a program that outlives us.
    pub fn detach(command: &mut Command) {
        command.process_group(0);
    }

    /// Becomes the program: returns only where it could not be started.
    pub fn become_program(command: &mut Command) -> io::Result<ExitStatus> {
        Err(command.exec())
    }

    /// The signal that ended a program.
    pub fn signal_of(status: ExitStatus) -> Option<u8> {
        status.signal().and_then(|signal| u8::try_from(signal).ok())
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::io;
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::{Command, ExitStatus};
    use std::time::{Duration, Instant};

    /// WSAEAFNOSUPPORT
    pub const NO_ADDRESS_FAMILY: i32 = 10047;

    /// ERROR_CANT_ACCESS_FILE, of a link that is not to be followed.
    pub const IS_LINK: i32 = 1920;

    pub fn is_unchangeable(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::ReadOnlyFilesystem
    }

    /// What another process has open can't be replaced or opened at once:
    /// access denied, a sharing or a lock violation.
    pub fn retry<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        const BUSY: [i32; 3] = [5, 32, 33];
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            match attempt() {
                Err(error)
                    if error
                        .raw_os_error()
                        .is_some_and(|code| BUSY.contains(&code))
                        && Instant::now() < until =>
                {
                    std::thread::sleep(Duration::from_millis(10));
                }
                outcome => return outcome,
            }
        }
    }

    pub fn hide_input() {}

    pub fn show_input() {}

    pub fn give(_path: &Path, _owner: Option<(u32, u32)>) -> io::Result<()> {
        Ok(())
    }

    pub fn host_name() -> Option<String> {
        std::env::var("COMPUTERNAME").ok()
    }

    pub fn is_out_of_descriptors(_error: &io::Error) -> bool {
        false
    }

    pub fn lengthen_queue(_listener: &TcpListener) {}

    pub fn detach(_command: &mut Command) {}

    /// Runs the program in our place.
    pub fn become_program(command: &mut Command) -> io::Result<ExitStatus> {
        command.status()
    }

    pub fn signal_of(_status: ExitStatus) -> Option<u8> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_path_of_windows_is_shown_without_its_prefix() {
        for (canonical, plain) in [
            (r"\\?\C:\Users\x", Some(r"C:\Users\x")),
            (r"\\?\UNC\server\share", Some(r"\\server\share")),
            (r"\\?\Volume{1}\x", None),
            (r"C:\Users\x", None),
        ] {
            assert_eq!(without_prefix(canonical).as_deref(), plain, "{canonical}");
        }
    }
}
