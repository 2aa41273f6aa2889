//! Why no hub was assigned.

use core::fmt::Write;

use towpath_proto::{Code, Fault, Rung, text::Text};

use super::registration::SILENCE;

/// Why the service assigned no hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The status in the answer's topic, like those of HTTP; 0 if no answer came.
    pub status: u16,
    /// The service's error code, such as 401002; 0 if it gave none.
    pub code: u32,
    /// What kind of refusal it is.
    pub kind: RefusedKind,
    /// When to ask again, in seconds, if the service said so.
    pub retry_after: Option<u16>,
    /// The service's words; if an answer can't be read, what is wrong with it.
    pub message: Text<56>,
}

/// The kinds of refusal, by what to do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedKind {
    /// The device's proof is not taken: key, token, certificate.
    Unauthorized,
    /// There is no enrolment for the device.
    NotFound,
    /// Its enrolment is disabled.
    Disabled,
    /// The service knows the device and has no hub for it.
    Unassigned,
    /// Too many requests: later.
    Throttled,
    /// The service can't answer now: later.
    Busy,
    /// Something about the request, or about the allocation, is wrong.
    Failed,
    /// The answer can't be read.
    Malformed,
    /// No answer came in 90 seconds.
    Silent,
}

impl RefusedKind {
    /// The kind that fits a status like those of HTTP.
    pub(super) const fn of_status(status: u32) -> Self {
        match status {
            401 | 403 => Self::Unauthorized,
            404 => Self::NotFound,
            429 => Self::Throttled,
            // Another registration of the same device is at work, or the service is unwell.
            409 | 412 | 500..=599 => Self::Busy,
            _ => Self::Failed,
        }
    }

    const fn code(self) -> Code {
        match self {
            Self::Unauthorized => Code::DpsUnauthorized,
            Self::NotFound => Code::DpsNotFound,
            Self::Disabled => Code::DpsDisabled,
            Self::Unassigned => Code::DpsUnassigned,
            Self::Throttled => Code::DpsThrottled,
            Self::Busy => Code::DpsBusy,
            Self::Failed => Code::DpsFailed,
            Self::Malformed => Code::DpsMalformed,
            Self::Silent => Code::DpsSilent,
        }
    }
}

impl Refused {
    /// An answer of this status that can't be read.
    pub(super) fn malformed(status: u16, why: &str) -> Self {
        Self {
            status,
            code: 0,
            kind: RefusedKind::Malformed,
            retry_after: None,
            message: Text::from_bytes(why.as_bytes()),
        }
    }

    /// No answer came.
    pub(super) const fn silent() -> Self {
        Self {
            status: 0,
            code: 0,
            kind: RefusedKind::Silent,
            retry_after: None,
            message: Text::EMPTY,
        }
    }

    /// The service goes on to say that it is still deciding.
    pub(super) fn undecided(retry_after: Option<u16>) -> Self {
        Self {
            status: 202,
            code: 0,
            kind: RefusedKind::Busy,
            retry_after,
            message: Text::from_bytes(b"assigning"),
        }
    }

    /// The service does not let the device listen to its answers.
    pub(super) fn unheard(reason: towpath_proto::mqtt::reason::ReasonCode) -> Self {
        let mut message = Text::EMPTY;
        // A `Text` takes what fits.
        let _ = write!(message, "SUBACK: {}", reason.text());
        Self {
            status: 0,
            code: 0,
            kind: RefusedKind::Failed,
            retry_after: None,
            message,
        }
    }

    /// The same as a fault of the rung Hub, with the number that the service gave.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let number = match self.kind {
            RefusedKind::Silent => u32::try_from(SILENCE.as_millis()).unwrap_or(u32::MAX),
            _ if self.code != 0 => self.code,
            // Of a good status there is nothing to say.
            _ if self.status >= 300 => u32::from(self.status),
            _ => 0,
        };
        Fault::new(Rung::Hub, self.kind.code())
            .number(number)
            .detail(self.message.as_str().as_bytes())
    }
}
