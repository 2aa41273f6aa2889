//! The provisioning service over HTTP, for its owner and for devices.

use axum::http::StatusCode;
use serde_json::json;

use super::{Ask, Bench, NOW, Reply, ask};
use crate::{key::Key, sas};

const VERSION: &str = "api-version=2021-10-01";

async fn as_owner(bench: &Bench, request: Ask) -> Reply {
    let dps = bench.lab.dps.as_ref().expect("a service");
    let policy = dps.policies.first().expect("a policy");
    let until = NOW.plus(3_600_000);
    let token = sas::sign(&dps.host, &policy.primary, until, Some(&policy.name));
    bench.anybody(request.with("authorization", token)).await
}

fn individual(id: &str, key: &Key) -> serde_json::Value {
    let key = key.to_base64();
    json!({
        "registrationId": id,
        "attestation": { "type": "symmetricKey", "symmetricKey": { "primaryKey": key, "secondaryKey": key } },
    })
}

#[tokio::test]
async fn an_enrolment_is_made_read_found_and_deleted() {
    let bench = Bench::new();
    let path = format!("/enrollments/dev-1?{VERSION}");
    let made = as_owner(
        &bench,
        ask("PUT", &path).body(individual("dev-1", &Key::random())),
    )
    .await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    let etag = made.json()["etag"].as_str().expect("an etag").to_owned();
    let read = as_owner(&bench, ask("GET", &path)).await;
    assert_eq!(read.json()["registrationId"], "dev-1");
    let keys = as_owner(
        &bench,
        ask(
            "POST",
            &format!("/enrollments/dev-1/attestationmechanism?{VERSION}"),
        ),
    )
    .await;
    assert!(keys.text.contains("primaryKey"), "{keys:?}");
    let group = json!({
        "enrollmentGroupId": "g",
        "attestation": { "type": "symmetricKey" },
    });
    let made = as_owner(
        &bench,
        ask("PUT", &format!("/enrollmentGroups/g?{VERSION}")).body(group),
    )
    .await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    for (path, item) in [
        ("enrollments", "enrollment"),
        ("enrollmentGroups", "enrollmentGroup"),
    ] {
        for query in ["*", &format!("SELECT * FROM {path}")] {
            let request =
                ask("POST", &format!("/{path}/query?{VERSION}")).body(json!({ "query": query }));
            let found = as_owner(&bench, request).await;
            assert_eq!(found.status, StatusCode::OK, "{found:?}");
            assert_eq!(found.json().as_array().map(Vec::len), Some(1));
            assert_eq!(found.header("x-ms-item-type"), item);
        }
    }
    let stale = as_owner(&bench, ask("DELETE", &path).with("if-match", "\"no\"")).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(stale.json()["errorCode"], 412_001);
    let gone = as_owner(&bench, ask("DELETE", &path).with("if-match", etag)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    let absent = as_owner(&bench, ask("GET", &path)).await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert_eq!(absent.json()["errorCode"], 404_201);
    let nobody = bench.anybody(ask("GET", &path)).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert_eq!(nobody.json()["message"], "Unauthorized");
}

#[tokio::test]
async fn a_device_registers_over_https() {
    let bench = Bench::new();
    let key = Key::random();
    let path = format!("/enrollments/dev-1?{VERSION}");
    as_owner(&bench, ask("PUT", &path).body(individual("dev-1", &key))).await;
    let scope = bench.lab.dps.as_ref().expect("a service").id_scope.clone();
    let resource = format!("{scope}/registrations/dev-1");
    let token = sas::sign(&resource, &key, NOW.plus(60_000), Some("registration"));
    let version = "api-version=2019-03-31";
    let request = ask("PUT", &format!("/{resource}/register?{version}"))
        .with("authorization", token.clone())
        .body(json!({ "registrationId": "dev-1" }));
    let begun = bench.anybody(request).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    assert_eq!(begun.header("retry-after"), "1");
    let operation = begun.json()["operationId"]
        .as_str()
        .expect("an operation")
        .to_owned();
    let poll = || {
        ask(
            "GET",
            &format!("/{resource}/operations/{operation}?{version}"),
        )
        .with("authorization", token.clone())
    };
    let mut reply = bench.anybody(poll()).await;
    while reply.status == StatusCode::ACCEPTED {
        reply = bench.anybody(poll()).await;
    }
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(
        reply.json()["registrationState"]["assignedHub"],
        "localhost"
    );
    assert!(
        bench
            .hub()
            .identity_json(&crate::hub::Name::device("dev-1"))
            .is_some()
    );
    let state = as_owner(
        &bench,
        ask("GET", &format!("/registrations/dev-1?{VERSION}")),
    )
    .await;
    assert_eq!(state.json()["status"], "assigned");
    let own = bench.own(ask("GET", "/api/provisioning")).await;
    assert_eq!(own.json()["registrations"][0]["registrationId"], "dev-1");
    // The page tells by it whether a group was the way in.
    assert_eq!(own.json()["registrations"][0]["symmetricKey"], json!({}));
    assert!(!own.text.contains(&key.to_base64()), "no keys here");
    let gone = as_owner(
        &bench,
        ask("DELETE", &format!("/registrations/dev-1?{VERSION}")),
    )
    .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    // Another key.
    let token = sas::sign(
        &resource,
        &Key::random(),
        NOW.plus(60_000),
        Some("registration"),
    );
    let request = ask("PUT", &format!("/{resource}/register?{version}"))
        .with("authorization", token)
        .body(json!({ "registrationId": "dev-1" }));
    let refused = bench.anybody(request).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json()["errorCode"], 401_002);
}
