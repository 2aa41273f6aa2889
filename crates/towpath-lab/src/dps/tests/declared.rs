//! What was declared elsewhere: a device that is there already, an enrolment that is changed, the lab's own CA.

use super::*;
use crate::{
    config::Allocation,
    hub::{Down, Hello, Origin, registry},
};

#[tokio::test]
async fn who_connected_by_an_enrolment_that_was_changed_connects_again() {
    let bench = Bench::new(Provisioning {
        enrollments: vec![with_key("dev1", KEY)],
        ..Provisioning::default()
    });
    let mut client = bench.client("dev1");
    let body = json!({ "registrationId": "dev1" });
    let heard = client.put(&body).await.expect("an answer");
    let operation = heard.body["operationId"].as_str().expect("an id");
    let other = json!({ "attestation": { "type": "symmetricKey", "symmetricKey": {
        "primaryKey": GROUP_KEY, "secondaryKey": GROUP_KEY,
    }}});
    let changed = bench
        .dps
        .put_enrollment(Kind::Individual, "dev1", &other, None);
    assert!(changed.is_ok());
    assert_eq!(client.poll(operation).await.expect("an answer").status, 202);
    let refused = client.poll(operation).await.expect("an answer");
    assert_eq!(
        (refused.status, &refused.body["errorCode"]),
        (401, &json!(401_002))
    );
    let refused = client.put(&body).await.expect("an answer");
    assert_eq!(refused.body["errorCode"], 401_002);
    let why = bench.told(Code::Unauthorized);
    assert!(
        why.contains("was changed after dev1 had connected"),
        "{why}"
    );
    assert!(bench.device("hub-a", "dev1").is_none());
}

/// The devices of a group, with a device that was there before.
fn taken(existing: &str) -> Bench {
    let bench = Bench::new(Provisioning {
        enrollments: vec![with_key("dev2", KEY)],
        groups: vec![with_key("all", GROUP_KEY)],
        allocation: Allocation::Static,
        ..Provisioning::default()
    });
    let json = json!({ "deviceId": existing });
    let wanted = registry::Wanted::read(&json).expect("a device");
    let made = bench
        .hub("hub-a")
        .create(&Name::device(existing), wanted, Origin::Registry);
    assert!(made.is_ok());
    bench
}

#[tokio::test]
async fn a_group_does_not_take_a_declared_device_over() {
    let bench = taken("dev1");
    let before = bench.device("hub-a", "dev1");
    let token = bench.token("dev1", &key(GROUP_KEY).derive("dev1"));
    let mut client = bench.connect("dev1", Some(&token), None).expect("let in");
    let state = client.register().await.body["registrationState"].clone();
    assert_eq!(
        (&state["status"], &state["errorCode"]),
        (&json!("failed"), &json!(409_001))
    );
    assert_eq!(bench.device("hub-a", "dev1"), before);
    assert_eq!(bench.dps.registration_json("dev1"), None);
    let why = bench.told(Code::Provisioning);
    assert!(why.contains("that the registry's API declared"), "{why}");
}

#[tokio::test]
async fn an_individual_enrolment_replaces_credentials_and_ends_the_connection() {
    let bench = taken("dev2");
    let hub = bench.hub("hub-a");
    let own = hub.primary_key(&Name::device("dev2")).expect("a key");
    let expires = bench.means.clock.now().plus(60_000);
    let password = sas::sign("hub-a/devices/dev2", &own, expires, None);
    let hello = Hello {
        client_id: "dev2",
        user_name: Some("hub-a/dev2/?api-version=2021-04-12"),
        password: Some(password.as_bytes()),
        clean: true,
        will: None,
        certificate: None,
    };
    assert!(!format!("{hello:?}").contains("sig="), "{hello:?}");
    let mut admitted = hub.admit(&hello, &bench.connection()).expect("let in");
    let state = bench.client("dev2").register().await.body["registrationState"].clone();
    assert_eq!(state["status"], "assigned");
    assert!(matches!(
        admitted.down.try_recv(),
        Ok(Down::Close {
            code: Code::IotHubUnauthorized,
            ..
        })
    ));
    assert!(bench.enters("hub-a", "dev2", None, Some(&own)).is_err());
    assert_eq!(bench.enters("hub-a", "dev2", None, Some(&key(KEY))), Ok(()));
    let records = bench.means.log.since(0);
    let warned = |record: &Record| record.text.contains("and not by symmetric keys any more");
    assert!(
        records
            .iter()
            .any(|record| record.level == Level::Warn && warned(record))
    );
}

#[tokio::test]
async fn a_device_of_the_labs_own_ca_comes_in_by_a_group() {
    let bench = Bench::new(Provisioning {
        groups: vec![config::Enrollment {
            cas: vec!["lab".into()],
            edge: true,
            ..enrollment("plant")
        }],
        ..Provisioning::default()
    });
    let identity = bench
        .pki
        .device("meter-9", bench.means.clock.now())
        .expect("a certificate");
    let shown = bench.shown(&identity);
    let mut client = bench
        .connect("meter-9", None, Some(&shown))
        .expect("let in");
    let state = client.register().await.body["registrationState"].clone();
    assert_eq!(state["status"], "assigned");
    assert_eq!(bench.enters("hub-a", "meter-9", Some(&shown), None), Ok(()));
    let device = bench.device("hub-a", "meter-9").expect("a device");
    assert_eq!(device["capabilities"]["iotEdge"], true);
}

#[test]
fn debug_shows_no_token() {
    let credentials = Credentials {
        token: Some("SharedAccessSignature sig=secret"),
        certificate: None,
    };
    assert!(!format!("{credentials:?}").contains("secret"));
}
