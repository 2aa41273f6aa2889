//! Enrolments and registrations by the service API.

use super::*;

fn empty() -> Bench {
    Bench::new(Provisioning::default())
}

fn by_key() -> Json {
    json!({ "type": "symmetricKey", "symmetricKey": { "primaryKey": KEY, "secondaryKey": GROUP_KEY } })
}

#[test]
fn an_enrollment_is_made_read_changed_and_deleted() {
    let bench = empty();
    let body = json!({
        "registrationId": "Dev1",
        "deviceId": "meter",
        "attestation": by_key(),
        "iotHubs": ["hub-b"],
        "allocationPolicy": "static",
        "provisioningStatus": "disabled",
        "capabilities": { "iotEdge": true },
        "initialTwin": { "tags": { "a": 1, "$version": 1 }, "properties": { "desired": { "b": 2 } } },
        "reprovisionPolicy": { "updateHubAssignment": true, "migrateDeviceData": false },
    });
    let dps = &bench.dps;
    let (json, made, _) = dps
        .put_enrollment(Kind::Individual, "Dev1", &body, None)
        .expect("made");
    assert!(made);
    for (pointer, value) in [
        ("/registrationId", json!("Dev1")),
        ("/deviceId", json!("meter")),
        ("/attestation/type", json!("symmetricKey")),
        ("/attestation/symmetricKey/primaryKey", Json::Null),
        ("/iotHubs", json!(["hub-b"])),
        ("/allocationPolicy", json!("static")),
        ("/provisioningStatus", json!("disabled")),
        ("/capabilities/iotEdge", json!(true)),
        ("/initialTwin/tags", json!({ "a": 1 })),
        ("/initialTwin/properties/desired", json!({ "b": 2 })),
        ("/reprovisionPolicy/migrateDeviceData", json!(false)),
        ("/reprovisionPolicy/updateHubAssignment", json!(true)),
    ] {
        assert_eq!(json.pointer(pointer), Some(&value), "{pointer}");
    }
    let keys = dps
        .attestation_json(Kind::Individual, "dev1")
        .expect("keys");
    assert_eq!(keys, by_key());
    let got = dps
        .enrollment_json(Kind::Individual, "DEV1")
        .expect("an enrolment");
    assert_eq!(got, json);

    // What was read goes back as it is, with its etag; the keys stay.
    let etag = json["etag"].as_str().expect("an etag");
    let stale = dps.put_enrollment(Kind::Individual, "dev1", &got, Some("\"stale\""));
    assert_eq!(
        stale.err().map(|wrong| wrong.code),
        Some(Code::PreconditionFailed)
    );
    let (changed, made, _) = dps
        .put_enrollment(Kind::Individual, "dev1", &got, Some(etag))
        .expect("changed");
    assert!(!made);
    assert_ne!(changed["etag"], json["etag"]);
    assert_eq!(
        dps.attestation_json(Kind::Individual, "dev1"),
        Some(by_key())
    );

    let gone = |etag| {
        dps.delete_enrollment(Kind::Individual, "dev1", etag)
            .map(|_| ())
    };
    assert_eq!(
        gone(Some(etag)).err().map(|wrong| wrong.code),
        Some(Code::PreconditionFailed)
    );
    assert_eq!(gone(Some("*")), Ok(()));
    assert_eq!(
        gone(None).err().map(|wrong| wrong.code),
        Some(Code::EnrollmentNotFound)
    );
}

#[test]
fn what_an_enrollment_can_not_be() {
    let bench = empty();
    for (kind, id, body, cause) in [
        (
            Kind::Individual,
            "a b",
            json!({ "attestation": by_key() }),
            "letters",
        ),
        (Kind::Individual, "a", json!([]), "no JSON object"),
        (Kind::Individual, "a", json!({}), "attestation is missing"),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": { "type": "tpm" } }),
            "TPM",
        ),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": { "type": "x509" } }),
            "no certificate",
        ),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": { "type": "symmetricKey", "symmetricKey": { "primaryKey": "c2hvcnQ=" } } }),
            "16 to 64 bytes",
        ),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": by_key(), "registrationId": "b" }),
            "of the URL",
        ),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": by_key(), "iotHubs": ["nowhere"] }),
            "no hub \"nowhere\"",
        ),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": by_key(), "allocationPolicy": "custom" }),
            "webhook",
        ),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": by_key(), "provisioningStatus": "maybe" }),
            "provisioningStatus",
        ),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": by_key(), "initialTwin": { "tags": 5 } }),
            "initialTwin",
        ),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": by_key(), "initialTwin": { "properties": { "desired": { "x": "y".repeat(40_000) } } } }),
            "initialTwin",
        ),
        (
            Kind::Individual,
            "a",
            json!({ "attestation": { "type": "x509", "x509": { "clientCertificates": { "primary": { "certificate": "AAAA" } } } } }),
            "clientCertificates.primary",
        ),
        (
            Kind::Group,
            "a",
            json!({ "attestation": { "type": "x509", "x509": { "caReferences": {} } } }),
            "signingCertificates only",
        ),
        (
            Kind::Group,
            "a",
            json!({ "attestation": by_key(), "deviceId": "x" }),
            "deviceId",
        ),
    ] {
        let wrong = bench
            .dps
            .put_enrollment(kind, id, &body, None)
            .expect_err("refused");
        assert_eq!(wrong.code, Code::ArgumentInvalid, "{cause}");
        assert!(wrong.why.contains(cause), "{}", wrong.why);
        assert!(!wrong.why.contains("c2hvcnQ"));
    }
    let missing = bench.dps.put_enrollment(
        Kind::Group,
        "a",
        &json!({ "attestation": by_key() }),
        Some("*"),
    );
    assert_eq!(
        missing.err().map(|wrong| wrong.code),
        Some(Code::PreconditionFailed)
    );
}

#[tokio::test]
async fn certificates_in_both_forms() {
    let bench = empty();
    let device = bench
        .pki
        .device("dev1", bench.means.clock.now())
        .expect("a certificate");
    let der = openssl::base64::encode_block(&device.leaf.to_der().expect("DER"));
    let pem = String::from_utf8(device.leaf.to_pem().expect("PEM")).expect("text");
    for text in [&der, &pem] {
        let body = json!({ "attestation": { "type": "x509", "x509": {
            "clientCertificates": { "primary": { "certificate": text } } } } });
        let put = bench
            .dps
            .put_enrollment(Kind::Individual, "dev1", &body, None);
        let (json, ..) = put.expect("made");
        let primary = &json["attestation"]["x509"]["clientCertificates"]["primary"];
        assert_eq!(primary["certificate"], der);
        let shown = bench.shown(&device);
        assert_eq!(primary["info"]["sha1Thumbprint"], shown.thumbprints().sha1);
        assert!(bench.connect("dev1", None, Some(&shown)).is_ok());
        // And back as it was read.
        let put = bench
            .dps
            .put_enrollment(Kind::Individual, "dev1", &json, None);
        assert_eq!(put.expect("changed").0["attestation"], json["attestation"]);
    }
}

#[tokio::test]
async fn lists_and_registrations() {
    let bench = Bench::new(Provisioning {
        enrollments: vec![
            with_key("dev1", KEY),
            with_key("dev2", KEY),
            with_key("dev3", KEY),
        ],
        groups: vec![with_key("all", GROUP_KEY)],
        ..Provisioning::default()
    });
    let dps = &bench.dps;
    let ids = |page: &[Json]| -> Vec<String> {
        let id = |one: &Json| one["registrationId"].as_str().expect("an id").to_owned();
        page.iter().map(id).collect()
    };
    let (page, next) = dps.enrollments(Kind::Individual, None, 2);
    assert_eq!(
        (ids(&page), next.as_deref()),
        (vec!["dev1".into(), "dev2".into()], Some("dev2"))
    );
    let (page, next) = dps.enrollments(Kind::Individual, next.as_deref(), 2);
    assert_eq!((ids(&page), next), (vec!["dev3".into()], None));
    bench.client("dev1").register().await;
    let token = bench.token("dev9", &key(GROUP_KEY).derive("dev9"));
    bench
        .connect("dev9", Some(&token), None)
        .expect("let in")
        .register()
        .await;
    assert_eq!(ids(&dps.registrations(None, None, 10).0), ["dev1", "dev9"]);
    assert_eq!(ids(&dps.registrations(Some("ALL"), None, 10).0), ["dev9"]);
    let shown = dps
        .enrollment_json(Kind::Individual, "dev1")
        .expect("an enrolment");
    assert_eq!(shown["registrationState"]["status"], "assigned");
    assert!(shown.to_string().find(KEY).is_none());

    assert!(dps.delete_registration("dev9", Some("stale")).is_err());
    let etag = dps.registration_json("dev9").expect("one")["etag"]
        .as_str()
        .map(str::to_owned);
    assert!(dps.delete_registration("dev9", etag.as_deref()).is_ok());
    assert!(dps.delete_registration("dev9", None).is_err());
    let hubs = bench.hubs.iter().filter(|hub| hub.has("dev9")).count();
    assert_eq!(hubs, 1, "the device stays in its hub");
    assert!(
        dps.delete_enrollment(Kind::Individual, "dev1", None)
            .is_ok()
    );
    assert!(dps.registration_json("dev1").is_none());
    // Who was let in by an enrolment that is gone is refused.
    let mut client = bench.client("dev2");
    assert!(
        dps.delete_enrollment(Kind::Individual, "dev2", None)
            .is_ok()
    );
    let heard = client.register().await;
    assert_eq!(
        (heard.status, &heard.body["errorCode"]),
        (404, &json!(404_201))
    );
}

#[test]
fn many_at_once() {
    let bench = empty();
    let one = |id: &str| json!({ "registrationId": id, "attestation": by_key() });
    let run = |mode: &str, all: &[Json]| {
        let body = json!({ "mode": mode, "enrollments": all });
        bench
            .dps
            .bulk(Kind::Individual, &body)
            .map(|(json, _)| json)
    };
    let made = run("create", &[one("a"), one("b")]).expect("made");
    assert_eq!(made, json!({ "isSuccessful": true, "errors": [] }));
    let again = run("create", &[one("b"), one("c")]).expect("made in part");
    assert_eq!(again["isSuccessful"], false);
    assert_eq!(again["errors"][0]["registrationId"], "b");
    assert_eq!(
        run("update", &[one("z")]).expect("an answer")["isSuccessful"],
        false
    );
    assert_eq!(
        run("delete", &[one("a"), one("c")]).expect("an answer")["isSuccessful"],
        true
    );
    assert!(run("other", &[one("b")]).is_err());
    assert!(run("create", &[]).is_err());
    assert!(run("create", &vec![one("x"); 11]).is_err());
}
