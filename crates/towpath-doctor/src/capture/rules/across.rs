//! What only several connections together show: another port or family that works, a second client with the same
//! identifier, ends that come after the same time.

use std::time::Duration;

use towpath_proto::Rung;

use super::{Claim, Outcome};
use crate::capture::{
    Seen,
    flow::Flow,
    mark::{Mark, Seconds},
};

/// How much spans of the same timer differ.
const SAME: Duration = Duration::from_secs(2);

/// How soon a broker ends the older of two connections.
const TAKEOVER: Duration = Duration::from_secs(2);

/// An hour, after which tokens of usual settings end.
const HOUR: Duration = Duration::from_secs(3600);

/// Looks at all connections together and sharpens what was found about each. `called` is how a server is called.
pub(in crate::capture) fn refine(seen: &Seen, outcomes: &mut [Outcome]) {
    let flows = seen.table.flows();
    for place in 0..flows.len().min(outcomes.len()) {
        let Some(flow) = flows.get(place) else {
            continue;
        };
        let id = match outcomes
            .get(place)
            .and_then(|outcome| outcome.claim.as_ref())
        {
            Some(claim) => claim.id,
            None => continue,
        };
        let sharper = match id {
            "TP-TCP-013" => other_port(flows, flow),
            "TP-DEV-039" => {
                if has_twin(flows, flow)
                    && let Some(outcome) = outcomes.get_mut(place)
                {
                    // The slower of two attempts, closed unused.
                    outcome.claim = None;
                }
                None
            }
            "TP-MQTT-015" | "TP-MQTT-024" | "TP-MQTT-001" => taken_over(flows, flow),
            _ => None,
        };
        if let Some((id, what, said)) = sharper
            && let Some(claim) = outcomes
                .get_mut(place)
                .and_then(|outcome| outcome.claim.take())
            && let Some(outcome) = outcomes.get_mut(place)
        {
            outcome.claim = Some(claim.named(id).seen(what, said));
        }
    }
    hourly(flows, outcomes);
    same_silence(flows, outcomes);
}

/// Another port of the same host answers.
fn other_port(flows: &[Flow], flow: &Flow) -> Option<(&'static str, &'static str, String)> {
    let open = flows.iter().find(|other| {
        other.server.ip() == flow.server.ip()
            && other.server.port() != flow.server.port()
            && other.syn_ack.is_some()
    })?;
    let said = format!(
        "port {} of the same host answers: {}",
        open.server.port(),
        open.syn_ack?
    );
    Some(("TP-TCP-014", "other port", said))
}

/// Whether another connection of the same client to the same port was opened at about the same time, and used.
fn has_twin(flows: &[Flow], flow: &Flow) -> bool {
    flows.iter().any(|other| {
        let near = other.began.at.abs_diff(flow.began.at) < Duration::from_secs(5);
        let used = other.ends.iter().any(|end| end.bytes > 0);
        near && used && other.server.port() == flow.server.port() && other.client != flow.client
    })
}

/// Another connection with the same client identifier was accepted just before the end.
fn taken_over(flows: &[Flow], flow: &Flow) -> Option<(&'static str, &'static str, String)> {
    let own = flow.talk.mqtt.as_ref()?.connect.as_ref()?;
    let (_, end) = flow.server_ended()?;
    let second = flows.iter().find_map(|other| {
        let connect = other.talk.mqtt.as_ref()?.connect.as_ref()?;
        let same = connect.client_id == own.client_id && !own.client_id.is_empty();
        let later = connect.mark > own.mark && other.client != flow.client;
        // The end may be recorded on either side of the CONNECT that caused it.
        let near = end.at.abs_diff(connect.mark.at) <= TAKEOVER;
        (same && later && near).then_some((other.client, connect.mark))
    });
    let (client, mark) = second?;
    let said = format!("{mark}: CONNECT with the same client id from {client}");
    Some(("TP-MQTT-018", "other client", said))
}

/// Sessions in which something was said to the end, and which ended after an hour each time.
fn hourly(flows: &[Flow], outcomes: &mut [Outcome]) {
    let life = |flow: &Flow| {
        let (_, end) = flow.server_ended()?;
        Some(end.since(flow.began))
    };
    let about_an_hour = |span: Duration| span.abs_diff(HOUR) <= Duration::from_secs(330);
    let places: Vec<_> = (0..flows.len())
        .filter(|place| {
            outcomes
                .get(*place)
                .is_some_and(|outcome| outcome.ready.is_some())
        })
        .filter(|place| flows.get(*place).and_then(life).is_some_and(about_an_hour))
        .collect();
    if places.len() < 2 {
        return;
    }
    for place in places {
        let (Some(flow), Some(outcome)) = (flows.get(place), outcomes.get_mut(place)) else {
            continue;
        };
        let span = life(flow).unwrap_or_default();
        let claim = Claim::new("TP-HUB-029", Rung::Hub)
            .seen(
                "life",
                format!(
                    "{} from the SYN to the server's end, as with others",
                    Seconds(span)
                ),
            )
            .or_else(&["TP-MQTT-015"]);
        outcome.claim = Some(claim);
        outcome.in_session = true;
    }
}

/// Ends out of silences of the same length point at a timer: say so.
fn same_silence(flows: &[Flow], outcomes: &mut [Outcome]) {
    let silence = |flow: &Flow| -> Option<(Duration, Mark)> {
        let (_, end) = flow.server_ended()?;
        let heard = flow.ends.iter().filter_map(|side| side.last_data).max()?;
        let quiet = end.since(heard);
        let (idle, _) = flow.idle;
        Some((quiet.max(idle), end))
    };
    let timed: Vec<_> = (0..flows.len())
        .filter(|place| {
            let claim = outcomes
                .get(*place)
                .and_then(|outcome| outcome.claim.as_ref());
            claim.is_some_and(|claim| matches!(claim.id, "TP-MQTT-023" | "TP-MQTT-024"))
        })
        .filter_map(|place| Some((place, silence(flows.get(place)?)?)))
        .collect();
    for (place, (span, _)) in &timed {
        let alike = timed
            .iter()
            .filter(|(_, (other, _))| other.abs_diff(*span) <= SAME)
            .count();
        if alike >= 2
            && let Some(claim) = outcomes
                .get_mut(*place)
                .and_then(|outcome| outcome.claim.take())
            && let Some(outcome) = outcomes.get_mut(*place)
        {
            outcome.claim = Some(claim.seen(
                "period",
                format!("{alike} connections ended after the same silence"),
            ));
        }
    }
}
