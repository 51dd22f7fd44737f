//! Where a token will go, made sure of before anybody is asked to log in, and
//! in which format.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::cli::{self, Format};
use crate::error::{Error, Kind};
use crate::output;
use crate::platform;
use crate::private_dir::runtime_dirs;
use crate::random;
use crate::store::Location;
use crate::store::atomic_file::AtomicFile;
use crate::store::token::StoredToken;
use crate::store::{files, ownership};

pub enum Destination {
    Printed(Format),
    /// A pipe, a terminal, a device: written to, never replaced.
    Stream(File, PathBuf, Format),
    /// A file of the user's that is replaced.
    File(AtomicFile, Format),
    Saved(AtomicFile, Location),
}

impl Destination {
    /// Standard output, which `-` stands for too, or the file of `--output`.
    pub fn print(options: &cli::Output) -> Result<Destination, Error> {
        let format = options.format.unwrap_or_default();
        let path = match &options.output {
            Some(path) if path != Path::new("-") => path,
            _ => {
                output::check_stdout()?;
                return Ok(Destination::Printed(format));
            }
        };
        if is_stream(path) {
            let file = ownership::refuse_planted(path)
                .and_then(|()| File::options().append(true).open(path));
            let file = file.map_err(|e| Error::local(format!("writing {}", path.display()), e))?;
            return Ok(Destination::Stream(file, path.clone(), format));
        }
        let file = AtomicFile::of(path)?;
        file.lock()?.make_sure_of_room()?;
        Ok(Destination::File(file, format))
    }

    pub fn save(location: &Location) -> Result<Destination, Error> {
        let file = location.file()?;
        file.lock()?.make_sure_of_room()?;
        Ok(Destination::Saved(file, location.clone()))
    }

    /// Whether the token will be seen at a terminal.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Destination::Printed(_)) && io::stdout().is_terminal()
    }

    /// Prints or saves the token.
    pub fn put(&self, token: &StoredToken) -> Result<(), Error> {
        let text = |format: &Format| render(token, *format);
        match self {
            Destination::Printed(format) => output::result(text(format).expose_secret()),
            Destination::Stream(file, path, format) => {
                let mut file: &File = file;
                let written = file.write_all(text(format).expose_secret().as_bytes());
                let what = format!("writing {}", path.display());
                written.map_err(|error| output::written(&what, &error))
            }
            Destination::File(file, format) => {
                let lock = file.lock()?;
                lock.commit(text(format).expose_secret().as_bytes())
            }
            Destination::Saved(file, location) => location.commit(file.lock()?, token),
        }
    }

    /// Prints or saves a token that something was spent for: where that fails
    /// it is kept elsewhere, and the error says where.
    pub fn put_or_rescue(&self, token: &StoredToken) -> Result<(), Error> {
        self.put(token).map_err(|error| rescued(error, token))
    }
}

/// What is opened and written to rather than replaced: whatever exists and is
/// no regular file, and the names of descriptors, which may lead to one.
fn is_stream(path: &Path) -> bool {
    let descriptor = path.starts_with("/dev/fd")
        || ["/dev/stdin", "/dev/stdout", "/dev/stderr"].contains(&&*path.to_string_lossy());
    descriptor || fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// One line with its end. A token holds no character that could mean something
/// to a shell or end a header: the client refuses such a one.
fn render(token: &StoredToken, format: Format) -> SecretString {
    let access_token = token.secrets.access_token.expose_secret();
    match format {
        Format::Token => format!("{access_token}\n").into(),
        Format::Json => token.to_standalone(),
        Format::Env => format!("YANDEX_TOKEN={access_token}\n").into(),
        Format::Header => format!("Authorization: OAuth {access_token}\n").into(),
        Format::Bearer => format!("Authorization: Bearer {access_token}\n").into(),
    }
}

/// Adds to an error where the token is kept instead, and has even a closed
/// pipe reported.
pub fn rescued(mut error: Error, token: &StoredToken) -> Error {
    if error.kind == Kind::ClosedPipe {
        error.kind = Kind::Other;
    }
    let kept = runtime_dirs().iter().find_map(|dir| keep(token, dir).ok());
    error.hint(match kept {
        Some(kept) => format!("What was received is kept in {}", kept.display()),
        None => "What was received could not be kept anywhere: log in again.".to_owned(),
    })
}

fn keep(token: &StoredToken, dir: &Path) -> io::Result<PathBuf> {
    let path = dir.join(format!("yandex-token-{}", random::hex()));
    let mut file = files::create_private(&path, None)?;
    file.write_all(token.to_standalone().expose_secret().as_bytes())?;
    platform::sync(&file)?;
    Ok(path)
}
