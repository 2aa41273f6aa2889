//! What MQTT 5 adds, as mosquitto has it.

use mqtt::{Peer, Relay, Setup, Way};
use towpath::{
    Code, Details, Event, Outcome, Outgoing, Properties, Property, QoS, ReasonCode, Refusal,
    RetainHandling, Rung, Subscription, TopicFilter, TopicName, tokio::Connection,
};

ways! {
    v5:
        topic_aliases_shorten_what_is_sent
        subscription_identifiers_come_back
        properties_go_through
        expiry_counts_down_and_ends
        a_server_keep_alive_replaces_the_own
        an_assigned_client_identifier_is_kept
        a_session_ends_or_stays_as_asked
        no_local_and_retain_options_are_kept
        a_packet_that_is_too_large_is_refused_here
        the_maximum_of_the_client_holds_for_the_server
        a_takeover_says_so;
}

const QOS: QoS = QoS::AtLeastOnce;

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

/// Mosquitto takes ten aliases and, up to 2.0, gives none: the other direction is shown to be harmless only.
async fn topic_aliases_shorten_what_is_sent(way: Way) {
    let broker = Setup::new().start();
    let relay = Relay::before(broker.port(way.via)).await;
    let mut subscriber = Peer::connect(way.options(&broker).alias_maximum(5)).await;
    subscriber.subscribe("long/#", QOS).await;
    let mut publisher = Peer::connect(way.options_to(relay.port())).await;
    assert_eq!(publisher.face.limits().topic_alias_maximum, 10);
    // Twelve topics of 200 bytes: ten get an alias, two go by name each time.
    let topics: Vec<_> = (0..12).map(|n| format!("long/{n:0195}")).collect();
    let mut sent = Vec::new();
    for round in 0..5 {
        let (before, _) = relay.counts();
        for name in &topics {
            publisher
                .publish(name, name.as_bytes(), [QoS::AtMostOnce, QOS][round % 2])
                .await;
        }
        for name in &topics {
            let message = subscriber.message().await;
            assert_eq!(
                (&message.topic, message.payload.as_slice()),
                (name, name.as_bytes())
            );
        }
        sent.push(relay.counts().0 - before);
    }
    let (first, saved) = (sent[0], 10 * 200);
    for later in &sent[1..] {
        // Of each packet the topic is missing; there is up to 8 bytes more of packet identifiers and frame heads.
        assert!(later + saved <= first + 12 * 8, "{sent:?}");
        assert!(later + saved + 12 * 8 >= first, "{sent:?}");
    }
}

async fn subscription_identifiers_come_back(way: Way) {
    let broker = Setup::new().start();
    let mut client = Peer::connect(way.options(&broker)).await;
    for (filter, identifier) in [("a/+", 1), ("a/b", 268_435_455), ("c", 7)] {
        let filter = TopicFilter::new(filter).unwrap();
        client
            .subscribe_with(Subscription::new(filter, QOS), Some(identifier))
            .await;
    }
    client.publish("c", b"", QOS).await;
    let identifiers = |details: Option<Box<Details>>| details.unwrap().subscription_identifiers;
    assert_eq!(identifiers(client.message().await.details), [7]);
    // Overlapping subscriptions may come as one message with both or as one each (MQTT 5 section 3.3.4).
    client.publish("a/b", b"", QOS).await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(identifiers(client.message().await.details));
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 268_435_455]);
}

async fn properties_go_through(way: Way) {
    let broker = Setup::new().start();
    let mut client = Peer::connect(way.options(&broker)).await;
    client.subscribe("p", QOS).await;
    let list = [
        Property::PayloadFormatIndicator(1),
        Property::ContentType("text/plain"),
        Property::ResponseTopic("answer/here"),
        Property::CorrelationData(&[0, 255, 1]),
        Property::UserProperty(("colour", "grün")),
        Property::UserProperty(("colour", "")),
    ];
    let message = Outgoing {
        properties: Properties::new(&list),
        ..Outgoing::new(topic("p"), b"x", QOS)
    };
    client.send(&message).await;
    let details = client.message().await.details;
    let expected = Details {
        is_text: true,
        content_type: Some("text/plain".into()),
        response_topic: Some("answer/here".into()),
        correlation_data: Some(vec![0, 255, 1]),
        user_properties: vec![
            ("colour".into(), "grün".into()),
            ("colour".into(), String::new()),
        ],
        ..Details::default()
    };
    assert_eq!(details.as_deref(), Some(&expected));
}

/// Seconds are the grain, so this waits one or two.
async fn expiry_counts_down_and_ends(way: Way) {
    let broker = Setup::new().start();
    let options = || way.keeping(way.options(&broker), "sleeper");
    let mut sleeper = Peer::connect(options()).await;
    sleeper.subscribe("e/+", QOS).await;
    sleeper.close().await;
    let mut publisher = Peer::connect(way.options(&broker)).await;
    for (name, seconds) in [("e/short", 1), ("e/long", 1000)] {
        let list = [Property::MessageExpiryInterval(seconds)];
        let message = Outgoing {
            properties: Properties::new(&list),
            ..Outgoing::new(topic(name), b"x", QOS)
        };
        publisher.send(&message).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let mut sleeper = Peer::connect(options()).await;
    let message = sleeper.message().await;
    assert_eq!(message.topic, "e/long");
    let left = message.details.unwrap().expiry.unwrap();
    assert!(
        (990..=999).contains(&left),
        "{left} s left of 1000 after 2 s"
    );
}

async fn a_server_keep_alive_replaces_the_own(way: Way) {
    let broker = Setup::new().line("max_keepalive 12").start();
    let mut client = Peer::connect(way.options(&broker).keep_alive(600)).await;
    assert_eq!(client.face.limits().keep_alive, 12);
    client.close().await;
    let mut client = Peer::connect(way.options(&broker).keep_alive(5)).await;
    assert_eq!(client.face.limits().keep_alive, 5);
    client.close().await;
}

async fn an_assigned_client_identifier_is_kept(way: Way) {
    let broker = Setup::new().start();
    let relay = Relay::before(broker.port(way.via)).await;
    let options = way
        .options_to(relay.port())
        .client_id("")
        .session_expiry(3600);
    let mut client = Peer::connect(options).await;
    client.subscribe("a", QOS).await;
    relay.cut();
    client.fault().await;
    // The first CONNACK was of the first connection.
    assert!(!client.connected().await);
    assert!(
        client.connected().await,
        "the session is found under the assigned identifier"
    );
    client.publish("a", b"again", QOS).await;
    assert_eq!(client.text().await, "again");
}

async fn a_session_ends_or_stays_as_asked(way: Way) {
    let broker = Setup::new().start();
    for (expiry, stays) in [(0, false), (60, true), (u32::MAX, true)] {
        let id = format!("expiry-{expiry}");
        let options = way
            .options(&broker)
            .client_id(&id)
            .clean_start(false)
            .session_expiry(expiry);
        let mut client = Peer::connect(options.clone()).await;
        assert!(!client.connected().await);
        assert_eq!(client.face.limits().session_expiry, expiry);
        client.close().await;
        broker
            .until_logged(&[&format!("Client {id} disconnected")], 1)
            .await;
        let mut client = Peer::connect(options.clone()).await;
        assert_eq!(client.connected().await, stays, "{expiry}");
        client.close().await;
        let mut client = Peer::connect(options.clean_start(true)).await;
        assert!(!client.connected().await, "a clean start forgets");
    }
}

async fn no_local_and_retain_options_are_kept(way: Way) {
    let broker = Setup::new().start();
    let mut client = Peer::connect(way.options(&broker)).await;
    let mut other = Peer::connect(way.options(&broker)).await;
    let keep = |name| Outgoing {
        retain: true,
        ..Outgoing::new(topic(name), b"kept", QOS)
    };
    client.send(&keep("r/old")).await;
    let filter = TopicFilter::new("r/+").unwrap();
    let plain = Subscription::new(filter, QOS);
    let on_new = Subscription {
        retain_handling: RetainHandling::SendIfNew,
        ..plain
    };
    let never = Subscription {
        retain_handling: RetainHandling::DoNotSend,
        ..plain
    };
    let as_published = Subscription {
        no_local: true,
        retain_as_published: true,
        ..never
    };
    // Only a new subscription brings what was kept.
    client.subscribe_with(on_new, None).await;
    assert!(client.message().await.retain);
    client.subscribe_with(on_new, None).await;
    other.subscribe_with(never, None).await;
    client.send(&keep("r/live")).await;
    for peer in [&mut client, &mut other] {
        let message = peer.message().await;
        assert_eq!((message.topic.as_str(), message.retain), ("r/live", false));
    }
    // Mosquitto 2.0 keeps the old options when a subscription is made again, except QoS and identifier.
    client.face.unsubscribe("r/+").unwrap();
    client.subscribe_with(as_published, None).await;
    client.publish("r/own", b"", QOS).await;
    other.send(&keep("r/theirs")).await;
    let message = client.message().await;
    assert_eq!((message.topic.as_str(), message.retain), ("r/theirs", true));
}

async fn a_packet_that_is_too_large_is_refused_here(way: Way) {
    let broker = Setup::new().line("max_packet_size 1000").start();
    // Known before it is sent, from CONNACK.
    let mut client = Peer::connect(way.options(&broker)).await;
    assert_eq!(client.face.limits().maximum_packet_size, 1000);
    let refused = client.face.publish("large", vec![0; 1000], QOS).await;
    assert!(
        matches!(refused, Err(towpath::Error::Refused(Refusal::PacketTooLarge(n))) if n > 1000)
    );
    client.publish("large", &vec![0; 980], QOS).await;
    // Accepted before there was a connection: reported, and what follows is sent.
    let mut connection = Connection::new(way.options(&broker));
    let large = connection
        .publish("large", vec![0; 1000], QOS)
        .await
        .unwrap()
        .unwrap();
    let small = connection.publish("small", "", QOS).await.unwrap().unwrap();
    let mut late = Peer::new(connection);
    for (id, expected) in [
        (large, Outcome::NotAdmitted(ReasonCode::PACKET_TOO_LARGE)),
        (
            small,
            Outcome::Acknowledged(ReasonCode::NO_MATCHING_SUBSCRIBERS),
        ),
    ] {
        let outcome = late.find("an outcome", |event| match event {
            Event::Settled { packet_id, outcome } if *packet_id == id => Some(*outcome),
            _ => None,
        });
        assert_eq!(outcome.await, expected);
    }
}

/// The server drops what the client does not take (MQTT 5 section 3.1.2.11.4).
async fn the_maximum_of_the_client_holds_for_the_server(way: Way) {
    let broker = Setup::new().start();
    let mut client = Peer::connect(way.options(&broker).receive_limit(1000)).await;
    client.subscribe("s", QOS).await;
    client.publish("s", &vec![0; 2000], QOS).await;
    client.publish("s", b"fence", QOS).await;
    assert_eq!(client.text().await, "fence");
}

/// Mosquitto 2.0.11 just closes the older connection; later versions say why before.
async fn a_takeover_says_so(way: Way) {
    let broker = Setup::new().start();
    let options = way
        .options(&broker)
        .client_id("twin")
        .reconnect(towpath::Reconnect::Never);
    let mut first = Peer::connect(options.clone()).await;
    let mut second = Peer::connect(options).await;
    let fault = first.fault().await;
    let expected = if broker.logged(&["Sending DISCONNECT to twin"]) > 0 {
        (Rung::Mqtt, Code::ServerDisconnected, 0x8E)
    } else {
        (Rung::Mqtt, Code::Closed, 0)
    };
    assert_eq!((fault.rung, fault.code, fault.number), expected, "{fault}");
    assert_eq!(first.face.next().await, Event::Closed);
    second.close().await;
}

/// Two members of a group get each message once together, and both get some.
#[tokio::test]
async fn a_shared_subscription_shares_the_load() {
    let broker = Setup::new().unlimited().start();
    let ways = [mqtt::Via::Tcp, mqtt::Via::Ws].map(|via| Way::new(via, towpath::Version::V5));
    let mut members = Vec::new();
    for way in ways {
        let mut member = Peer::connect(way.options(&broker)).await;
        assert_eq!(member.subscribe("$share/group/load/+", QOS).await.0, 1);
        members.push(member);
    }
    let mut publisher = Peer::connect(ways[0].options(&broker)).await;
    for number in 0..100u8 {
        publisher.publish("load/x", &[number], QOS).await;
    }
    for member in &mut members {
        // A fence for each shows that it has seen all that is its own.
        member.subscribe("fence", QOS).await;
    }
    publisher.publish("fence", b"", QOS).await;
    let mut seen = Vec::new();
    for member in &mut members {
        let before = seen.len();
        loop {
            let message = member.message().await;
            if message.topic == "fence" {
                break;
            }
            seen.push(message.payload[0]);
        }
        assert!(seen.len() - before >= 20, "{} of 100", seen.len() - before);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}
