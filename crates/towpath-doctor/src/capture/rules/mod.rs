//! From what was seen to findings: rules rung by rung, the first that breaks decides.
//!
//! Takes in one connection and what surrounds it; gives out a [`Claim`] with the packets it rests on. What the end of
//! the capture leaves open is no claim.

pub(super) mod across;
mod alert;
mod certificate;
mod encrypted;
mod hello;
mod mqtt;
pub(super) mod names;
mod proxy;
mod renegotiation;
mod session;
mod tcp;
mod tls;
mod upgrade;
mod ws;

use std::time::Duration;

use towpath_proto::Rung;

pub(super) use self::tcp::translated;
use super::{
    Seen,
    flow::Flow,
    mark::{Mark, Seconds},
    talk::Talk,
};
pub(super) use crate::verdict::claim::Claim;

/// How long a silence has to be seen before it counts as one.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// How soon after a packet the end of a connection is taken for the answer to it.
const AT_ONCE: Duration = Duration::from_secs(2);

/// One connection, with what surrounds it.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) flow: &'a Flow,
    pub(super) seen: &'a Seen,
}

/// What came of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// The highest rung that stands.
    pub(super) reached: Option<Rung>,
    /// Why it broke.
    pub(super) claim: Option<Claim>,
    /// It came to its end in a session that stood before.
    pub(super) in_session: bool,
    /// What does not break it.
    pub(super) warnings: Vec<Claim>,
    /// Since when it stands as far as can be seen.
    pub(super) ready: Option<Mark>,
}

impl Outcome {
    /// Whether anything can be said about it.
    pub(super) const fn is_decided(&self) -> bool {
        self.claim.is_some() || self.ready.is_some()
    }
}

/// How a wait for the server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The server closed, or reset if true, so long after.
    Ended(bool, Mark, Duration),
    /// The server was silent for so long; the client gave up if true.
    Silent(bool, Duration),
    /// The capture ends too soon.
    Open,
}

impl<'a> Case<'a> {
    const fn talk(&self) -> &'a Talk {
        &self.flow.talk
    }

    /// How the wait ended that began with what the client sent at `mark`, where no answer came.
    fn wait(&self, mark: Mark) -> Wait {
        if let Some((reset, ended)) = self.flow.server_ended() {
            return Wait::Ended(reset, ended, ended.since(mark));
        }
        if let Some((_, ended)) = self.flow.client_ended() {
            let waited = ended.since(mark);
            return if waited >= Duration::from_millis(500) {
                Wait::Silent(true, waited)
            } else {
                Wait::Open
            };
        }
        let waited = self.seen.last.since(mark);
        if waited >= PATIENCE {
            Wait::Silent(false, waited)
        } else {
            Wait::Open
        }
    }

    /// Whether this port usually has TLS.
    const fn is_tls_port(&self) -> bool {
        matches!(self.flow.talk.port, 8883 | 443 | 8443 | 8084)
    }

    /// Whether this port usually has MQTT without WebSocket.
    const fn is_mqtt_port(&self) -> bool {
        matches!(self.flow.talk.port, 8883 | 1883)
    }
}

/// Evidence for how a connection ended.
fn ending(claim: Claim, wait: Wait) -> Claim {
    match wait {
        Wait::Ended(reset, mark, after) => {
            let how = if reset { "reset" } else { "closed" };
            claim.seen(
                "end",
                format!(
                    "{mark}: the server {how} the connection, {} after",
                    Seconds(after)
                ),
            )
        }
        Wait::Silent(true, waited) => claim.seen(
            "end",
            format!("the client gave up after {}", Seconds(waited)),
        ),
        Wait::Silent(false, waited) => claim.seen(
            "end",
            format!("nothing in the {} until the capture ends", Seconds(waited)),
        ),
        Wait::Open => claim,
    }
}

/// How the client ended it, for claims about the client.
fn client_ending(case: &Case<'_>, claim: Claim) -> Claim {
    match case.flow.client_ended() {
        Some((reset, mark)) => {
            let how = if reset { "reset" } else { "closed" };
            claim.seen("end", format!("{mark}: the client {how} the connection"))
        }
        None => claim,
    }
}

/// What came of a connection.
pub(super) fn outcome(case: &Case<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    if let Some(claim) = tcp::opening(case) {
        outcome.claim = Some(claim);
        return outcome;
    }
    if case.flow.syn_ack.is_none() && !case.flow.established {
        return outcome;
    }
    outcome.reached = Some(Rung::Tcp);
    if let Some(claim) = tcp::large_lost(case) {
        outcome.claim = Some(claim);
        return outcome;
    }
    let rungs: [fn(&Case<'_>, &mut Outcome) -> Option<Claim>; 6] = [
        proxy::claim,
        tls::claim,
        upgrade::claim,
        ws::claim,
        mqtt::claim,
        session::claim,
    ];
    for rung in rungs {
        if let Some(claim) = rung(case, &mut outcome) {
            outcome.in_session = outcome.ready.is_some();
            outcome.claim = Some(claim);
            break;
        }
    }
    outcome.warnings.extend(tcp::warnings(case));
    outcome
}
