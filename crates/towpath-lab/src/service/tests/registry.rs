//! Identities: who may do what with them, and what it means for a connection.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::{Bench, NOW, VERSION, ask};
use crate::{
    hub::{Down, Live, Name},
    log::Code,
    sas,
};

#[tokio::test]
async fn a_device_is_made_read_changed_and_deleted() {
    let bench = Bench::new();
    let path = format!("/devices/dev%401?{VERSION}");
    let made = bench
        .owner(ask("PUT", &path).body(json!({ "deviceId": "dev@1", "status": "enabled" })))
        .await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    let identity = made.json();
    assert_eq!(identity["deviceId"], "dev@1");
    assert_eq!(identity["connectionState"], "Disconnected");
    assert_eq!(identity["authentication"]["type"], "sas");
    assert_eq!(identity["statusUpdatedTime"], "0001-01-01T00:00:00Z");
    let key = identity["authentication"]["symmetricKey"]["primaryKey"].clone();
    assert!(
        key.as_str().is_some_and(|key| key.len() == 44),
        "{identity}"
    );
    let etag = identity["etag"].as_str().expect("an etag").to_owned();
    assert_eq!(made.header("etag"), format!("\"{etag}\""));

    // Again without If-Match it is there already.
    let again = bench.owner(ask("PUT", &path).body("{}")).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.error(), "DeviceAlreadyExists");

    // With another etag it is not changed, with its own it is, and keeps its keys.
    let change = json!({ "deviceId": "dev@1", "status": "disabled", "statusReason": "stolen" });
    let stale = bench
        .owner(ask("PUT", &path).with("if-match", "\"bm8=\"").body(&change))
        .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let changed = bench
        .owner(
            ask("PUT", &path)
                .with("if-match", format!("\"{etag}\""))
                .body(&change),
        )
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let changed = changed.json();
    assert_eq!(changed["status"], "disabled");
    assert_eq!(changed["statusReason"], "stolen");
    assert_eq!(changed["statusUpdatedTime"], NOW.rfc3339());
    assert_eq!(changed["authentication"]["symmetricKey"]["primaryKey"], key);
    assert_ne!(changed["etag"], etag);

    let read = bench.owner(ask("GET", &path)).await.json();
    assert_eq!(read, changed);
    let counts = bench
        .owner(ask("GET", &format!("/statistics/devices?{VERSION}")))
        .await;
    assert_eq!(
        counts.json(),
        json!({ "totalDeviceCount": 1, "enabledDeviceCount": 0, "disabledDeviceCount": 1 })
    );

    let gone = bench
        .owner(ask("DELETE", &path).with("if-match", "*"))
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let read = bench.owner(ask("GET", &path)).await;
    assert_eq!(read.status, StatusCode::NOT_FOUND);
    assert_eq!(read.error(), "DeviceNotFound");
    assert_eq!(read.header("iothub-errorcode"), "DeviceNotFound");
}

#[tokio::test]
async fn modules_go_with_their_device() {
    let bench = Bench::new();
    let module = format!("/devices/d/modules/m?{VERSION}");
    let alone = bench.owner(ask("PUT", &module).body("{}")).await;
    assert_eq!(alone.status, StatusCode::NOT_FOUND);
    bench.device("d").await;
    bench.device("d-2").await;
    let made = bench
        .owner(ask("PUT", &module).body(json!({ "managedBy": "IotEdge" })))
        .await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    let made = made.json();
    assert_eq!(
        (&made["deviceId"], &made["moduleId"]),
        (&json!("d"), &json!("m"))
    );
    assert_eq!(made["managedBy"], "IotEdge");
    let all = bench
        .owner(ask("GET", &format!("/devices/d/modules?{VERSION}")))
        .await;
    assert_eq!(all.json().as_array().map(Vec::len), Some(1));
    let devices = bench
        .owner(ask("GET", &format!("/devices/?{VERSION}&top=1")))
        .await;
    assert_eq!(devices.json().as_array().map(Vec::len), Some(1));
    bench
        .owner(ask("DELETE", &format!("/devices/d?{VERSION}")))
        .await;
    assert_eq!(
        bench.owner(ask("GET", &module)).await.status,
        StatusCode::NOT_FOUND
    );
    let left = bench
        .owner(ask("GET", &format!("/devices?{VERSION}")))
        .await
        .json();
    assert_eq!(left[0]["deviceId"], "d-2");
}

#[tokio::test]
async fn what_is_no_identity_is_refused_with_the_field() {
    let bench = Bench::new();
    let long = "x".repeat(129);
    let cases = [
        ("a b", json!({}), "letters, digits"),
        (long.as_str(), json!({}), "1 to 128"),
        ("d", json!({ "deviceId": "other" }), "deviceId"),
        ("d", json!({ "status": "asleep" }), "status"),
        (
            "d",
            json!({ "authentication": { "type": "tpm" } }),
            "authentication.type",
        ),
        (
            "d",
            json!({ "authentication": { "type": "sas", "symmetricKey": { "primaryKey": "!" } } }),
            "primaryKey",
        ),
        (
            "d",
            json!({ "authentication": { "type": "selfSigned" } }),
            "x509Thumbprint",
        ),
        (
            "d",
            json!({ "authentication": { "type": "selfSigned", "x509Thumbprint": { "primaryThumbprint": "zz" } } }),
            "x509Thumbprint",
        ),
        ("d", json!([]), "object"),
    ];
    for (id, body, word) in cases {
        let id = id.replace(' ', "%20");
        let refused = bench
            .owner(ask("PUT", &format!("/devices/{id}?{VERSION}")).body(&body))
            .await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{body} {refused:?}"
        );
        assert_eq!(refused.error(), "ArgumentInvalid");
        assert!(refused.text.contains(word), "{word}: {refused:?}");
    }
    let large = bench
        .owner(ask("PUT", &format!("/devices/d?{VERSION}")).body("x".repeat(600 << 10)))
        .await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(large.error(), "MessageTooLarge");
}

#[tokio::test]
async fn who_may_not_is_told_nothing_and_the_log_everything() {
    let bench = Bench::new();
    bench.device("d").await;
    let owner = bench
        .hub()
        .policies
        .iter()
        .find(|one| one.name == "iothubowner");
    let key = owner.expect("the owner").primary.clone();
    let late = sas::sign("localhost", &key, NOW.plus(-400_000), Some("iothubowner"));
    let elsewhere = sas::sign("other.example", &key, NOW.plus(60_000), Some("iothubowner"));
    let cases = [
        (None, "401003", "Authorization is missing"),
        (Some("Bearer x".to_owned()), "401003", "malformed"),
        (Some(late), "401003", "expired 400 s ago"),
        (Some(elsewhere), "401003", "\"other.example\""),
        (
            Some(
                bench
                    .token("iothubowner")
                    .replace("skn=iothubowner", "skn=nobody"),
            ),
            "401003",
            "no policy \"nobody\"",
        ),
        (
            Some(
                bench
                    .token("device")
                    .replace("skn=device", "skn=iothubowner"),
            ),
            "401003",
            "another key",
        ),
        (
            Some(bench.token("device")),
            "401003",
            "has not the right [RegistryRead]",
        ),
        (Some(bench.device_token("d")), "401003", "names no policy"),
    ];
    for (token, code, cause) in cases {
        let mut request = ask("GET", &format!("/devices/d?{VERSION}"));
        if let Some(token) = &token {
            request = request.with("authorization", token);
        }
        let refused = bench.anybody(request).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{cause}");
        assert_eq!(refused.error(), "IotHubUnauthorizedAccess");
        assert!(!refused.text.contains(cause), "{refused:?}");
        let refusals = bench.refusals();
        let last = refusals.last().expect("a record");
        assert!(last.starts_with(code) && last.contains(cause), "{last}");
        assert!(!last.contains("sig="), "{last}");
    }
    // A policy that may read may not write.
    let read = bench.token("registryRead");
    let path = format!("/devices/d?{VERSION}");
    let get = bench
        .anybody(ask("GET", &path).with("authorization", read.clone()))
        .await;
    assert_eq!(get.status, StatusCode::OK);
    let delete = bench
        .anybody(ask("DELETE", &path).with("authorization", read))
        .await;
    assert_eq!(delete.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn versions_hosts_paths_and_methods() {
    let bench = Bench::new();
    for query in [
        "",
        "?api-version=",
        "?api-version=1",
        "?api-version=2021-04-12x",
        "?api-version=20210-4-12",
    ] {
        let refused = bench.owner(ask("GET", &format!("/devices/d{query}"))).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(refused.error(), "InvalidProtocolVersion");
    }
    let preview = bench
        .owner(ask("GET", "/devices?api-version=2020-05-31-preview"))
        .await;
    assert_eq!(preview.status, StatusCode::OK);
    let token = bench.token("iothubowner");
    let path = format!("/devices?{VERSION}");
    // Behind a gateway of another name the token says which hub is meant.
    let gateway = ask("GET", &path)
        .with("host", "gateway.example")
        .with("authorization", token);
    assert_eq!(bench.anybody(gateway).await.status, StatusCode::OK);
    let nowhere = bench
        .anybody(ask("GET", &path).with("host", "nowhere.example"))
        .await;
    assert_eq!(nowhere.status, StatusCode::UNAUTHORIZED);
    assert_eq!(nowhere.error(), "IotHubNotFound");
    let absent = bench
        .owner(ask("GET", &format!("/jobs/v2/1?{VERSION}")))
        .await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert!(absent.text.contains("/twins"), "{absent:?}");
    let method = bench.owner(ask("PATCH", &path)).await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn many_at_once() {
    let bench = Bench::new();
    let path = format!("/devices?{VERSION}");
    let list = json!([
        { "id": "a", "importMode": "create", "tags": { "site": 1 } },
        { "id": "b", "importMode": "create" },
        { "id": "b", "moduleId": "m", "importMode": "create" },
    ]);
    let made = bench.owner(ask("POST", &path).body(&list)).await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    assert_eq!(made.json()["isSuccessful"], true);
    let again = bench.owner(ask("POST", &path).body(&list)).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    let errors = again.json()["errors"].clone();
    assert_eq!(errors.as_array().map(Vec::len), Some(3));
    assert_eq!(errors[0]["errorCode"], "DeviceAlreadyExists");
    assert_eq!(errors[2]["moduleId"], "m");
    let twin = bench
        .owner(ask("GET", &format!("/twins/a?{VERSION}")))
        .await
        .json();
    assert_eq!(twin["tags"], json!({ "site": 1 }));
    let list = json!([
        { "id": "a", "importMode": "update", "status": "disabled" },
        { "id": "b", "importMode": "Delete" },
        { "id": "c", "importMode": "createOrUpdate", "authentication": { "type": "certificateAuthority" } },
    ]);
    let done = bench.owner(ask("POST", &path).body(&list)).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    let left = bench.owner(ask("GET", &path)).await.json();
    let left: Vec<_> = left
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| &one["deviceId"])
        .collect();
    assert_eq!(left, ["a", "c"]);
    for wrong in [json!({}), json!([]), json!(vec![json!({ "id": "x" }); 101])] {
        let refused = bench.owner(ask("POST", &path).body(&wrong)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    }
}

/// A connection of a device, with what the hub has for it.
fn connected(bench: &Bench, name: &Name) -> tokio::sync::mpsc::Receiver<Down> {
    let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 50_000));
    let connections = &bench.lab.connections;
    let connection = connections.open(crate::connection::Listener::Mqtts, peer, NOW);
    let (down, waiting) = tokio::sync::mpsc::channel(8);
    let live = Live {
        connection,
        down,
        since: NOW,
        expires: None,
        model_id: None,
        client_type: None,
    };
    let mut state = bench.hub().lock();
    state.entries.get_mut(name).expect("a device").live = Some(live);
    waiting
}

#[tokio::test]
async fn who_is_disabled_or_deleted_is_disconnected() {
    let bench = Bench::new();
    bench.device("d").await;
    let name = Name::device("d");
    let path = format!("/devices/d?{VERSION}");
    for (request, wanted) in [
        (
            ask("PUT", &path)
                .with("if-match", "*")
                .body(json!({ "status": "disabled" })),
            Code::DeviceDisabled,
        ),
        (ask("DELETE", &path), Code::DeviceNotFound),
    ] {
        let mut waiting = connected(&bench, &name);
        let done = bench.owner(request).await;
        assert!(done.status.is_success(), "{done:?}");
        match waiting.recv().await {
            Some(Down::Close { code, .. }) => assert_eq!(code, wanted),
            other => panic!("{other:?}"),
        }
        assert!(waiting.recv().await.is_none(), "nothing comes after it");
    }
}

#[tokio::test]
async fn new_keys_do_not_disconnect() {
    let bench = Bench::new();
    bench.device("d").await;
    let mut waiting = connected(&bench, &Name::device("d"));
    let key = crate::key::Key::random().to_base64();
    let body = json!({ "authentication": { "type": "sas", "symmetricKey": { "primaryKey": key, "secondaryKey": key } } });
    let path = format!("/devices/d?{VERSION}");
    let done = bench
        .owner(ask("PUT", &path).with("if-match", "*").body(body))
        .await;
    let done: Json = done.json();
    assert_eq!(done["authentication"]["symmetricKey"]["primaryKey"], key);
    assert_eq!(done["connectionState"], "Connected");
    assert!(waiting.try_recv().is_err());
}

/// What is answered is on the disk: a lab that is started again on the same folder has it, deletions too.
#[tokio::test]
async fn identities_and_twins_are_kept() {
    let name = format!("towpath-lab-registry-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let bench = Bench::kept_in(&folder);
    for id in ["stays", "goes"] {
        bench.device(id).await;
    }
    let twin = format!("/twins/stays?{VERSION}");
    let change = json!({ "tags": { "site": 1 } });
    bench.owner(ask("PATCH", &twin).body(change)).await;
    bench
        .owner(ask("DELETE", &format!("/devices/goes?{VERSION}")))
        .await;
    let path = format!("/devices/stays?{VERSION}");
    let before = bench.owner(ask("GET", &path)).await.json();
    drop(bench);
    let bench = Bench::kept_in(&folder);
    assert_eq!(bench.owner(ask("GET", &path)).await.json(), before);
    let gone = bench
        .owner(ask("GET", &format!("/devices/goes?{VERSION}")))
        .await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert_eq!(
        bench.owner(ask("GET", &twin)).await.json()["tags"],
        json!({ "site": 1 })
    );
    drop(bench);
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}
