//! Every cause of a refusal, by its return code, its code in the log, and what the text says.

use super::*;
use crate::{
    config::{NoApiVersion, Refusal, Right},
    hub::{Authentication, Policy},
};

/// CONNECT of `dev1`, to be changed by a test.
struct Attempt {
    client_id: String,
    user_name: Option<String>,
    password: Option<String>,
    will: Option<String>,
    certificate: Option<ClientCertificate>,
    listener: Listener,
}

impl Attempt {
    fn of(bench: &Bench, name: &Name) -> Self {
        let sas = matches!(
            bench
                .hub
                .lock()
                .entries
                .get(name)
                .map(|entry| entry.identity.authentication.clone()),
            Some(Authentication::Sas { .. })
        );
        Self {
            client_id: name.to_string(),
            user_name: Some(format!("{HOST}/{name}/?api-version=2021-04-12")),
            password: sas.then(|| bench.token(name, HOUR)),
            will: None,
            certificate: None,
            listener: Listener::Mqtts,
        }
    }

    fn make(&self, bench: &Bench) -> Result<Admitted, Refused> {
        let hello = Hello {
            client_id: &self.client_id,
            user_name: self.user_name.as_deref(),
            password: self.password.as_deref().map(str::as_bytes),
            clean: false,
            will: self.will.as_deref(),
            certificate: self.certificate.as_ref(),
        };
        bench.connect(self.listener, &hello).1
    }

    /// The refusal, which says these words.
    fn refused(&self, bench: &Bench, return_code: u8, code: Code, words: &[&str]) {
        let refused = self.make(bench).expect_err("it must be refused");
        let found = (refused.return_code, refused.code);
        assert_eq!(found, (return_code, code), "{}", refused.why);
        for word in words {
            assert!(
                refused.why.contains(word),
                "{word:?} is not in {:?}",
                refused.why
            );
        }
        let secret = self.password.as_deref().filter(|text| !text.is_empty());
        let secret = secret.unwrap_or("none at all");
        assert!(
            !refused.why.contains(secret),
            "the token is in {:?}",
            refused.why
        );
    }
}

fn dev1() -> Name {
    Name::device("dev1")
}

const UNAUTHORIZED: (u8, Code) = (5, Code::IotHubUnauthorized);

#[test]
fn what_is_right_comes_in() {
    let bench = Bench::new(&config());
    for name in [dev1(), Name::module("dev1", "mod1")] {
        let admitted = Attempt::of(&bench, &name)
            .make(&bench)
            .expect("it is right");
        assert_eq!((&admitted.name, admitted.session_present), (&name, false));
        // The token's expiry and the grace of ten minutes.
        assert_eq!(admitted.expires, Some(NOW.plus(HOUR + 600_000)));
    }
}

#[test]
fn user_names_and_client_ids() {
    let bench = Bench::new(&config());
    let with = |change: fn(&mut Attempt)| {
        let mut attempt = Attempt::of(&bench, &dev1());
        change(&mut attempt);
        attempt
    };
    with(|a| a.user_name = None).refused(&bench, 4, Code::ArgumentInvalid, &["no user name"]);
    with(|a| a.user_name = Some("dev1".into())).refused(
        &bench,
        4,
        Code::ArgumentInvalid,
        &["\"dev1\"", "api-version"],
    );
    with(|a| a.user_name = Some("SharedAccessSignature sr=a&sig=secret".into())).refused(
        &bench,
        4,
        Code::ArgumentInvalid,
        &["a token or connection string stands"],
    );
    with(|a| a.user_name = Some("other.example/dev1/?api-version=1".into())).refused(
        &bench,
        3,
        Code::HubNotFound,
        &["other.example", HOST],
    );
    with(|a| a.client_id.clear()).refused(&bench, 2, Code::ArgumentInvalid, &["empty", "dev1"]);
    with(|a| a.client_id = "dev2".into()).refused(
        &bench,
        5,
        Code::IotHubUnauthorized,
        &["the client id is \"dev2\", the user name names \"dev1\""],
    );
    with(|a| a.user_name = Some(format!("{HOST}/{}/?api-version=1", "d".repeat(60_000)))).refused(
        &bench,
        4,
        Code::ArgumentInvalid,
        &["1 to 128 characters"],
    );
    let attempt = with(|a| a.user_name = Some(format!("{HOST}/dev1")));
    assert!(attempt.make(&bench).is_ok());
    let mut strict = config();
    strict.behaviour.no_api_version = NoApiVersion::Refuse;
    let bench = Bench::new(&strict);
    let mut attempt = Attempt::of(&bench, &dev1());
    attempt.user_name = Some(format!("{HOST}/dev1/"));
    attempt.refused(&bench, 4, Code::InvalidProtocolVersion, &["no api-version"]);
}

#[test]
fn devices_that_are_not_there_or_disabled() {
    let mut config = config();
    config.devices.push(config::Device {
        id: "off".into(),
        disabled: true,
        modules: vec![config::Module {
            id: "m".into(),
            ..config::Module::default()
        }],
        ..config::Device::default()
    });
    let bench = Bench::new(&config);
    let mut attempt = Attempt::of(&bench, &dev1());
    attempt.client_id = "Dev1".into();
    attempt.user_name = Some(format!("{HOST}/Dev1/?api-version=1"));
    attempt.refused(
        &bench,
        5,
        Code::DeviceNotFound,
        &["\"Dev1\"", "there is \"dev1\", and case matters"],
    );
    attempt.client_id = "dev1/none".into();
    attempt.user_name = Some(format!("{HOST}/dev1/none/?api-version=1"));
    attempt.refused(&bench, 5, Code::DeviceNotFound, &["\"dev1/none\""]);
    for name in [Name::device("off"), Name::module("off", "m")] {
        Attempt::of(&bench, &name).refused(&bench, 5, Code::DeviceDisabled, &["off is disabled"]);
    }
}

#[test]
fn tokens() {
    let bench = Bench::new(&config());
    let mut attempt = Attempt::of(&bench, &dev1());
    let (code, kind) = UNAUTHORIZED;
    let mut refused = |password: Option<String>, words: &[&str]| {
        attempt.password = password;
        attempt.refused(&bench, code, kind, words);
    };
    refused(None, &["no token came"]);
    refused(Some(String::new()), &["no token came"]);
    refused(
        Some("secret".into()),
        &["malformed", "SharedAccessSignature"],
    );
    refused(
        Some(bench.token(&dev1(), -4_123_000)),
        &[
            "the token expired 4123 s ago",
            "the hub's clock says 2026-11-18T12:53:20",
        ],
    );
    let other = Key::random();
    let resource = format!("{HOST}/devices/dev1");
    let until = NOW.plus(HOUR);
    refused(
        Some(sas::sign(&resource, &other, until, None)),
        &["not signed with the primary or the secondary key of dev1"],
    );
    let key = bench.key(&dev1());
    let text = openssl::base64::encode_block(key.to_base64().as_bytes());
    let undecoded = Key::from_base64(&text).expect("a key");
    refused(
        Some(sas::sign(&resource, &undecoded, until, None)),
        &["base64-decoded first"],
    );
    refused(
        Some(sas::sign(
            &format!("{HOST}/devices/dev2"),
            &key,
            until,
            None,
        )),
        &["is for \"hub.example/devices/dev2\""],
    );
    refused(
        Some(sas::sign(
            &format!("{HOST}/devices/DEV1"),
            &key,
            until,
            None,
        )),
        &["case-sensitive"],
    );
    refused(
        Some(sas::sign(&resource, &key, until, Some("nobody"))),
        &["\"nobody\""],
    );
}

#[test]
fn tokens_of_policies() {
    let bench = Bench::new(&config());
    let mut attempt = Attempt::of(&bench, &dev1());
    let (code, kind) = UNAUTHORIZED;
    let mut refused = |password: Option<String>, words: &[&str]| {
        attempt.password = password;
        attempt.refused(&bench, code, kind, words);
    };
    let resource = format!("{HOST}/devices/dev1");
    let (key, until) = (bench.key(&dev1()), NOW.plus(HOUR));
    let service = policy(&bench, "service");
    refused(
        Some(sas::sign(HOST, &service.primary, until, Some("service"))),
        &["has not the right DeviceConnect"],
    );
    let device = policy(&bench, "device");
    refused(
        Some(sas::sign(HOST, &device.primary, until, None)),
        &[
            "it is signed with a key of the policy \"device\"",
            "skn=device",
        ],
    );
    refused(
        Some(sas::sign(&resource, &key, until, Some("device"))),
        &["it is signed with the device's own key"],
    );
}

fn policy(bench: &Bench, name: &str) -> Policy {
    let mut policies = bench.hub.policies.iter();
    policies
        .find(|policy| policy.name == name)
        .expect("a policy")
        .clone()
}

#[test]
fn tokens_that_are_good() {
    let bench = Bench::new(&config());
    let mut attempt = Attempt::of(&bench, &dev1());
    let secondary = match &bench.hub.lock().entries[&dev1()].identity.authentication {
        Authentication::Sas { secondary, .. } => secondary.clone(),
        other => panic!("{other:?}"),
    };
    let resource = format!("{}/devices/dev1", HOST.to_ascii_uppercase());
    let device = policy(&bench, "device");
    assert_eq!(device.rights, [Right::DeviceConnect]);
    for token in [
        sas::sign(&resource, &secondary, NOW.plus(HOUR), None),
        sas::sign(
            &format!("{HOST}/devices"),
            &device.secondary,
            NOW.plus(HOUR),
            Some("device"),
        ),
        // Within the skew.
        bench.token(&dev1(), -299_000),
        // A device without a clock: the year 2255, and the end of time.
        bench.token(&dev1(), 7_200_000_000_000),
        bench.token(&dev1(), i64::MAX / 2),
    ] {
        attempt.password = Some(token);
        attempt.make(&bench).expect("the token is good");
    }
    bench.clock.advance(-10 * HOUR);
    attempt.make(&bench).expect("a token has no beginning");
}

#[test]
fn the_wrong_kind_of_credentials() {
    let own = issue("x1", None, false, 24);
    let thumbprint = crate::certificate::thumbprints(&own.certificate);
    let mut config = config();
    config.devices.push(config::Device {
        id: "x1".into(),
        secondary_thumbprint: Some(thumbprint.sha256.to_ascii_lowercase()),
        ..config::Device::default()
    });
    let bench = Bench::new(&config);
    let (code, kind) = UNAUTHORIZED;
    let mut sas = Attempt::of(&bench, &dev1());
    sas.certificate = Some(own.shown());
    sas.make(&bench)
        .expect("a certificate beside a good token is no matter");
    sas.password = None;
    sas.refused(
        &bench,
        code,
        kind,
        &["symmetric keys", "a certificate came and no token"],
    );
    let mut x509 = Attempt::of(&bench, &Name::device("x1"));
    x509.certificate = Some(own.shown());
    let admitted = x509
        .make(&bench)
        .expect("the secondary thumbprint, in small letters");
    assert_eq!(admitted.expires, None);
    x509.password = Some(bench.token(&dev1(), HOUR));
    x509.refused(
        &bench,
        code,
        kind,
        &["self-signed", "but a token came", "sends no password"],
    );
    x509.certificate = None;
    x509.refused(&bench, code, kind, &["a token came and no certificate"]);
    x509.password = None;
    x509.refused(
        &bench,
        code,
        kind,
        &["no client certificate came", "in the handshake"],
    );
    x509.listener = Listener::Https;
    x509.refused(
        &bench,
        3,
        kind,
        &["no client certificate came", "renegotiation"],
    );
    let mut five = config.clone();
    five.behaviour.certificate_missing = 5;
    let bench = Bench::new(&five);
    x509.refused(&bench, 5, kind, &["renegotiation"]);
}

#[test]
fn thumbprints() {
    let (old, new) = (issue("x1", None, false, 2), issue("x1", None, false, 48));
    let print = |issued: &Issued| crate::certificate::thumbprints(&issued.certificate);
    let colons = |text: &str| {
        let pairs: Vec<_> = text
            .as_bytes()
            .chunks(2)
            .map(String::from_utf8_lossy)
            .collect();
        pairs.join(":")
    };
    let mut config = config();
    config.devices[0] = config::Device {
        id: "x1".into(),
        primary_thumbprint: Some(colons(&print(&old).sha1)),
        modules: vec![config::Module {
            id: "m".into(),
            primary_thumbprint: Some(print(&new).sha256),
            ..config::Module::default()
        }],
        ..config::Device::default()
    };
    let bench = Bench::new(&config);
    let (code, kind) = UNAUTHORIZED;
    let mut attempt = Attempt::of(&bench, &Name::device("x1"));
    attempt.certificate = Some(old.shown());
    attempt.make(&bench).expect("the certificate is registered");
    attempt.certificate = Some(new.shown());
    let (sent, registered) = (print(&new), print(&old));
    attempt.refused(
        &bench,
        code,
        kind,
        &[
            "thumbprint does not match",
            &sent.sha1,
            &sent.sha256,
            &registered.sha1,
            "secondary none",
        ],
    );
    let mut module = Attempt::of(&bench, &Name::module("x1", "m"));
    module.certificate = Some(new.shown());
    module.make(&bench).expect("a module has its own");
    attempt.certificate = Some(old.shown());
    bench.clock.advance(2 * HOUR);
    attempt.refused(&bench, code, kind, &["the certificate expired on"]);
    bench.clock.advance(-4 * HOUR);
    attempt.refused(&bench, code, kind, &["not valid before"]);
}

#[test]
fn certificates_of_a_ca() {
    let folder = Folder::new();
    let factory = issue("Factory", None, true, 1000);
    let line = issue("Line 1", Some(&factory), true, 1000);
    let pem = factory.certificate.to_pem().expect("PEM");
    std::fs::write(folder.file("factory.pem"), pem).expect("a file");
    let mut config = config();
    config.device_cas = vec![folder.file("factory.pem")];
    config.devices[0] = config::Device {
        id: "x1".into(),
        x509_ca: true,
        ..config::Device::default()
    };
    let bench = Bench::new(&config);
    let (code, kind) = UNAUTHORIZED;
    let mut attempt = Attempt::of(&bench, &Name::device("x1"));
    attempt.certificate = Some(issue("x1", Some(&bench.ca), false, 2).shown());
    attempt.make(&bench).expect("of the lab's CA");
    let mut shown = issue("x1", Some(&line), false, 2).shown();
    attempt.certificate = Some(shown.clone());
    attempt.refused(
        &bench,
        code,
        kind,
        &["does not lead to a CA", "\"Line 1\"", "0 more"],
    );
    shown.chain = vec![line.certificate];
    attempt.certificate = Some(shown);
    attempt
        .make(&bench)
        .expect("of the factory's, by way of an intermediate");
    attempt.certificate = Some(issue("x2", Some(&bench.ca), false, 2).shown());
    attempt.refused(
        &bench,
        code,
        kind,
        &["common name is \"x2\", and has to be \"x1\""],
    );
    attempt.certificate = Some(issue("x1", None, false, 2).shown());
    attempt.refused(&bench, code, kind, &["does not lead to a CA"]);
    let impostor = issue("Lab Device CA", None, true, 1000);
    attempt.certificate = Some(issue("x1", Some(&impostor), false, 2).shown());
    attempt.refused(&bench, code, kind, &["does not lead to a CA"]);
    attempt.certificate = Some(issue("x1", Some(&bench.ca), false, 1).shown());
    bench.clock.advance(1000);
    attempt.refused(&bench, code, kind, &["expired on"]);
}

#[test]
fn wills() {
    let bench = Bench::new(&config());
    let mut attempt = Attempt::of(&bench, &dev1());
    for topic in [
        "devices/dev1/messages/events/",
        "devices/dev1/messages/events/a=b&%24.ct=c",
    ] {
        attempt.will = Some(topic.into());
        attempt.make(&bench).expect("a will of its own");
    }
    for topic in [
        "devices/dev2/messages/events/",
        "status",
        "$iothub/twin/GET/?$rid=1",
    ] {
        attempt.will = Some(topic.into());
        attempt.refused(&bench, 5, Code::ArgumentInvalid, &["the will:"]);
    }
}

#[test]
fn return_codes_that_alternate() {
    let mut config = config();
    config.behaviour.refusal = Refusal::Alternating;
    let bench = Bench::new(&config);
    let mut attempt = Attempt::of(&bench, &dev1());
    attempt.password = Some("wrong".into());
    for return_code in [5, 3, 5, 3] {
        attempt.refused(&bench, return_code, Code::IotHubUnauthorized, &[]);
    }
}

#[test]
fn more_connections_than_allowed() {
    let mut config = config();
    config.limits.connects_per_s = 2;
    let bench = Bench::new(&config);
    let attempt = Attempt::of(&bench, &dev1());
    attempt.make(&bench).expect("the first");
    attempt.make(&bench).expect("the second");
    attempt.refused(&bench, 3, Code::Throttled, &["2 connections a second"]);
    bench.clock.advance(500);
    attempt.make(&bench).expect("half a second later");
    attempt.refused(&bench, 3, Code::Throttled, &[]);
}

#[test]
fn faults_at_the_door() {
    let bench = Bench::new(&config());
    let attempt = Attempt::of(&bench, &dev1());
    let cases = [
        ("hub-not-found", 3, Code::HubNotFound, "hub.example"),
        ("hub-suspended", 3, Code::HubSuspended, "suspended"),
        ("device-unknown", 5, Code::DeviceNotFound, "no device dev1"),
        (
            "device-disabled",
            5,
            Code::DeviceDisabled,
            "dev1 is disabled",
        ),
        (
            "token-expired",
            5,
            Code::IotHubUnauthorized,
            "takes each token for expired",
        ),
        (
            "clock-skew=5000",
            5,
            Code::IotHubUnauthorized,
            "expired 1400 s ago",
        ),
    ];
    for (fault, return_code, code, word) in cases {
        let number = bench.fault(fault);
        attempt.refused(&bench, return_code, code, &[word]);
        let switched = &bench.hub.means.faults.on()[0];
        assert_eq!(switched.done, 1, "{fault}");
        bench.hub.means.faults.switch_off(number);
        attempt.make(&bench).expect("the fault is over");
    }
    bench.fault("clock-skew=600");
    let admitted = attempt.make(&bench).expect("the token is good for longer");
    // By the lab's clock, which does not run ahead.
    assert_eq!(admitted.expires, Some(NOW.plus(HOUR)));
    assert_eq!(bench.hub.now(None), NOW.plus(600_000));
}
