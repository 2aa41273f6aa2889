//! WebSocket frames against RFC 6455, and against what MQTT wants of them.

use towpath_proto::{Rung, tls::Side};

use super::{Case, Claim, Outcome, Wait, client_ending, ending};
use crate::capture::{mark::Mark, talk::ws::Ws};

pub(super) fn claim(case: &Case<'_>, outcome: &mut Outcome) -> Option<Claim> {
    let ws = case.talk().ws.as_ref()?;
    let [sent, received] = ws.first;
    if received.is_some() {
        outcome.reached = Some(Rung::Ws);
    }
    let [client_text, server_text] = ws.text;
    let wrong = [
        (
            "TP-WS-011",
            ws.unmasked,
            "a frame of the client without a mask",
        ),
        ("TP-WS-010", client_text, "a text frame of the client"),
    ];
    for (id, mark, what) in wrong {
        let Some(mark) = mark else { continue };
        let claim = frame(id, mark, what);
        // Many servers do not mind.
        let taken = case
            .talk()
            .mqtt
            .as_ref()
            .is_some_and(|mqtt| mqtt.connack.is_some());
        if let Some((reset, end)) = case.flow.server_ended().filter(|_| !taken) {
            return Some(ending(claim, Wait::Ended(reset, end, end.since(mark))));
        }
        outcome.warnings.push(claim);
    }
    if let Some(claim) = of_server(ws, server_text) {
        return Some(claim);
    }
    if let (Some(mark), Some((_, end))) = (ws.split, case.flow.client_ended())
        && end.since(mark) < super::AT_ONCE
        && !disconnected(case)
    {
        let claim = frame(
            "TP-WS-009",
            mark,
            "a frame of the server ends inside a packet of MQTT",
        );
        return Some(client_ending(case, claim));
    }
    closed(case, ws, sent)
}

fn frame(id: &'static str, mark: Mark, what: &str) -> Claim {
    Claim::new(id, Rung::Ws).seen("frame", format!("{mark}: {what}"))
}

fn of_server(ws: &Ws, text: Option<Mark>) -> Option<Claim> {
    if let Some(mark) = text {
        return Some(frame("TP-WS-004", mark, "a text frame of the server"));
    }
    if let Some(mark) = ws.masked {
        return Some(frame("TP-WS-005", mark, "a masked frame of the server"));
    }
    match ws.broken {
        Some((Side::Server, mark, how)) => Some(frame("TP-WS-008", mark, how)),
        _ => None,
    }
}

/// The server closed the WebSocket, or the connection below it, before MQTT said anything.
fn closed(case: &Case<'_>, ws: &Ws, sent: Option<Mark>) -> Option<Claim> {
    let mqtt = case.talk().mqtt.as_ref();
    let spoken = mqtt.is_some_and(|mqtt| mqtt.connack.is_some() || mqtt.foreign.is_some());
    let [client_close, server_close] = ws.close;
    if let Some((code, mark)) = server_close
        && client_close.is_none_or(|(_, first)| mark < first)
        && !disconnected(case)
        && mqtt
            .and_then(|mqtt| mqtt.connack)
            .is_none_or(|(code, _)| code == 0)
    {
        let code = if code == 0 {
            "no code".to_owned()
        } else {
            format!("code {code}")
        };
        return Some(frame(
            "TP-WS-007",
            mark,
            &format!("the server closes the WebSocket, {code}"),
        ));
    }
    if spoken || sent.is_some() {
        return None;
    }
    let (reset, end) = case.flow.server_ended()?;
    let answered = case.talk().http.as_ref()?.answered?;
    let claim = Claim::new("TP-WS-001", Rung::Ws).seen("upgrade", format!("{answered}: HTTP 101"));
    Some(ending(claim, Wait::Ended(reset, end, end.since(answered))))
}

/// Whether the client took its leave.
fn disconnected(case: &Case<'_>) -> bool {
    case.talk()
        .mqtt
        .as_ref()
        .is_some_and(|mqtt| mqtt.disconnect.first().is_some_and(Option::is_some))
}
