//! From what a method's program wrote to the answer for the hub.
//!
//! Standard output is the payload: JSON as it is, anything else as a JSON string. A first line `status 404` is the
//! status of the answer; without it, it is 200 for exit status 0 and 500 for any other.

use serde::de::IgnoredAny;

use super::program::{Broken, Ran};
use crate::text::{Object, quoted};

/// There is no program for the method.
const NOT_IMPLEMENTED: u32 = 501;
/// Too many programs run already.
const BUSY: u32 = 429;
const OK: u32 = 200;
const FAILED: u32 = 500;
/// The program took too long.
const LATE: u32 = 504;

/// What the hub is told, and what is noted about it here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u32,
    /// JSON, or empty.
    pub(super) payload: Vec<u8>,
    /// What went wrong.
    pub(super) note: Option<String>,
}

impl Answer {
    fn error(status: u32, why: String) -> Self {
        Self {
            status,
            payload: Object::new().text("error", &why).end().into_bytes(),
            note: Some(why),
        }
    }

    pub(super) fn unknown(name: &str) -> Self {
        Self::error(
            NOT_IMPLEMENTED,
            format!("there is no [methods.{name}] in the device's file"),
        )
    }

    pub(super) fn busy() -> Self {
        Self::error(BUSY, "too many methods run already".into())
    }

    /// What a program's end means.
    pub(super) fn of(ran: Result<Ran, Broken>) -> Self {
        let ran = match ran {
            Ok(ran) => ran,
            Err(broken) => {
                let status = match broken {
                    Broken::Late(_) => LATE,
                    _ => FAILED,
                };
                return Self::error(status, broken.to_string());
            }
        };
        let (said, body) = status_line(&ran.out);
        let note = (!ran.is_success()).then(|| ran.words());
        let usual = if note.is_none() { OK } else { FAILED };
        let status = said.unwrap_or(usual);
        let payload = match body.trim_ascii() {
            // The complaint may hold what is none of the caller's business.
            [] if note.is_some() => Object::new()
                .text("error", &exit_words(ran.status))
                .end()
                .into_bytes(),
            body => as_json(body),
        };
        Self {
            status,
            payload,
            note,
        }
    }
}

fn exit_words(status: Option<i32>) -> String {
    status.map_or_else(
        || "ended by a signal".to_owned(),
        |status| format!("exit status {status}"),
    )
}

/// The status of a first line `status 404`, and what follows.
fn status_line(out: &[u8]) -> (Option<u32>, &[u8]) {
    let end = out.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (
            out.get(..end).unwrap_or_default(),
            out.get(end + 1..).unwrap_or_default(),
        ),
        None => (out, &[][..]),
    };
    let status = str::from_utf8(line)
        .ok()
        .and_then(|line| line.trim().strip_prefix("status "))
        .and_then(|digits| digits.trim().parse().ok())
        .filter(|status| (100..1000).contains(status));
    match status {
        Some(status) => (Some(status), rest),
        None => (None, out),
    }
}

/// JSON as it is, anything else as a string.
fn as_json(body: &[u8]) -> Vec<u8> {
    if body.is_empty() || is_json(body) {
        return body.to_vec();
    }
    quoted(&String::from_utf8_lossy(body)).into_bytes()
}

/// Whether this is one JSON value.
pub(super) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ran(status: i32, out: &str) -> Answer {
        Answer::of(Ok(Ran {
            status: Some(status),
            out: out.into(),
            complaint: "why\n".into(),
        }))
    }

    #[test]
    fn output_becomes_a_status_and_json() {
        for (status, out, wanted, payload) in [
            (0, "{\"a\":1}\n", 200, "{\"a\":1}"),
            (0, "", 200, ""),
            (0, "done\n", 200, "\"done\""),
            (0, "status 404\n{\"a\":1}", 404, "{\"a\":1}"),
            (0, "status 204", 204, ""),
            (0, "status quo", 200, "\"status quo\""),
            (0, "status 7", 200, "\"status 7\""),
            (3, "", 500, "{\"error\":\"exit status 3\"}"),
            (3, "{\"e\":2}", 500, "{\"e\":2}"),
            (3, "status 409\n", 409, "{\"error\":\"exit status 3\"}"),
        ] {
            let answer = ran(status, out);
            let text = String::from_utf8(answer.payload).unwrap();
            assert_eq!((answer.status, text.as_str()), (wanted, payload), "{out}");
            assert_eq!(answer.note.is_some(), status != 0);
        }
    }

    #[test]
    fn what_does_not_answer_has_a_status_of_its_own() {
        assert_eq!(
            Answer::of(Err(Broken::Late(Duration::from_secs(1)))).status,
            504
        );
        assert_eq!(Answer::of(Err(Broken::TooMuch)).status, 500);
        let unknown = Answer::unknown("a\"b");
        assert_eq!(unknown.status, 501);
        assert!(is_json(&unknown.payload));
    }

    #[test]
    fn the_complaint_is_noted_here_and_not_told_there() {
        let answer = ran(1, "");
        assert_eq!(answer.note.as_deref(), Some("exit status 1: why"));
        assert!(!answer.payload.windows(3).any(|part| part == b"why"));
    }
}
