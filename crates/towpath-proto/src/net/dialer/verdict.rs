//! One fault for an attempt that found no connection.

use core::net::{IpAddr, SocketAddr};

use super::{
    Dialer, Nat64,
    questions::{Question, Questions},
};
use crate::{
    fault::{Code, Fault},
    net::{Candidate, Origin, Prefix, dns::Outcome, race::Race, written},
    rung::Rung,
    text::Text,
};

/// The fault for a name that gave no address.
fn unresolved(questions: &Questions) -> Fault {
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
fn private(address: IpAddr, prefix: Option<Prefix>) -> Fault {
    let inside = match (address, prefix) {
        (IpAddr::V6(through), Some(prefix)) => prefix.extract(through).map(IpAddr::V4),
        _ => None,
    };
    let mut text = Text::<56>::EMPTY;
    written::address(&mut text, inside.unwrap_or(address));
    Fault::new(Rung::Nat64, Code::Nat64Private)
        .detail(text.as_str().as_bytes())
        .clause("RFC 6052 3.1")
}

/// The fault for candidates that all failed: an answer from the host itself tells most, then that of the candidate that
/// was tried first.
///
/// `is_translated` says whether packets to an address are translated.
#[cfg_attr(target_os = "none", inline(never))]
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
    written::socket(&mut text, SocketAddr::new(candidate.address, port));
    if others > 0 {
        text.append(b" and ");
        written::number(&mut text, u32::try_from(others).unwrap_or(u32::MAX), 10);
        text.append(b" more");
    }
    text
}

impl Dialer {
    /// The fault for a host without a candidate.
    pub(super) fn unresolved(&self) -> Fault {
        let text = self.text.as_str().as_bytes();
        let of = |rung, code| Fault::new(rung, code).detail(text);
        let isolated = !self.is_online();
        let behind = self.pool.behind().next();
        if let Some((address, Code::Nat64Private)) = self.dropped {
            return private(
                address,
                self.translated_by(self.began, address, Origin::Dns),
            );
        }
        match (behind, self.dropped) {
            (Some(_), _) | (None, Some(_)) if isolated => of(Rung::Address, Code::NoSourceAddress),
            // The prefix is known, and so is that nothing leads there.
            (Some(_), Some((IpAddr::V6(_), Code::NoSourceAddress)))
                if self.prefixes.best(self.began).next().is_some() =>
            {
                of(Rung::Nat64, Code::Nat64NoRoute)
            }
            (Some(_), _) if self.settings.nat64 == Nat64::Auto && self.has_v6() => {
                of(Rung::Nat64, Code::Nat64NoPrefix)
            }
            (Some(_), _) | (None, Some(_)) => of(Rung::Address, Code::FamilyUnavailable),
            (None, None) => {
                let fault = unresolved(&self.questions);
                let alone = isolated && !self.asks_itself();
                let unasked = matches!(
                    fault.code,
                    Code::ResolverSilent | Code::NoResolver | Code::NetUnreachable
                );
                if alone && unasked {
                    of(Rung::Address, Code::NoSourceAddress)
                } else if fault.detail.is_empty() {
                    fault.detail(text)
                } else {
                    fault
                }
            }
        }
    }

    /// Whether a DNS server runs on this machine, where no address is needed to reach it.
    fn asks_itself(&self) -> bool {
        let mut servers = self.settings.servers.as_slice().iter();
        servers.any(|server| server.ip().is_loopback())
    }
}
