//! Why a call of this face failed.

use core::fmt;

use towpath_proto::{Fault, mqtt::session::Refusal};

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The path broke on a rung.
    Path(Fault),
    /// The command can't be taken; nothing was changed.
    Refused(Refusal),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(fault) => fmt::Display::fmt(fault, f),
            Self::Refused(refusal) => fmt::Display::fmt(refusal, f),
        }
    }
}

impl core::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Error {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Path(fault) => defmt::write!(f, "{}", fault),
            Self::Refused(refusal) => defmt::write!(f, "{}", refusal),
        }
    }
}
