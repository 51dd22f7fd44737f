//! A directory that no other user can look into, gone when it is dropped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::random;

pub struct PrivateDir(PathBuf);

impl PrivateDir {
    /// Makes one, mode 0700, below `parent`.
    pub fn below(parent: &Path) -> io::Result<PrivateDir> {
        let path = parent.join(format!("yandex-token-{}", random::hex()));
        create(&path)?;
        Ok(PrivateDir(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes a directory for this user alone, whatever the umask.
pub fn create(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

/// Where short-lived private things go: `$XDG_RUNTIME_DIR`, then the temporary
/// directory.
pub fn runtime_dirs() -> Vec<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .into_iter()
        .chain([std::env::temp_dir()])
        .collect()
}
