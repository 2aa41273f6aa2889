//! The faults of this rung: those that meet a client at CONNECT, and those that are set for later.

use towpath_proto::Rung;

use super::{
    conversation::{End, Line},
    timers::after,
};
use crate::{
    connection::Connection,
    fault::{Faults, Kind},
    log::Code,
};

/// What a fault has set for a connection that is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing more is sent, and what comes is not read.
    Mute,
    /// The connection is closed without a word.
    Drop,
    Takeover,
    Maintenance,
    Failover,
}

/// What a fault does to CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtConnect {
    Close,
    Silent,
    /// A return code.
    Refuse(u8),
    Garbage,
    /// It is answered after so many milliseconds.
    Wait(u64),
}

/// The fault that meets this CONNECT, if there is one.
pub(super) fn at_connect(faults: &Faults, connection: &Connection) -> Option<AtConnect> {
    let strike = |kind| faults.strike(kind, connection);
    let refusals = [
        (Kind::Connack1, 1),
        (Kind::Connack2, 2),
        (Kind::Connack3, 3),
        (Kind::Connack4, 4),
        (Kind::Connack5, 5),
    ];
    if strike(Kind::ConnectClose).is_some() {
        return Some(AtConnect::Close);
    }
    if strike(Kind::ConnectSilent).is_some() {
        return Some(AtConnect::Silent);
    }
    if strike(Kind::ConnackGarbage).is_some() {
        return Some(AtConnect::Garbage);
    }
    for (kind, code) in refusals {
        if strike(kind).is_some() {
            return Some(AtConnect::Refuse(code));
        }
    }
    strike(Kind::ConnackSlow).map(|value| AtConnect::Wait(value.number()))
}

/// What an HTTP server says to whom it does not understand: a middlebox that speaks for the hub.
pub(super) const GARBAGE: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Sets what is to happen to a client that was just let in.
pub(super) fn after_connack(line: &mut Line, hub: bool) {
    let kinds = [
        (Kind::SilentDrop, Fate::Mute, true),
        (Kind::DropAfter, Fate::Drop, true),
        (Kind::Takeover, Fate::Takeover, hub),
        (Kind::Maintenance, Fate::Maintenance, hub),
        (Kind::Failover, Fate::Failover, hub),
    ];
    for (kind, fate, _) in kinds.into_iter().filter(|(_, _, applies)| *applies) {
        if let Some(value) = line.strike(kind) {
            let at = after(line.now, value.number());
            line.timers.set(at, fate);
        }
    }
}

/// Does what was set.
pub(super) fn meet(line: &mut Line, fate: Fate) {
    let (code, text) = match fate {
        Fate::Mute => {
            line.mute();
            return;
        }
        Fate::Drop => (
            None,
            "the fault drop-after closed the connection".to_owned(),
        ),
        Fate::Takeover => (
            Some(Code::LinkStolen),
            "the fault takeover: a second connection of the same identity took over".into(),
        ),
        Fate::Maintenance => (
            Some(Code::Maintenance),
            "the fault maintenance: the hub closes the connection for maintenance".into(),
        ),
        Fate::Failover => (
            Some(Code::Failover),
            "the fault failover: the hub closes the connection because it moves".into(),
        ),
    };
    let rung = if fate == Fate::Drop {
        Rung::Mqtt
    } else {
        Rung::Hub
    };
    line.connection.step(rung, false, text.clone());
    line.end(End::new(code, text));
}
