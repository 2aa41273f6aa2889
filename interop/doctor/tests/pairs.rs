//! Two faults at once: whatever else is wrong above, the earlier rung is the verdict.

use doctor::{Cloud, Doctor, Report, inspector, narrow};
use net::{Internet, Lab, Reach, Setup, address, dns::Resolver, named, url};
use proxy::{Act, BROKER, Dante, FORBIDDEN, Impostor, Login, OFFICE, Office, Squid, USER};
use towpath::Rung;

/// Asserts that the first of two faults is named, and not the other.
fn first(both: &str, report: &Report, id: &str, rung: Rung) {
    println!("{both:<52} {id}");
    if let Err(why) = report.names(id, rung) {
        panic!("{both}: {why}\n{}", report.text);
    }
}

/// What the doctor says; a silence is called one after 2 s.
fn of(lab: &Lab, url: &str, options: &[&str]) -> Report {
    Doctor::on(&lab.device).run(&[&[url, "--timeout", "2"], options].concat())
}

#[test]
fn an_address_of_the_link_and_no_dns_server() {
    let lab = Setup::new(None).reach(Reach::LinkLocal).no_translator();
    let report = of(&lab.start(), &named("mqtt", "broker"), &[]);
    first(
        "link-local only, no DNS server",
        &report,
        "TP-ADDR-001",
        Rung::Address,
    );
}

#[test]
fn a_silent_dns_server() {
    let lab = Setup::new(Resolver::Silent).start();
    let closed = format!("{}:1999", named("mqtt", "broker"));
    first(
        "DNS silent, port closed",
        &of(&lab, &closed, &[]),
        "TP-DNS-002",
        Rung::Dns,
    );
}

#[test]
fn a_name_that_does_not_exist() {
    let mut lab = Setup::new(Resolver::Discoverable).start();
    lab.translator = None;
    first(
        "no such name, translator dead",
        &of(&lab, &named("mqtt", "missing"), &[]),
        "TP-DNS-005",
        Rung::Dns,
    );
    let closed = format!("{}:1999", named("mqtt", "broker"));
    first(
        "translator dead, port closed",
        &of(&lab, &closed, &[]),
        "TP-NAT64-004",
        Rung::Nat64,
    );
}

#[test]
fn no_prefix() {
    let lab = Setup::new(Resolver::Blocked).no_translator().start();
    let closed = format!("{}:1999", named("mqtt", "broker"));
    first(
        "no NAT64 prefix, port closed",
        &of(&lab, &closed, &[]),
        "TP-NAT64-001",
        Rung::Nat64,
    );
}

/// The broker's root is not given: its certificate would not be trusted.
#[test]
fn tcp_before_tls() {
    let lab = Setup::new(Resolver::Plain).reach(Reach::Both);
    let lab = lab.internet(Internet::Both).start();
    first(
        "port closed, certificate untrusted",
        &of(&lab, &format!("{}:1999", named("mqtts", "broker")), &[]),
        "TP-TCP-010",
        Rung::Tcp,
    );
    first(
        "host silent, certificate untrusted",
        &of(&lab, &named("mqtts", "nobody"), &[]),
        "TP-TCP-013",
        Rung::Tcp,
    );
}

#[test]
fn large_packets_before_the_certificate() {
    let lab = Setup::new(Resolver::Dns64).start();
    narrow(&lab);
    first(
        "large packets lost, certificate for another name",
        &of(&lab, &named("mqtts", "broker"), &["--sni", "other.example"]),
        "TP-TCP-015",
        Rung::Tls,
    );
    let literal = url("mqtt", &address::PRIVATE.to_string());
    let nowhere = ["--nat64-prefix", "64:ff9b::/96"];
    first(
        "private address under the well-known prefix, no route",
        &of(&lab, &literal, &nowhere),
        "TP-NAT64-003",
        Rung::Nat64,
    );
}

#[test]
fn the_proxy_before_what_is_behind_it() {
    let office = Office::open();
    let _known = Squid::start(&office, Login::Plain);
    let _open = Dante::start(&office, Login::Open);
    let _inspector = inspector::start(&office.office, BROKER);
    let through = |proxy: &str, url: &str, options: &[&str]| {
        Doctor::on(&office.device).run(&[&[url, "--proxy", proxy], options].concat())
    };
    let closed = format!("http://{OFFICE}:1");
    first(
        "proxy's port closed, name unknown",
        &through(&closed, "mqtt://nowhere.lab.example", &[]),
        "TP-TCP-010",
        Rung::Tcp,
    );
    first(
        "proxy wants a password, certificate inspected",
        &through(&Squid::url(), &Office::url("mqtts", BROKER), &[]),
        "TP-PROXY-013",
        Rung::Proxy,
    );
    first(
        "proxy's rule, certificate untrusted",
        &through(&Dante::url(), &Office::url("mqtts", FORBIDDEN), &[]),
        "TP-PROXY-010",
        Rung::Proxy,
    );
    let web = Impostor::start(&office, Act::Say("HTTP/1.1 405 Not Allowed\r\n\r\n"));
    let web = web.url("http");
    first(
        "no proxy, a user that it could not know",
        &through(&web, &Office::url("wss", BROKER), &["--proxy-user", USER]),
        "TP-PROXY-002",
        Rung::Proxy,
    );
}

#[test]
fn from_tls_upwards() {
    let cloud = Cloud::start();
    for (faults, scheme, id, rung) in [
        (
            ["hello-close", "connack-5"],
            "mqtts",
            "TP-TLS-001",
            Rung::Tls,
        ),
        (
            ["cert-expired", "connack-5"],
            "mqtts",
            "TP-TLS-010",
            Rung::Tls,
        ),
        (
            ["cert-unknown-root", "upgrade-status=404"],
            "wss",
            "TP-TLS-013",
            Rung::Tls,
        ),
        (
            ["cert-wrong-name", "get-close"],
            "wss",
            "TP-TLS-012",
            Rung::Tls,
        ),
        (
            ["upgrade-status=404", "connack-5"],
            "wss",
            "TP-UPG-014",
            Rung::Upgrade,
        ),
        (
            ["get-close", "connect-silent"],
            "wss",
            "TP-UPG-001",
            Rung::Upgrade,
        ),
        (
            ["upgraded-close", "connack-4"],
            "wss",
            "TP-WS-001",
            Rung::Ws,
        ),
        (["frames-text", "connack-5"], "wss", "TP-WS-004", Rung::Ws),
        (
            ["connack-3", "drop-after=0"],
            "mqtts",
            "TP-MQTT-005",
            Rung::Mqtt,
        ),
    ] {
        let report = cloud.faulty(&faults, |cloud| cloud.doctor(scheme, &[]));
        first(&faults.join(", "), &report, id, rung);
    }
    let faults = ["connack-5", "twin-silent"];
    let report = cloud.faulty(&faults, |cloud| cloud.doctor_of_device(&[]));
    first(&faults.join(", "), &report, "TP-HUB-021", Rung::Hub);
}
