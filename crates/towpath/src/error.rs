//! Errors of the faces.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{Fault, Refusal};

/// Why a call of a face failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The URL can't be used.
    Url {
        /// What is wrong with it.
        why: String,
    },
    /// A file can't be read.
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A key of a configuration file, or the flag in its place, can't be used.
    Config {
        /// Which and why, in one line.
        why: String,
    },
    /// The path broke on a rung.
    Path(Fault),
    /// The command can't be taken.
    Refused(Refusal),
    /// Many events wait to be taken with `next`; nothing else is done before that, so that memory stays bounded.
    Unread,
    /// The connection was closed by this side, or will not be tried again.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { why } => write!(f, "the URL can't be used: {why}"),
            Self::File { path, why } => write!(f, "cannot read {}: {why}", path.display()),
            Self::Config { why } => f.write_str(why),
            Self::Path(fault) => fmt::Display::fmt(fault, f),
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
            Self::Unread => f.write_str("too many events wait to be taken"),
            Self::Closed => f.write_str("the connection is closed"),
        }
    }
}

impl Error {
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            why: error.to_string(),
        }
    }
}

impl std::error::Error for Error {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Path(fault)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
