//! Where a token will go, made sure of before anybody is asked to log in, and
//! in which format.

use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::cli::Format;
use crate::error::Error;
use crate::output;
use crate::signals;
use crate::store::Location;
use crate::store::atomic_file::{AtomicFile, Reservation};
use crate::store::files::{follow_no_planted_link, take_nothing_planted};
use crate::store::token::StoredToken;

pub enum Destination {
    Printed(Format),
    /// A pipe, a terminal, a device: written to, never replaced.
    Stream(File, PathBuf, Format),
    /// A file of the user's that is replaced.
    File(Reservation, Format),
    Saved(Reservation),
}

impl Destination {
    /// Standard output, which `-` stands for too, or the file of `--output`.
    pub fn print(output: Option<&Path>, format: Option<Format>) -> Result<Destination, Error> {
        let format = format.unwrap_or_default();
        // As curl has it.
        let Some(path) = output.filter(|path| *path != Path::new("-")) else {
            return Ok(Destination::Printed(format));
        };
        if is_stream(path) {
            let file = follow_no_planted_link(path)
                .and_then(|()| take_nothing_planted(path))
                .and_then(|()| File::options().append(true).open(path));
            let file = file.map_err(|e| Error::local(format!("writing {}", path.display()), e))?;
            return Ok(Destination::Stream(file, path.to_owned(), format));
        }
        Reservation::make(&AtomicFile::of(path)?).map(|room| Destination::File(room, format))
    }

    pub fn save(location: &Location) -> Result<Destination, Error> {
        Reservation::make(&location.file()?).map(Destination::Saved)
    }

    /// Sees to it that a signal, while a person logs in, leaves neither the
    /// reservation behind nor a countdown on the terminal. Called before any
    /// other thread is started.
    pub fn guard(&self) {
        let room = match self {
            Destination::File(room, _) | Destination::Saved(room) => Some(room.clone()),
            Destination::Printed(_) | Destination::Stream(..) => None,
        };
        signals::before_death(move || {
            output::end_progress();
            drop(room.clone());
        });
    }

    /// Whether the token will be seen at a terminal.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Destination::Printed(_)) && std::io::stdout().is_terminal()
    }

    /// Prints or keeps the token.
    pub fn put(self, token: &StoredToken) -> Result<(), Error> {
        match self {
            Destination::Printed(format) => output::result(render(token, format).expose_secret()),
            Destination::Stream(mut file, path, format) => file
                .write_all(render(token, format).expose_secret().as_bytes())
                .map_err(|e| output::written(&format!("writing {}", path.display()), &e)),
            Destination::File(room, format) => {
                room.commit(render(token, format).expose_secret().as_bytes())
            }
            Destination::Saved(room) => room.commit(token.to_json().expose_secret().as_bytes()),
        }
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
    let access_token = token.access_token.expose_secret();
    match format {
        Format::Token => format!("{access_token}\n").into(),
        Format::Json => token.to_json(),
        Format::Env => format!("YANDEX_TOKEN={access_token}\n").into(),
        Format::Header => format!("Authorization: OAuth {access_token}\n").into(),
        Format::Bearer => format!("Authorization: Bearer {access_token}\n").into(),
    }
}
