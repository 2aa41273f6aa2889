//! TLS: how the handshake ended, if it did not come to its end, and what came right behind it.

use towpath_proto::{
    Rung,
    tls::{Message, Side},
};

use super::{
    Case, Claim, Outcome, PATIENCE, Wait, alert, certificate, client_ending, encrypted, ending,
    hello, renegotiation,
};
use crate::capture::{
    mark::{Mark, Seconds},
    talk::tls::Tls,
};

pub(super) fn claim(case: &Case<'_>, outcome: &mut Outcome) -> Option<Claim> {
    let Some(tls) = &case.talk().tls else {
        return hello::missing(case);
    };
    outcome.warnings.extend(certificate::inspected(tls));
    if let Some(claim) = foreign(tls) {
        return Some(claim);
    }
    if let Some(claim) = alert::claim(case, tls) {
        return Some(claim);
    }
    if let Some(claim) = renegotiation::claim(case, tls, outcome) {
        return Some(claim);
    }
    let Some(agreed) = tls.agreed() else {
        return unfinished(case, tls);
    };
    outcome.reached = Some(Rung::Tls);
    after(case, tls, agreed).or_else(|| encrypted::claim(case, tls, outcome))
}

/// The server speaks something else.
fn foreign(tls: &Tls) -> Option<Claim> {
    let [_, server] = tls.foreign;
    let (what, mark) = server?;
    let claim = last_sent(Claim::new("TP-TLS-003", Rung::Tls), tls);
    Some(claim.seen("last received", format!("{mark}: {}", what.words())))
}

/// What the client said last.
pub(super) fn last_sent(claim: Claim, tls: &Tls) -> Claim {
    let [client, _] = tls.last;
    match client {
        Some((message, mark)) => claim.seen("last sent", format!("{mark}: {}", message.name())),
        None => claim,
    }
}

/// What both sides said last.
pub(super) fn last_words(claim: Claim, tls: &Tls) -> Claim {
    let [_, server] = tls.last;
    let claim = last_sent(claim, tls);
    match server {
        Some((message, mark)) => claim.seen("last received", format!("{mark}: {}", message.name())),
        None => claim.seen("last received", "nothing"),
    }
}

/// The handshake did not come to its end, and nobody said why.
fn unfinished(case: &Case<'_>, tls: &Tls) -> Option<Claim> {
    if tls.is_lost(Side::Client) || tls.is_lost(Side::Server) {
        return None;
    }
    if let Some(mark) = tls.hidden_refusal() {
        return Some(certificate::hidden_refusal(tls, mark));
    }
    let (sent, hello) = tls.client_hello.as_ref()?;
    let [_, server_last] = tls.last;
    let Some((message, received)) = server_last else {
        return hello::unanswered(case, tls, *sent, hello);
    };
    if let Some((_, ended)) = case.flow.server_ended() {
        return Some(cut(case, tls, ended));
    }
    if tls.is_tls13() {
        return silent(case, tls, received);
    }
    let answered = tls.client_key.is_some() || tls.shown.is_some();
    if case.flow.client_ended().is_some() && !answered {
        let complete = matches!(message, Message::SERVER_HELLO_DONE);
        return Some(client_ending(
            case,
            certificate::silent_refusal(case, tls, complete),
        ));
    }
    silent(case, tls, received)
}

/// Neither side ended it.
fn silent(case: &Case<'_>, tls: &Tls, received: Mark) -> Option<Claim> {
    let [client, _] = tls.last;
    let client_turn = client.is_none_or(|(_, mark)| mark < received);
    match case.wait(received) {
        wait @ Wait::Silent(gave_up, waited) if waited >= PATIENCE || gave_up => {
            let claim = last_words(Claim::new("TP-TLS-002", Rung::Tls), tls);
            let claim = if client_turn {
                claim.cause("the client does not answer the server's part of the TLS handshake")
            } else {
                claim
            };
            Some(ending(claim, wait))
        }
        _ => None,
    }
}

/// The server ended it inside the handshake, without an alert that can be read.
fn cut(case: &Case<'_>, tls: &Tls, ended: Mark) -> Claim {
    let end = |claim, since: Mark| {
        let reset = case.flow.server_ended().is_some_and(|(reset, _)| reset);
        ending(claim, Wait::Ended(reset, ended, ended.since(since)))
    };
    let base = |id| last_words(Claim::new(id, Rung::Tls), tls);
    let answer = tls.client_key.or_else(|| tls.shown.map(|(mark, _)| mark));
    if let Some(done) = tls.server_done {
        let slow = answer.map_or(ended, |answer| answer.min(ended)).since(done);
        if slow >= PATIENCE {
            let claim = base("TP-DEV-021").seen(
                "signature",
                format!(
                    "{} between {done}, ServerHelloDone, and the client's answer",
                    Seconds(slow)
                ),
            );
            return end(claim, done);
        }
    }
    match (tls.shown, tls.requested, answer) {
        (Some((mark, false)), ..) => end(
            base("TP-TLS-026").seen(
                "certificate",
                format!("{mark}: the client has none to show"),
            ),
            mark,
        ),
        (Some((mark, true)), ..) => {
            let claim =
                base("TP-TLS-043").seen("certificate", format!("{mark}: the client shows one"));
            end(claim.or_else(&["TP-TLS-040", "TP-TLS-042"]), mark)
        }
        (None, _, Some(mark)) => end(base("TP-TLS-001"), mark),
        (None, _, None) => {
            let [_, server] = tls.last;
            let since = server.map_or(ended, |(_, mark)| mark);
            let id = if tls.chain.is_some() {
                "TP-TLS-004"
            } else {
                "TP-TLS-001"
            };
            end(base(id), since)
        }
    }
}

/// What the server did right behind the handshake, before the client said anything.
fn after(case: &Case<'_>, tls: &Tls, agreed: Mark) -> Option<Claim> {
    let [sent, _] = tls.data;
    if !tls.only_tickets() {
        return None;
    }
    let [left, _] = tls.hidden;
    if sent.is_none() && (left.is_some() || case.flow.client_ended().is_some()) {
        // The client took its leave, which is a fault only where there is a reason to be seen.
        let claim = certificate::other_name(case, tls)?;
        return Some(claim.seen(
            "end",
            format!("the client left after the handshake, which ended with {agreed}"),
        ));
    }
    let (reset, ended) = case.flow.server_ended()?;
    let wait = Wait::Ended(reset, ended, ended.since(agreed));
    let base = |id| {
        ending(
            Claim::new(id, Rung::Tls).seen("handshake", format!("complete with {agreed}")),
            wait,
        )
    };
    if tls.is_tls13() && ended.since(agreed) < PATIENCE {
        // The length of the client's last flight tells what it held; a certificate is refused only now.
        match tls.hidden_certificate() {
            Some(false) => {
                let claim = base("TP-TLS-026").or_else(&["TP-TLS-043", "TP-TLS-005"]);
                return Some(claim.seen(
                    "certificate",
                    "by its length, the client's Certificate message is empty",
                ));
            }
            Some(true) => {
                let claim =
                    base("TP-TLS-043").or_else(&["TP-TLS-042", "TP-TLS-040", "TP-MQTT-030"]);
                return Some(claim.seen(
                    "certificate",
                    "by its length, the client's flight holds a certificate",
                ));
            }
            None => {}
        }
    }
    let [_, told] = tls.hidden;
    let hidden = tls.hidden_alert().or(told);
    if sent.is_none() {
        let claim = base("TP-TLS-005");
        return Some(match hidden {
            Some(mark) => claim.seen(
                "alert",
                format!("{mark}: an encrypted one from the server, or its close"),
            ),
            None => claim,
        });
    }
    None
}
