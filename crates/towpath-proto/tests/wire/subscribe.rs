//! SUBSCRIBE and UNSUBSCRIBE, and what arrives by subscription (MQTT 5 sections 3.8 to 3.11 and 3.3.2.3).

use towpath_proto::mqtt::{
    QoS, Version,
    packet::{RetainHandling, Subscription},
    property::{Properties, Property, VarInt},
    session::Refusal,
    topic::TopicFilter,
};
use towpath_sim::{Script, Seen};

use crate::{connected, id};

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).expect("a filter")
}

#[test]
fn a_subscription_is_answered_filter_by_filter() {
    let list = [
        Subscription::new(filter("a/+"), QoS::AtLeastOnce),
        Subscription::new(filter("$share/crew/b/#"), QoS::ExactlyOnce),
    ];
    let mut script = Script::connected(Version::V311);
    assert_eq!(script.client.subscribe(&list, Properties::NONE), Ok(id(1)));
    script.recv("82 [ 0001 <a/+> 01 <$share/crew/b/#> 02 ]");
    script.send("90 04 0001 01 80");
    let seen = Seen::Subscribed(id(1), vec![0x01, 0x80], vec![]);
    assert_eq!(script.event(), seen);
    assert!(script.client.is_settled());
}

#[test]
fn identifiers_options_and_user_properties_pass_through() {
    let mut script = Script::connected(Version::V5);
    let list = [Subscription {
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
        ..Subscription::new(filter("a/b"), QoS::ExactlyOnce)
    }];
    let properties = [
        Property::SubscriptionIdentifier(VarInt(300)),
        Property::UserProperty(("k", "v")),
    ];
    let asked = script.client.subscribe(&list, Properties::new(&properties));
    assert_eq!(asked, Ok(id(1)));
    script.recv("82 [ 0001 [ 0b ac02  26 <k> <v> ] <a/b> 2e ]");
    script.send("90 [ 0001 [ 1f <well> 26 <k> <w> ] 02 ]");
    let said = ["ReasonString(\"well\")", "UserProperty((\"k\", \"w\"))"];
    let seen = Seen::Subscribed(id(1), vec![2], said.map(str::to_owned).to_vec());
    assert_eq!(script.event(), seen);

    script.send("30 [ <a/b> [ 0b ac02 0b 01 03 <text> 26 <k> <v> 26 <k> <v> ] 'x' ]");
    let arrived = script.message();
    assert_eq!(arrived.payload, b"x");
    let expected = [
        Property::SubscriptionIdentifier(VarInt(300)),
        Property::SubscriptionIdentifier(VarInt(1)),
        Property::ContentType("text"),
        Property::UserProperty(("k", "v")),
        Property::UserProperty(("k", "v")),
    ];
    assert_eq!(arrived.properties, expected.map(|p| format!("{p:?}")));
}

/// [MQTT-3.8.3-4].
#[test]
fn no_local_does_not_go_with_a_shared_subscription() {
    let mut script = Script::connected(Version::V5);
    let list = [Subscription {
        no_local: true,
        ..Subscription::new(filter("$share/crew/a"), QoS::AtMostOnce)
    }];
    let asked = script.client.subscribe(&list, Properties::NONE);
    assert!(matches!(asked, Err(Refusal::Invalid(invalid)) if invalid.clause.contains("3.8.3-4")));
    script.recv_nothing();
}

#[test]
fn subscribing_to_nothing_is_refused() {
    let mut script = Script::connected(Version::V5);
    assert!(script.client.subscribe(&[], Properties::NONE).is_err());
    assert!(script.client.unsubscribe(&[], Properties::NONE).is_err());
    script.recv_nothing();
}

#[test]
fn an_unsubscription_is_answered_in_both_versions() {
    for (version, answer, codes) in [
        (Version::V311, "b0 02 0001", vec![]),
        (Version::V5, "b0 [ 0001 [] 11 ]", vec![0x11]),
    ] {
        let mut script = Script::connected(version);
        let asked = script
            .client
            .unsubscribe(&[filter("a/b")], Properties::NONE);
        assert_eq!(asked, Ok(id(1)));
        script.recv(&format!("a2 [ 0001 {} <a/b> ]", crate::none(version)));
        script.send(answer);
        assert_eq!(script.event(), Seen::Unsubscribed(id(1), codes, vec![]));
    }
}

#[test]
fn a_subscription_without_an_answer_is_asked_for_again() {
    let mut script = connected(Version::V5);
    let list = [Subscription::new(filter("a"), QoS::AtMostOnce)];
    let asked = script.client.subscribe(&list, Properties::NONE);
    asked.expect("a request");
    script.recv("82 [ 0001 [] <a> 00 ]");
    script.close();
    script.event();
    script.start(&towpath_proto::client::Start::new(crate::lasting(
        Version::V5,
    )));
    script.accept(Version::V5, true, "");
    script.recv("82 [ 0001 [] <a> 00 ]");
    script.send("90 [ 0001 [] 00 ]");
    assert!(matches!(script.event(), Seen::Subscribed(..)));
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_reported() {
    let mut script = Script::connected(Version::V5);
    script.send("90 [ 0007 [] 00 ]  b0 [ 0008 [] 00 ]");
    script.no_event();
    assert!(script.client.is_connected());
}
