//! Registrations from the first message to the last.

use super::*;
use crate::{
    config::{Allocation, Reprovision},
    hub::{C2d, Entry, Live},
};

pub(super) fn one() -> Provisioning {
    Provisioning {
        id_scope: SCOPE.into(),
        enrollments: vec![with_key("dev1", KEY)],
        ..Provisioning::default()
    }
}

fn body(id: &str) -> Json {
    json!({ "registrationId": id })
}

#[tokio::test]
async fn a_registration_is_polled_and_assigned() {
    let mut config = one();
    config.polls = 2;
    config.retry_after_s = 3;
    if let Some(one) = config.enrollments.first_mut() {
        one.device_id = Some("meter".into());
        one.payload = Some(json!({ "setting": 1 }));
        one.tags.insert("floor".into(), json!(2));
        one.desired.insert("interval".into(), json!(5));
    }
    let bench = Bench::new(config);
    let mut client = bench.client("dev1");
    let first = client
        .put(&json!({ "registrationId": "DEV1", "payload": { "model": "x" } }))
        .await
        .expect("an answer");
    assert_eq!((first.status, first.retry_after), (202, Some(3)));
    assert_eq!(first.body["status"], "assigning");
    let operation = first.body["operationId"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert!(
        operation.starts_with("5.") && operation.len() == 55,
        "{operation}"
    );
    for _ in 0..2 {
        let heard = client.poll(&operation).await.expect("an answer");
        assert_eq!((heard.status, heard.retry_after), (202, Some(3)));
        assert_eq!(heard.body["operationId"], operation);
        assert!(bench.device("hub-a", "meter").is_none());
    }
    let last = client.poll(&operation).await.expect("an answer");
    assert_eq!((last.status, last.retry_after), (200, None));
    let state = &last.body["registrationState"];
    let now = bench.means.clock.now().rfc3339();
    assert_eq!(last.body["status"], "assigned");
    for (key, value) in [
        ("registrationId", "dev1"),
        ("assignedHub", "hub-a"),
        ("deviceId", "meter"),
        ("status", "assigned"),
        ("substatus", "initialAssignment"),
        ("createdDateTimeUtc", now.as_str()),
        ("lastUpdatedDateTimeUtc", now.as_str()),
    ] {
        assert_eq!(state[key], value, "{key}");
    }
    assert_eq!(state["payload"], json!({ "setting": 1 }));
    assert_eq!(state["symmetricKey"], json!({}));
    assert!(state["etag"].as_str().is_some_and(|etag| !etag.is_empty()));
    assert_eq!(client.poll(&operation).await, Some(last.clone()));
    let device = bench.device("hub-a", "meter").expect("a device");
    assert_eq!(device["authentication"]["symmetricKey"]["primaryKey"], KEY);
    let twin = bench.twin("hub-a", "meter");
    assert_eq!(twin["tags"]["floor"], 2);
    assert_eq!(twin["properties"]["desired"]["interval"], 5);
    let sent = bench.dps.lock().registrations["dev1"].sent.clone();
    assert_eq!(sent, Some(json!({ "model": "x" })));
    assert!(
        bench
            .told(Code::Provisioning)
            .contains("is assigned to hub-a as meter")
    );
    assert_eq!(
        bench.enters("hub-a", "meter", None, Some(&key(KEY))),
        Ok(())
    );
    let ladder = client.connection.ladder();
    assert_eq!(ladder.device.as_deref(), Some("dev1"));
    assert!(
        ladder
            .steps
            .iter()
            .any(|step| step.ok && step.detail.contains("hub-a"))
    );
}

#[tokio::test]
async fn bodies_that_are_refused() {
    let bench = Bench::new(one());
    let mut client = bench.client("dev1");
    let long = json!({ "registrationId": "dev1", "payload": { "a": "x".repeat(70_000) } });
    for (bad, cause) in [
        (json!("dev1"), "no JSON object"),
        (json!({}), "registrationId is missing"),
        (body("dev2"), "the registrant is \"dev1\""),
        (json!({ "registrationId": 5 }), "the registrant is \"dev1\""),
        (
            json!({ "registrationId": "dev1", "payload": [1] }),
            "payload has to be",
        ),
        (long, "more than 65536"),
    ] {
        let heard = client.put(&bad).await.expect("an answer");
        assert_eq!((heard.status, heard.retry_after), (400, None));
        assert_eq!(heard.body["errorCode"], 400_004);
        assert_eq!(
            heard.body["timestampUtc"],
            bench.means.clock.now().rfc3339()
        );
        assert_eq!(heard.body["trackingId"].as_str().map(str::len), Some(36));
        let told = bench.told(Code::ArgumentInvalid);
        assert!(told.contains(cause), "{told}");
    }
    client.rid += 1;
    let topic = format!(
        "$dps/registrations/PUT/iotdps-register/?$rid={}",
        client.rid
    );
    let heard = client.ask(&topic, b" ").await.expect("an answer");
    assert_eq!(heard.status, 400);
    assert!(bench.told(Code::ArgumentInvalid).contains("no JSON"));
    assert_eq!(client.register().await.status, 200);
}

#[tokio::test]
async fn operations_that_are_not_there() {
    let mut config = one();
    config.polls = 100;
    config.enrollments.push(with_key("dev2", KEY));
    let bench = Bench::new(config);
    let (mut client, mut other) = (bench.client("dev1"), bench.client("dev2"));
    let first = client.put(&body("dev1")).await.expect("an answer");
    let operation = first.body["operationId"]
        .as_str()
        .expect("an id")
        .to_owned();
    for (client, operation) in [(&mut client, "nonsense"), (&mut other, &operation)] {
        let heard = client.poll(operation).await.expect("an answer");
        assert_eq!(heard.status, 404);
        assert_eq!(heard.body["errorCode"], 404_202);
    }
    // A second request takes the place of the first.
    let second = client.put(&body("dev1")).await.expect("an answer");
    assert_ne!(second.body["operationId"], operation);
    assert_eq!(
        client.poll(&operation).await.map(|heard| heard.status),
        Some(404)
    );
    let operation = second.body["operationId"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(
        client.poll(&operation).await.map(|heard| heard.status),
        Some(202)
    );
    // Whoever comes back too late starts anew.
    bench.means.clock.advance(16 * 60 * 1000);
    assert_eq!(
        client.poll(&operation).await.map(|heard| heard.status),
        Some(404)
    );
}

#[tokio::test]
async fn topics_that_are_none() {
    let bench = Bench::new(one());
    let client = bench.client("dev1");
    for topic in [
        "$dps/registrations/PUT/other/?$rid=1",
        "$iothub/twin/GET/?$rid=1",
        "",
    ] {
        let request = bench
            .dps
            .request(&client.registrant, topic, b"{}", &client.connection);
        assert!(
            request
                .await
                .expect_err("closed")
                .contains("none of the provisioning")
        );
    }
}

#[tokio::test]
async fn a_disabled_enrollment_ends_as_disabled() {
    let mut config = one();
    config
        .enrollments
        .iter_mut()
        .for_each(|one| one.disabled = true);
    // The individual enrolment is what counts, whatever group there is.
    config.groups.push(with_key("all", KEY));
    let bench = Bench::new(config);
    let heard = bench.client("dev1").register().await;
    assert_eq!(
        (heard.status, &heard.body["status"]),
        (200, &json!("disabled"))
    );
    assert_eq!(heard.body["registrationState"]["status"], "disabled");
    assert!(bench.told(Code::Provisioning).contains("is disabled"));
    assert!(bench.device("hub-a", "dev1").is_none());
}

#[tokio::test]
async fn allocation_by_each_policy() {
    let hosts = ["hub-a", "hub-b", "hub-c"];
    for (allocation, listed, spread) in [
        (Allocation::EvenlyWeighted, vec![], vec![4, 4, 4]),
        (Allocation::Static, vec!["hub-c", "hub-a"], vec![0, 0, 12]),
        (
            Allocation::EvenlyWeighted,
            vec!["hub-b", "HUB-C"],
            vec![0, 6, 6],
        ),
    ] {
        let mut group = with_key("all", GROUP_KEY);
        group.allocation = Some(allocation);
        group.hubs = listed.iter().map(|host| (*host).to_owned()).collect();
        let config = Provisioning {
            groups: vec![group],
            ..Provisioning::default()
        };
        let bench = Bench::with(config, &hosts, None);
        for number in 0..12 {
            let id = format!("dev-{number}");
            let token = bench.token(&id, &key(GROUP_KEY).derive(&id));
            let mut client = bench.connect(&id, Some(&token), None).expect("let in");
            let first = client.register().await.body["registrationState"]["assignedHub"].clone();
            // Registered again it stays where it is.
            let again = client.register().await.body["registrationState"].clone();
            assert_eq!(again["assignedHub"], first);
            assert_eq!(again["substatus"], "reprovisionedToInitialAssignment");
        }
        let (id, own) = ("dev-3", key(GROUP_KEY).derive("dev-3"));
        let host = bench
            .hubs
            .iter()
            .find(|hub| hub.has(id))
            .map(|hub| hub.host.clone());
        assert_eq!(
            bench.enters(&host.expect("a hub"), id, None, Some(&own)),
            Ok(())
        );
        let counts: Vec<_> = bench.hubs.iter().map(|hub| hub.counts().enabled).collect();
        assert_eq!(counts, spread, "{allocation:?}");
    }
}

#[tokio::test]
async fn hashed_allocation_does_not_depend_on_the_order() {
    let hosts = ["hub-a", "hub-b", "hub-c"];
    let mut found = Vec::new();
    for reversed in [false, true] {
        let mut group = with_key("all", GROUP_KEY);
        group.allocation = Some(Allocation::Hashed);
        let config = Provisioning {
            groups: vec![group],
            ..Provisioning::default()
        };
        let bench = Bench::with(config, &hosts, None);
        let mut ids: Vec<_> = (0..20).map(|number| format!("dev-{number}")).collect();
        if reversed {
            ids.reverse();
        }
        let mut placed = BTreeMap::new();
        for id in ids {
            let token = bench.token(&id, &key(GROUP_KEY).derive(&id));
            let mut client = bench.connect(&id, Some(&token), None).expect("let in");
            let hub = client.register().await.body["registrationState"]["assignedHub"].clone();
            placed.insert(id, hub);
        }
        found.push(placed);
    }
    assert_eq!(found.first(), found.last());
    let hubs: std::collections::HashSet<_> = found
        .iter()
        .flat_map(|placed| placed.values())
        .map(Json::to_string)
        .collect();
    assert_eq!(hubs.len(), 3);
}

#[tokio::test]
async fn no_hub_is_unassigned() {
    let bench = Bench::with(one(), &[], None);
    let heard = bench.client("dev1").register().await;
    assert_eq!(heard.body["status"], "unassigned");
    assert!(bench.told(Code::Provisioning).contains("no hub"));
}

/// Registers in one hub, moves the enrolment to another, and registers again.
async fn moved(reprovision: Reprovision) -> (Bench, Heard) {
    let bench = Bench::new(one());
    let put = |hub: &str| {
        let policy = match reprovision {
            Reprovision::Migrate => {
                json!({ "updateHubAssignment": true, "migrateDeviceData": true })
            }
            Reprovision::Reset => {
                json!({ "updateHubAssignment": true, "migrateDeviceData": false })
            }
            Reprovision::Never => {
                json!({ "updateHubAssignment": false, "migrateDeviceData": false })
            }
        };
        let body = json!({
            "registrationId": "dev1",
            "attestation": { "type": "symmetricKey" },
            "iotHubs": [hub],
            "allocationPolicy": "static",
            "initialTwin": { "tags": { "from": "enrolment" } },
            "reprovisionPolicy": policy,
        });
        let put = bench
            .dps
            .put_enrollment(Kind::Individual, "dev1", &body, None);
        assert!(put.is_ok(), "{put:?}");
    };
    put("hub-a");
    let mut client = bench.client("dev1");
    assert_eq!(
        client.register().await.body["registrationState"]["assignedHub"],
        "hub-a"
    );
    let name = Name::device("dev1");
    let hub = bench.hub("hub-a");
    let patch = json!({ "tags": { "own": 1 }, "properties": { "desired": { "d": 1 } } });
    assert!(hub.patch_twin(&name, &patch, None, false).is_ok());
    assert_eq!(report(&bench, "hub-a", &name), 204);
    let message = C2d {
        payload: Bytes::from_static(b"waiting"),
        ..C2d::default()
    };
    assert!(hub.enqueue(&name, message).is_ok());
    put("hub-b");
    let heard = client.register().await;
    drop(client);
    (bench, heard)
}

/// The device connects, reports `{"r":1}` and leaves.
fn report(bench: &Bench, host: &str, name: &Name) -> u16 {
    let hub = bench.hub(host);
    let peer = "192.0.2.1:50000".parse().expect("an address");
    let now = bench.means.clock.now();
    let connection = bench.connections.open(Listener::Mqtts, peer, now);
    let (down, _heard) = tokio::sync::mpsc::channel(1);
    let live = Live {
        connection: Arc::clone(&connection),
        down,
        since: now,
        expires: None,
        model_id: None,
        client_type: None,
    };
    let enter = |entry: &mut Entry| entry.live = Some(live);
    hub.lock()
        .entries
        .get_mut(name)
        .map(enter)
        .expect("a device");
    let answer = hub.report(name, &connection, br#"{"r":1}"#);
    hub.leave(name, &connection, None);
    answer.status
}

#[tokio::test]
async fn reprovisioned_data_moves_along() {
    let (bench, heard) = moved(Reprovision::Migrate).await;
    let state = &heard.body["registrationState"];
    assert_eq!(
        (&state["assignedHub"], &state["substatus"]),
        (&json!("hub-b"), &json!("deviceDataMigrated"))
    );
    assert!(bench.device("hub-a", "dev1").is_none());
    let twin = bench.twin("hub-b", "dev1");
    assert_eq!(twin["tags"], json!({ "from": "enrolment", "own": 1 }));
    assert_eq!(twin["properties"]["reported"]["r"], 1);
    assert_eq!(
        bench.device("hub-b", "dev1").expect("a device")["cloudToDeviceMessageCount"],
        1
    );
}

#[tokio::test]
async fn reprovisioned_data_is_reset() {
    let (bench, heard) = moved(Reprovision::Reset).await;
    let state = &heard.body["registrationState"];
    assert_eq!(
        (&state["assignedHub"], &state["substatus"]),
        (&json!("hub-b"), &json!("deviceDataReset"))
    );
    assert!(bench.device("hub-a", "dev1").is_none());
    assert_eq!(
        bench.twin("hub-b", "dev1")["tags"],
        json!({ "from": "enrolment" })
    );
    assert_eq!(
        bench.device("hub-b", "dev1").expect("a device")["cloudToDeviceMessageCount"],
        0
    );
}

#[tokio::test]
async fn never_reprovisioned_it_stays() {
    let (bench, heard) = moved(Reprovision::Never).await;
    let state = &heard.body["registrationState"];
    assert_eq!(state["assignedHub"], "hub-a");
    assert_eq!(state["substatus"], "reprovisionedToInitialAssignment");
    assert_eq!(bench.twin("hub-a", "dev1")["tags"]["own"], 1);
    assert!(bench.device("hub-b", "dev1").is_none());
}

#[tokio::test]
async fn a_reset_in_the_same_hub_starts_over() {
    let mut config = one();
    config
        .enrollments
        .iter_mut()
        .for_each(|one| one.reprovision = Some(Reprovision::Reset));
    let bench = Bench::new(config);
    let mut client = bench.client("dev1");
    client.register().await;
    let name = Name::device("dev1");
    assert_eq!(report(&bench, "hub-a", &name), 204);
    let state = client.register().await.body["registrationState"].clone();
    assert_eq!(state["substatus"], "deviceDataReset");
    assert!(bench.twin("hub-a", "dev1")["properties"]["reported"]["r"].is_null());
}

#[tokio::test]
async fn faults_that_refuse_a_request() {
    for (fault, status, number, retry_after) in [
        ("dps-unauthorized", 401, 401_002, None),
        ("dps-not-found", 404, 404_201, None),
        ("dps-conflict", 409, 409_001, None),
        ("dps-throttle=7", 429, 429_001, Some(7)),
        ("dps-500=503", 503, 503_001, None),
        ("dps-400", 400, 400_004, None),
    ] {
        let bench = Bench::new(one());
        bench.fault(fault);
        let mut client = bench.client("dev1");
        let heard = client.put(&body("dev1")).await.expect("an answer");
        assert_eq!(
            (heard.status, heard.retry_after),
            (status, retry_after),
            "{fault}"
        );
        assert_eq!(heard.body["errorCode"], number, "{fault}");
        assert!(client.connection.ladder().faults.len() == 1, "{fault}");
        bench.means.faults.clear();
        let mut client = bench.client("dev1");
        assert_eq!(
            client.register().await.body["status"],
            "assigned",
            "{fault}"
        );
    }
}

#[tokio::test]
async fn faults_that_end_a_registration() {
    for (fault, status) in [
        ("dps-disabled", "disabled"),
        ("dps-failed=400111", "failed"),
        ("dps-unassigned", "unassigned"),
    ] {
        let bench = Bench::new(one());
        bench.fault(fault);
        let heard = bench.client("dev1").register().await;
        let state = &heard.body["registrationState"];
        assert_eq!(
            (&heard.body["status"], &state["status"]),
            (&json!(status), &json!(status))
        );
        if status == "failed" {
            assert_eq!(state["errorCode"], 400_111);
        }
        assert!(bench.device("hub-a", "dev1").is_none());
    }
}

#[tokio::test]
async fn faults_that_mislead_or_delay() {
    let bench = Bench::new(one());
    bench.fault("dps-wrong-hub=elsewhere.example");
    let heard = bench.client("dev1").register().await;
    assert_eq!(
        heard.body["registrationState"]["assignedHub"],
        "elsewhere.example"
    );
    bench.means.faults.clear();

    bench.fault("dps-assigning=4");
    bench.fault("dps-retry-after=9");
    let mut client = bench.client("dev1");
    let mut heard = client.put(&body("dev1")).await.expect("an answer");
    let operation = heard.body["operationId"]
        .as_str()
        .expect("an id")
        .to_owned();
    let mut polls = 0;
    while heard.status == 202 {
        assert_eq!(heard.retry_after, Some(9));
        heard = client.poll(&operation).await.expect("an answer");
        polls += 1;
    }
    assert_eq!((polls, heard.status), (5, 200));
    bench.means.faults.clear();

    bench.fault("dps-silent");
    assert_eq!(client.put(&body("dev1")).await, None);
    assert_eq!(client.poll(&operation).await, None);
}

#[tokio::test]
async fn operations_are_bounded() {
    use crate::dps::operation::{Operation, Operations, Wanted};
    let mut operations = Operations::default();
    let begin = |operations: &mut Operations, number: i64| {
        let operation = Operation {
            id: number.to_string(),
            asked: Time::from_millis(number),
            progress: operation::Progress::Polls(0),
            wanted: Wanted::default(),
        };
        operations.begin(format!("dev-{number}"), operation);
    };
    for number in 0..10_500 {
        begin(&mut operations, number);
    }
    assert_eq!(operations.len(), 10_000);
    let now = Time::from_millis(10_500);
    assert!(operations.find("dev-499", "499", now).is_none());
    assert!(operations.find("dev-10499", "10499", now).is_some());
}
