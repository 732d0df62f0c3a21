//! The one error type: a kind, so that a caller can tell damage from misuse, and a message for people.

use std::{fmt, io};

/// What went wrong, as a caller needs to tell it apart. The command line maps each to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The operating system refused a read or a write.
    Io,
    /// The input cannot be taken: a folder, an unreadable file, one that changed while it was read.
    Input,
    /// The bytes are not an nncz archive, or one that was damaged or cut off.
    Damaged,
    /// The archive has a format version that this build does not know.
    Version,
    /// A declared limit ([`crate::limits`]) refused it.
    Limit,
    /// This build or this machine lacks what was asked for.
    Unsupported,
    /// The caller asked to stop ([`crate::Progress::is_cancelled`]).
    Cancelled,
    /// What was written does not decode to the source: a defect of nncz itself, caught before harm was done.
    Mismatch,
}

/// An error: its kind and a message that says what is wrong, where, and what can be done.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error of `kind` with a message for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The archive's bytes are wrong: `what`, in a few words.
    pub fn damaged(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Damaged, format!("damaged archive: {what}"))
    }

    /// The kind, to act on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::new(ErrorKind::Io, error.to_string())
    }
}
