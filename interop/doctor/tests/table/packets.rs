//! TCP: ports, firewalls, and packets that don't fit.

use doctor::{Cloud, Doctor, Key, Report, SetUp, narrow, play};
use net::{Internet, Lab, Reach, Setup, address, dns::Resolver, named, url};
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let network = [FIREWALL, NARROW].into_iter().flatten().map(SetUp::key);
    network.chain(CUT.iter().map(SetUp::key)).collect()
}

/// What the doctor says of a URL; a silence is called one after 2 s.
fn of(lab: &Lab, url: &str, options: &[&str]) -> Report {
    let root = lab.pki.root().display().to_string();
    let arguments = [url, "--timeout", "2", "--cafile", &root];
    let trust = if url.starts_with("mqtts") || url.starts_with("wss") {
        arguments.len()
    } else {
        3
    };
    Doctor::on(&lab.device).run(&[&arguments[..trust], options].concat())
}

/// The same with a rule for what the router passes on.
fn behind(lab: &Lab, rule: &str, url: &str, options: &[&str]) -> Report {
    lab.router.nft(&format!(
        "add table inet wall\n\
         add chain inet wall through {{ type filter hook forward priority 0 ; }}\n\
         add rule inet wall through {rule}\n"
    ));
    let report = of(lab, url, options);
    lab.router.nft("delete table inet wall\n");
    report
}

const FIREWALL: &[SetUp<Lab>] = &[
    // It lets connections be opened, and resets those that are.
    SetUp::breaks("tcp-reset", "TP-TCP-002", Rung::Tcp, |lab| {
        let rule = "tcp dport 1883 tcp flags & (syn | rst) == 0 reject with tcp reset";
        behind(lab, rule, &named("mqtt", "broker"), &[])
    }),
    SetUp::breaks("tcp-refused", "TP-TCP-010", Rung::Tcp, |lab| {
        of(lab, &format!("{}:1999", named("mqtt", "broker")), &[])
    }),
    SetUp::breaks("tcp-prohibited", "TP-TCP-011", Rung::Tcp, |lab| {
        let rule = "ip protocol tcp ip daddr 198.51.100.10 reject with icmp type admin-prohibited";
        behind(lab, rule, &named("mqtt", "broker"), &[])
    }),
    // Linux has another error number for the same with IPv6.
    SetUp::breaks("tcp-prohibited-ipv6", "TP-TCP-011", Rung::Tcp, |lab| {
        let rule =
            "meta l4proto tcp ip6 daddr 2001:db8:2::10 reject with icmpv6 type admin-prohibited";
        behind(lab, rule, &format!("mqtt://[{}]", address::BROKER6), &[])
    }),
    SetUp::breaks("tcp-no-route", "TP-TCP-012", Rung::Tcp, |lab| {
        let rule = "ip protocol tcp ip daddr 198.51.100.10 reject with icmp type net-unreachable";
        behind(lab, rule, &named("mqtt", "broker"), &[])
    }),
    SetUp::breaks("tcp-silent", "TP-TCP-013", Rung::Tcp, |lab| {
        of(lab, &named("mqtt", "nobody"), &[])
    }),
    SetUp::breaks("tcp-port-blocked", "TP-TCP-014", Rung::Tcp, |lab| {
        let rule = "tcp dport 8883 drop";
        behind(lab, rule, &named("mqtts", "broker"), &[])
    }),
    // With a global address of its own the device prefers IPv6 (RFC 6724 6). The hosts file gives both at once.
    SetUp::warns("tcp-dead-family", "TP-TCP-017", |lab| {
        let (dead, alive) = (address::BROKER6, address::BROKER);
        let hosts = format!("{dead} two.lab.example\n{alive} two.lab.example\n");
        lab.device.hosts(&hosts);
        lab.router.ip("addr add 2001:db8:1::1/64 dev lan nodad");
        lab.device.ip("addr add 2001:db8:1::2/64 dev uplink nodad");
        let rule = format!("ip6 daddr {dead} meta l4proto tcp reject with tcp reset");
        behind(lab, &rule, &named("mqtt", "two"), &[])
    }),
    SetUp::breaks("tcp-bind", "TP-DEV-024", Rung::Tcp, |lab| {
        of(lab, &named("mqtt", "broker"), &["--bind", "192.0.2.77"])
    }),
    // The device has a second address, whose packets its own rules send nowhere.
    SetUp::breaks("tcp-bound-source", "TP-TCP-018", Rung::Tcp, |lab| {
        let second = "192.0.2.9";
        lab.device.ip(&format!(
            "addr add {second}/24 dev uplink\nrule add from {second} unreachable"
        ));
        let report = of(lab, &named("mqtt", "broker"), &["--bind", second]);
        lab.device.ip(&format!(
            "rule del from {second} unreachable\naddr del {second}/24 dev uplink"
        ));
        report
    }),
];

#[test]
fn a_firewall() {
    let lab = Setup::new(Resolver::Plain).reach(Reach::Both);
    play(&mut lab.internet(Internet::Both).start(), FIREWALL);
}

const NARROW: &[SetUp<Lab>] = &[SetUp::breaks(
    "tcp-large-lost",
    "TP-TCP-015",
    Rung::Tls,
    |lab| of(lab, &url("mqtts", "broker.lab.example"), &[]),
)];

#[test]
fn large_packets_vanish() {
    let lab = Setup::new(Resolver::Dns64).start();
    narrow(&lab);
    play(&mut { lab }, NARROW);
}

/// The lab speaks TLS on all its ports, so that the handshake is what breaks.
const CUT: &[SetUp<Cloud>] = &[
    SetUp::lab("accept-close", "TP-TLS-001", Rung::Tls, |cloud| {
        cloud.faulty(&["accept-close"], |cloud| cloud.doctor("mqtts", &[]))
    }),
    SetUp::lab("accept-reset", "TP-TCP-002", Rung::Tcp, |cloud| {
        cloud.faulty(&["accept-reset"], |cloud| cloud.doctor("mqtts", &[]))
    }),
    SetUp::lab("accept-silent", "TP-TLS-002", Rung::Tls, |cloud| {
        cloud.faulty(&["accept-silent"], |cloud| {
            cloud.doctor("mqtts", &["--timeout", "2"])
        })
    }),
];

#[test]
fn connections_that_are_cut() {
    play(&mut Cloud::start(), CUT);
}
