//! One fault for an attempt that found no connection.

use core::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use super::questions::{Question, Questions};
use crate::{
    fault::{Code, Fault},
    net::{Candidate, Prefix, dns::Outcome, race::Race},
    rung::Rung,
    text::Text,
};

/// The fault for a name that gave no address.
pub(super) fn unresolved(questions: &Questions) -> Fault {
    let mut best = Fault::new(Rung::Dns, Code::NoAddress);
    for question in [Question::V6, Question::V4] {
        match questions.outcome(question) {
            // Whatever the other question came to: the name does not exist.
            Some(Outcome::NoName { .. }) => {
                return Fault::new(Rung::Dns, Code::NameNotFound).number(3);
            }
            Some(Outcome::Failed(fault)) if best.code == Code::NoAddress => best = fault,
            _ => {}
        }
    }
    best
}

/// The fault for an IPv4 address that the prefix may not carry.
pub(super) fn private(address: IpAddr, prefix: Option<Prefix>) -> Fault {
    let inside = match (address, prefix) {
        (IpAddr::V6(through), Some(prefix)) => prefix.extract(through).map(IpAddr::V4),
        _ => None,
    };
    let mut text = Text::<56>::EMPTY;
    // A text never fails: what does not fit is cut.
    let _ = write!(text, "{}", inside.unwrap_or(address));
    Fault::new(Rung::Nat64, Code::Nat64Private)
        .detail(text.as_str().as_bytes())
        .clause("RFC 6052 3.1")
}

/// The fault for candidates that all failed: an answer from the host itself tells most, then that of the candidate that
/// was tried first.
///
/// `is_translated` says whether packets to an address are translated.
pub(super) fn unreached(
    race: &Race,
    port: u16,
    is_translated: impl Fn(&Candidate) -> bool,
) -> Fault {
    let told = |fault: &Fault| matches!(fault.code, Code::Refused | Code::Reset);
    let Some((candidate, fault)) = race
        .faults()
        .find(|(_, fault)| told(fault))
        .or_else(|| race.faults().next())
    else {
        return Fault::new(Rung::Dns, Code::NoAddress);
    };
    let others = race.faults().count().saturating_sub(1);
    let fault = if is_translated(&candidate) {
        translated(fault)
    } else {
        fault
    };
    fault.detail(place(&candidate, port, others).as_str().as_bytes())
}

/// What a fault of TCP means where packets are translated.
const fn translated(fault: Fault) -> Fault {
    let code = match fault.code {
        Code::ConnectTimeout => Code::Nat64Silent,
        Code::HostUnreachable | Code::NetUnreachable => Code::Nat64NoRoute,
        _ => return fault,
    };
    Fault::new(Rung::Nat64, code).number(fault.number)
}

/// `[fd64::c633:640a]:1883 and 2 more`.
fn place(candidate: &Candidate, port: u16, others: usize) -> Text<56> {
    let mut text = Text::EMPTY;
    let _ = write!(text, "{}", SocketAddr::new(candidate.address, port));
    if others > 0 {
        let _ = write!(text, " and {others} more");
    }
    text
}
