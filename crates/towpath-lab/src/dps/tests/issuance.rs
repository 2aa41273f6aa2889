//! Certificates for devices' requests.

use openssl::{
    base64,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{X509, X509NameBuilder, X509Req},
};

use super::*;

const SINGLE: &str = "2021-11-01-preview";
const CHAIN: &str = "2025-07-01-preview";

fn bench() -> Bench {
    let enrollments = ["dev1", "dev2"].map(|id| config::Enrollment {
        issue_certificates: id == "dev1",
        ..with_key(id, KEY)
    });
    Bench::new(Provisioning {
        enrollments: enrollments.into(),
        issued_days: 10,
        ..Provisioning::default()
    })
}

fn ec(curve: Nid) -> PKey<Private> {
    let group = EcGroup::from_curve_name(curve).expect("a curve");
    EcKey::generate(&group)
        .and_then(PKey::from_ec_key)
        .expect("a key")
}

fn request(name: &str, key: &PKey<Private>, signer: &PKey<Private>) -> X509Req {
    let mut subject = X509NameBuilder::new().expect("a name");
    subject
        .append_entry_by_nid(Nid::COMMONNAME, name)
        .expect("a name");
    let mut request = X509Req::builder().expect("a request");
    request.set_subject_name(&subject.build()).expect("a name");
    request.set_pubkey(key).expect("a key");
    request
        .sign(signer, MessageDigest::sha384())
        .expect("signed");
    request.build()
}

fn der(request: &X509Req) -> String {
    base64::encode_block(&request.to_der().expect("DER"))
}

fn client<'a>(bench: &'a Bench, id: &str, version: &str) -> Client<'a> {
    let token = bench.token(id, &key(KEY));
    bench
        .connect_as(id, version, Some(&token), None)
        .expect("let in")
}

#[tokio::test]
async fn a_chain_that_the_hub_accepts() {
    let bench = bench();
    let own = ec(Nid::SECP384R1);
    let csr = der(&request("dev1", &own, &own));
    let mut client = client(&bench, "dev1", CHAIN);
    let body = json!({ "registrationId": "dev1", "csr": csr });
    let state = client.register_with(&body).await.body["registrationState"].clone();
    let chain: Vec<X509> = state["issuedCertificateChain"]
        .as_array()
        .expect("a chain")
        .iter()
        .map(|one| {
            let der = base64::decode_block(one.as_str().expect("text")).expect("base64");
            X509::from_der(&der).expect("a certificate")
        })
        .collect();
    let [leaf, middle, root] = chain.as_slice() else {
        panic!("{} certificates", chain.len());
    };
    assert_eq!(root.to_der().ok(), bench.pki.device_ca().to_der().ok());
    assert!(leaf.public_key().is_ok_and(|public| public.public_eq(&own)));
    let shown = ClientCertificate {
        leaf: leaf.clone(),
        chain: vec![middle.clone()],
    };
    assert_eq!(shown.common_name().as_deref(), Some("dev1"));
    let now = bench.means.clock.now();
    let hub = bench.hub("hub-a");
    assert_eq!(shown.verify(&hub.cas, now), Ok(()));
    assert_eq!(shown.verify(&hub.cas, now.plus(9 * 86_400_000)), Ok(()));
    assert!(shown.verify(&hub.cas, now.plus(11 * 86_400_000)).is_err());
    let device = bench.device("hub-a", "dev1").expect("a device");
    assert_eq!(device["authentication"]["type"], "certificateAuthority");
    assert_eq!(bench.enters("hub-a", "dev1", Some(&shown), None), Ok(()));
}

#[tokio::test]
async fn a_single_certificate_by_its_thumbprint() {
    let bench = bench();
    let own = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let pem = request("dev1", &own, &own).to_pem().expect("PEM");
    let mut client = client(&bench, "dev1", SINGLE);
    let body = json!({
        "registrationId": "dev1",
        "clientCertificateCsr": String::from_utf8_lossy(&pem),
    });
    let state = client.register_with(&body).await.body["registrationState"].clone();
    let text = state["issuedClientCertificate"].as_str().expect("PEM");
    let leaf = X509::from_pem(text.as_bytes()).expect("a certificate");
    let prints = crate::certificate::thumbprints(&leaf);
    let device = bench.device("hub-a", "dev1").expect("a device");
    assert_eq!(
        device["authentication"]["x509Thumbprint"]["primaryThumbprint"],
        prints.sha256
    );
    let shown = ClientCertificate {
        leaf,
        chain: Vec::new(),
    };
    assert_eq!(bench.enters("hub-a", "dev1", Some(&shown), None), Ok(()));
}

#[tokio::test]
async fn requests_that_are_refused() {
    let bench = bench();
    let (p384, p256) = (ec(Nid::SECP384R1), ec(Nid::X9_62_PRIME256V1));
    let rsa = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let good = request("dev1", &p384, &p384);
    let armoured = String::from_utf8(good.to_pem().expect("PEM")).expect("text");
    for (csr, cause) in [
        (json!(der(&request("dev1", &p256, &p256))), "only EC P-384"),
        (json!(der(&request("dev1", &rsa, &rsa))), "only EC P-384"),
        (
            json!(der(&request("dev2", &p384, &p384))),
            "common name is \"dev2\"",
        ),
        (
            json!(der(&request("dev1", &p384, &ec(Nid::SECP384R1)))),
            "signature is not that of its own key",
        ),
        (json!(armoured), "without the lines"),
        (json!("AAAA"), "no certificate signing request"),
        (json!("***"), "no base64"),
        (json!("A".repeat(20_000)), "more than"),
        (json!(5), "has to be a text"),
    ] {
        let mut client = client(&bench, "dev1", CHAIN);
        let body = json!({ "registrationId": "dev1", "csr": csr });
        let heard = client.put(&body).await.expect("an answer");
        assert_eq!(
            (heard.status, &heard.body["errorCode"]),
            (400, &json!(400_004)),
            "{cause}"
        );
        let told = bench.told(Code::ArgumentInvalid);
        assert!(told.contains(cause), "{told}");
    }
    assert!(bench.device("hub-a", "dev1").is_none());
}

#[tokio::test]
async fn requests_that_are_ignored() {
    let bench = bench();
    let own = ec(Nid::SECP384R1);
    // An older api-version does not know the field.
    let mut old = client(&bench, "dev1", "2019-03-31");
    let body = json!({ "registrationId": "dev1", "csr": der(&request("dev1", &own, &own)) });
    let state = old.register_with(&body).await.body["registrationState"].clone();
    assert!(state["issuedCertificateChain"].is_null());
    let records = bench.means.log.since(0);
    let odd = |text: &str| records.iter().any(|record| record.text.contains(text));
    assert!(odd("csr is ignored"));
    // The enrolment issues none.
    let mut other = client(&bench, "dev2", CHAIN);
    let body = json!({ "registrationId": "dev2", "csr": der(&request("dev2", &own, &own)) });
    let state = other.register_with(&body).await.body["registrationState"].clone();
    assert_eq!(state["status"], "assigned");
    assert!(state["issuedCertificateChain"].is_null());
}

#[tokio::test]
async fn a_request_that_nobody_answers_is_told() {
    let bench = bench();
    let own = ec(Nid::SECP384R1);
    let csr = der(&request("dev2", &own, &own));
    let mut client = client(&bench, "dev2", CHAIN);
    let body = json!({ "registrationId": "dev2", "csr": csr });
    let state = client.register_with(&body).await.body["registrationState"].clone();
    assert_eq!(state["status"], "assigned");
    assert!(state.get("issuedCertificateChain").is_none());
    let records = bench.means.log.since(0);
    let warned = |record: &Record| {
        record.level == Level::Warn
            && record
                .text
                .contains("dev2 is ignored: the individual enrolment dev2 issues none")
    };
    assert!(records.iter().any(|record| warned(record)));
}
