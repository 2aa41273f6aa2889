use proptest::prelude::*;
use serde_json::json;

use super::*;

fn map(value: Json) -> Map<String, Json> {
    value.as_object().cloned().expect("an object")
}

fn twin() -> Twin {
    Twin::declared(
        &Map::new(),
        &map(json!({ "interval": 5 })),
        &Limits::default(),
        Time::default(),
    )
    .expect("a twin")
}

fn report(twin: &mut Twin, patch: Json) -> Result<u64, Wrong> {
    twin.report(&map(patch), &Limits::default(), Time::default())
}

#[test]
fn a_device_reports_and_deletes() {
    let mut twin = twin();
    assert_eq!(
        report(&mut twin, json!({ "fw": "1.2.3", "n": { "a": 1, "b": 2 } })),
        Ok(2)
    );
    assert_eq!(report(&mut twin, json!({ "n": { "a": null } })), Ok(3));
    assert_eq!(
        twin.for_device(),
        json!({
            "desired": { "interval": 5, "$version": 2 },
            "reported": { "fw": "1.2.3", "n": { "b": 2 }, "$version": 3 },
        })
    );
}

#[test]
fn what_breaks_a_rule_changes_nothing() {
    let mut deep = json!(1);
    for _ in 0..10 {
        deep = json!({ "a": deep });
    }
    let wrong = [
        (json!({ "a.b": 1 }), 400, "which keys must not have"),
        (json!({ "$a": 1 }), 400, "which keys must not have"),
        (json!({ "a b": 1 }), 400, "which keys must not have"),
        (json!({ "a\u{7f}": 1 }), 400, "which keys must not have"),
        (json!({ "": 1 }), 400, "0 bytes"),
        (json!({ "k".repeat(1025): 1 }), 400, "1025 bytes"),
        (json!({ "text": "x".repeat(4097) }), 400, "4097 bytes"),
        (
            json!({ "number": 4_503_599_627_370_496_i64 }),
            400,
            "4503599627370496",
        ),
        (json!({ "deep": deep }), 400, "deeper than 10 levels"),
    ];
    for (patch, status, why) in wrong {
        let mut twin = twin();
        let before = twin.clone();
        let error = report(&mut twin, patch).expect_err("a rule is broken");
        assert_eq!(error.status, status);
        assert!(error.why.contains(why), "{}", error.why);
        assert_eq!(twin, before);
    }
}

#[test]
fn a_document_has_at_most_32_kb() {
    let mut twin = twin();
    let block = "x".repeat(4090);
    for part in 0..8 {
        let version = report(&mut twin, json!({ format!("part-{part}"): block }));
        // A key of 6 bytes and 4090 of text make 4096.
        assert_eq!(version, Ok(part + 2));
    }
    let error = report(&mut twin, json!({ "b": true })).expect_err("32 kB are full");
    assert_eq!((error.status, error.code), (413, Code::TooLarge));
    assert_eq!(
        report(&mut twin, json!({ "part-0": null, "b": true })),
        Ok(10)
    );
}

#[test]
fn what_is_empty_has_a_size_too() {
    for empty in [json!(null), json!(""), json!([]), json!({})] {
        let mut twin = twin();
        let many = |count: usize| json!({ "a": vec![empty.clone(); count] });
        let error = report(&mut twin, many(8192)).expect_err("4 bytes each, and the key");
        assert_eq!((error.status, error.code), (413, Code::TooLarge));
        assert_eq!(report(&mut twin, many(8191)), Ok(2));
    }
}

#[test]
fn the_service_patches_and_replaces() {
    let mut twin = twin();
    let (limits, now) = (Limits::default(), Time::from_millis(1000));
    let change = map(
        json!({ "tags": { "site": "north" }, "properties": { "desired": { "mode": "eco", "$version": 9 } } }),
    );
    let done = twin
        .serve(&change, false, &limits, now)
        .expect("a good patch");
    assert_eq!(done.patch, Some(map(json!({ "mode": "eco" }))));
    assert_eq!(twin.desired.version, 3);

    let change = map(json!({ "properties": { "desired": { "mode": "full" } } }));
    let done = twin
        .serve(&change, true, &limits, now)
        .expect("a good document");
    // Merging it gives a device the same document.
    assert_eq!(
        done.patch,
        Some(map(json!({ "mode": "full", "interval": null })))
    );
    assert_eq!(twin.desired.properties, map(json!({ "mode": "full" })));
    assert_eq!(twin.tags, map(json!({ "site": "north" })));

    let change = map(json!({ "properties": { "desired": 5 } }));
    assert_eq!(
        twin.serve(&change, false, &limits, now)
            .err()
            .map(|wrong| wrong.status),
        Some(400)
    );
}

/// Any JSON of a few levels.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        ".{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[a-c$. ]{0,2}", inner), 0..4)
                .prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Map<String, Json>> {
    any_json().prop_map(|value| value.as_object().cloned().unwrap_or_default())
}

proptest! {
    /// Whatever comes: it is refused and nothing changes, or the device that merges what it is sent has what the hub has.
    #[test]
    fn a_device_that_merges_what_it_is_sent_agrees(changes in prop::collection::vec((any_object(), any::<bool>()), 0..6)) {
        let mut twin = twin();
        let mut device = twin.desired.properties.clone();
        for (desired, replace) in changes {
            let before = twin.clone();
            let change = map(json!({ "properties": { "desired": desired } }));
            match twin.serve(&change, replace, &Limits::default(), Time::default()) {
                Ok(done) => {
                    merge(&mut device, &done.patch.expect("desired properties changed"));
                    prop_assert_eq!(&device, &twin.desired.properties);
                    prop_assert_eq!(twin.desired.version, before.desired.version + 1);
                }
                Err(_) => prop_assert_eq!(&twin, &before),
            }
        }
    }
}
