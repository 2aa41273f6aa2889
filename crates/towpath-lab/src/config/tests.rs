//! Files that are right, and every way for one to be wrong.

use std::path::PathBuf;

use super::*;

#[track_caller]
fn wrong(text: &str) -> String {
    Config::parse(text, "conf/lab.toml")
        .unwrap_err()
        .to_string()
}

const HUB: &str = "[[hub]]\nhost = \"localhost\"\n";

#[test]
fn a_small_file_is_enough() {
    let config = Config::parse(HUB, "lab.toml").expect("a config");
    assert_eq!(config.listen.mqtts, 8883);
    assert_eq!(config.listen.page, Some(8080));
    assert_eq!(config.hubs[0].host, "localhost");
    assert_eq!(config.state, None);
}

#[test]
fn every_table_is_read() {
    let text = r#"
state = "state"
[listen]
address = "::1"
mqtts = 0
https = 0
page = false
connections = 10
[listen.behind_proxy]
trusted = ["127.0.0.1"]
[tls]
front = "delay"
front_delay_ms = 10
min = "1.2"
max = "1.3"
suites = ["ECDHE-RSA-AES128-GCM-SHA256"]
names = ["hub.lab.example", "*.lab.example"]
[[hub]]
host = "Hub.example"
[[hub.policy]]
name = "service"
primary_key = "QUJD"
rights = ["ServiceConnect"]
[[hub.device]]
id = "a"
primary_key = "QUJD"
tags = { floor = 3 }
desired = { interval = 5, nested = { deep = [1, 2] } }
[[hub.device.module]]
id = "m"
[[hub.device]]
id = "b"
primary_thumbprint = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33"
[hub.limits]
telemetry_bytes = 100
[hub.behaviour]
qos2 = "puback"
[provisioning]
host = "dps.example"
[[provisioning.enrollment]]
id = "a"
payload = { colour = "blue" }
hubs = ["hub.example"]
[[provisioning.group]]
id = "plant"
allocation = "hashed"
[[fault]]
fault = "cert-expired"
[[fault]]
fault = "TP-TLS-035"
value = 200
device = "a"
host = "hub.EXAMPLE"
listener = "https"
times = 2
"#;
    let config = Config::parse(text, "/srv/lab/lab.toml").expect("a config");
    assert_eq!(config.state, Some(PathBuf::from("/srv/lab/state")));
    assert_eq!(config.listen.page, None);
    assert_eq!(config.tls.front, Front::Delay);
    let device = &config.hubs[0].devices[0];
    assert_eq!(device.desired["nested"]["deep"][1], 2);
    assert_eq!(config.faults[1].value, Some(fault::Value::Number(200)));
}

#[test]
fn errors_name_file_line_and_key() {
    let hub = |more: &str| format!("{HUB}{more}");
    let device = |more: &str| format!("{HUB}[[hub.device]]\n{more}");
    let dps = |more: &str| format!("{HUB}[provisioning]\n{more}");
    let digits = "0".repeat(40);
    for (text, error) in [
        (
            String::new(),
            "conf/lab.toml:1: there is no hub; write [[hub]]",
        ),
        ("[[hub]\n".into(), ":1: this is no TOML: "),
        (
            "sate = \"x\"".into(),
            ":1: sate: this key is not known; is it state?",
        ),
        (
            "\nmqtts = 1".into(),
            ":2: mqtts: this key belongs into [listen]",
        ),
        (
            "zzz = 1".into(),
            ":1: zzz: this key is not known; there are state, listen, tls, hub",
        ),
        (
            hub("[hub.limits]\ntelemetrybytes = 3"),
            ":4: hub.limits.telemetrybytes: this key is not known; is it telemetry_bytes?",
        ),
        (
            hub("[listen]\nmqtts = 70000"),
            ":4: listen.mqtts: this has to be a whole number from 0 to 65535",
        ),
        (
            hub("[listen]\nmqtts = \"8883\""),
            ":4: listen.mqtts: this has to be a whole number from 0 to 65535",
        ),
        (
            hub("[listen]\nmqtts = 1\nhttps = 1"),
            ":5: listen.https: mqtts has port 1 already",
        ),
        (
            hub("[listen]\npage = true"),
            ":4: listen.page: this has to be a port, or false",
        ),
        (
            hub("[listen]\naddress = \"here\""),
            ":4: listen.address: this has to be an IP address",
        ),
        (
            hub("[listen]\nconnections = 0"),
            ":4: listen.connections: this has to be 1 or more",
        ),
        (
            hub("[listen]\nbehind_proxy = { }"),
            ":4: listen.behind_proxy: trusted is missing",
        ),
        (
            hub("[listen.behind_proxy]\ntrusted = []"),
            ":4: listen.behind_proxy.trusted: no address is trusted",
        ),
        (
            hub("[tls]\nfront = \"sometimes\""),
            ":4: tls.front: \"sometimes\" is not known; use \"none\" or \"renegotiate\" or",
        ),
        (
            hub("[tls]\nmin = \"1.1\""),
            ":4: tls.min: \"1.1\" is not known; use \"1.2\" or \"1.3\"",
        ),
        (
            hub("[tls]\nmin = \"1.3\""),
            ":4: tls.min: the oldest version is newer than the newest",
        ),
        (
            hub("[tls]\ncert = \"c.pem\""),
            ":4: tls.cert: a certificate needs its key",
        ),
        (
            hub("[tls]\ncert = \"c.pem\"\nkey = \"k\""),
            ":4: tls.cert: conf/c.pem: No such file",
        ),
        (
            hub("[tls]\nsuites = [\n\"NULL-NULL\"]"),
            ":5: tls.suites: OpenSSL knows no such suite",
        ),
        (
            hub("[tls]\nresumption = 1"),
            ":4: tls.resumption: this has to be true or false",
        ),
        ("[[hub]]\n".into(), ":1: hub.host: the host name is missing"),
        (
            "[[hub]]\nhost = \"a b\"".into(),
            ":2: hub.host: this is no host name",
        ),
        (
            format!("{HUB}\n[[hub]]\nhost = \"LOCALHOST\""),
            ":5: hub.host: the host name \"localhost\" is there twice",
        ),
        (
            hub("device_cas = \"x\""),
            ":3: hub.device_cas: this has to be a list",
        ),
        (
            hub("device_cas = [\"nowhere.pem\"]"),
            ":3: hub.device_cas: conf/nowhere.pem: No such file",
        ),
        (
            hub("[[hub.policy]]\nname = \"a\"\nrights = []"),
            ":5: hub.policy.rights: a policy without rights",
        ),
        (
            hub("[[hub.policy]]\nname = \"a\""),
            ": hub.policy: rights is missing",
        ),
        (device(""), ":3: hub.device.id: the id is missing"),
        (
            device("id = \"a/b\""),
            ":4: hub.device.id: an id has letters, digits and",
        ),
        (
            device("id = \"a\"\n[[hub.device]]\nid = \"a\""),
            ":6: hub.device.id: the device id \"a\" is there twice",
        ),
        (
            device("id = \"a\"\nprimary_key = \"§§\""),
            ":5: hub.device.primary_key: a key is base64 text",
        ),
        (
            device("id = \"a\"\nprimary_key = 7"),
            ":5: hub.device.primary_key: this has to be text in quotes",
        ),
        (
            device("id = \"a\"\nprimary_thumbprint = \"12\""),
            ":5: hub.device.primary_thumbprint: a thumbprint is 40",
        ),
        (
            device(&format!(
                "id = \"a\"\nprimary_key = \"QUJD\"\nprimary_thumbprint = \"{digits}\""
            )),
            ":6: hub.device.primary_thumbprint: a device has either",
        ),
        (
            device("id = \"a\"\nx509_ca = true\nprimary_key = \"QUJD\""),
            ":5: hub.device.x509_ca: a device has either",
        ),
        (
            device(
                "id = \"a\"\n[[hub.device.module]]\nid = \"m\"\n[[hub.device.module]]\nid = \"m\"",
            ),
            ":8: hub.device.module.id: the module id \"m\" is there twice",
        ),
        (
            device("id = \"a\"\ndesired = { at = 2026-01-01 }"),
            ":5: hub.device.desired.at: JSON has no times",
        ),
        (
            device("id = \"a\"\ntags = { at = [1.0, nan] }"),
            ":5: hub.device.tags.at: JSON has no nan",
        ),
        (
            hub("[hub.limits]\nconnect_s = 0"),
            ":4: hub.limits.connect_s: this has to be 1 or more",
        ),
        (
            hub("[hub.limits]\nskew_s = -1"),
            ":4: hub.limits.skew_s: this has to be 0 or more",
        ),
        (
            hub("[hub.behaviour]\ncertificate_missing = 6"),
            ":4: hub.behaviour.certificate_missing: a return code",
        ),
        (
            hub("[hub.behaviour]\nmethod_timeout_s = 4"),
            ":4: hub.behaviour.method_timeout_s: this has to be 5 to",
        ),
        (
            device(
                "id = \"a\"\n[[hub.device.module]]\nid = \"m\"\nx509_ca = true\nprimary_key = \"QUJD\"",
            ),
            ":7: hub.device.module.x509_ca: a device has either",
        ),
        (
            "trusted = [\"::1\"]".into(),
            ":1: trusted: this key belongs into [listen.behind_proxy]",
        ),
        (
            "listener = \"https\"\n[[hub]]".into(),
            ":1: listener: this key is not known; is it listen?",
        ),
        (
            hub("times = 2"),
            ":3: hub.times: this key belongs into [[fault]]",
        ),
        (
            hub("[hub.behaviour]\nqos2 = \"ignore\""),
            ":4: hub.behaviour.qos2: \"ignore\" is not known; use \"close\" or \"puback\"",
        ),
        (
            dps("issued_days = 91"),
            ":4: provisioning.issued_days: this has to be 1 to 90 days",
        ),
        (
            dps("id_scope = \"\""),
            ":4: provisioning.id_scope: an ID scope is",
        ),
        (
            dps("[[provisioning.enrollment]]\nid = \"a\"\nhubs = [\"b\"]"),
            ":6: provisioning.enrollment.hubs: \"b\" is no [[hub]] of this lab",
        ),
        (
            dps("[[provisioning.enrollment]]\nid = \"a.\""),
            ":5: provisioning.enrollment.id: a registration id ends with a letter",
        ),
        (
            dps("[[provisioning.enrollment]]\nid = \"a\"\n[[provisioning.enrollment]]\nid = \"A\""),
            ":7: provisioning.enrollment.id: the registration id \"a\" is there twice",
        ),
        (
            dps("[[provisioning.enrollment]]\nid = \"a\"\nprimary_certificate = \"c.pem\""),
            ":6: provisioning.enrollment.primary_certificate: this is neither",
        ),
        (
            dps("[[provisioning.group]]\nid = \"a\"\ndevice_id = \"d\""),
            ":6: provisioning.group.device_id: this is of one device",
        ),
        (
            hub("[[fault]]\nfault = \"cert-expird\""),
            ":4: fault.fault: there is no fault \"cert-expird\"; is it \"cert-expired\"?",
        ),
        (
            hub("[[fault]]\nfault = \"cert-expired\"\nvalue = 3"),
            ":5: fault.value: cert-expired: this fault takes no value",
        ),
        (
            hub("[[fault]]\nfault = \"drip\"\nvalue = -3"),
            ":5: fault.value: a fault's value is a whole number",
        ),
        (
            hub("[[fault]]\nfault = \"drip\"\ntimes = 0"),
            ":5: fault.times: this has to be 1 or more",
        ),
        (
            hub("[[fault]]\nfault = \"drip\"\nhost = \"other\""),
            ":5: fault.host: \"other\" is no host of this lab",
        ),
        (
            hub("[[fault]]\nfault = \"drip\"\nlistener = \"amqp\""),
            ":5: fault.listener: drip: there is no listener \"amqp\"",
        ),
    ] {
        let why = wrong(&text);
        assert!(
            why.starts_with("conf/lab.toml:") && why.contains(error),
            "{text}\ngives: {why}\nwanted: {error}"
        );
    }
}

#[test]
fn no_error_shows_a_key() {
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ1Ng==";
    for text in [
        "primarykey = \"KEY\"",
        "primary_key = \"KEY!\"",
        "primary_key = \"KEY",
        "primary_key = KEY",
        "primary_key = [\"KEY\"]",
        "disabled = \"KEY\"",
        "x509_ca = \"KEY\"",
        "primary_thumbprint = \"KEY\"",
        "module = \"KEY\"",
        "tags = \"KEY\"",
        "id = \"a\"\nid = \"KEY\"",
        "[hub.behaviour]\nqos2 = \"KEY\"",
        "[listen]\naddress = \"KEY\"",
        "[[hub.policy]]\nname = \"p\"\nrights = [\"KEY\"]",
        "[[fault]]\nfault = \"drip\"\nvalue = \"KEY\"",
    ] {
        let text = format!("{HUB}[[hub.device]]\n{}", text.replace("KEY", secret));
        let why = wrong(&text);
        assert!(!why.contains("c2Vjcm"), "{text}\ngives: {why}");
    }
}

#[test]
fn the_labs_own_ca_needs_no_file() {
    let text = "[[hub]]\nhost = \"localhost\"\ndevice_cas = [\"lab\"]\n\
                [provisioning]\n[[provisioning.group]]\nid = \"plant\"\ncas = [\"lab\"]\n";
    let config = Config::parse(text, "/srv/lab/lab.toml").expect("a config");
    assert!(is_lab_ca(&config.hubs[0].device_cas[0]));
    let provisioning = config.provisioning.expect("provisioning");
    assert!(is_lab_ca(&provisioning.groups[0].cas[0]));
    // A file of that name is still to be had.
    let why = wrong(&text.replace("[\"lab\"]", "[\"./lab\"]"));
    assert!(
        why.contains("hub.device_cas: conf/./lab: No such file"),
        "{why}"
    );
    Config::for_tests()
        .x509_group("plant")
        .check()
        .expect("nothing is wrong");
}

#[test]
fn a_config_by_hand_is_checked_too() {
    let twice = Config::for_tests().device("a").device("a");
    let why = twice.check().unwrap_err().to_string();
    assert_eq!(why, "hub.device.id: the device id \"a\" is there twice");
    Config::for_tests()
        .device("a")
        .x509_device("b")
        .check()
        .expect("nothing is wrong");
}
