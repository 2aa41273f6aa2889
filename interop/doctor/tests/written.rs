//! What the doctor writes to a server: what a first connection writes, nothing twice that was refused.

use std::{
    thread,
    time::{Duration, Instant},
};

use doctor::{
    Cloud, Doctor, Machine,
    middlebox::{Act, Middlebox},
};
use mqtt::{Broker, Setup, Via};
use towpath::Rung;
use towpath_lab::log::Code;

fn url(broker: &Broker) -> String {
    format!("mqtt://localhost:{}", broker.port(Via::Tcp))
}

/// Waits until mosquitto has said this; it writes its log when the client may have gone already.
fn until_logged(broker: &Broker, words: &[&str]) {
    let until = Instant::now() + Duration::from_secs(20);
    while broker.logged(words) == 0 {
        assert!(Instant::now() < until, "{words:?}: {}", broker.log());
        thread::sleep(Duration::from_millis(2));
    }
}

/// The packets of MQTT that mosquitto has seen, but for the pings of those who stay.
fn packets(broker: &Broker) -> Vec<String> {
    let log = broker.log();
    let kinds = log.lines().filter_map(|line| {
        let rest = line.strip_prefix("Received ")?;
        rest.split(' ').next().map(str::to_owned)
    });
    kinds.collect()
}

/// What mosquitto says of logins: one line each.
fn logins(broker: &Broker) -> usize {
    broker.logged(&["Sending CONNACK to "])
}

#[test]
fn a_path_that_stands() {
    let machine = Machine::new();
    let broker = machine.mosquitto("");
    let options = ["--will-topic", "state", "-c", "-i", "meter-4"];
    let report = machine.doctor(&url(&broker), &options);
    report.is_ready().expect("ready");
    until_logged(&broker, &["Client meter-4 disconnected"]);
    assert_eq!(packets(&broker), ["DISCONNECT"]);
    assert_eq!(logins(&broker), 1);
    // The first is the test's own, which waited for the port to open.
    let port = format!("on port {}.", broker.port(Via::Tcp));
    assert_eq!(broker.logged(&["New connection from", &port]), 2);
}

/// Not with another client identifier either: accounts lock.
#[test]
fn a_wrong_password() {
    let machine = Machine::new();
    for options in [&["-u", "anna"][..], &["-u", "anna", "-i", "meter-4"]] {
        let broker = machine.namespace.run(|| Setup::new().secured().start());
        let password = [("TOWPATH_PASSWORD", "not-her-word")];
        let report = machine.doctor_with(&url(&broker), options, &password);
        report
            .names("TP-MQTT-007", Rung::Mqtt)
            .unwrap_or_else(|why| panic!("{why}"));
        println!("{options:?}: {} logins", logins(&broker));
        assert_eq!(logins(&broker), 1);
        assert_eq!(packets(&broker), [""; 0]);
        assert!(!report.text.contains("not-her-word"));
    }
}

/// Nothing of the login is written while the questions are about TLS.
#[test]
fn a_certificate_that_is_not_trusted() {
    let machine = Machine::new();
    let tls = machine.listener(8883, tls::pki::Server::Stranger);
    let broker = machine.mosquitto(&tls);
    let password = [("TOWPATH_PASSWORD", "secret")];
    let options = ["-u", "anna", "-i", "meter-4"];
    let report = machine.doctor_with("mqtts://localhost:8883", &options, &password);
    report
        .names("TP-TLS-013", Rung::Tls)
        .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!((logins(&broker), packets(&broker).len()), (0, 0));
}

#[test]
fn a_hub_that_refuses_the_key() {
    let cloud = Cloud::start();
    let key = "bm90LXRoZS1rZXktb2YtdGhpcy1kZXZpY2UtMTIzNDU=";
    let report = cloud.doctor_of_key(key, &[], &[]);
    report
        .names("TP-HUB-021", Rung::Hub)
        .unwrap_or_else(|why| panic!("{why}"));
    let records = cloud.lab().log().since(0);
    let texts = records.iter().map(|record| record.text.as_str());
    let with_key = |text: &&str| text.contains("/devices/") && text.contains("was refused");
    let over_http = texts.filter(with_key).count();
    let by_mqtt = records
        .iter()
        .filter(|record| {
            record.code == Code::Unauthorized || record.code == Code::IotHubUnauthorized
        })
        .filter(|record| !record.text.contains("was refused: "))
        .count();
    for record in &records {
        println!("{} {} {}", record.code.number(), record.name, record.text);
    }
    println!("over MQTT {by_mqtt}, over HTTP {over_http}");
    assert_eq!((by_mqtt, over_http), (1, 1));
    assert!(cloud.lab().telemetry(doctor::DEVICE).is_empty());
}

/// Nothing but the twin is asked for, and nothing is subscribed beyond its answers.
#[test]
fn a_hub_that_lets_in() {
    let cloud = Cloud::start();
    cloud.doctor_of_device(&[]).is_ready().expect("ready");
    let records = cloud.lab().log().since(0);
    let count = |code| records.iter().filter(|record| record.code == code).count();
    assert_eq!(count(Code::DeviceConnected), 1);
    assert_eq!(count(Code::Telemetry), 0);
    let topics: Vec<_> = records
        .iter()
        .filter(|record| record.code == Code::Subscribed)
        .map(|record| record.text.as_str())
        .collect();
    println!("{topics:#?}");
    assert!(
        topics.iter().all(|text| text.contains("twin")),
        "{topics:?}"
    );
}

/// A proxy that wants to know who comes gets the password once.
#[test]
fn a_proxy_that_refuses_the_password() {
    let machine = Machine::new();
    let words = b"HTTP/1.1 407 Proxy Authentication Required\r\n\
                  Proxy-Authenticate: Basic realm=\"office\"\r\nContent-Length: 0\r\n\r\n";
    let proxy = Middlebox::start(&machine.namespace, Act::Answer(words));
    let through = format!("http://127.0.0.1:{}", proxy.port());
    let report = Doctor::on(&machine.namespace)
        .variable("TOWPATH_PROXY_PASSWORD", "wrong")
        .run(&[
            "mqtts://localhost:8883",
            "--proxy",
            &through,
            "--proxy-user",
            "anna",
        ]);
    assert_eq!(report.status, Some(1), "{}", report.text);
    let heard = proxy.heard();
    let told = heard
        .iter()
        .filter(|said| said.contains("Proxy-Authorization"));
    let told = told.count();
    println!(
        "{:?}: {} requests, {told} with the password",
        report.ids(),
        heard.len()
    );
    assert!(told <= 1, "{heard:?}");
}
