//! Dialogues between a device and its hub, line by line, on simulated time.

mod order;
mod requests;
mod twin;

use core::time::Duration;
use std::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::prelude::*;
use towpath_proto::{
    Code, Instant,
    mqtt::{packet::PacketId, reason::ReasonCode, session::Refusal},
};

use super::*;
use crate::testing::{Recorder, Seen};

const SUBSCRIBE: &str = "SUBSCRIBE devices/dev1/messages/devicebound/# q1 $iothub/methods/POST/# q0 \
                         $iothub/twin/PATCH/properties/desired/# q0 $iothub/twin/res/# q0";

fn get(rid: u32) -> String {
    format!("PUBLISH q0 $iothub/twin/GET/?$rid={rid}  ")
}

fn patch(rid: u32, patch: &str) -> String {
    format!("PUBLISH q0 $iothub/twin/PATCH/properties/reported/?$rid={rid} {patch}")
}

/// A twin document with these versions.
fn twin(desired: u64, reported: u64) -> String {
    format!(r#"{{"desired":{{"$version":{desired}}},"reported":{{"$version":{reported}}}}}"#)
}

/// A device at its hub.
struct Desk {
    hub: Hub,
    line: Recorder,
    names: Names<'static>,
    wants: Wants,
    now: Now,
    scratch: [u8; 512],
    due: Option<Instant>,
}

impl Desk {
    fn new() -> Self {
        Self {
            hub: Hub::new(),
            line: Recorder::new(),
            names: Names {
                hub: "contoso.azure-devices.net",
                device_id: "dev1",
                module_id: None,
            },
            wants: Wants::default(),
            now: Now::new(Instant::from_millis(1000), 0),
            scratch: [0; 512],
            due: None,
        }
    }

    /// One that has subscribed and has the twin: desired version 1, reported version 1.
    fn settled() -> Self {
        let mut desk = Self::new();
        desk.begins(true);
        desk.sends();
        desk.accepted(false);
        desk.suback(1, &[1, 0, 0, 0]);
        desk.hears("$iothub/twin/res/200/?$rid=1", &twin(1, 1));
        desk
    }

    fn begins(&mut self, fresh: bool) {
        self.hub.begin(self.now, fresh);
    }

    fn accepted(&mut self, session_present: bool) {
        self.hub.connected(self.now, session_present);
    }

    fn suback(&mut self, packet_id: u16, reasons: &[u8]) -> Option<Fault> {
        let reasons: Vec<ReasonCode> = reasons.iter().copied().map(ReasonCode).collect();
        let packet_id = PacketId::new(packet_id).unwrap();
        self.hub.subscribed(packet_id, &reasons)
    }

    /// What it says now that it may speak.
    fn sends(&mut self) -> Vec<String> {
        let Self {
            hub,
            line,
            names,
            wants,
            now,
            scratch,
            due,
        } = self;
        *due = hub.poll(*now, names, wants, line, scratch).unwrap();
        line.lines()
    }

    /// What the application is told about what came.
    fn hears(&mut self, topic: &str, payload: &str) -> String {
        let (hub, names) = (&mut self.hub, &self.names);
        let event = hub.message(self.now, names, topic, payload.as_bytes(), false);
        event.map_or_else(String::new, |event| shown(&event))
    }

    fn called(&mut self, topic: &str) -> RequestId {
        let (hub, names) = (&mut self.hub, &self.names);
        match hub.message(self.now, names, topic, b"", false) {
            Some(Event::Method { request_id, .. }) => request_id,
            other => panic!("{other:?}"),
        }
    }

    fn reports(&mut self, patch: &str) -> Result<u32, Refusal> {
        let Self {
            hub,
            line,
            now,
            scratch,
            ..
        } = self;
        hub.report(*now, patch.as_bytes(), line, scratch)
    }

    fn responds(&mut self, request: &RequestId, status: u32, body: &str) -> Result<(), Refusal> {
        let Self {
            hub, line, scratch, ..
        } = self;
        hub.respond(request, status, body.as_bytes(), line, scratch)
    }

    /// Time passes; what the application is told then.
    fn seconds(&mut self, seconds: u64) -> Vec<String> {
        self.now.at = self.now.after(Duration::from_secs(seconds));
        let mut told = Vec::new();
        while let Some(reported) = self.hub.handle_timeout(self.now) {
            told.push(shown(&Event::Reported(reported)));
        }
        told
    }

    /// How many seconds there are until something is due.
    fn due_in(&mut self) -> Option<u64> {
        assert_eq!(self.sends(), [""; 0]);
        self.due.map(|due| due.since(self.now.at).as_secs())
    }
}

fn shown(event: &Event<'_>) -> String {
    let text = |bytes| str::from_utf8(bytes).unwrap();
    match event {
        Event::Twin {
            document,
            desired_version,
            reported_version,
        } => {
            format!(
                "twin {desired_version}/{reported_version} {}",
                text(document)
            )
        }
        Event::Desired { patch, version } => format!("desired {version} {}", text(patch)),
        Event::Method {
            name,
            request_id,
            payload,
        } => {
            format!("method {name} {request_id} {}", text(payload))
        }
        Event::Message {
            input,
            properties,
            body,
            dup,
        } => {
            let dup = if *dup { " again" } else { "" };
            format!("message{dup} {input:?} {} {}", properties.raw(), text(body))
        }
        Event::Reported(Reported {
            request,
            outcome: Ok(version),
        }) => {
            format!("reported {request} version {version}")
        }
        Event::Reported(Reported {
            request,
            outcome: Err((status, said)),
        }) => {
            format!("reported {request} status {status} {said}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_whole_session() {
    // What the hub sends is what a hub sent to Azure's SDK for Python, but for the numbers of requests.
    let mut desk = Desk::new();
    desk.begins(true);
    assert_eq!(desk.sends(), [SUBSCRIBE.to_string(), get(1)]);
    desk.accepted(false);
    assert_eq!(desk.suback(1, &[1, 0, 0, 0]), None);
    let document = r#"{"desired": {"interval": 5, "$version": 1}, "reported": {"$version": 1}}"#;
    assert_eq!(
        desk.hears("$iothub/twin/res/200/?$rid=1", document),
        format!("twin 1/1 {document}")
    );

    assert_eq!(desk.reports(r#"{"fw": "1.2.3", "n": {"a": 1}}"#), Ok(2));
    assert_eq!(
        desk.sends(),
        [patch(2, r#"{"fw": "1.2.3", "n": {"a": 1}}"#)]
    );
    assert_eq!(
        desk.hears("$iothub/twin/res/204/?$rid=2&$version=2", ""),
        "reported 2 version 2"
    );
    assert_eq!(
        desk.hears(
            "$iothub/twin/PATCH/properties/desired/?$version=2",
            r#"{"interval": 7, "$version": 2}"#
        ),
        r#"desired 2 {"interval": 7, "$version": 2}"#
    );

    let bag = "%24.mid=m-1&%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound&color=blue";
    assert_eq!(
        desk.hears(
            &format!("devices/dev1/messages/devicebound/{bag}"),
            "hello c2d"
        ),
        format!("message None {bag} hello c2d")
    );
    assert_eq!(
        desk.hears("$iothub/methods/POST/reboot/?$rid=1", r#"{"delay":3}"#),
        r#"method reboot 1 {"delay":3}"#
    );
    let call = desk.called("$iothub/methods/POST/reboot/?$rid=1");
    assert_eq!(desk.responds(&call, 200, r#"{"ok": true}"#), Ok(()));
    assert_eq!(
        desk.sends(),
        [r#"PUBLISH q0 $iothub/methods/res/200/?$rid=1 {"ok": true}"#]
    );
    assert_eq!(desk.due_in(), None);
}

#[test]
fn without_pipelining_it_speaks_once_it_is_accepted() {
    let mut desk = Desk::new();
    assert_eq!(desk.sends(), [""; 0]);
    desk.begins(true);
    desk.accepted(false);
    assert_eq!(desk.sends(), [SUBSCRIBE.to_string(), get(1)]);
    assert_eq!(desk.due_in(), Some(60));
}

#[test]
fn the_hub_remembers_the_session() {
    let mut desk = Desk::settled();
    desk.hub.ended();
    desk.begins(false);
    // Whether the subscriptions hold is not known yet.
    assert_eq!(desk.sends(), [""; 0]);
    desk.accepted(true);
    assert_eq!(desk.sends(), [get(2)]);
    assert_eq!(
        desk.hears("$iothub/twin/res/200/?$rid=2", &twin(1, 1)),
        format!("twin 1/1 {}", twin(1, 1))
    );
}

#[test]
fn the_hub_has_forgotten_the_session() {
    let mut desk = Desk::settled();
    desk.hub.ended();
    desk.begins(false);
    desk.accepted(false);
    assert_eq!(desk.sends(), [SUBSCRIBE.to_string(), get(2)]);
}

#[test]
fn an_attempt_that_failed_left_its_subscribe_with_the_line() {
    let mut desk = Desk::new();
    desk.begins(true);
    assert_eq!(desk.sends(), [SUBSCRIBE.to_string(), get(1)]);
    desk.hub.ended();
    desk.begins(false);
    desk.accepted(false);
    assert_eq!(desk.sends(), [get(2)]);
    // Perhaps the line still had the first question as well.
    assert_eq!(desk.hears("$iothub/twin/res/200/?$rid=1", &twin(1, 1)), "");
    assert_eq!(desk.suback(1, &[1, 0, 0, 0]), None);
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=2", &twin(1, 1)), "");
    // And what was granted holds for the next connection.
    desk.begins(false);
    desk.accepted(true);
    assert_eq!(desk.sends(), [get(3)]);
}

#[test]
fn another_hub_gets_all_subscriptions() {
    let mut desk = Desk::settled();
    desk.begins(true);
    assert_eq!(desk.sends(), [SUBSCRIBE.to_string(), get(2)]);
    // Nor does it matter what the one before has not answered yet.
    desk.begins(true);
    assert_eq!(desk.sends(), [SUBSCRIBE.to_string(), get(3)]);
}

#[test]
fn only_what_is_wanted() {
    let mut desk = Desk::new();
    desk.wants = Wants {
        messages: false,
        methods: true,
        twin: false,
    };
    desk.begins(true);
    assert_eq!(desk.sends(), ["SUBSCRIBE $iothub/methods/POST/# q0"]);
    desk.accepted(false);
    // Whoever reports wants the answer.
    assert_eq!(desk.reports("{}"), Ok(1));
    assert_eq!(
        desk.sends(),
        [
            "SUBSCRIBE $iothub/twin/res/# q0".to_string(),
            patch(1, "{}")
        ]
    );
    desk.hub.request_twin();
    assert_eq!(desk.sends(), [get(2)]);
    // It is wanted after the next connection as well, and so is the twin that did not come.
    desk.begins(false);
    desk.accepted(false);
    desk.suback(1, &[0]);
    desk.suback(2, &[0]);
    assert_eq!(desk.sends(), [get(3)]);
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=3", &twin(4, 4)), "");
    desk.begins(false);
    desk.accepted(false);
    assert_eq!(desk.sends(), ["SUBSCRIBE $iothub/methods/POST/# q0"]);
    assert_eq!(desk.reports("{}"), Ok(4));
    assert_eq!(
        desk.sends(),
        [
            "SUBSCRIBE $iothub/twin/res/# q0".to_string(),
            patch(4, "{}")
        ]
    );
}

#[test]
fn a_module_at_its_gateway() {
    let mut desk = Desk::new();
    desk.names.module_id = Some("mod1");
    desk.wants = Wants {
        methods: false,
        twin: false,
        ..Wants::default()
    };
    desk.begins(true);
    assert_eq!(
        desk.sends(),
        ["SUBSCRIBE devices/dev1/modules/mod1/inputs/# q1"]
    );
    desk.accepted(false);
    assert_eq!(
        desk.hears("devices/dev1/modules/mod1/inputs/in1/a=b", "x"),
        "message Some(\"in1\") a=b x"
    );
}

#[test]
fn a_filter_that_is_refused_is_named() {
    let mut desk = Desk::new();
    desk.begins(true);
    desk.sends();
    desk.accepted(false);
    assert_eq!(desk.suback(7, &[0x80]), None);
    let fault = desk.suback(1, &[1, 0x80, 0, 0x80]).unwrap();
    assert_eq!(
        fault.to_string(),
        "hub: the hub refuses a subscription (unspecified error 0x80; $iothub/methods/POST/#). A hub of the \
         basic tier has no cloud-to-device messages, methods and twins: switch off what it lacks. [TP-HUB-028]"
    );
    // The twin can't be had without its answers, and nothing is asked for over and over.
    desk.seconds(60);
    assert_eq!(desk.due_in(), None);
    // Another connection, another try.
    desk.begins(false);
    desk.accepted(true);
    assert_eq!(
        desk.sends(),
        [
            "SUBSCRIBE $iothub/methods/POST/# q0 $iothub/twin/res/# q0".to_string(),
            get(2)
        ]
    );
    let fault = Desk::new().refused_messages();
    assert_eq!(
        fault.clause,
        "devices/{device}/messages/devicebound/# or that of a module's inputs"
    );
}

impl Desk {
    fn refused_messages(mut self) -> Fault {
        self.begins(true);
        self.sends();
        self.suback(1, &[0x80, 0, 0, 0]).unwrap()
    }
}

#[test]
fn a_line_without_room_loses_nothing() {
    let mut desk = Desk::new();
    desk.begins(true);
    let Desk {
        hub,
        line,
        names,
        wants,
        now,
        scratch,
        ..
    } = &mut desk;
    let mut poll = |line: &mut Recorder| hub.poll(*now, names, wants, line, scratch);
    line.refusals = vec![Refusal::Full];
    assert_eq!(poll(line), Err(Refusal::Full));
    line.refusals = vec![Refusal::Full];
    assert_eq!(poll(line), Err(Refusal::Full));
    assert_eq!(line.lines(), [""; 0]);
    assert_eq!(poll(line), Ok(None));
    assert_eq!(line.lines(), [SUBSCRIBE.to_string(), get(1)]);
    // Behind SUBSCRIBE as well.
    desk.begins(false);
    desk.accepted(false);
    desk.line.refusals = vec![Refusal::Full];
    let Desk {
        hub,
        line,
        names,
        wants,
        now,
        scratch,
        ..
    } = &mut desk;
    assert_eq!(
        hub.poll(*now, names, wants, line, scratch),
        Err(Refusal::Full)
    );
    assert_eq!(desk.sends(), [get(2)]);
    desk.line.refusals = vec![Refusal::Full];
    assert_eq!(desk.reports("{}"), Err(Refusal::Full));
    assert_eq!(desk.reports("{}"), Ok(3));
}

#[test]
fn names_that_make_no_filter_are_refused() {
    let mut desk = Desk::new();
    desk.names.device_id = "a+b";
    desk.begins(true);
    let Desk {
        hub,
        line,
        names,
        wants,
        now,
        scratch,
        ..
    } = &mut desk;
    let refusal = hub.poll(*now, names, wants, line, scratch).unwrap_err();
    assert!(refusal.to_string().contains("MQTT-4.7.1-2"), "{refusal}");
    let refusal = hub.poll(*now, names, wants, line, &mut scratch[..20]);
    assert_eq!(refusal, Err(Refusal::PacketTooLarge(20)));
}

#[test]
fn the_longest_names_fit() {
    let mut desk = Desk::new();
    let id: &'static str = String::leak("x".repeat(128));
    desk.names = Names {
        hub: id,
        device_id: id,
        module_id: Some(id),
    };
    desk.begins(true);
    let Desk {
        hub,
        line,
        names,
        wants,
        now,
        scratch,
        ..
    } = &mut desk;
    assert_eq!(
        hub.poll(*now, names, wants, line, &mut scratch[..320]),
        Ok(None)
    );
    let Some(Seen::Subscribe { filters, .. }) = line.taken().into_iter().next() else {
        panic!("no SUBSCRIBE");
    };
    assert!(filters[0].0.len() <= 320);
}

proptest! {
    #[test]
    fn whatever_comes_is_survived(
        topics in prop::collection::vec((any_topic(), prop::collection::vec(any::<u8>(), 0..40), 0u64..400), 0..20),
    ) {
        let mut desk = Desk::settled();
        for (topic, payload, seconds) in topics {
            let (hub, names) = (&mut desk.hub, &desk.names);
            let _ = hub.message(desk.now, names, &topic, &payload, true);
            desk.seconds(seconds);
            desk.sends();
            let _ = desk.reports("{}");
        }
    }
}

fn any_topic() -> impl Strategy<Value = String> {
    let known = prop_oneof![
        Just("$iothub/twin/res/"),
        Just("$iothub/methods/POST/a/"),
        Just("$iothub/twin/PATCH/properties/desired/"),
        Just("devices/dev1/messages/devicebound/"),
    ];
    let number = prop_oneof![0..5u64, any::<u64>()];
    let any = (known, 100..600u16, 0..9u32, number, "\\PC{0,9}");
    any.prop_map(|(known, status, rid, version, rest)| {
        let status = if known.ends_with("res/") {
            format!("{status}/")
        } else {
            String::new()
        };
        format!("{known}{status}?$rid={rid}&$version={version}{rest}")
    })
}
