//! What the service says: answers in its JSON, refusals with its codes.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::guid;
use crate::{clock::Time, log::Code};

/// Characters of a refusal's cause.
const WHY: usize = 800;

/// An answer, for MQTT's topic or HTTP's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Seconds to wait before the next poll or attempt.
    pub(crate) retry_after: Option<u32>,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(super) fn new(status: u16, retry_after: Option<u32>, body: &Json) -> Self {
        Self {
            status,
            retry_after,
            body: Bytes::from(body.to_string()),
        }
    }

    /// The topic of the answer to the request of this number.
    pub(super) fn topic(&self, rid: &str) -> String {
        let status = self.status;
        match self.retry_after {
            Some(seconds) => {
                format!("$dps/registrations/res/{status}/?$rid={rid}&retry-after={seconds}")
            }
            None => format!("$dps/registrations/res/{status}/?$rid={rid}"),
        }
    }
}

/// A request that is refused: what the client is told, and what the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// The service's error code.
    pub(crate) number: u32,
    /// What the client reads.
    pub(crate) message: &'static str,
    pub(crate) retry_after: Option<u32>,
    /// The code of the log's record.
    pub(crate) code: Code,
    /// The true cause, with the values that decided. No key, no token.
    pub(crate) why: String,
}

impl Refusal {
    pub(super) fn new(code: Code, message: &'static str, why: impl Into<String>) -> Self {
        let number = code.number();
        let mut why = why.into();
        // What a client sends can be long, and is in many of them.
        if let Some((end, _)) = why.char_indices().nth(WHY) {
            why.truncate(end);
            why.push_str("...");
        }
        Self {
            status: u16::try_from(number / 1000).unwrap_or(500),
            number,
            message,
            retry_after: None,
            code,
            why,
        }
    }

    pub(super) fn unauthorized(why: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, "Unauthorized", why)
    }

    pub(super) fn certificate(why: impl Into<String>) -> Self {
        Self::new(Code::Unauthorized, "Invalid certificate.", why)
    }

    pub(super) fn body(why: impl Into<String>) -> Self {
        Self::new(Code::ArgumentInvalid, "Bad request.", why)
    }

    /// The answer that says so.
    pub(crate) fn reply(&self, now: Time) -> Reply {
        let body = json!({
            "errorCode": self.number,
            "trackingId": guid(),
            "message": self.message,
            "timestampUtc": now.rfc3339(),
        });
        Reply::new(self.status, self.retry_after, &body)
    }
}
