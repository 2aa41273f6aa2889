//! What became of a session that stood: refusals within it, silence, its end.

use std::time::Duration;

use towpath_proto::{Rung, mqtt::packet::Kind, tls::Side};

use super::{AT_ONCE, Case, Claim, Outcome, PATIENCE, Wait, encrypted::last_data, ending};
use crate::capture::{
    flow::Flow,
    mark::{Mark, Seconds},
    talk::mqtt::{Mqtt, qos},
};

/// The shortest silence that a middlebox is known to end a connection for.
const IDLE: Duration = Duration::from_secs(15);

/// A message that some brokers find too large, bytes.
const LARGE: usize = 1024;

pub(super) fn claim(case: &Case<'_>, outcome: &mut Outcome) -> Option<Claim> {
    outcome.ready?;
    let Some(mqtt) = case
        .talk()
        .mqtt
        .as_ref()
        .filter(|mqtt| mqtt.connack.is_some())
    else {
        return hidden_end(case);
    };
    outcome.warnings.extend(twin(mqtt));
    if mqtt.connect.as_ref().is_some_and(|connect| connect.hub) {
        outcome.reached = Some(Rung::Hub);
    }
    told(mqtt)
        .or_else(|| silent(case, mqtt))
        .or_else(|| ended(case, mqtt))
}

/// What the server said in so many words.
fn told(mqtt: &Mqtt) -> Option<Claim> {
    let claim = |id, what: String| Some(Claim::new(id, Rung::Mqtt).seen("last received", what));
    if let Some((code, mark)) = mqtt.disconnect.last().copied().flatten() {
        let id = match code {
            0x81 => "TP-MQTT-009",
            0x82 => "TP-MQTT-020",
            0x87 => "TP-MQTT-026",
            0x8d => "TP-MQTT-027",
            0x8e => "TP-MQTT-018",
            0x93 | 0x94 => "TP-MQTT-021",
            0x95 => "TP-MQTT-019",
            0x96 | 0x97 => "TP-MQTT-034",
            0x9a | 0x9b | 0x9e | 0xa2 => "TP-MQTT-028",
            0x9c | 0x9d => "TP-MQTT-029",
            _ => "TP-MQTT-017",
        };
        return claim(id, format!("{mark}: DISCONNECT, reason 0x{code:02x}"));
    }
    if let Some((code, mark)) = mqtt.unsubscribed {
        let id = match code {
            0x87 => "TP-MQTT-026",
            0x97 => "TP-MQTT-034",
            0x9e | 0xa2 => "TP-MQTT-028",
            _ => "TP-MQTT-012",
        };
        return claim(
            id,
            format!("{mark}: SUBACK, code 0x{code:02x}, for {}", mqtt.filter),
        );
    }
    let (code, mark) = mqtt.refused?;
    let id = match code {
        0x95 => "TP-MQTT-019",
        0x97 => "TP-MQTT-034",
        _ => "TP-MQTT-026",
    };
    claim(
        id,
        format!("{mark}: acknowledgement of a PUBLISH, reason 0x{code:02x}"),
    )
}

/// What the hub said to questions for its twin.
fn twin(mqtt: &Mqtt) -> Option<Claim> {
    let (status, mark) = mqtt.twin?;
    let id = match status {
        400 => "TP-HUB-012",
        413 => "TP-HUB-013",
        429 => "TP-HUB-014",
        500.. => "TP-HUB-015",
        _ => return None,
    };
    Some(Claim::new(id, Rung::Hub).seen("answer", format!("{mark}: status {status}")))
}

/// The server stopped answering.
fn silent(case: &Case<'_>, mqtt: &Mqtt) -> Option<Claim> {
    let flow = case.flow;
    let heard = flow.end(Side::Server).last;
    if let (Some((pong, _)), Some((_, left))) = (mqtt.pong, flow.client_ended())
        && pong > left
    {
        let claim = Claim::new("TP-MQTT-033", Rung::Mqtt)
            .seen("end", format!("{left}: the client gave up"))
            .seen("too late", format!("{pong}: PINGRESP"));
        return Some(claim);
    }
    let gave_up = flow.client_ended().map(|(_, mark)| mark);
    let until = gave_up.unwrap_or(case.seen.last);
    if let Some(ping) = mqtt.ping {
        let deaf = heard.is_none_or(|heard| heard < ping);
        let waited = until.since(ping);
        if flow.server_ended().is_none()
            && (waited >= Duration::from_secs(5) || (gave_up.is_some() && waited >= PATIENCE))
        {
            let claim = Claim::new("TP-MQTT-013", Rung::Mqtt)
                .seen("last sent", format!("{ping}: PINGREQ"))
                .seen(
                    "last received",
                    format!("no PINGRESP in {}", Seconds(waited)),
                );
            let idle_before = idle_before(flow, ping);
            return Some(if deaf && idle_before >= IDLE {
                claim.or_else(&["TP-MQTT-023"])
            } else {
                claim
            });
        }
    }
    let open = mqtt.unacknowledged()?;
    let waited = until.since(open);
    let talks = heard.is_some_and(|heard| heard.since(open) >= PATIENCE);
    if waited < Duration::from_secs(10) || !talks || flow.server_ended().is_some() {
        return None;
    }
    Some(
        Claim::new("TP-MQTT-010", Rung::Mqtt)
            .seen("last sent", format!("{open}: PUBLISH"))
            .seen(
                "last received",
                format!(
                    "no acknowledgement in {}, though the server speaks",
                    Seconds(waited)
                ),
            ),
    )
}

/// The silence before a packet, if it is the longest of the connection.
fn idle_before(flow: &Flow, mark: Mark) -> Duration {
    let (idle, ended_by) = flow.idle;
    if ended_by.packet >= mark.packet {
        idle
    } else {
        Duration::ZERO
    }
}

/// The server ended a session that stood.
fn ended(case: &Case<'_>, mqtt: &Mqtt) -> Option<Claim> {
    let (reset, end) = case.flow.server_ended()?;
    let [left, _] = mqtt.disconnect;
    let [sent, heard] = mqtt.last;
    let (kind, sent) = sent?;
    if left.is_some() {
        return None;
    }
    let wait = Wait::Ended(reset, end, end.since(sent));
    let answered = heard.is_some_and(|(_, heard)| heard > sent);
    let soon = end.since(sent) <= AT_ONCE;
    if soon
        && !answered
        && let Some(claim) = forbidden(mqtt, kind, sent)
    {
        return Some(ending(claim, wait));
    }
    if let Some(claim) = asleep(case, mqtt, reset) {
        return Some(ending(claim, wait));
    }
    let last = heard.map_or(sent, |(_, heard)| heard.max(sent));
    idle_end(case, last, wait).or_else(|| {
        let keep_alive = mqtt.connect.as_ref().map(|connect| connect.keep_alive)?;
        let over = !keep_alive.is_zero() && end.since(sent) >= keep_alive.mul_f64(1.4);
        let id = if over { "TP-MQTT-027" } else { "TP-MQTT-015" };
        let claim =
            Claim::new(id, Rung::Mqtt).seen("last sent", format!("{sent}: {}", kind.name()));
        let claim = claim.seen("keep-alive", format!("{} s", keep_alive.as_secs()));
        Some(ending(claim, wait).or_else(&["TP-MQTT-018"]))
    })
}

/// The end is the answer to the last packet of the client.
fn forbidden(mqtt: &Mqtt, kind: Kind, sent: Mark) -> Option<Claim> {
    let hub = mqtt.connect.as_ref().is_some_and(|connect| connect.hub);
    let rung = if hub { Rung::Hub } else { Rung::Mqtt };
    if matches!(kind, Kind::Subscribe | Kind::Unsubscribe) {
        let id = if hub { "TP-HUB-024" } else { "TP-MQTT-026" };
        let claim = Claim::new(id, rung);
        return Some(claim.seen(
            "last sent",
            format!("{sent}: {} {}", kind.name(), mqtt.filter),
        ));
    }
    let [published, _] = &mqtt.published;
    let message = published.as_ref().filter(|_| kind == Kind::Publish)?;
    let what = format!(
        "{sent}: PUBLISH to {}, {}, {} bytes",
        message.topic,
        qos(message.qos),
        message.len
    );
    let claim = |id| Claim::new(id, rung).seen("last sent", what.clone());
    Some(if hub && message.qos == 2 {
        claim("TP-HUB-025")
    } else if hub {
        claim("TP-HUB-024")
    } else if message.len > LARGE && message.len > mqtt.accepted {
        claim("TP-MQTT-019").or_else(&["TP-MQTT-026"])
    } else {
        claim("TP-MQTT-026").or_else(&["TP-MQTT-019"])
    })
}

/// The hub sent something to a device that did not hear it.
fn asleep(case: &Case<'_>, mqtt: &Mqtt, reset: bool) -> Option<Claim> {
    let stuck = case
        .flow
        .end(Side::Server)
        .stuck
        .filter(|stuck| stuck.times >= 2)?;
    let hub = mqtt.connect.as_ref().is_some_and(|connect| connect.hub);
    if !hub || !reset {
        return None;
    }
    Some(Claim::new("TP-HUB-035", Rung::Hub).seen(
        "lost",
        format!(
            "{}: {} bytes from the hub, sent again {} times, never acknowledged by the device",
            stuck.first, stuck.len, stuck.times
        ),
    ))
}

/// The end came out of a long silence, or in answer to what the client said after one.
fn idle_end(case: &Case<'_>, last: Mark, wait: Wait) -> Option<Claim> {
    let Wait::Ended(reset, end, _) = wait else {
        return None;
    };
    let quiet = end.since(last);
    let (idle, broken_by) = case.flow.idle;
    // A translator that forgot the connection says so when the client speaks again.
    let after = reset && idle >= IDLE && end.since(broken_by) <= AT_ONCE;
    let span = if after { idle } else { quiet };
    if span < IDLE {
        return None;
    }
    let id = if reset { "TP-MQTT-023" } else { "TP-MQTT-024" };
    let other: &[&str] = if reset {
        &["TP-MQTT-024"]
    } else {
        &["TP-MQTT-023", "TP-MQTT-027"]
    };
    let keep_alive = case
        .talk()
        .mqtt
        .as_ref()
        .and_then(|mqtt| mqtt.connect.as_ref());
    // Silence beyond the keep-alive is the device's own doing.
    if keep_alive
        .is_some_and(|hello| !hello.keep_alive.is_zero() && span >= hello.keep_alive.mul_f64(1.4))
    {
        return None;
    }
    let claim =
        Claim::new(id, Rung::Mqtt).seen("silence", format!("{} before the end", Seconds(span)));
    let claim = match keep_alive {
        Some(hello) => claim.seen("keep-alive", format!("{} s", hello.keep_alive.as_secs())),
        None => claim,
    };
    Some(ending(claim, Wait::Ended(reset, end, end.since(last))).or_else(other))
}

/// The end of a session whose packets can't be read.
fn hidden_end(case: &Case<'_>) -> Option<Claim> {
    let tls = case.talk().tls.as_ref()?;
    let (reset, end) = case.flow.server_ended()?;
    let sent = last_data(tls, Side::Client)?;
    let heard = last_data(tls, Side::Server)?;
    idle_end(
        case,
        sent.max(heard),
        Wait::Ended(reset, end, end.since(sent)),
    )
}
