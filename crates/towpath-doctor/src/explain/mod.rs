//! What somebody else saw: a code, a log, a capture, to the same [`Diagnosis`] as a run of one's own.

mod capture;
mod climb;
mod code;
mod frames;
mod log;

use crate::{Diagnosis, diagnosis::Verdict};

pub use self::{
    capture::{capture, is_capture},
    climb::Climb,
    code::{code, nearest},
    frames::{Firmware, Frame, Frames},
    log::log,
};

/// Nothing is known of it.
fn unknown(subject: &str) -> Diagnosis {
    Diagnosis {
        subject: subject.to_owned(),
        vantage: String::new(),
        profile: String::new(),
        verdict: Verdict::Unknown,
        ladder: Vec::new(),
        found: Vec::new(),
        notes: Vec::new(),
        probes: Vec::new(),
    }
}
