//! CONNECT: whom the service lets in, and what it says of those whom it does not.

use openssl::{
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{X509, X509NameBuilder},
};

use super::*;
use crate::config::RefusedAt;

fn base() -> Provisioning {
    Provisioning {
        id_scope: SCOPE.into(),
        refused_at: RefusedAt::Connack,
        ..Provisioning::default()
    }
}

fn by_key() -> Bench {
    Bench::new(Provisioning {
        enrollments: vec![with_key("dev1", KEY)],
        groups: vec![with_key("all", GROUP_KEY)],
        ..base()
    })
}

/// Tokens and user names as clients of others sent them.
#[test]
fn tokens_of_other_clients() {
    let bench = by_key();
    let back = 1_795_293_400_000 - bench.means.clock.now().as_millis();
    bench.means.clock.advance(back);
    let python = "SharedAccessSignature sr=0ne00000001%2Fregistrations%2Fdev1\
                  &sig=kH2DQBNl9p8ziKc%2B3K7LcCDWNaM32fkbrBAa5IJcBAw%3D&se=1795293460";
    let node = "SharedAccessSignature sr=0ne00000001/registrations/dev1\
                &sig=iO1rF74UrvPJBbJhMlLjRE%2F8eHAR7ScnEhEb2QGhisQ%3D&skn=registration&se=1795293485";
    for token in [python, node] {
        assert!(bench.connect("dev1", Some(token), None).is_ok());
        // The registration id has no case.
        assert!(bench.connect("DEV1", Some(token), None).is_ok());
    }
    bench.means.clock.advance(600_000);
    let why = bench
        .connect("dev1", Some(python), None)
        .err()
        .expect("refused")
        .why;
    assert!(why.contains("expired"), "{why}");
}

#[test]
fn derived_keys_of_the_vectors() {
    let group = key(GROUP_KEY);
    for (id, derived) in [
        (
            "contoso-simdevice",
            "prIvMivIPDAqwBH6aCT4P8raQxEulx32+eNjQpp5/bM=",
        ),
        (
            "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6",
            "09thrQowuRcRE10Qxj6yfV1kk1xbAp8ZMUGOl8EvBLE=",
        ),
    ] {
        assert_eq!(group.derive(id), key(derived));
        let bench = by_key();
        let token = bench.token(id, &key(derived));
        let client = bench.connect(id, Some(&token), None).expect("let in");
        let proof = client.registrant.proof.as_ref().expect("proved");
        assert_eq!(
            (proof.kind, proof.enrollment.as_str()),
            (Kind::Group, "all")
        );
    }
}

#[test]
fn what_is_wrong_with_a_token() {
    let bench = by_key();
    let own = key(KEY);
    let now = bench.means.clock.now();
    let sign =
        |resource: &str, key: &Key, policy| sas::sign(resource, key, now.plus(60_000), policy);
    let text = openssl::base64::encode_block(KEY.as_bytes());
    for (id, token, cause) in [
        (
            "dev1",
            sign("0ne00000001/registrations/dev1", &Key::random(), None),
            "neither key of the individual",
        ),
        (
            "dev1",
            sign("0ne00000001/registrations/dev1", &own.derive("dev1"), None),
            "only a group's key is derived",
        ),
        (
            "dev1",
            sign("0ne00000001/registrations/dev1", &key(&text), None),
            "has to be decoded first",
        ),
        (
            "dev1",
            sign("0ne00000001/registrations/dev2", &own, None),
            "not for \"0ne00000001/registrations/dev1\"",
        ),
        (
            "dev1",
            sign("0ne00000001/registrations/dev1", &own, Some("owner")),
            "of the policy \"owner\"",
        ),
        ("dev1", "nonsense".to_owned(), "malformed"),
        (
            "dev9",
            sign("0ne00000001/registrations/dev9", &key(GROUP_KEY), None),
            "key of the group all itself",
        ),
        (
            "dev9",
            sign("0ne00000001/registrations/dev9", &Key::random(), None),
            "derived for it from the keys of all",
        ),
        // The individual enrolment counts, not the group.
        (
            "dev1",
            bench.token("dev1", &key(GROUP_KEY).derive("dev1")),
            "neither key of the individual",
        ),
    ] {
        let refused = bench
            .connect(id, Some(&token), None)
            .err()
            .expect("refused");
        assert_eq!(
            (refused.return_code, refused.code),
            (5, Code::Unauthorized),
            "{cause}"
        );
        assert!(refused.why.contains(cause), "{}", refused.why);
        assert!(
            !refused.why.contains(KEY) && !refused.why.contains("sig="),
            "{}",
            refused.why
        );
    }
    let refused = bench.connect("dev1", None, None).err().expect("refused");
    assert!(refused.why.contains("neither a token"), "{}", refused.why);
    let refused = bench
        .connect("dev1", Some(""), None)
        .err()
        .expect("refused");
    assert!(refused.why.contains("neither a token"), "{}", refused.why);
}

#[test]
fn what_is_wrong_with_a_user_name() {
    let bench = by_key();
    let token = bench.token("dev1", &key(KEY));
    let connect = |client: &str, user: &str| {
        let connection = bench.connection();
        let refused = bench
            .dps
            .admit(client, user, Some(token.as_bytes()), None, &connection);
        refused
            .map(|_| ())
            .map_err(|refused| (refused.return_code, refused.why))
    };
    let good = "0ne00000001/registrations/dev1/api-version=2019-03-31";
    assert_eq!(connect("dev1", good), Ok(()));
    assert_eq!(
        connect(
            "dev1",
            "0ne00000001/registrations/dev1/?api-version=2019-03-31&ClientVersion=x"
        ),
        Ok(())
    );
    for (client, user, code, cause) in [
        ("dev1", "0ne00000001/registrations/dev1", 4, "api-version"),
        (
            "dev1",
            "0ne00000001/registrations/dev1/api-version=",
            4,
            "api-version",
        ),
        (
            "dev1",
            "0ne00000001/devices/dev1/api-version=2019-03-31",
            4,
            "has not the form",
        ),
        ("dev1", "", 4, "has not the form"),
        (
            "dev1",
            "0ne00000001/registrations/de v/api-version=2019-03-31",
            2,
            "letters, digits",
        ),
        (
            "dev1",
            "0ne00000001/registrations/dev1./api-version=2019-03-31",
            2,
            "ends with",
        ),
        ("dev2", good, 5, "the client id is \"dev2\""),
        (
            "dev1",
            "0ne99999999/registrations/dev1/api-version=2019-03-31",
            5,
            "ID scope is \"0ne99999999\"",
        ),
    ] {
        let (got, why) = connect(client, user).expect_err("refused");
        assert_eq!(got, code, "{why}");
        assert!(why.contains(cause), "{why}");
    }
    let long = format!(
        "0ne00000001/registrations/{}/api-version=1",
        "x".repeat(60_000)
    );
    let (_, why) = connect("dev1", &long).expect_err("refused");
    assert!(why.len() < 500);
}

#[tokio::test]
async fn in_the_response_instead_of_connack() {
    let bench = Bench::new(Provisioning {
        refused_at: RefusedAt::Response,
        enrollments: vec![with_key("dev1", KEY)],
        ..base()
    });
    let wrong = bench.token("dev1", &Key::random());
    let mut client = bench
        .connect("dev1", Some(&wrong), None)
        .expect("let in at first");
    let heard = client.register().await;
    assert_eq!(
        (heard.status, &heard.body["errorCode"]),
        (401, &json!(401_002))
    );
    assert_eq!(heard.body["message"], "Unauthorized");
    assert!(bench.told(Code::Unauthorized).contains("neither key"));
    let steps = client.connection.ladder().steps;
    assert!(
        steps
            .iter()
            .any(|step| !step.ok && step.detail.contains("neither key"))
    );
    let mut unknown = bench
        .connect("dev2", Some(&wrong), None)
        .expect("let in at first");
    let heard = unknown.register().await;
    assert_eq!(
        (heard.status, &heard.body["errorCode"]),
        (404, &json!(404_201))
    );
    assert!(
        bench
            .told(Code::EnrollmentNotFound)
            .contains("no individual enrolment \"dev2\"")
    );
}

#[tokio::test]
async fn one_certificate_of_one_device() {
    let bench = Bench::new(base());
    let good = bench
        .pki
        .device("dev1", bench.means.clock.now())
        .expect("a certificate");
    let other = bench
        .pki
        .device("dev1", bench.means.clock.now())
        .expect("a certificate");
    let named = bench
        .pki
        .device("dev2", bench.means.clock.now())
        .expect("a certificate");
    let prints = bench.shown(&good).thumbprints();
    let colons: Vec<_> = prints
        .sha1
        .as_bytes()
        .chunks(2)
        .map(String::from_utf8_lossy)
        .collect();
    let bench = Bench::new(Provisioning {
        enrollments: vec![config::Enrollment {
            secondary_certificate: Some(colons.join(":").to_lowercase()),
            ..enrollment("dev1")
        }],
        ..base()
    });
    let shown = bench.shown(&good);
    let mut client = bench.connect("dev1", None, Some(&shown)).expect("let in");
    let state = client.register().await.body["registrationState"].clone();
    let info = &state["x509"]["certificateInfo"];
    assert_eq!(info["sha1Thumbprint"], prints.sha1);
    assert_eq!(info["subjectName"], "CN=dev1, O=towpath lab");
    let device = bench.device("hub-a", "dev1").expect("a device");
    assert_eq!(device["authentication"]["type"], "selfSigned");
    assert_eq!(
        device["authentication"]["x509Thumbprint"]["primaryThumbprint"],
        prints.sha256
    );

    assert_eq!(bench.enters("hub-a", "dev1", Some(&shown), None), Ok(()));

    let refused = |identity: &Identity| {
        let shown = bench.shown(identity);
        bench
            .connect("dev1", None, Some(&shown))
            .err()
            .expect("refused")
            .why
    };
    let why = refused(&other);
    assert!(
        why.contains("has the thumbprints") && why.contains(&prints.sha1),
        "{why}"
    );
    assert!(refused(&named).contains("common name is \"dev2\""));
    bench.means.clock.advance(20 * 365 * 86_400_000);
    assert!(refused(&good).contains("expired"));
    let token = bench.token("dev1", &key(KEY));
    let why = bench
        .connect("dev1", Some(&token), None)
        .err()
        .expect("refused")
        .why;
    assert!(
        why.contains("X.509 by thumbprint, but a token came"),
        "{why}"
    );
}

/// A CA below `above`, for chains of some length.
fn ca(name: &str, above: Option<&(X509, PKey<Private>)>) -> (X509, PKey<Private>) {
    let group = openssl::ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = openssl::ec::EcKey::generate(&group)
        .and_then(PKey::from_ec_key)
        .expect("a key");
    (certificate(name, &key, above, true), key)
}

fn certificate(
    name: &str,
    key: &PKey<Private>,
    above: Option<&(X509, PKey<Private>)>,
    is_ca: bool,
) -> X509 {
    use openssl::{
        asn1::{Asn1Integer, Asn1Time},
        bn::BigNum,
        x509::extension::BasicConstraints,
    };
    let mut subject = X509NameBuilder::new().expect("a name");
    subject
        .append_entry_by_nid(Nid::COMMONNAME, name)
        .expect("a name");
    let subject = subject.build();
    let mut builder = X509::builder().expect("a certificate");
    builder.set_version(2).expect("version");
    let serial = BigNum::from_u32(7)
        .and_then(|number| Asn1Integer::from_bn(&number))
        .expect("a serial");
    builder.set_serial_number(&serial).expect("a serial");
    builder.set_subject_name(&subject).expect("a subject");
    let issuer = above.map_or(&*subject, |above| above.0.subject_name());
    builder.set_issuer_name(issuer).expect("an issuer");
    builder.set_pubkey(key).expect("a key");
    let now = start().as_secs();
    let day = |days: i64| Asn1Time::from_unix(now + days * 86_400).expect("a time");
    builder.set_not_before(&day(-1)).expect("a time");
    builder.set_not_after(&day(100)).expect("a time");
    if is_ca {
        let basic = BasicConstraints::new()
            .critical()
            .ca()
            .build()
            .expect("an extension");
        builder.append_extension(basic).expect("an extension");
    }
    let signer = above.map_or(key, |above| &above.1);
    builder
        .sign(signer, MessageDigest::sha256())
        .expect("signed");
    builder.build()
}

#[tokio::test]
async fn a_group_by_its_ca() {
    let root = ca("root", None);
    let middle = ca("middle", Some(&root));
    let stranger = ca("stranger", None);
    let device = ca("unused", None).1;
    let leaf = certificate("dev1", &device, Some(&middle), false);
    let alien = certificate("dev1", &device, Some(&stranger), false);
    let put = |bench: &Bench, id: &str, ca: &X509| {
        let pem = String::from_utf8(ca.to_pem().expect("pem")).expect("text");
        let body = json!({
            "attestation": { "type": "x509", "x509": {
                "signingCertificates": { "primary": { "certificate": pem } } } },
        });
        let put = bench.dps.put_enrollment(Kind::Group, id, &body, None);
        assert!(put.is_ok(), "{put:?}");
    };
    let shown = |leaf: &X509, chain: &[&X509]| ClientCertificate {
        leaf: leaf.clone(),
        chain: chain.iter().map(|one| (*one).clone()).collect(),
    };
    let bench = Bench::new(base());
    put(&bench, "floor-1", &root.0);
    let refused = |shown: &ClientCertificate| {
        bench
            .connect("dev1", None, Some(shown))
            .err()
            .expect("refused")
            .why
    };
    let why = refused(&shown(&leaf, &[]));
    assert!(why.contains("send the intermediates"), "{why}");
    assert!(
        why.contains("issued by \"CN=middle\"") && why.contains("floor-1"),
        "{why}"
    );
    let why = refused(&shown(&alien, &[&stranger.0]));
    assert!(why.contains("leads to no CA of floor-1"), "{why}");
    let whole = shown(&leaf, &[&middle.0]);
    let mut client = bench.connect("dev1", None, Some(&whole)).expect("let in");
    let state = client.register().await.body["registrationState"].clone();
    assert_eq!(state["x509"]["enrollmentGroupId"], "floor-1");
    assert_eq!(state["x509"]["certificateInfo"]["issuerName"], "CN=middle");
    bench.means.clock.advance(101 * 86_400_000);
    let why = refused(&whole);
    assert!(why.contains("expired"), "{why}");

    // An intermediate as the group's CA needs no more than the leaf.
    let bench = Bench::new(base());
    put(&bench, "floor-2", &middle.0);
    assert!(
        bench
            .connect("dev1", None, Some(&shown(&leaf, &[])))
            .is_ok()
    );

    // The message on the wire is the service's own.
    let bench = Bench::new(Provisioning {
        refused_at: RefusedAt::Response,
        ..base()
    });
    put(&bench, "floor-1", &root.0);
    let alone = shown(&leaf, &[]);
    let mut client = bench
        .connect("dev1", None, Some(&alone))
        .expect("let in at first");
    let heard = client.register().await;
    assert_eq!(
        (heard.status, &heard.body["errorCode"]),
        (401, &json!(401_002))
    );
    assert_eq!(heard.body["message"], "CA certificate not found");
}
