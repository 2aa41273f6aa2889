//! Twins, methods and queries.

use axum::http::StatusCode;
use serde_json::json;

use super::{Bench, VERSION, ask};

#[tokio::test]
async fn twins_are_patched_and_replaced() {
    let bench = Bench::new();
    bench.device("d").await;
    let path = format!("/twins/d?{VERSION}");
    let first = bench.owner(ask("GET", &path)).await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    let etag = first.header("etag").to_owned();
    let change = json!({ "tags": { "site": "a" }, "properties": { "desired": { "rate": 5 } } });
    let changed = bench
        .owner(
            ask("PATCH", &path)
                .with("if-match", etag.clone())
                .body(&change),
        )
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let twin = changed.json();
    assert_eq!(twin["deviceId"], "d");
    assert_eq!(twin["properties"]["desired"]["rate"], 5);
    assert_eq!(twin["properties"]["desired"]["$version"], 2);
    let stale = bench
        .owner(ask("PATCH", &path).with("if-match", etag).body(&change))
        .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let replaced = bench
        .owner(
            ask("PUT", &path)
                .with("if-match", "\"*\"")
                .body(json!({ "properties": { "desired": { "other": 1 } } })),
        )
        .await;
    assert_eq!(replaced.json()["properties"]["desired"].get("rate"), None);
    let wrong = bench
        .owner(ask("PATCH", &path).body(json!({ "tags": 1 })))
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let absent = bench
        .owner(ask("GET", &format!("/twins/x?{VERSION}")))
        .await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert_eq!(absent.error(), "DeviceNotFound");
}

#[tokio::test]
async fn a_method_of_a_device_that_is_away() {
    let bench = Bench::new();
    bench.device("d").await;
    let path = format!("/twins/d/methods?{VERSION}");
    let call = json!({ "methodName": "reboot", "payload": { "delay": 3 } });
    let away = bench.owner(ask("POST", &path).body(&call)).await;
    assert_eq!(away.status, StatusCode::NOT_FOUND, "{away:?}");
    assert_eq!(away.error(), "DeviceNotOnline");
    assert!(away.text.contains("404103"), "{away:?}");
    for wrong in [
        json!({}),
        json!({ "methodName": 1 }),
        json!({ "methodName": "x", "responseTimeoutInSeconds": 301 }),
        json!({ "methodName": "x", "connectTimeoutInSeconds": -1 }),
    ] {
        let refused = bench.owner(ask("POST", &path).body(&wrong)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn queries_give_pages_of_twins_and_rows() {
    let bench = Bench::new();
    for (id, site) in [("a", 1), ("b", 2), ("c", 2), ("d", 2)] {
        bench.device(id).await;
        let change =
            json!({ "tags": { "site": site }, "properties": { "desired": { "rate": site * 10 } } });
        bench
            .owner(ask("PATCH", &format!("/twins/{id}?{VERSION}")).body(change))
            .await;
    }
    bench
        .owner(ask("PUT", &format!("/devices/a/modules/m?{VERSION}")).body("{}"))
        .await;
    let path = format!("/devices/query?{VERSION}");
    let query = |text: &str| ask("POST", &path).body(json!({ "query": text }));
    let ids = |reply: &super::Reply| -> Vec<String> {
        let rows = reply.json();
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.iter()
            .map(|row| row["deviceId"].as_str().unwrap_or("?").to_owned())
            .collect()
    };
    let all = bench.owner(query("SELECT * FROM devices")).await;
    assert_eq!(ids(&all), ["a", "b", "c", "d"]);
    assert_eq!(all.header("x-ms-item-type"), "Twin");
    assert_eq!(all.header("x-ms-continuation"), "");

    let text = "SELECT * FROM devices WHERE tags.site = 2 AND properties.desired.rate >= 20";
    let first = bench
        .owner(query(text).with("x-ms-max-item-count", "2"))
        .await;
    assert_eq!(ids(&first), ["b", "c"]);
    let next = first.header("x-ms-continuation").to_owned();
    assert!(!next.is_empty());
    let second = query(text)
        .with("x-ms-max-item-count", "2")
        .with("x-ms-continuation", next);
    let second = bench.owner(second).await;
    assert_eq!(ids(&second), ["d"]);
    assert_eq!(second.header("x-ms-continuation"), "");

    let count = bench
        .owner(query(
            "SELECT tags.site AS site, COUNT() AS number FROM devices GROUP BY tags.site",
        ))
        .await;
    assert_eq!(count.header("x-ms-item-type"), "Raw");
    assert_eq!(
        count.json(),
        json!([{ "site": 1, "number": 1 }, { "site": 2, "number": 3 }])
    );
    let modules = bench
        .owner(query("SELECT deviceId, moduleId FROM devices.modules"))
        .await;
    assert_eq!(
        modules.json(),
        json!([{ "deviceId": "a", "moduleId": "m" }])
    );
    let offline = bench
        .owner(query(
            "SELECT * FROM devices WHERE connectionState = 'Connected'",
        ))
        .await;
    assert_eq!(ids(&offline), Vec::<String>::new());
    let wrong = bench
        .owner(query("SELECT * FROM devices WHERE tags.site ~ 2"))
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text.contains("character 39"), "{wrong:?}");
    for (name, value) in [("x-ms-max-item-count", "x"), ("x-ms-continuation", "!")] {
        let refused = bench
            .owner(query("SELECT * FROM devices").with(name, value))
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name}");
    }
}
