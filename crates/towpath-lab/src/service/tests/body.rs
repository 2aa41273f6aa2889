//! Bodies that do not come.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::StatusCode,
};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde_json::json;

use super::{Bench, VERSION, ask};

/// A body of so many bytes of which none comes, and whether anybody asked for them.
struct Stuck {
    bytes: u64,
    wanted: Arc<AtomicBool>,
}

impl HttpBody for Stuck {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.wanted.store(true, Ordering::Relaxed);
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}

fn stuck(bytes: u64) -> (Body, Arc<AtomicBool>) {
    let wanted = Arc::new(AtomicBool::new(false));
    let body = Stuck {
        bytes,
        wanted: Arc::clone(&wanted),
    };
    (Body::new(body), wanted)
}

#[tokio::test]
async fn a_body_is_not_read_before_the_caller_has_proved_itself() {
    let bench = Bench::new();
    bench.device("d").await;
    for (method, path) in [
        ("PUT", "/devices/x"),
        ("POST", "/devices"),
        ("POST", "/devices/query"),
        ("PATCH", "/twins/d"),
        ("POST", "/twins/d/methods"),
        ("POST", "/devices/d/messages/events"),
        ("POST", "/devices/d/files"),
        ("POST", "/devices/d/files/notifications"),
        ("POST", "/devices/d/files/notifications/x"),
        ("PUT", "/lab-uploads/d/x"),
        ("PUT", "/enrollments/x"),
        ("POST", "/enrollments/query"),
    ] {
        let (body, wanted) = stuck(100);
        let request = ask(method, &format!("{path}?{VERSION}&sig=0"));
        let reply = request.on_with(body, &bench.rest, "localhost", &bench.lab);
        let reply = reply.await;
        assert!(reply.status.is_client_error(), "{path}: {reply:?}");
        assert!(!wanted.load(Ordering::Relaxed), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_has_to_come_in_time_and_finds_room() {
    let bench = Bench::new();
    bench.device("d").await;
    let open = ask("POST", &format!("/devices/d/files?{VERSION}"))
        .with("authorization", bench.device_token("d"))
        .body(json!({ "blobName": "x" }));
    let place = bench.anybody(open).await.json();
    let token = place["sasToken"].as_str().expect("text");
    let path = format!("/lab-uploads/d/x{token}");
    let put = |bytes| {
        let (body, _) = stuck(bytes);
        ask("PUT", &path).on_with(body, &bench.rest, "localhost", &bench.lab)
    };
    let since = tokio::time::Instant::now();
    assert_eq!(put(16 << 20).await.status, StatusCode::REQUEST_TIMEOUT);
    assert!(since.elapsed() < Duration::from_secs(300));
    let large = put((16 << 20) + 1).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    // Four of the largest take all the room, and the fifth, a short one, does not wait for ever.
    let (one, two, three, four, fifth) = tokio::join!(
        put(16 << 20),
        put(16 << 20),
        put(16 << 20),
        put(16 << 20),
        put(1)
    );
    for full in [one, two, three, four] {
        assert_eq!(full.status, StatusCode::REQUEST_TIMEOUT);
    }
    assert_eq!(fifth.status, StatusCode::SERVICE_UNAVAILABLE);
    let last = ask("PUT", &path).body("hello");
    assert_eq!(bench.anybody(last).await.status, StatusCode::CREATED);
}
