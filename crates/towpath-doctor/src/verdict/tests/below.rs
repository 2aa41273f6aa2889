//! From the name to the proxy.

use towpath_proto::{
    Code, Rung,
    net::{self, Candidate, Families, Origin, Prefix, PrefixOrigin},
};

use super::{each_is, made::*};
use crate::{
    evidence::{Scheme::*, Service},
    probe::Change,
};

const V4: &str = "192.0.2.1";

#[test]
fn names() {
    let name = |code| broke(Mqtts, 8883, Rung::Dns, code);
    let second = || socket("10.0.0.2:53");
    each_is(vec![
        ("no DNS server", name(Code::NoResolver), "TP-DNS-001"),
        (
            "no answer",
            name(Code::ResolverSilent).dns("10.0.0.1:53", Err(Code::ResolverSilent)),
            "TP-DNS-002",
        ),
        ("REFUSED", name(Code::ResolverRefused), "TP-DNS-003"),
        ("SERVFAIL", name(Code::ResolverFailed), "TP-DNS-004"),
        (
            "NXDOMAIN",
            name(Code::NameNotFound).dns("10.0.0.1:53", Err(Code::NameNotFound)),
            "TP-DNS-005",
        ),
        ("no record", name(Code::NoAddress), "TP-DNS-006"),
        ("CNAME in circles", name(Code::AliasLoop), "TP-DNS-007"),
        ("garbage", name(Code::AnswerMalformed), "TP-DNS-008"),
        ("a space in it", name(Code::NameInvalid), "TP-DNS-010"),
        (
            "NXDOMAIN here, an address from the second server",
            name(Code::NameNotFound)
                .dns("10.0.0.1:53", Err(Code::NameNotFound))
                .works(Change::Resolver(second()), Rung::Tcp),
            "TP-DNS-013",
        ),
        (
            "NXDOMAIN from both",
            name(Code::NameNotFound).fails(
                Change::Resolver(second()),
                Rung::Dns,
                Code::NameNotFound,
            ),
            "TP-DNS-005",
        ),
        (
            "no address of one's own",
            broke(Mqtt, 1883, Rung::Address, Code::NoSourceAddress),
            "TP-ADDR-001",
        ),
        (
            "IPv4 only, and the name has AAAA alone",
            broke(Mqtt, 1883, Rung::Address, Code::FamilyUnavailable)
                .settings(|s| s.families = Families::V4),
            "TP-ADDR-002",
        ),
        (
            "the assigned hub has no address",
            {
                let mut made =
                    name(Code::NameNotFound).target(|t| t.service = Service::Provisioning);
                made.climb().assigned = Some("nowhere.invalid".into());
                made
            },
            "TP-DPS-011",
        ),
    ]);
}

#[test]
fn a_name_says_who_does_not_know_it() {
    let made = broke(Mqtts, 8883, Rung::Dns, Code::NameNotFound)
        .dns("10.0.0.1:53", Err(Code::NameNotFound))
        .works(Change::Resolver(socket("10.0.0.2:53")), Rung::Tcp);
    let found = crate::verdict::diagnose(&made.evidence).found;
    assert_eq!(
        found[0].cause(),
        "10.0.0.1 does not give broker.example (no such name), 10.0.0.2 does"
    );
}

#[test]
fn the_proxys_name_is_told_without_the_rest_of_its_url() {
    let made = broke(Mqtts, 8883, Rung::Dns, Code::NameNotFound).proxied();
    let found = crate::verdict::diagnose(&made.evidence).found.remove(0);
    assert_eq!(
        found.cause(),
        "the proxy's name proxy.example does not exist"
    );
}

#[test]
fn translators() {
    let given: Prefix = "64:ff9b::/96".parse().unwrap();
    let announced: Prefix = "fd00:64::/96".parse().unwrap();
    let silent = || {
        let mut made = broke(Mqtts, 8883, Rung::Nat64, Code::Nat64Silent);
        let origin = Origin::Synthesised(given, PrefixOrigin::Config);
        let candidate = Candidate {
            address: address("64:ff9b::c000:201"),
            origin,
            source: None,
        };
        made = made.net(&[
            net::Fact::Prefix(given, PrefixOrigin::Config),
            net::Fact::Trying(candidate),
        ]);
        made
    };
    let with = |prefix, until| {
        let mut climb = came_to(until);
        let fact = net::Fact::Prefix(prefix, PrefixOrigin::Discovery);
        climb.net.push((climb.took, Rung::Nat64, fact));
        (asks(Change::AnnouncedPrefix, Rung::Tcp), climb)
    };
    let (asked, works) = with(announced, Rung::Tcp);
    let (_, dead) = with(announced, Rung::Dns);
    let (_, same) = with(given, Rung::Dns);
    each_is(vec![
        (
            "no prefix",
            broke(Mqtts, 8883, Rung::Nat64, Code::Nat64NoPrefix),
            "TP-NAT64-001",
        ),
        (
            "a bad prefix",
            broke(Mqtts, 8883, Rung::Nat64, Code::Nat64PrefixInvalid),
            "TP-NAT64-002",
        ),
        (
            "private behind the well-known one",
            broke(Mqtts, 8883, Rung::Nat64, Code::Nat64Private),
            "TP-NAT64-003",
        ),
        ("no answer", silent(), "TP-NAT64-004"),
        (
            "withdrawn",
            broke(Mqtts, 8883, Rung::Nat64, Code::Nat64NoRoute),
            "TP-NAT64-005",
        ),
        (
            "another prefix is announced, and works",
            silent().asked(asked.clone(), works),
            "TP-NAT64-006",
        ),
        (
            "another prefix is announced",
            silent().asked(asked.clone(), dead),
            "TP-NAT64-006",
        ),
        (
            "the same prefix is announced",
            silent().asked(asked, same),
            "TP-NAT64-004",
        ),
        (
            "443 answers through it",
            silent().works(Change::Transport(Wss, 443), Rung::Tcp),
            "TP-TCP-014",
        ),
    ]);
}

#[test]
fn connections() {
    let tcp = |code| broke(Mqtts, 8883, Rung::Tcp, code).tried(&[(V4, net::Ended::Failed(code))]);
    let other = Change::Transport(Wss, 443);
    let bound = |code| tcp(code).settings(|s| s.bind = Some(address("198.51.100.9")));
    each_is(vec![
        ("nobody listens", tcp(Code::Refused), "TP-TCP-010"),
        (
            "one address resets, nobody listens on the other",
            tcp(Code::Refused).tried(&[("192.0.2.2", net::Ended::Failed(Code::Reset))]),
            "TP-TCP-002",
        ),
        ("no route", tcp(Code::HostUnreachable), "TP-TCP-011"),
        ("no network", tcp(Code::NetUnreachable), "TP-TCP-012"),
        ("no answer", tcp(Code::ConnectTimeout), "TP-TCP-013"),
        (
            "no answer on 443 either",
            tcp(Code::ConnectTimeout).fails(other.clone(), Rung::Tcp, Code::ConnectTimeout),
            "TP-TCP-013",
        ),
        (
            "no answer here, 443 opens",
            tcp(Code::ConnectTimeout).works(other.clone(), Rung::Tcp),
            "TP-TCP-014",
        ),
        (
            "rejected here, 443 opens",
            tcp(Code::HostUnreachable).works(other.clone(), Rung::Tcp),
            "TP-TCP-014",
        ),
        (
            "a broker refuses, a web server is beside it",
            tcp(Code::Refused).works(other.clone(), Rung::Tcp),
            "TP-TCP-010",
        ),
        (
            "a hub refuses, which listens for certain",
            tcp(Code::Refused).hub(true).works(other.clone(), Rung::Tcp),
            "TP-TCP-014",
        ),
        (
            "from this source address only",
            bound(Code::ConnectTimeout).works(Change::AnySource, Rung::Tcp),
            "TP-TCP-018",
        ),
        (
            "from any source address",
            bound(Code::ConnectTimeout).fails(Change::AnySource, Rung::Tcp, Code::ConnectTimeout),
            "TP-TCP-013",
        ),
        (
            "the proxy of the environment opens it",
            tcp(Code::ConnectTimeout)
                .works(Change::EnvironmentProxy, Rung::Proxy)
                .works(other.clone(), Rung::Tcp),
            "TP-PROXY-015",
        ),
        (
            "the proxy of the environment is as silent",
            tcp(Code::ConnectTimeout).fails(
                Change::EnvironmentProxy,
                Rung::Tcp,
                Code::ConnectTimeout,
            ),
            "TP-TCP-013",
        ),
        (
            "the proxy itself is not there",
            tcp(Code::Refused)
                .proxied()
                .works(Change::Direct, Rung::Tcp),
            "TP-TCP-010",
        ),
        (
            "large packets",
            broke(Mqtts, 8883, Rung::Tls, Code::LargePacketsLost).number(1400),
            "TP-TCP-015",
        ),
    ]);
    let silent = tcp(Code::ConnectTimeout).works(other.clone(), Rung::Tcp);
    let silent = crate::verdict::diagnose(&silent.evidence).found.remove(0);
    assert!(silent.cause().contains("on the way or at the server"));
    assert_eq!(
        silent.or_else.first().map(|finding| finding.id),
        Some("TP-TCP-013"),
        "a server that drops looks the same"
    );
    let refused = crate::verdict::diagnose(&tcp(Code::Refused).works(other, Rung::Tcp).evidence);
    let others: Vec<_> = refused.found[0]
        .or_else
        .iter()
        .map(|finding| finding.id)
        .collect();
    assert_eq!(
        others,
        ["TP-TCP-014"],
        "a firewall that rejects with RST looks the same"
    );
}

#[test]
fn proxies() {
    let proxy = |code| broke(Wss, 443, Rung::Proxy, code).proxied();
    let through = |rung, code| broke(Wss, 443, rung, code).proxied();
    let issued = |issuer| vec![certificate("broker.example", issuer)];
    let direct = |issuer, until| {
        let mut climb = came_to(until);
        climb.chain = issued(issuer);
        climb
    };
    let past = || asks(Change::Direct, Rung::Tls);
    let untrusted =
        |issuer| through(Rung::Tls, Code::ServerCertificateUntrusted).chain(&issued(issuer));
    each_is(vec![
        (
            "forbidden",
            proxy(Code::ProxyRefused).number(403),
            "TP-PROXY-005",
        ),
        (
            "wrong password",
            proxy(Code::ProxyAuthFailed).number(407),
            "TP-PROXY-006",
        ),
        (
            "no answer",
            proxy(Code::ProxyTimeout).works(Change::Direct, Rung::Tcp),
            "TP-PROXY-003",
        ),
        ("cut", proxy(Code::ProxyClosed), "TP-PROXY-004"),
        (
            "cannot reach it",
            proxy(Code::ProxyBadGateway).number(502),
            "TP-PROXY-008",
        ),
        ("SOCKS", proxy(Code::SocksFailed).number(2), "TP-PROXY-010"),
        (
            "another issuer than past it",
            untrusted("Our Company CA").asked(past(), direct("R11", Rung::Tls)),
            "TP-PROXY-014",
        ),
        (
            "the same issuer past it",
            untrusted("Our CA").asked(past(), {
                let mut climb = failed_at(Rung::Tls, Code::ServerCertificateUntrusted);
                climb.chain = issued("Our CA");
                climb
            }),
            "TP-TLS-013",
        ),
        (
            "an issuer that inspects, without a proxy",
            broke(Wss, 443, Rung::Tls, Code::ServerCertificateUntrusted)
                .chain(&issued("Zscaler Intermediate Root CA")),
            "TP-PROXY-014",
        ),
        (
            "a hub's name by a stranger",
            broke(Mqtts, 8883, Rung::Tls, Code::ServerCertificateUntrusted)
                .hub(true)
                .chain(&[certificate("*.azure-devices.net", "Firewall of the plant")]),
            "TP-PROXY-014",
        ),
        (
            "TLS is cut through it, not past it",
            through(Rung::Tls, Code::TlsClosed).works(Change::Direct, Rung::Tls),
            "TP-PROXY-016",
        ),
        (
            "the upgrade hangs through it",
            through(Rung::Upgrade, Code::UpgradeTimeout).works(Change::Direct, Rung::Upgrade),
            "TP-PROXY-016",
        ),
        (
            "TLS is cut past it too",
            through(Rung::Tls, Code::TlsClosed).fails(Change::Direct, Rung::Tls, Code::TlsClosed),
            "TP-TLS-001",
        ),
    ]);
}
