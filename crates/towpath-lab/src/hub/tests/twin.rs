//! Twins of devices that are connected: what they are told, and when.

use std::{
    future::Future as _,
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use serde_json::json;

use super::*;
use crate::store::Batch;

fn topics(down: &[Down]) -> Vec<String> {
    let one = |down: &Down| match down {
        Down::Publish { topic, .. } => Some(topic.clone()),
        Down::Close { .. } => None,
    };
    down.iter().filter_map(one).collect()
}

/// A version that a device has seen is on the disk, so it is nothing else's after a crash.
#[test]
fn versions_are_told_when_they_are_on_the_disk() {
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let bench = Bench::with(&config(), folder.store()).expect("a hub");
    let name = Name::device("dev1");
    let (connection, mut admitted) = bench.enter("dev1", false);
    bench.subscribe("dev1", &connection, Feature::DesiredChanges);
    // The disk is slow.
    let (go_on, slow) = mpsc::channel::<()>();
    let held = bench.hub.means.store.write_then(Batch::default(), move || {
        let _ = slow.recv();
    });
    let patch = |number: u32| {
        let change = json!({"properties": {"desired": {"number": number}}});
        let patched = bench.hub.patch_twin(&name, &change, None, false);
        patched.expect("a change").1
    };
    let last = [patch(1), patch(2)].into_iter().last().expect("two");
    let mut got = pin!(bench.hub.twin_get(&name, &connection).durable);
    assert!(down(&mut admitted).is_empty());
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(got.as_mut().poll(&mut context), Poll::Pending);
    go_on.send(()).expect("the writer waits");
    assert!(runtime.block_on(held) && runtime.block_on(last));
    let topic = |version| format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
    assert_eq!(topics(&down(&mut admitted)), [topic(2), topic(3)]);
    assert!(runtime.block_on(got));
}
