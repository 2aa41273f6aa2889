//! Everything that a device and its hub say to each other.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use towpath::{
    device::{Device, Event, Events, Options, Telemetry, bag::Bag},
    outbox::{Bounds, Outbox},
};
use towpath_lab::Lab;

/// Telemetry messages of an exchange.
const MESSAGES: u32 = 1000;
/// Method calls of an exchange.
const CALLS: u32 = 100;

/// Provisions a device and exchanges telemetry with properties, a message, the twin both ways, and methods.
///
/// # Panics
/// If anything is missing, in excess, or out of order.
pub async fn exchange(options: Options, lab: Arc<Lab>, id: String) {
    let outbox = Outbox::memory(Bounds::default());
    let (device, mut events) = Device::spawn(options, outbox).expect("options that can be");
    connected(&mut events, &id).await;
    for number in 0..MESSAGES {
        let body = format!("{{\"n\":{number}}}");
        let text = number.to_string();
        let properties = [("number", &*text), ("alert key", "yes/no &")];
        let telemetry = Telemetry {
            bag: Bag {
                properties: &properties,
                ..Telemetry::json(b"").bag
            },
            ..Telemetry::json(body.as_bytes())
        };
        device.send(&telemetry).await.expect("room");
    }
    let service = service(&lab, &id);
    let on_device = answering(&device, &mut events);
    tokio::join!(service, on_device);
    assert!(device.delivered().await, "{id} stopped");
    let received = lab.telemetry(&id);
    assert_eq!(received.len(), MESSAGES as usize, "{id}");
    for (number, received) in received.iter().enumerate() {
        assert_eq!(received.properties["number"], number.to_string(), "{id}");
        assert_eq!(received.properties["alert key"], "yes/no &", "{id}");
    }
    let version = device.report(r#"{"firmware":"1.2.3"}"#).await;
    assert!(version.is_ok(), "{id}: {version:?}");
    let twin = lab.twin(&id).expect("it has one");
    assert_eq!(twin["properties"]["reported"]["firmware"], "1.2.3", "{id}");
    device.stop().await;
    while events.next().await.is_some() {}
}

async fn connected(events: &mut Events, id: &str) {
    let mut assigned = false;
    loop {
        match events.next().await.expect("it goes on") {
            Event::Assigned { .. } => assigned = true,
            Event::Connected { device_id, .. } => {
                assert_eq!(device_id, id.to_lowercase());
                assert!(assigned);
                return;
            }
            Event::Disconnected { fault, .. } => panic!("{id}: {fault}"),
            Event::NotAssigned { refused, .. } => panic!("{id}: {refused:?}"),
            Event::Stopped(why) => panic!("{id}: {why:?}"),
            _ => {}
        }
    }
}

/// The back-end: a change of the twin, a message, and calls.
async fn service(lab: &Lab, id: &str) {
    lab.patch_desired(id, &json!({"colour": "red"}))
        .await
        .expect("a patch");
    lab.send_to_device(id, "hello", [("a", "b c")])
        .await
        .expect("a message");
    for number in 0..CALLS {
        let answer = lab
            .invoke(id, "echo", json!({"n": number}), Duration::from_secs(60))
            .await;
        assert_eq!(
            answer.expect("an answer"),
            (200, json!({"n": number})),
            "{id}"
        );
    }
}

/// The device: the twin, the message, and an answer to each call.
async fn answering(device: &Device, events: &mut Events) {
    let (mut calls, mut red, mut hello) = (0, false, false);
    while calls < CALLS || !red || !hello {
        match events.next().await.expect("it goes on") {
            // The change comes by itself, or inside of the twin that is asked for at the start.
            Event::Twin { document, .. } => red |= contains(&document, "red"),
            Event::Desired { patch, .. } => red |= contains(&patch, "red"),
            Event::Message(message) => {
                assert_eq!(message.body, b"hello");
                assert_eq!(message.property("a"), Some("b c"));
                hello = true;
            }
            Event::Method(call) => {
                assert_eq!(call.name, "echo");
                device.respond(&call, 200, call.payload.clone()).await;
                calls += 1;
            }
            Event::Disconnected { fault, .. } => panic!("{fault}"),
            _ => {}
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}
