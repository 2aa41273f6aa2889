//! The lab's own API: who may use it, and what it does.

use std::{pin::Pin, sync::Arc};

use axum::{
    body::{Body, HttpBody as _},
    http::{Request, StatusCode},
};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::json;

use super::{Bench, NOW, ask};
use crate::{
    fault::{Kind, Setting},
    hub::{Incoming, Name},
    log::{Code, Record},
};

#[tokio::test]
async fn web_pages_of_others_are_kept_out() {
    let bench = Bench::new();
    let on = |request: super::Ask| request.on(&bench.api, "localhost:8080", &bench.lab);
    for host in ["evil.example", "192.0.2.1:8080", ""] {
        let refused = on(ask("GET", "/api/status").with("host", host)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{host}");
        assert_eq!(refused.json()["error"]["code"], "HostRefused");
    }
    for host in ["127.0.0.1:8080", "[::1]:8080", "LOCALHOST"] {
        assert_eq!(
            on(ask("GET", "/api/status").with("host", host))
                .await
                .status,
            StatusCode::OK,
            "{host}"
        );
    }
    for origin in [
        "http://evil.example",
        "null",
        "https://localhost:8080",
        "http://localhost:9999",
    ] {
        let refused = on(ask("GET", "/api/status").with("origin", origin)).await;
        assert_eq!(refused.json()["error"]["code"], "OriginRefused", "{origin}");
    }
    let own = on(ask("GET", "/api/status").with("origin", "http://localhost:8080")).await;
    assert_eq!(own.status, StatusCode::OK);
    // A form of another page can send these kinds without asking.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let refused = on(ask("DELETE", "/api/faults").with("content-type", kind)).await;
        assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    let own = on(ask("DELETE", "/api/faults").with("x-towpath-lab", "1")).await;
    assert_eq!(own.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn devices_are_listed_read_and_called() {
    let bench = Bench::new();
    for id in ["a", "b", "c"] {
        let made = bench
            .own(ask("POST", "/api/hubs/localhost/devices").body(json!({ "id": id })))
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    }
    let first = bench
        .own(ask("GET", "/api/hubs/LOCALHOST/devices?limit=2"))
        .await
        .json();
    assert_eq!(first["devices"].as_array().map(Vec::len), Some(2));
    assert_eq!(first["next"], "b");
    let rest = bench
        .own(ask("GET", "/api/hubs/localhost/devices?limit=2&after=b"))
        .await
        .json();
    assert_eq!(rest["devices"][0]["id"], "c");
    assert_eq!(rest["next"], json!(null));
    let none = bench
        .own(ask("GET", "/api/hubs/localhost/devices?connected=true"))
        .await
        .json();
    assert_eq!(none["devices"], json!([]));
    let one = bench.own(ask("GET", "/api/hubs/localhost/devices/a")).await;
    let key = bench
        .hub()
        .primary_key(&Name::device("a"))
        .expect("a key")
        .to_base64();
    assert_eq!(one.json()["identity"]["deviceId"], "a");
    assert!(!one.text.contains(&key), "no keys here");
    let text = bench
        .own(ask(
            "GET",
            "/api/hubs/localhost/devices/a/connection-string",
        ))
        .await
        .json();
    assert_eq!(
        text["connection_string"],
        format!("HostName=localhost;DeviceId=a;SharedAccessKey={key}")
    );
    let twin = bench
        .own(
            ask("PATCH", "/api/hubs/localhost/devices/a/twin")
                .body(json!({ "properties": { "desired": { "x": 1 } } })),
        )
        .await;
    assert_eq!(twin.json()["properties"]["desired"]["x"], 1);
    let away = bench
        .own(ask("POST", "/api/hubs/localhost/devices/a/methods/go").body("{}"))
        .await;
    assert_eq!(away.status, StatusCode::NOT_FOUND);
    assert_eq!(away.json()["error"]["code"], "DeviceNotOnline");
    let away = bench
        .own(ask("POST", "/api/hubs/localhost/devices/a/disconnect"))
        .await;
    assert_eq!(away.status, StatusCode::NOT_FOUND);
    for path in [
        "/api/hubs/other/devices",
        "/api/hubs/localhost/devices/x",
        "/api/hubs/localhost/devices/a%2Fm/twin",
        "/api/nothing",
    ] {
        let absent = bench.own(ask("GET", path)).await;
        assert_eq!(absent.status, StatusCode::NOT_FOUND, "{path}");
        assert!(absent.json()["error"]["message"].is_string());
    }
    let gone = bench
        .own(ask("DELETE", "/api/hubs/localhost/devices/a"))
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn messages_go_into_the_queue() {
    let bench = Bench::new();
    bench.device("d").await;
    let path = "/api/hubs/localhost/devices/d/messages";
    let sent = bench
        .own(ask("POST", path).body(json!({ "body": "hi", "properties": { "color": "blue" }, "system": { "message-id": "m" }, "ttl_s": 60 })))
        .await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
    assert_eq!(sent.json(), json!({ "sequence": 1 }));
    bench
        .own(ask("POST", path).body(json!({ "body_base64": "/w==" })))
        .await;
    let queue = bench.own(ask("GET", path)).await.json();
    assert_eq!(queue["messages"][0]["body"], "hi");
    assert_eq!(queue["messages"][0]["locked"], false);
    assert_eq!(queue["messages"][1]["body_base64"], "/w==");
    for wrong in [
        json!({ "body": "a", "body_base64": "" }),
        json!({ "body_base64": "!" }),
        json!({ "properties": { "a": 1 } }),
        json!({ "ttl_s": 0 }),
        json!([]),
    ] {
        let refused = bench.own(ask("POST", path).body(&wrong)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let mut last = StatusCode::ACCEPTED;
    for _ in 0..50 {
        last = bench.own(ask("POST", path).body("{}")).await.status;
    }
    assert_eq!(last, StatusCode::FORBIDDEN, "the queue is full");
    let purged = bench.own(ask("DELETE", path)).await.json();
    assert_eq!(purged["purged"], 50);
}

#[tokio::test]
async fn faults_are_switched() {
    let bench = Bench::new();
    let on = bench
        .own(
            ask("POST", "/api/faults")
                .body(json!({ "fault": "connack-5", "device": "d", "times": 2 })),
        )
        .await;
    assert_eq!(on.status, StatusCode::CREATED, "{on:?}");
    let number = on.json()["number"].clone();
    let all = bench.own(ask("GET", "/api/faults")).await.json();
    assert_eq!(
        all["catalogue"].as_array().map(Vec::len),
        Some(Kind::ALL.len())
    );
    assert_eq!(all["on"][0]["fault"], "connack-5");
    assert_eq!(all["on"][0]["number"], number);
    let off = bench
        .own(ask("DELETE", &format!("/api/faults/{number}")))
        .await;
    assert_eq!(off.status, StatusCode::NO_CONTENT);
    let off = bench
        .own(ask("DELETE", &format!("/api/faults/{number}")))
        .await;
    assert_eq!(off.status, StatusCode::NOT_FOUND);
    for wrong in [
        json!({ "fault": "nothing" }),
        json!({ "fault": "drip", "value": "x" }),
        json!({}),
        json!(1),
    ] {
        let refused = bench.own(ask("POST", "/api/faults").body(&wrong)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    bench
        .lab
        .means
        .faults
        .switch_on(Setting::new(Kind::Drip))
        .expect("a fault");
    bench.own(ask("DELETE", "/api/faults")).await;
    assert!(bench.lab.means.faults.on().is_empty());
}

#[tokio::test]
async fn the_lab_as_a_whole() {
    let bench = Bench::new();
    bench.device("d").await;
    let status = bench.own(ask("GET", "/api/status")).await.json();
    assert_eq!(status["hubs"][0]["host"], "localhost");
    assert_eq!(status["hubs"][0]["devices"], 1);
    let root = bench.own(ask("GET", "/api/root.pem")).await;
    assert!(root.text.starts_with("-----BEGIN CERTIFICATE-----"));
    let events = bench.own(ask("GET", "/api/events?limit=1")).await.json();
    let number = events["events"][0]["sequence"].as_u64().expect("a number");
    let behind = bench
        .own(ask("GET", &format!("/api/events?after={}", number - 1)))
        .await
        .json();
    assert_eq!(behind["events"].as_array().map(Vec::len), Some(1));
    let connections = bench.own(ask("GET", "/api/connections?limit=1")).await;
    assert_eq!(connections.json().as_array().map(Vec::len), Some(1));
    let wrong = bench.own(ask("GET", "/api/events?after=x")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

/// The pieces of a stream of events.
struct Reader(Pin<Box<Body>>);

impl Reader {
    async fn open(bench: &Bench, path: &str, last: Option<&str>) -> Self {
        let mut request = Request::get(path).header("host", "localhost");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).expect("a request");
        let routes = TowerToHyperService::new(bench.api.clone());
        let response = routes.call(request).await.expect("a router always answers");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self(Box::pin(response.into_body()));
        assert_eq!(reader.next().await, "retry: 1000\n\n");
        reader
    }

    async fn next(&mut self) -> String {
        let frame = std::future::poll_fn(|context| self.0.as_mut().poll_frame(context)).await;
        let data = frame.expect("more").expect("no error").into_data();
        String::from_utf8(data.expect("data").to_vec()).expect("text")
    }
}

fn send(bench: &Bench, device: &str, text: &str) {
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let connection = bench
        .lab
        .connections
        .open(crate::connection::Listener::Mqtts, peer, NOW);
    let incoming = Incoming {
        payload: text.to_owned().into(),
        ..Incoming::default()
    };
    let stored = bench
        .hub()
        .telemetry(&Name::device(device), &connection, incoming);
    assert!(stored.is_ok());
}

#[tokio::test]
async fn telemetry_is_streamed_and_taken_up_again() {
    let bench = Bench::new();
    for id in ["a", "b"] {
        bench.device(id).await;
    }
    send(&bench, "a", "before");
    let path = "/api/hubs/localhost/telemetry/stream?device=a";
    let mut reader = Reader::open(&bench, path, None).await;
    send(&bench, "b", "of another one");
    send(&bench, "a", "line 1\nline 2");
    let event = reader.next().await;
    assert!(event.starts_with("id: 3\ndata: {"), "{event}");
    assert!(
        event.contains("line 1\\nline 2") && event.ends_with("}\n\n"),
        "{event}"
    );
    drop(reader);
    send(&bench, "a", "while away");
    let mut reader = Reader::open(&bench, path, Some("3")).await;
    assert!(reader.next().await.contains("while away"));
    // A reader that is far behind misses nothing that is kept.
    for number in 0..3000 {
        send(&bench, "a", &format!("many {number}"));
    }
    let mut seen = 0;
    while seen < 3000 {
        let text = reader.next().await;
        for line in text.lines().filter(|line| line.starts_with("data: ")) {
            assert!(line.contains(&format!("\"many {seen}\"")), "{line}");
            seen += 1;
        }
    }
    let all = bench
        .own(ask(
            "GET",
            "/api/hubs/localhost/telemetry?device=a&after=1&limit=2",
        ))
        .await
        .json();
    assert_eq!(all["messages"][0]["sequence"], 3);
    assert_eq!(all["messages"].as_array().map(Vec::len), Some(2));
    let newest = bench
        .own(ask("GET", "/api/hubs/localhost/telemetry?limit=1"))
        .await
        .json();
    assert_eq!(newest["messages"][0]["body"], "many 2999");
}

#[tokio::test(start_paused = true)]
async fn events_are_streamed_and_silence_is_filled() {
    let bench = Bench::new();
    let mut reader = Reader::open(&bench, "/api/events/stream", None).await;
    let log = Arc::clone(&bench.lab.means.log);
    log.add(NOW, Record::info(Code::Lab, "a word"));
    assert!(reader.next().await.contains("\"a word\""));
    assert_eq!(reader.next().await, ":\n\n");
    log.add(NOW, Record::info(Code::Lab, "another"));
    assert!(reader.next().await.contains("\"another\""));
    let mut whole = Reader::open(&bench, "/api/events/stream?after=0", None).await;
    assert!(whole.next().await.contains("id: 1\n"));
}
