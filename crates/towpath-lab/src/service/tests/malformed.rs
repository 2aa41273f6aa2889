//! Requests that nobody means: each gets an answer, and the lab goes on.

use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::json;

use super::{Bench, VERSION, ask};

const METHODS: [&str; 6] = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"];

const PATHS: [&str; 22] = [
    "/devices",
    "/devices/query",
    "/devices/d",
    "/devices/d/modules",
    "/devices/d/modules/m",
    "/devices/d/commands",
    "/devices/d/messages/events",
    "/devices/d/messages/devicebound",
    "/devices/d/messages/devicebound/x/abandon",
    "/devices/d/files",
    "/devices/d/files/notifications",
    "/devices/%ff",
    "/twins/d",
    "/twins/d/modules/m",
    "/messages/serviceBound/feedback/x",
    "/statistics/devices",
    "/enrollments",
    "/enrollments/query",
    "/enrollmentGroups/g",
    "/registrations/r",
    "/0ne00000001/registrations/r/register",
    "/lab-uploads/d/x",
];

const OWN: [&str; 9] = [
    "/api/faults",
    "/api/faults/-1",
    "/api/hubs/localhost/devices",
    "/api/hubs/localhost/devices/d",
    "/api/hubs/localhost/devices/d/twin",
    "/api/hubs/localhost/devices/d/messages",
    "/api/hubs/localhost/devices/d/methods/%00",
    "/api/hubs/%ff/telemetry",
    "/api/hubs/localhost/telemetry?after=-1&limit=x",
];

/// Bytes, and JSON that is nearly what is wanted.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|it| json!(it)),
        any::<i64>().prop_map(|it| json!(it)),
        "\\PC{0,12}".prop_map(|it| json!(it)),
        prop::sample::select(vec![
            "sas",
            "selfSigned",
            "enabled",
            "create",
            "delete",
            "SELECT * FROM devices"
        ])
        .prop_map(|it| json!(it)),
    ];
    let keys = vec![
        "id",
        "deviceId",
        "moduleId",
        "status",
        "authentication",
        "type",
        "symmetricKey",
        "primaryKey",
        "x509Thumbprint",
        "importMode",
        "tags",
        "properties",
        "desired",
        "query",
        "methodName",
        "payload",
        "blobName",
        "correlationId",
        "registrationId",
        "attestation",
        "enrollments",
        "mode",
        "fault",
        "value",
        "body",
        "ttl_s",
        "system",
    ];
    let json = leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|it| json!(it)),
            prop::collection::btree_map(prop::sample::select(keys.clone()), inner, 0..6)
                .prop_map(|it| json!(it)),
        ]
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        json.prop_map(|json| json.to_string().into_bytes()),
        Just("[".repeat(100_000).into_bytes()),
    ]
}

fn check(
    runtime: &tokio::runtime::Runtime,
    bench: &Bench,
    own: bool,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> Result<(), TestCaseError> {
    runtime.block_on(async {
        let mut request = ask(method, path);
        request.body = body;
        let reply = match own {
            true => bench.own(request).await,
            false => {
                request.path = format!("{path}?{VERSION}");
                let token = match path.contains("/messages/events") || path.contains("/files") {
                    true => bench.device_token("d"),
                    false => bench.token("iothubowner"),
                };
                bench
                    .anybody(request.with("authorization", token).with("if-match", "*"))
                    .await
            }
        };
        prop_assert!(reply.status.as_u16() != 500, "{reply:?}");
        Ok(())
    })
}

#[test]
fn nothing_that_is_sent_breaks_it() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let bench = runtime.block_on(async { Bench::new() });
    let mut runner = proptest::test_runner::TestRunner::default();
    let which = (any::<bool>(), 0..100usize, 0..METHODS.len(), body());
    let result = runner.run(&which, |(own, path, method, body)| {
        // A device that one request deletes is there for the next.
        runtime.block_on(async {
            let made = ask("PUT", &format!("/devices/d?{VERSION}")).body("{}");
            bench.owner(made).await;
            let plain = json!({ "authentication": { "type": "sas" } });
            let reset = ask("PUT", &format!("/devices/d?{VERSION}")).with("if-match", "*");
            bench.owner(reset.body(plain)).await;
        });
        let path = match own {
            true => OWN[path % OWN.len()],
            false => PATHS[path % PATHS.len()],
        };
        check(&runtime, &bench, own, METHODS[method], path, body)
    });
    result.expect("an answer to each");
}
