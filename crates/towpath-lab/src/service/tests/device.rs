//! What devices do over HTTP.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::{Bench, Reply, VERSION, ask};
use crate::{
    fault::{Kind, Setting},
    hub::{C2d, Name},
};

async fn as_device(bench: &Bench, request: super::Ask) -> Reply {
    let token = bench.device_token("d");
    bench.anybody(request.with("authorization", token)).await
}

#[tokio::test]
async fn telemetry_comes_over_http() {
    let bench = Bench::new();
    bench.device("d").await;
    let path = format!("/devices/d/messages/events?{VERSION}");
    let sent = ask("POST", &path)
        .with("iothub-app-alert", "yes")
        .with("iothub-messageid", "m-1")
        .body("{\"t\":21}");
    assert_eq!(as_device(&bench, sent).await.status, StatusCode::NO_CONTENT);
    let batch = json!([
        { "body": "aGVsbG8=", "properties": { "n": "1" } },
        { "body": "plain", "base64Encoded": false },
    ]);
    let sent = ask("POST", &path)
        .with("content-type", "application/vnd.microsoft.iothub.json")
        .body(batch);
    assert_eq!(as_device(&bench, sent).await.status, StatusCode::NO_CONTENT);
    let came = bench.hub().telemetry.since(0, Some("d"), 10);
    let came: Vec<Json> = came.iter().map(|message| json!(**message)).collect();
    assert_eq!(came.len(), 3);
    assert_eq!(came[0]["body"], "{\"t\":21}");
    assert_eq!(came[0]["properties"], json!({ "alert": "yes" }));
    assert_eq!(came[0]["system"]["message-id"], "m-1");
    assert_eq!(came[1]["body"], "hello");
    assert_eq!(came[2]["body"], "plain");
    let ladders = bench.lab.connections.ladders(Some("d"), 1);
    let hub = ladders[0].steps.iter().find(|step| step.rung == "hub");
    assert!(hub.is_some_and(|step| step.ok), "{ladders:?}");
    let large = ask("POST", &path).body("x".repeat(300 << 10));
    assert_eq!(
        as_device(&bench, large).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn another_device_a_disabled_one_and_nobody_are_refused() {
    let bench = Bench::new();
    bench.device("d").await;
    bench.device("e").await;
    let path = format!("/devices/e/messages/events?{VERSION}");
    let other = as_device(&bench, ask("POST", &path)).await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED);
    assert_eq!(other.error(), "IotHubUnauthorizedAccess");
    assert_eq!(
        bench.anybody(ask("POST", &path)).await.status,
        StatusCode::UNAUTHORIZED
    );
    let absent = format!("/devices/x/messages/events?{VERSION}");
    let absent = as_device(&bench, ask("POST", &absent)).await;
    assert_eq!(
        absent.error(),
        "IotHubUnauthorizedAccess",
        "it is not told who there is"
    );
    assert!(
        bench
            .refusals()
            .last()
            .is_some_and(|last| last.starts_with("404001"))
    );
    let disable = ask("PUT", &format!("/devices/d?{VERSION}")).with("if-match", "*");
    bench
        .owner(disable.body(json!({ "status": "disabled" })))
        .await;
    let path = format!("/devices/d/messages/events?{VERSION}");
    let disabled = as_device(&bench, ask("POST", &path)).await;
    assert_eq!(disabled.status, StatusCode::FORBIDDEN);
    assert_eq!(disabled.error(), "DeviceDisabled");
    // Who does not prove to be it is not told.
    let other = bench.device_token("e");
    let other = ask("POST", &path).with("authorization", other);
    let other = bench.anybody(other).await;
    assert_eq!(other.status, StatusCode::UNAUTHORIZED);
    assert_eq!(other.error(), "IotHubUnauthorizedAccess");
}

/// Faults of a device's credentials are for devices: the service's calls go on.
#[tokio::test]
async fn faults_at_the_door() {
    let bench = Bench::new();
    bench.device("d").await;
    let path = format!("/devices/d/messages/events?{VERSION}");
    let faults = &bench.lab.means.faults;
    for (kind, status, code) in [
        (Kind::TokenExpired, StatusCode::UNAUTHORIZED, "401"),
        (Kind::DeviceUnknown, StatusCode::UNAUTHORIZED, "404001"),
        (Kind::DeviceDisabled, StatusCode::FORBIDDEN, "403012"),
    ] {
        faults.switch_on(Setting::new(kind)).expect("a fault");
        let identity = bench.owner(ask("GET", &format!("/devices/d?{VERSION}")));
        assert_eq!(identity.await.status, StatusCode::OK, "{kind}");
        assert_eq!(faults.on()[0].done, 0, "{kind}");
        let sent = as_device(&bench, ask("POST", &path)).await;
        assert_eq!(sent.status, status, "{kind}");
        assert_eq!(faults.on()[0].done, 1, "{kind}");
        let refusals = bench.refusals();
        let last = refusals.last().expect("one");
        assert!(last.starts_with(code), "{last}");
        faults.clear();
    }
    // Credentials that are not good are not taken for a token that has expired.
    let fault = Setting::new(Kind::TokenExpired);
    faults.switch_on(fault).expect("a fault");
    let nobody = bench.anybody(ask("POST", &path)).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert_eq!(faults.on()[0].done, 0);
}

#[tokio::test]
async fn messages_are_received_and_settled() {
    let bench = Bench::new();
    bench.device("d").await;
    for text in ["one", "two"] {
        let message = C2d {
            payload: text.into(),
            properties: [("color".to_owned(), "blue".to_owned())].into(),
            system: [("message-id".to_owned(), text.to_owned())].into(),
            ..C2d::default()
        };
        let (_, durable) = bench
            .hub()
            .enqueue(&Name::device("d"), message)
            .expect("room");
        assert!(durable.wait().await);
    }
    let path = |rest: &str| format!("/devices/d/messages/devicebound{rest}{VERSION}");
    let first = as_device(&bench, ask("GET", &path("?"))).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.text, "one");
    assert_eq!(first.header("iothub-messageid"), "one");
    assert_eq!(first.header("iothub-app-color"), "blue");
    let token = first.header("etag").trim_matches('"').to_owned();
    let done = as_device(&bench, ask("DELETE", &path(&format!("/{token}?")))).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT);
    let again = as_device(&bench, ask("DELETE", &path(&format!("/{token}?")))).await;
    assert_eq!(again.status, StatusCode::PRECONDITION_FAILED);

    let second = as_device(&bench, ask("GET", &path("?"))).await;
    assert_eq!(second.text, "two");
    let token = second.header("etag").trim_matches('"').to_owned();
    let back = as_device(&bench, ask("POST", &path(&format!("/{token}/abandon?")))).await;
    assert_eq!(back.status, StatusCode::NO_CONTENT);
    let second = as_device(&bench, ask("GET", &path("?"))).await;
    assert_eq!(second.header("iothub-deliverycount"), "1");
    let token = second.header("etag").trim_matches('"').to_owned();
    let refused = as_device(&bench, ask("DELETE", &path(&format!("/{token}?reject&")))).await;
    assert_eq!(refused.status, StatusCode::NO_CONTENT);
    let none = as_device(&bench, ask("GET", &path("?"))).await;
    assert_eq!(none.status, StatusCode::NO_CONTENT);
    let purged = bench
        .owner(ask("DELETE", &format!("/devices/d/commands?{VERSION}")))
        .await;
    assert_eq!(purged.json()["totalMessagesPurged"], 0);
}

#[tokio::test]
async fn feedback_is_given_out_once() {
    let bench = Bench::new();
    bench.device("d").await;
    let message = C2d {
        properties: [("iothub-ack".to_owned(), "full".to_owned())].into(),
        system: [("message-id".to_owned(), "m".to_owned())].into(),
        ..C2d::default()
    };
    let _ = bench
        .hub()
        .enqueue(&Name::device("d"), message)
        .expect("room");
    let _ = bench.hub().purge(&Name::device("d"));
    let path = format!("/messages/serviceBound/feedback?{VERSION}");
    let feedback = bench.owner(ask("GET", &path)).await;
    assert_eq!(feedback.status, StatusCode::OK, "{feedback:?}");
    assert_eq!(feedback.json()[0]["originalMessageId"], "m");
    assert_eq!(
        bench.owner(ask("GET", &path)).await.status,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_file_is_put_where_the_hub_says() {
    let bench = Bench::new();
    bench.device("d").await;
    let open = ask("POST", &format!("/devices/d/files?{VERSION}"))
        .body(json!({ "blobName": "logs/1.txt" }));
    let place = as_device(&bench, open).await;
    assert_eq!(place.status, StatusCode::OK, "{place:?}");
    let place = place.json();
    assert_eq!(place["hostName"], "localhost");
    assert_eq!(place["blobName"], "d/logs/1.txt");
    let text = |key: &str| place[key].as_str().expect("text").to_owned();
    let url = format!(
        "/{}/{}{}",
        text("containerName"),
        text("blobName"),
        text("sasToken")
    );
    let put = |url: &str, body: &str| {
        ask("PUT", url)
            .with("x-ms-blob-type", "BlockBlob")
            .body(body)
    };
    let wrong = bench
        .anybody(put(&url.replace("sig=", "sig=0"), "no"))
        .await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert_eq!(
        bench.anybody(put(&url, "hello")).await.status,
        StatusCode::CREATED
    );
    for (block, part) in [("YQ==", "hel"), ("Yg==", "lo!")] {
        let id = block.replace('=', "%3D");
        let done = bench
            .anybody(put(&format!("{url}&comp=block&blockid={id}"), part))
            .await;
        assert_eq!(done.status, StatusCode::CREATED);
    }
    let list = "<?xml version=\"1.0\"?><BlockList><Latest>YQ==</Latest><Uncommitted>Yg==</Uncommitted></BlockList>";
    let joined = bench
        .anybody(put(&format!("{url}&comp=blocklist"), list))
        .await;
    assert_eq!(joined.status, StatusCode::CREATED, "{joined:?}");
    let over =
        json!({ "correlationId": text("correlationId"), "isSuccess": true, "statusCode": 200 });
    let notify = || ask("POST", &format!("/devices/d/files/notifications?{VERSION}")).body(&over);
    assert_eq!(
        as_device(&bench, notify()).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        as_device(&bench, notify()).await.status,
        StatusCode::BAD_REQUEST,
        "it is over"
    );
    assert_eq!(
        bench.anybody(put(&url, "more")).await.status,
        StatusCode::FORBIDDEN
    );
    let files = bench
        .own(ask("GET", "/api/hubs/localhost/devices/d/files"))
        .await;
    assert_eq!(
        files.json(),
        json!({ "files": [{ "name": "logs/1.txt", "bytes": 6 }] })
    );
    let file = bench
        .own(ask(
            "GET",
            "/api/hubs/localhost/devices/d/files/logs%2F1.txt",
        ))
        .await;
    assert_eq!(file.text, "hello!");
    // Ten may be at work at once.
    let mut last = StatusCode::OK;
    for _ in 0..11 {
        let open =
            ask("POST", &format!("/devices/d/files?{VERSION}")).body(json!({ "blobName": "x" }));
        last = as_device(&bench, open).await.status;
    }
    assert_eq!(last, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn faults_of_the_hub_have_words_in_http_too() {
    let bench = Bench::new();
    bench.device("d").await;
    let path = format!("/devices/d/messages/events?{VERSION}");
    for (fault, status, name) in [
        (Kind::HubSuspended, StatusCode::FORBIDDEN, "IoTHubSuspended"),
        (
            Kind::HubNotFound,
            StatusCode::UNAUTHORIZED,
            "IotHubNotFound",
        ),
        (
            Kind::TokenExpired,
            StatusCode::UNAUTHORIZED,
            "IotHubUnauthorizedAccess",
        ),
    ] {
        let setting = Setting::new(fault).device("d").times(1);
        bench.lab.means.faults.switch_on(setting).expect("a fault");
        let refused = as_device(&bench, ask("POST", &path)).await;
        assert_eq!((refused.status, refused.error().as_str()), (status, name));
        assert_eq!(
            as_device(&bench, ask("POST", &path)).await.status,
            StatusCode::NO_CONTENT
        );
    }
    let skew = Setting::new(Kind::ClockSkew).number(7200);
    bench.lab.means.faults.switch_on(skew).expect("a fault");
    let late = as_device(&bench, ask("POST", &path)).await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
    assert!(
        bench
            .refusals()
            .last()
            .is_some_and(|last| last.contains("expired 3600 s ago"))
    );
}
