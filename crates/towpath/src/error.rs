//! Errors of the faces.

use std::fmt;

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
            Self::Path(fault) => fmt::Display::fmt(fault, f),
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
            Self::Unread => f.write_str("too many events wait to be taken"),
            Self::Closed => f.write_str("the connection is closed"),
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
