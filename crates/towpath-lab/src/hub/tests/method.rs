//! Direct methods and the connections that they go to.

use std::{sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;

use super::*;
use crate::hub::method::Failed;

const WAIT: Duration = Duration::from_secs(30);

fn dev1() -> Name {
    Name::device("dev1")
}

type Called = JoinHandle<Result<(i32, Json), Failed>>;

/// A call that waits in a task of its own.
async fn call(bench: &Arc<Bench>) -> Called {
    let own = Arc::clone(bench);
    let call = tokio::spawn(async move {
        own.hub
            .invoke(&dev1(), "reboot", Json::Null, WAIT, WAIT)
            .await
    });
    tokio::task::yield_now().await;
    call
}

/// The request id of the one call that the device was sent.
fn rid(admitted: &mut Admitted) -> String {
    match down(admitted).as_slice() {
        [Down::Publish { topic, .. }] => topic
            .strip_prefix("$iothub/methods/POST/reboot/?$rid=")
            .expect("a call")
            .to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_comes_back_is_called() {
    let bench = Arc::new(Bench::new(&config()));
    let (connection, _) = bench.enter("dev1", false);
    bench.subscribe("dev1", &connection, Feature::Methods);
    bench.hub.leave(&dev1(), &connection, None);
    let call = call(&bench).await;
    // It finds its subscription again.
    let (_connection, mut admitted) = bench.enter("dev1", false);
    tokio::task::yield_now().await;
    let rid = rid(&mut admitted);
    assert!(bench.hub.method_answered(&dev1(), &rid, 200, "1".into()));
    assert_eq!(call.await.expect("no panic"), Ok((200, json!(1))));
}

#[tokio::test(start_paused = true)]
async fn answers_are_bounded_and_callers_that_go_away_are_told() {
    let mut config = config();
    config.limits.method_bytes = 10;
    let bench = Arc::new(Bench::new(&config));
    let (connection, mut admitted) = bench.enter("dev1", false);
    bench.subscribe("dev1", &connection, Feature::Methods);
    let large = call(&bench).await;
    let first = rid(&mut admitted);
    let body = Bytes::from_static(b"\"123456789\"");
    assert!(bench.hub.method_answered(&dev1(), &first, 200, body));
    let failed = large.await.expect("no panic").expect_err("11 bytes");
    assert_eq!((failed.status, failed.code), (413, Code::TooLarge));
    let gone = call(&bench).await;
    let second = rid(&mut admitted);
    gone.abort();
    assert!(gone.await.expect_err("aborted").is_cancelled());
    assert_eq!(bench.told(Code::ClientClosed).len(), 1);
    assert!(
        !bench
            .hub
            .method_answered(&dev1(), &second, 200, Bytes::new())
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_is_lost_with_its_connection() {
    let bench = Arc::new(Bench::new(&config()));
    let (connection, _one) = bench.enter("dev1", false);
    bench.subscribe("dev1", &connection, Feature::Methods);
    let waits = call(&bench).await;
    let (_second, _two) = bench.enter("dev1", false);
    let failed = waits.await.expect("no panic").expect_err("taken over");
    assert_eq!(failed.code, Code::DeviceNotOnline);
    assert!(bench.told(Code::ClientClosed).is_empty());
}
