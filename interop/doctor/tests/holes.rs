//! Black holes: at each rung something takes what is sent and says nothing. With the doctor's own patience it is called
//! within ten seconds in all, by the doctor's own clock.

use doctor::{Cloud, Doctor, Report};
use net::{Internet, Lab, Reach, Setup, address, dns::Resolver, named};
use proxy::{Act, BROKER, Impostor, OFFICE, Office};
use towpath::Rung;

/// What may pass until the verdict, in milliseconds.
const LIMIT: f64 = 10_000.0;

/// Asserts that this is the finding, in time, and prints both.
fn called(hole: &str, report: &Report, id: &str, rung: Rung) {
    let millis = report.millis();
    println!("{hole:<34} {id:<12} {millis:>6.0} ms");
    if let Err(why) = report.names(id, rung) {
        panic!("{hole}: {why}\n{}", report.text);
    }
    assert!(millis <= LIMIT, "{hole}: {millis} ms");
}

/// What the doctor says of a name in the zone, with the broker's root.
fn of(lab: &Lab, url: &str) -> Report {
    let root = lab.pki.root().display().to_string();
    let options = ["--cafile", root.as_str()];
    let secured = url.starts_with("mqtts") || url.starts_with("wss");
    let options = if secured { &options[..] } else { &[] };
    Doctor::on(&lab.device).run(&[&[url], options].concat())
}

#[test]
fn of_the_dns_server() {
    let lab = Setup::new(Resolver::Silent).start();
    let report = of(&lab, &named("mqtts", "broker"));
    called("the DNS server", &report, "TP-DNS-002", Rung::Dns);
}

#[test]
fn of_four_dns_servers() {
    let lab = Setup::new(Resolver::Silent).start();
    let router = address::ROUTER;
    let others: String = (0x50..0x53)
        .map(|host| format!("nameserver fd11:22:33:1::{host:x}\n"))
        .collect();
    lab.device
        .resolv_conf(&format!("nameserver {router}\n{others}"));
    let report = of(&lab, &named("mqtts", "broker"));
    called("four DNS servers", &report, "TP-DNS-002", Rung::Dns);
}

#[test]
fn of_the_translator() {
    let mut lab = Setup::new(Resolver::Discoverable).start();
    lab.translator = None;
    let report = of(&lab, &named("mqtts", "broker"));
    called("the translator", &report, "TP-NAT64-004", Rung::Nat64);
}

#[test]
fn of_the_host() {
    let lab = Setup::new(Resolver::Plain).reach(Reach::Both);
    let lab = lab.internet(Internet::Both).start();
    let report = of(&lab, &named("mqtt", "nobody"));
    called("the host", &report, "TP-TCP-013", Rung::Tcp);
}

#[test]
fn of_packets_that_are_large() {
    let lab = Setup::new(Resolver::Dns64).start();
    doctor::narrow(&lab);
    let report = of(&lab, &named("wss", "broker"));
    called("large packets", &report, "TP-TCP-015", Rung::Tls);
}

#[test]
fn of_the_proxy() {
    let office = Office::open();
    let url = Office::url("mqtt", BROKER);
    for scheme in ["http", "socks5"] {
        let impostor = Impostor::start(&office, Act::Silent);
        let proxy = impostor.url(scheme);
        let report = Doctor::on(&office.device).run(&[&url, "--proxy", &proxy]);
        let hole = format!("the proxy, {scheme}");
        called(&hole, &report, "TP-PROXY-003", Rung::Proxy);
    }
    // Nobody has this address; the office's own switch says so late, and towpath does not wait for it.
    office
        .office
        .nft("add rule inet office input tcp dport 3128 drop\n");
    let proxy = format!("http://{OFFICE}:3128");
    let report = Doctor::on(&office.device).run(&[&url, "--proxy", &proxy]);
    called("packets to the proxy", &report, "TP-TCP-013", Rung::Tcp);
}

/// A broker that stands still: the kernel takes connections and bytes for it.
#[test]
fn of_the_broker() {
    let office = Office::open();
    office.broker.freeze();
    for (scheme, id, rung) in [
        ("mqtt", "TP-MQTT-002", Rung::Mqtt),
        ("mqtts", "TP-TLS-002", Rung::Tls),
        ("ws", "TP-UPG-002", Rung::Upgrade),
        ("wss", "TP-TLS-002", Rung::Tls),
    ] {
        let url = Office::url(scheme, BROKER);
        let report = Doctor::on(&office.office).run(&[&url]);
        called(&format!("a broker, {scheme}"), &report, id, rung);
    }
    office.broker.thaw();
}

#[test]
fn of_the_hub() {
    let cloud = Cloud::start();
    for (fault, scheme, id, rung) in [
        ("hello-silent", "mqtts", "TP-TLS-002", Rung::Tls),
        ("get-silent", "wss", "TP-UPG-002", Rung::Upgrade),
        ("upgrade-lost", "wss", "TP-UPG-010", Rung::Upgrade),
        ("connect-silent", "mqtts", "TP-MQTT-002", Rung::Mqtt),
        ("connect-silent", "wss", "TP-MQTT-002", Rung::Mqtt),
    ] {
        let report = cloud.faulty(&[fault], |cloud| cloud.doctor(scheme, &[]));
        called(&format!("the hub, {fault}, {scheme}"), &report, id, rung);
    }
    let report = cloud.faulty(&["twin-silent"], |cloud| cloud.doctor_of_device(&[]));
    called("the hub, twin-silent", &report, "TP-HUB-016", Rung::Hub);
}
