//! The device of `towpath` at a hub of the lab: provisioning, telemetry, twin, methods, messages.

use std::{error::Error, sync::Arc, time::Duration};

use serde_json::json;
use towpath::{
    TlsOptions,
    device::{Credential, Device, Entry, Event, Events, Key, Options, Ports, Telemetry, bag::Bag},
    outbox::{self, Bounds, Outbox},
};
use towpath_lab::{Config, Lab};

type Outcome = Result<(), Box<dyn Error>>;

/// The key of a device that the lab knows, from its connection string.
fn key(lab: &Lab, device: &str) -> Key {
    let wanted = format!("DeviceId={device};");
    let string = lab
        .connection_strings()
        .into_iter()
        .map(|(_, string)| string)
        .find(|string| string.contains(&wanted))
        .expect("it has a key");
    let (_, key) = string.split_once("SharedAccessKey=").expect("a key");
    Key::from_base64(key).expect("base64")
}

fn options(lab: &Lab, entry: Entry, credential: Credential) -> Options {
    Options::new(entry, credential)
        .ports(Ports {
            mqtts: lab.mqtts().port(),
            https: lab.https().port(),
        })
        .tls(TlsOptions::new().ca(lab.root_pem()))
}

fn at_hub(lab: &Lab, device: &str) -> Entry {
    Entry::Hub {
        hub: lab.hubs().next().expect("a hub").to_owned(),
        device_id: device.to_owned(),
    }
}

async fn connected(events: &mut Events) -> String {
    loop {
        match events.next().await {
            Some(Event::Connected { device_id, .. }) => return device_id,
            Some(Event::Disconnected { fault, .. }) => panic!("{fault}"),
            Some(_) => {}
            None => panic!("it stopped"),
        }
    }
}

#[tokio::test]
async fn a_key_is_enough_for_everything() -> Outcome {
    let lab = Lab::start(Config::for_tests().device("lamp")).await?;
    let credential = Credential::Key(Arc::new(key(&lab, "lamp")));
    let outbox = Outbox::memory(Bounds::default());
    let (device, mut events) =
        Device::spawn(options(&lab, at_hub(&lab, "lamp"), credential), outbox)?;
    for n in 0..1000 {
        let body = n.to_string();
        let properties = [("unit", "K"), ("alert key", "yes/no &")];
        let telemetry = Telemetry {
            bag: Bag {
                properties: &properties,
                ..Bag::NONE
            },
            body: body.as_bytes(),
            expires: None,
        };
        device.send(&telemetry).await?;
    }
    assert_eq!(connected(&mut events).await, "lamp");
    assert!(device.delivered().await);
    let received = lab.telemetry("lamp");
    assert_eq!(received.len(), 1000);
    for (n, received) in received.iter().enumerate() {
        assert_eq!(received.body, n.to_string().as_bytes());
        assert_eq!(received.properties["alert key"], "yes/no &");
    }

    let twin = loop {
        if let Some(Event::Twin { document, .. }) = events.next().await {
            break document;
        }
    };
    assert!(twin.starts_with(b"{"), "{}", String::from_utf8_lossy(&twin));
    assert_eq!(device.report(r#"{"firmware":"1.2.3"}"#).await?, 2);
    assert_eq!(
        lab.twin("lamp").expect("it has one")["properties"]["reported"]["firmware"],
        "1.2.3"
    );
    assert!(device.report("no JSON").await.is_err());

    let invoked = lab.invoke(
        "lamp",
        "blink",
        json!({"times": 3}),
        Duration::from_secs(20),
    );
    let answered = async {
        loop {
            if let Some(Event::Method(call)) = events.next().await {
                assert_eq!(
                    (call.name.as_str(), call.payload.as_slice()),
                    ("blink", &br#"{"times":3}"#[..])
                );
                device.respond(&call, 200, r#"{"done":3}"#).await;
                return;
            }
        }
    };
    let (invoked, ()) = tokio::join!(invoked, answered);
    assert_eq!(invoked?, (200, json!({"done": 3})));

    lab.patch_desired("lamp", &json!({"colour": "red"})).await?;
    lab.send_to_device("lamp", "hello", [("a", "b c")]).await?;
    let (mut patched, mut told) = (false, false);
    while !(patched && told) {
        match events.next().await.expect("it goes on") {
            Event::Desired { patch, version } => {
                assert_eq!(version, 2);
                assert!(String::from_utf8_lossy(&patch).contains("\"red\""));
                patched = true;
            }
            Event::Message(message) => {
                assert_eq!(message.body, b"hello");
                assert_eq!(message.property("a"), Some("b c"));
                told = true;
            }
            _ => {}
        }
    }
    device.stop().await;
    while events.next().await.is_some() {}
    Ok(())
}

#[tokio::test]
async fn a_certificate_goes_by_443_where_8883_is_closed() -> Outcome {
    let lab = Lab::start(Config::for_tests().x509_device("meter")).await?;
    let certificate = lab.device_certificate("meter")?;
    let tls = TlsOptions::new()
        .ca(lab.root_pem())
        .identity(certificate.chain, certificate.key);
    let closed = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let options = options(&lab, at_hub(&lab, "meter"), Credential::Certificate)
        .tls(tls)
        .ports(Ports {
            mqtts: closed,
            https: lab.https().port(),
        });
    let (device, mut events) = Device::spawn(options, Outbox::memory(Bounds::default()))?;
    device.send(&Telemetry::json(b"{\"t\":1}")).await?;
    let mut broken = 0;
    loop {
        match events.next().await.expect("it goes on") {
            Event::Disconnected { fault, .. } => {
                assert_eq!(fault.code, towpath::Code::Refused);
                broken += 1;
            }
            Event::Connected { transport, .. } => {
                assert_eq!(transport, towpath::device::Transport::Wss);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(broken, 1);
    assert!(device.delivered().await);
    assert_eq!(&lab.telemetry("meter")[0].body[..], b"{\"t\":1}");
    Ok(())
}

#[tokio::test]
async fn an_application_that_does_not_read_still_sends() -> Outcome {
    let lab = Lab::start(Config::for_tests().device("deaf")).await?;
    let credential = Credential::Key(Arc::new(key(&lab, "deaf")));
    let (device, mut events) = Device::spawn(
        options(&lab, at_hub(&lab, "deaf"), credential),
        Outbox::memory(Bounds::default()),
    )?;
    assert_eq!(connected(&mut events).await, "deaf");
    for n in 0..400 {
        lab.patch_desired("deaf", &json!({"n": n})).await?;
    }
    for n in 0..20 {
        lab.send_to_device("deaf", n.to_string(), [("a", "b")])
            .await?;
    }
    // The answer follows the changes and the messages.
    assert_eq!(device.report(r#"{"deaf":true}"#).await?, 2);
    device.send(&Telemetry::json(b"{}")).await?;
    assert!(device.delivered().await);

    // What it finds when it reads at last is the state as it is, and each message.
    let (mut version, mut messages) = (0, 0);
    while version < 401 || messages < 20 {
        match events.next().await.expect("it goes on") {
            Event::Twin {
                desired_version, ..
            } => version = desired_version,
            Event::Desired { version: now, .. } => version = now,
            Event::Message(message) => {
                assert_eq!(message.body, messages.to_string().as_bytes());
                messages += 1;
            }
            _ => {}
        }
    }
    device.stop().await;
    while events.next().await.is_some() {}
    Ok(())
}

#[tokio::test]
async fn a_message_that_nobody_took_comes_again() -> Outcome {
    let lab = Lab::start(Config::for_tests().device("sleepy")).await?;
    let credential = || Credential::Key(Arc::new(key(&lab, "sleepy")));
    let spawn = || {
        Device::spawn(
            options(&lab, at_hub(&lab, "sleepy"), credential()),
            Outbox::memory(Bounds::default()),
        )
    };
    let (device, mut events) = spawn()?;
    connected(&mut events).await;
    lab.send_to_device("sleepy", "taken", [("a", "b")]).await?;
    loop {
        if let Some(Event::Message(message)) = events.next().await {
            assert_eq!(message.body, b"taken");
            break;
        }
    }
    lab.send_to_device("sleepy", "left", [("a", "b")]).await?;
    // Its answer comes after the message, which waits now.
    device.report(r#"{"a":1}"#).await?;
    device.stop().await;
    drop(events);

    let (device, mut events) = spawn()?;
    loop {
        match events.next().await.expect("it goes on") {
            Event::Message(message) => {
                assert_eq!(message.body, b"left");
                break;
            }
            Event::Disconnected { fault, .. } => panic!("{fault}"),
            _ => {}
        }
    }
    device.stop().await;
    while events.next().await.is_some() {}
    Ok(())
}

#[tokio::test]
async fn what_the_hub_would_not_take_is_refused_at_once() -> Outcome {
    let lab = Lab::start(Config::for_tests().device("lamp")).await?;
    let credential = || Credential::Key(Arc::new(key(&lab, "lamp")));
    let options = || options(&lab, at_hub(&lab, "lamp"), credential());
    let (device, mut events) = Device::spawn(options(), Outbox::memory(Bounds::default()))?;
    let long = "x".repeat(3000);
    let properties = [("long", long.as_str())];
    let bag = Bag {
        properties: &properties,
        ..Bag::NONE
    };
    let body = vec![0; 262_145];
    for (bag, body) in [(bag, &[][..]), (Bag::NONE, &body)] {
        let telemetry = Telemetry {
            bag,
            body,
            expires: None,
        };
        let refused = device.send(&telemetry).await;
        assert!(
            matches!(refused, Err(outbox::Error::NotForHub { .. })),
            "{refused:?}"
        );
    }
    device.stop().await;
    while events.next().await.is_some() {}

    let named = |device_id: &str| Entry::Hub {
        hub: "hub.example".into(),
        device_id: device_id.into(),
    };
    for impossible in [
        Options::new(named("a/b"), credential()),
        Options::new(named("a#"), credential()),
        Options::new(named("a\0"), credential()),
        Options::new(named(""), credential()),
        options().keep_alive(0),
        options().keep_alive(1178),
        options().token_life(Duration::from_secs(59)),
        options().token_life(Duration::MAX),
        options().module(Some(towpath::device::Module("m+".into()))),
    ] {
        assert!(Device::spawn(impossible, Outbox::memory(Bounds::default())).is_err());
    }
    Ok(())
}
