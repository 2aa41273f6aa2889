//! Registrations that end without a hub, and what is said about it.

use towpath_proto::{Blame, Code, Rung};

use super::*;
use crate::dps::RefusedKind;

/// The state of a registration that has ended, as the service shows it.
fn ended(status: &str, more: &str) -> String {
    format!(
        r#"{{"operationId":"5.lab.op1","status":"{status}","registrationState":{{"registrationId":"dev1","status":"{status}"{more}}}}}"#
    )
}

fn answered(head: &str, body: &str) -> Refused {
    let body: &'static str = String::from(body).leak();
    let mut talk = Talk::at_work();
    talk.pass(2);
    talk.says(&[&look(2, "5.lab.op1")]);
    let refused = talk.refused(head, body);
    assert_eq!(talk.says(&[]), None, "it is over");
    refused
}

#[test]
fn errors_are_told_with_their_number_and_words() {
    let body = r#"{"errorCode":401002,"trackingId":"8c","message":"Invalid certificate.","timestampUtc":"2026"}"#;
    let refused = answered("401/?$rid=2", body);
    assert_eq!(
        (
            refused.status,
            refused.code,
            refused.kind,
            refused.message.as_str()
        ),
        (
            401,
            401_002,
            RefusedKind::Unauthorized,
            "Invalid certificate."
        )
    );
    let fault = refused.fault();
    assert_eq!((fault.rung, fault.blame), (Rung::Hub, Blame::Peer));
    assert_eq!(
        fault.to_string(),
        "hub: the provisioning service does not take this device's proof (error 401002; peer says \"Invalid \
         certificate.\"). Check ID scope, registration ID and key against the enrolment (a group's devices have keys \
         derived from its own), and the clock; with a certificate, its common name has to be the registration ID, and \
         the intermediates have to be sent along. [TP-DPS-003]"
    );
}

#[test]
fn each_status_is_of_a_kind() {
    for (status, kind, code) in [
        (400, RefusedKind::Failed, Code::DpsFailed),
        (401, RefusedKind::Unauthorized, Code::DpsUnauthorized),
        (403, RefusedKind::Unauthorized, Code::DpsUnauthorized),
        (409, RefusedKind::Busy, Code::DpsBusy),
        (412, RefusedKind::Busy, Code::DpsBusy),
        (415, RefusedKind::Failed, Code::DpsFailed),
        (429, RefusedKind::Throttled, Code::DpsThrottled),
        (500, RefusedKind::Busy, Code::DpsBusy),
        (503, RefusedKind::Busy, Code::DpsBusy),
        (302, RefusedKind::Failed, Code::DpsFailed),
    ] {
        let head = format!("{status}/?$rid=2&retry-after=17");
        // With the service's body, and without one that can be read.
        let body = format!(r#"{{"errorCode":{status}001,"message":"m"}}"#);
        let refused = answered(&head, &body);
        assert_eq!(
            (refused.kind, refused.retry_after),
            (kind, Some(17)),
            "{status}"
        );
        let fault = refused.fault();
        assert_eq!((fault.code, fault.number), (code, status * 1000 + 1));
        let refused = answered(&head, "<html>");
        assert_eq!(
            (refused.kind, refused.retry_after),
            (kind, Some(17)),
            "{status}"
        );
        let shown = refused.fault().to_string();
        assert!(shown.contains(&format!("(status {status})")), "{shown}");
    }
}

#[test]
fn no_enrolment_is_told_at_once() {
    let mut talk = Talk::new(plain());
    talk.accept();
    talk.poll().unwrap();
    let body = r#"{"errorCode":404201,"message":"Registration not found."}"#;
    let refused = talk.refused("404/?$rid=1", body);
    assert_eq!(
        (refused.kind, refused.code),
        (RefusedKind::NotFound, 404_201)
    );
}

#[test]
fn an_operation_is_begun_anew_once_only() {
    let mut talk = Talk::at_work();
    talk.pass(2);
    talk.says(&[&look(2, "5.lab.op1")]);
    talk.hears_nothing("404/?$rid=2", "");
    talk.says(&[&register(3, r#"{"registrationId":"dev1"}"#)]);
    talk.hears_nothing("202/?$rid=3", r#"{"operationId":"5.lab.op2"}"#);
    talk.pass(2);
    talk.says(&[&look(4, "5.lab.op2")]);
    let refused = talk.refused("404/?$rid=4", "");
    assert_eq!(refused.kind, RefusedKind::NotFound);
}

#[test]
fn ends_without_a_hub_are_told_apart() {
    let error = |code: u32| format!(r#","errorCode":{code},"errorMessage":"Why \u0022not\u0022?""#);
    for (status, more, kind, code) in [
        ("disabled", String::new(), RefusedKind::Disabled, 0),
        ("unassigned", String::new(), RefusedKind::Unassigned, 0),
        ("failed", String::new(), RefusedKind::Failed, 0),
        ("failed", error(400_207), RefusedKind::Failed, 400_207),
        ("failed", error(401_002), RefusedKind::Unauthorized, 401_002),
        ("failed", error(404_001), RefusedKind::Failed, 404_001),
        ("failed", error(429_001), RefusedKind::Throttled, 429_001),
        ("failed", error(500_001), RefusedKind::Busy, 500_001),
        ("disabled", error(401_002), RefusedKind::Disabled, 401_002),
    ] {
        let refused = answered("200/?$rid=2", &ended(status, &more));
        assert_eq!(
            (refused.kind, refused.code, refused.status),
            (kind, code, 200),
            "{status} {more}"
        );
        let words = if more.is_empty() { "" } else { "Why \"not\"?" };
        assert_eq!(refused.message.as_str(), words);
    }
}

#[test]
fn an_answer_that_makes_no_sense_is_told_with_what_is_wrong() {
    let hub = |hub: &str| {
        format!(
            r#"{{"status":"assigned","registrationState":{{"assignedHub":{hub},"deviceId":"d"}}}}"#
        )
    };
    let device = |id: &str| {
        format!(
            r#"{{"status":"assigned","registrationState":{{"assignedHub":"h","deviceId":{id}}}}}"#
        )
    };
    let long = format!("\"{}\"", "a".repeat(129));
    for (body, why) in [
        (String::new(), "no JSON object"),
        ("<html>".into(), "no JSON object"),
        ("[]".into(), "no JSON object"),
        ("{}".into(), "its status is none of the known ones"),
        (
            r#"{"status":7}"#.into(),
            "its status is none of the known ones",
        ),
        (
            r#"{"status":"Assigned"}"#.into(),
            "its status is none of the known ones",
        ),
        (
            r#"{"status":"assigned"}"#.into(),
            "registrationState is missing",
        ),
        (hub("7"), "assignedHub is no host name"),
        (hub("\"\""), "assignedHub is no host name"),
        (hub("\"a/b\""), "assignedHub is no host name"),
        (hub("\"a\\u000d\\u000ab\""), "assignedHub is no host name"),
        (hub("\"a?b\""), "assignedHub is no host name"),
        (hub("\"h\\u00e9\""), "assignedHub is no host name"),
        (hub(&long), "assignedHub is no host name"),
        (device("null"), "deviceId is no device's identifier"),
        (device("\"a/b\""), "deviceId is no device's identifier"),
        (device("\"a#\""), "deviceId is no device's identifier"),
        (device("\"a+\""), "deviceId is no device's identifier"),
        (device(&long), "deviceId is no device's identifier"),
    ] {
        let refused = answered("200/?$rid=2", &body);
        assert_eq!(
            (refused.kind, refused.status),
            (RefusedKind::Malformed, 200),
            "{body}"
        );
        let shown = refused.fault().to_string();
        assert!(shown.contains(&format!("({why})")), "{body}: {shown}");
    }
    let long = format!(r#"{{"operationId":{long}}}"#);
    assert_eq!(answered("202/?$rid=2", &long).kind, RefusedKind::Malformed);
}

#[test]
fn the_first_answer_has_to_name_the_operation() {
    let mut talk = Talk::new(plain());
    talk.accept();
    talk.poll().unwrap();
    let refused = talk.refused("202/?$rid=1", r#"{"status":"assigning"}"#);
    assert_eq!(refused.kind, RefusedKind::Malformed);
    assert!(
        refused
            .fault()
            .to_string()
            .contains("operationId is missing")
    );
}

#[test]
fn ninety_seconds_without_an_answer_are_silence() {
    let mut talk = Talk::at_work();
    talk.pass(2);
    talk.says(&[&look(2, "5.lab.op1")]);
    talk.pass(89);
    talk.now.at = talk.now.after(Duration::from_secs(1));
    let refused = talk.time().unwrap();
    assert_eq!(refused.kind, RefusedKind::Silent);
    assert_eq!(
        refused.fault().to_string(),
        "hub: the provisioning service does not answer (90000 ms). It accepted the connection: ask again later, and \
         look at Azure's status page if it lasts. [TP-DPS-012]"
    );
    assert_eq!(talk.time(), None, "told once");
    assert_eq!(talk.says(&[]), None);
}

#[test]
fn a_long_pause_that_the_service_asks_for_is_no_silence() {
    let mut talk = Talk::at_work();
    talk.pass(2);
    talk.says(&[&look(2, "5.lab.op1")]);
    talk.hears_nothing("202/?$rid=2&retry-after=300", r#"{"status":"assigning"}"#);
    assert_eq!(talk.says(&[]), Some(300));
    talk.pass(300);
    talk.says(&[&look(3, "5.lab.op1")]);
}

#[test]
fn a_service_that_decides_for_ten_minutes_is_left() {
    let mut talk = Talk::at_work();
    for rid in 2..=300 {
        talk.pass(2);
        if talk.now.at == Instant::from_millis(598_000) {
            break;
        }
        talk.says(&[&look(rid, "5.lab.op1")]);
        let head: &'static str = format!("202/?$rid={rid}").leak();
        talk.hears_nothing(head, r#"{"status":"assigning"}"#);
    }
    talk.now.at = talk.now.after(Duration::from_secs(2));
    let refused = talk.time().unwrap();
    assert_eq!((refused.kind, refused.status), (RefusedKind::Busy, 202));

    let mut talk = Talk::at_work();
    talk.pass(2);
    talk.poll().unwrap();
    talk.hears_nothing(
        "202/?$rid=2&retry-after=99999999",
        r#"{"status":"assigning"}"#,
    );
    talk.now.at = talk.now.after(Duration::from_secs(598));
    let refused = talk.time().unwrap();
    assert_eq!(
        (refused.kind, refused.retry_after),
        (RefusedKind::Busy, Some(u16::MAX))
    );
}

#[test]
fn a_subscription_that_is_refused_ends_it() {
    let mut talk = Talk::new(plain());
    talk.accept();
    talk.poll().unwrap();
    talk.registration
        .subscribed(PacketId::MAX, &[ReasonCode::UNSPECIFIED_ERROR]);
    assert_eq!(talk.time(), None, "another one's");
    talk.registration
        .subscribed(PacketId::MIN, &[ReasonCode::UNSPECIFIED_ERROR]);
    assert_eq!(talk.poll(), Ok(Some(talk.now.at)), "due at once");
    let refused = talk.time().unwrap();
    assert_eq!(refused.kind, RefusedKind::Failed);
    assert_eq!(refused.message.as_str(), "SUBACK: unspecified error");
    assert_eq!(talk.time(), None);
}

#[test]
fn a_request_that_the_service_can_not_read_is_not_sent() {
    let long = "a".repeat(129);
    for request in [
        Request {
            registration_id: "",
            ..plain()
        },
        Request {
            registration_id: &long,
            ..plain()
        },
        Request {
            payload: "7",
            ..plain()
        },
        Request {
            payload: "{",
            ..plain()
        },
        Request {
            payload: "{}, \"registrationId\":\"dev2\"",
            ..plain()
        },
        Request {
            csr: Some(""),
            ..plain()
        },
        Request {
            csr: Some("-----BEGIN CERTIFICATE REQUEST-----"),
            ..plain()
        },
    ] {
        let mut talk = Talk::new(request);
        talk.accept();
        let refused = talk.poll().unwrap_err();
        assert!(
            matches!(refused, Refusal::Invalid(_)),
            "{request:?}: {refused}"
        );
        assert!(talk.line.lines().is_empty());
    }
}

#[test]
fn too_little_memory_is_told_with_what_is_needed() {
    let mut talk = Talk::new(plain());
    let mut poll = |room: usize| {
        let mut scratch = std::vec![0; room];
        talk.registration
            .poll(talk.now, &talk.request, &mut talk.line, &mut scratch)
    };
    let needed = 46 + 25;
    assert_eq!(poll(0), Err(Refusal::PacketTooLarge(needed)));
    assert_eq!(poll(needed - 1), Err(Refusal::PacketTooLarge(needed)));
    assert_eq!(poll(needed), Ok(None));
}
