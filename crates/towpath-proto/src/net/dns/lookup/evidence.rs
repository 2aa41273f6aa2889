//! What is known about the servers that gave no answer: the strongest of it becomes the fault.

use core::net::SocketAddr;

use super::plan::Servers;
use crate::{
    fault::{Code, Fault},
    net::written,
    rung::Rung,
    text::Text,
};

/// From the weakest to the strongest: a server that spoke tells more than one that did not, and a server that tried
/// more than one that would not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    /// The question could not get there, or the connection broke.
    Broken,
    /// Nothing listens on its port.
    Closed,
    /// No answer in time.
    Silent,
    /// An answer that can't be read.
    Malformed,
    /// It refuses.
    Refused,
    /// It failed.
    Failed,
}

/// The strongest sign so far, and the fault that it makes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    best: Option<(Sign, Fault)>,
}

impl Evidence {
    fn add(&mut self, sign: Sign, fault: Fault) {
        if self.best.is_none_or(|(best, _)| sign > best) {
            self.best = Some((sign, fault));
        }
    }

    /// `server` answered with a response code that ends nothing.
    pub(super) fn rcode(&mut self, server: SocketAddr, rcode: u8) {
        let (sign, code) = match rcode {
            REFUSED => (Sign::Refused, Code::ResolverRefused),
            _ => (Sign::Failed, Code::ResolverFailed),
        };
        let mut fault = fault(code, server).number(rcode.into());
        if rcode == 0 {
            fault.detail.append(b": does not recurse");
        }
        self.add(sign, fault);
    }

    /// `server` sent something that can't be read.
    pub(super) fn malformed(&mut self, server: SocketAddr) {
        self.add(Sign::Malformed, fault(Code::AnswerMalformed, server));
    }

    /// The question did not reach `server`.
    pub(super) fn broken(&mut self, server: SocketAddr, why: Fault) {
        if why.code == Code::Refused {
            let mut fault = fault(Code::ResolverRefused, server);
            fault.detail.append(b": port closed");
            return self.add(Sign::Closed, fault);
        }
        let fault = Fault {
            rung: Rung::Dns,
            detail: fault(why.code, server).detail,
            ..why
        };
        self.add(Sign::Broken, fault);
    }

    /// A server did not answer in time.
    pub(super) fn silent(&mut self) {
        self.add(Sign::Silent, Fault::new(Rung::Dns, Code::ResolverSilent));
    }

    /// The fault, after `millis` of waiting for `servers`.
    pub(super) fn fault(&self, servers: &Servers, millis: u32) -> Fault {
        match self.best {
            Some((sign, fault)) if sign != Sign::Silent => fault,
            _ if servers.is_empty() => Fault::new(Rung::Dns, Code::NoResolver),
            _ => Fault {
                detail: list(servers),
                ..Fault::new(Rung::Dns, Code::ResolverSilent).number(millis)
            },
        }
    }
}

/// The response code REFUSED (RFC 1035 section 4.1.1).
const REFUSED: u8 = 5;

/// The port of DNS (RFC 1035 section 4.2).
const PORT: u16 = 53;

fn fault(code: Code, server: SocketAddr) -> Fault {
    let mut fault = Fault::new(Rung::Dns, code);
    write_server(&mut fault.detail, server);
    fault
}

/// The address alone where the port is the usual one.
fn write_server(text: &mut Text<56>, server: SocketAddr) {
    if server.port() == PORT {
        written::address(text, server.ip());
    } else {
        written::socket(text, server);
    }
}

/// As many servers as fit whole.
fn list(servers: &Servers) -> Text<56> {
    const MORE: &str = ", ...";
    let mut listed = Text::EMPTY;
    for server in servers.as_slice() {
        let mut next = Text::<56>::EMPTY;
        write_server(&mut next, *server);
        let before = listed.as_str().len();
        let comma = if before == 0 { "" } else { ", " };
        if before + comma.len() + next.as_str().len() + MORE.len() > 56 {
            listed.append(MORE.as_bytes());
            break;
        }
        listed.append(comma.as_bytes());
        listed.append(next.as_bytes());
    }
    listed
}
