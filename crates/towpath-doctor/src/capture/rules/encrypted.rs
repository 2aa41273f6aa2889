//! Above TLS, where only times, directions and lengths are left.

use towpath_proto::{Rung, tls::Side};

use super::{AT_ONCE, Case, Claim, Outcome, Wait, ending};
use crate::capture::{
    flow::index,
    mark::{Mark, Seconds},
    talk::tls::{Tls, is_ticket},
};

/// The longest record that can be no more than a CONNACK, bytes: with the longest head and padding.
const SHORT: u64 = 160;

pub(super) fn claim(case: &Case<'_>, tls: &Tls, outcome: &mut Outcome) -> Option<Claim> {
    let [sent, received] = tls.data;
    let (first, last, _) = sent?;
    let answered = received.filter(|(_, last, _)| *last >= first);
    let Some((_, heard, count)) = answered.filter(|_| !tls.only_tickets()) else {
        return unanswered(case, tls, first, last);
    };
    if let Some(claim) = refused(case, tls, heard, count) {
        return Some(claim);
    }
    outcome.ready = Some(heard);
    None
}

/// What the first data of the client was, by the port: it can't be seen.
fn rung(case: &Case<'_>) -> (Rung, &'static str) {
    if case.is_mqtt_port() {
        (Rung::Mqtt, "CONNECT")
    } else {
        (Rung::Upgrade, "the upgrade request")
    }
}

fn unanswered(case: &Case<'_>, tls: &Tls, first: Mark, last: Mark) -> Option<Claim> {
    let (rung, what) = rung(case);
    let wait = case.wait(first);
    let shown = tls.shown.is_some_and(|(_, shown)| shown);
    let id = match (wait, rung) {
        (Wait::Open, _) => return None,
        (Wait::Silent(..), Rung::Mqtt) => "TP-MQTT-002",
        (Wait::Silent(..), _) => "TP-UPG-002",
        (Wait::Ended(..), Rung::Mqtt) if shown => "TP-MQTT-030",
        (Wait::Ended(..), Rung::Mqtt) => "TP-MQTT-001",
        (Wait::Ended(..), _) => "TP-UPG-001",
    };
    let others: &[&str] = match id {
        "TP-MQTT-030" => &["TP-MQTT-001"],
        "TP-MQTT-001" => &["TP-MQTT-007", "TP-MQTT-030"],
        "TP-UPG-001" => &["TP-MQTT-001", "TP-TLS-049"],
        _ => &[],
    };
    let claim = Claim::new(id, rung).seen(
        "last sent",
        format!(
            "{first}: encrypted data, by its port and place {what}; the last of it with {last}"
        ),
    );
    let claim = claim.seen("last received", "no data");
    Some(ending(claim, wait).or_else(others))
}

/// One short answer and then the end: what a broker does that refuses.
fn refused(case: &Case<'_>, tls: &Tls, heard: Mark, count: u64) -> Option<Claim> {
    let (_, ended) = case.flow.server_ended()?;
    let bytes = case.flow.end(Side::Server).last_data?;
    let short = count == 1 && is_short(tls);
    if !case.is_mqtt_port()
        || !short
        || ended.since(heard) > AT_ONCE
        || bytes.since(heard) > AT_ONCE
    {
        return None;
    }
    let claim = Claim::new("TP-MQTT-016", Rung::Mqtt)
        .cause("the server most likely refuses the connection: one short answer to CONNECT, then the end")
        .seen("last received", format!("{heard}: one short encrypted record; its code can't be seen"))
        .seen("end", format!("{ended}: the server closed, {} after", Seconds(ended.since(heard))));
    Some(claim.or_else(&["TP-MQTT-007", "TP-MQTT-004", "TP-MQTT-006"]))
}

fn is_short(tls: &Tls) -> bool {
    let [_, server] = &tls.lengths;
    let longest = server
        .iter()
        .map(|(len, _)| *len)
        .filter(|len| !is_ticket(*len))
        .max();
    longest.is_none_or(|len| u64::try_from(len).is_ok_and(|len| len <= SHORT))
}

/// When the last data of a side passed.
pub(super) fn last_data(tls: &Tls, side: Side) -> Option<Mark> {
    tls.data
        .get(index(side))
        .copied()
        .flatten()
        .map(|(_, last, _)| last)
}
