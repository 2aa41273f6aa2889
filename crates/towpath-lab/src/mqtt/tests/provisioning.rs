//! Clients of the provisioning service.

use super::{captures::*, *};
use crate::config::Enrollment;

const ANSWERS: &str = "$dps/registrations/res/#";

fn bench() -> Bench {
    let mut config = config();
    let provisioning = config.provisioning.as_mut().expect("provisioning");
    provisioning.enrollments.push(Enrollment {
        id: "dev1".into(),
        primary_key: Key::from_base64(KEY),
        ..Enrollment::default()
    });
    Bench::of(config)
}

#[tokio::test(start_paused = true)]
async fn a_registration_as_the_node_client_does_it() {
    let bench = bench();
    let mut client = bench.dial();
    client.send(&unhex(NODE_DPS_SAS)).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    client.subscribe(&[ANSWERS, "#"], &[1, 0x80]).await;
    let register = "$dps/registrations/PUT/iotdps-register/?$rid=r1";
    client
        .publish(register, 2, br#"{"registrationId":"dev1"}"#)
        .await;
    client.expect(&[0x40, 2, 0, 2]).await;
    let (first, topic, _, payload) = client.message().await;
    assert_eq!(first, 0x30);
    assert!(
        topic.starts_with("$dps/registrations/res/202/?$rid=r1"),
        "{topic}"
    );
    assert!(payload.starts_with(b"{"));
    client.send(&unsubscribe(3, ANSWERS)).await;
    client.expect(&[0xB0, 2, 0, 3]).await;
    assert_eq!(client.disconnect().await, "the client sent DISCONNECT");
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_in_order() {
    let bench = bench();
    let mut client = bench.dial();
    let mut all = unhex(NODE_DPS_SAS);
    all.extend(subscribe(1, &[ANSWERS], QoS::AtMostOnce));
    for rid in 0..20 {
        let topic = format!("$dps/registrations/PUT/iotdps-register/?$rid={rid}");
        all.extend(publish(&topic, 0, br#"{"registrationId":"dev1"}"#));
    }
    all.extend([0xC0, 0]);
    client.send(&all).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    client.expect(&[0x90, 3, 0, 1, 0]).await;
    for rid in 0..20 {
        let (_, topic, _, _) = client.message().await;
        assert!(topic.contains(&format!("$rid={rid}")), "{topic}");
    }
    client.expect(&[0xD0, 0]).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_subscribed_to() {
    let bench = bench();
    let mut client = bench.dial();
    client.send(&unhex(NODE_DPS_SAS)).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    let register = "$dps/registrations/PUT/iotdps-register/?$rid=r1";
    client
        .publish(register, 2, br#"{"registrationId":"dev1"}"#)
        .await;
    client.expect(&[0x40, 2, 0, 2]).await;
    client.nothing().await;
    let told = bench.told(Code::Provisioning);
    assert!(
        told.iter().any(|record| record.text.contains(ANSWERS)),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lab_without_provisioning() {
    let mut config = config();
    config.provisioning = None;
    let bench = Bench::of(config);
    let mut client = bench.dial();
    client.send(&unhex(NODE_DPS_X509)).await;
    let (rest, why) = client.rest().await;
    assert_eq!(rest, [0x20, 2, 0, 5]);
    assert_eq!(bench.why(Code::Unauthorized), why);
}

#[tokio::test(start_paused = true)]
async fn qos_2_closes() {
    let bench = bench();
    let mut client = bench.dial();
    client.send(&unhex(NODE_DPS_SAS)).await;
    client.expect(&[0x20, 2, 0, 0]).await;
    let mut packet = publish("$dps/registrations/PUT/iotdps-register/?$rid=1", 1, b"{}");
    packet[0] = 0x34;
    client.send(&packet).await;
    client.end().await;
}
