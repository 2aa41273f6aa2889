//! Users, passwords and access lists.

use mqtt::{Peer, Setup, Way};
use towpath::{Code, Event, Options, Outcome, QoS, ReasonCode, Rung, tokio::Connection};

ways! {
    all:
        the_right_password_opens
        a_wrong_password_is_refused_with_its_reason
        no_password_is_refused_with_its_reason
        a_forbidden_publish_is_answered
        a_forbidden_subscription_is_answered;
}

fn anna(options: Options) -> Options {
    options.credentials("anna", "secret")
}

async fn the_right_password_opens(way: Way) {
    let broker = Setup::new().secured().start();
    let mut anna = Peer::connect(anna(way.options(&broker))).await;
    assert_eq!(anna.subscribe("open/#", QoS::AtLeastOnce).await.0, 1);
    let outcome = anna.publish("open/door", b"hello", QoS::AtLeastOnce).await;
    assert_eq!(outcome, Outcome::Acknowledged(ReasonCode::SUCCESS));
    assert_eq!(anna.text().await, "hello");
}

async fn refused(way: Way, options: Options, v311_clause: &str) {
    let fault = Peer::refused(options).await;
    assert_eq!((fault.rung, fault.code), (Rung::Mqtt, Code::ConnectRefused));
    // Mosquitto 2.0 answers "not authorized" to both; 3.1.1's return code 5 is the same thing.
    assert_eq!(
        fault.number,
        u32::from(ReasonCode::NOT_AUTHORIZED.0),
        "{fault}"
    );
    let clause = if way.is_v5() { "" } else { v311_clause };
    assert_eq!(fault.clause, clause);
    assert!(fault.to_string().contains("not authorized"), "{fault}");
}

async fn a_wrong_password_is_refused_with_its_reason(way: Way) {
    let broker = Setup::new().secured().start();
    let options = way.options(&broker).credentials("anna", "guessed");
    refused(way, options, "CONNACK 5, MQTT 3.1.1 3.2.2.3").await;
}

async fn no_password_is_refused_with_its_reason(way: Way) {
    let broker = Setup::new().secured().start();
    refused(way, way.options(&broker), "CONNACK 5, MQTT 3.1.1 3.2.2.3").await;
}

/// MQTT 3.1.1 has no way to say no to a PUBLISH: the server acknowledges and drops it (3.1.1 section 3.3.5.2).
async fn a_forbidden_publish_is_answered(way: Way) {
    let broker = Setup::new().secured().start();
    let mut anna = Peer::connect(anna(way.options(&broker))).await;
    let expected = if way.is_v5() {
        Outcome::Refused(ReasonCode::NOT_AUTHORIZED)
    } else {
        Outcome::Acknowledged(ReasonCode::SUCCESS)
    };
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let outcome = anna.publish("forbidden/door", b"hello", qos).await;
        assert_eq!(outcome, expected, "{qos:?}");
    }
    // The connection lives, and nothing is left in flight.
    let open = anna.publish("open/door", b"hello", QoS::ExactlyOnce).await;
    assert!(matches!(open, Outcome::Acknowledged(_)), "{open:?}");
    anna.face.settle().await.unwrap();
}

async fn a_forbidden_subscription_is_answered(way: Way) {
    let broker = Setup::new().no_subscribing().start();
    let mut connection = Connection::new(way.options(&broker));
    let asked = connection
        .subscribe("forbidden/#", QoS::AtLeastOnce)
        .unwrap();
    let mut client = Peer::new(connection);
    let reasons = client.find("SUBACK", |event| match event {
        Event::Subscribed { packet_id, reasons } if *packet_id == asked => Some(reasons.clone()),
        _ => None,
    });
    let expected = if way.is_v5() {
        ReasonCode::NOT_AUTHORIZED
    } else {
        // 3.1.1 section 3.9.3 knows one failure only.
        ReasonCode::UNSPECIFIED_ERROR
    };
    assert_eq!(reasons.await, [expected]);
}
