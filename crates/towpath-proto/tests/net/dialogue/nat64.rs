//! An IPv4 server from a network that has only IPv6.

use std::time::Duration;

use towpath_proto::{
    Code, Rung,
    net::{Families, Prefix, PrefixOrigin, dialer::Nat64},
};
use towpath_sim::dns::{A, AAAA};

use super::{Asked, Dial, NAME, SERVER, SERVER_V4, ms, settings};

const ARPA: &str = "ipv4only.arpa";
const HOUR: Duration = Duration::from_secs(3600);

fn prefix() -> Prefix {
    "fd64:1::/96".parse().expect("a prefix")
}

/// Asks for the name's addresses and for the prefix.
fn all(dial: &mut Dial) -> [Asked; 3] {
    dial.dials(NAME);
    [
        dial.asks(NAME, AAAA, SERVER),
        dial.asks(NAME, A, SERVER),
        dial.asks(ARPA, AAAA, SERVER),
    ]
}

/// The name has this IPv4 address and no other.
fn v4_only(dial: &mut Dial, aaaa: &Asked, a: &Asked, address: [u8; 4]) {
    dial.answers(aaaa, &aaaa.reply().soa("example", 60, 60));
    dial.answers(a, &a.reply().a(NAME, 60, address.into()));
}

#[test]
fn the_prefix_is_discovered_beside_the_name() {
    let mut dial = Dial::ipv6_only();
    let [aaaa, a, arpa] = all(&mut dial);
    v4_only(&mut dial, &aaaa, &a, [198, 51, 100, 10]);
    dial.quiet();
    let well_known = prefix().synthesise([192, 0, 0, 170].into());
    dial.answers(&arpa, &arpa.reply().aaaa(ARPA, 60, well_known));
    let id = dial.connects("fd64:1::c633:640a");
    dial.accepts(id);
    dial.connected("fd64:1::c633:640a");
}

#[test]
fn dns64_does_it_without_a_prefix() {
    let mut dial = Dial::ipv6_only();
    let [aaaa, _, _] = all(&mut dial);
    let address = prefix().synthesise([198, 51, 100, 10].into());
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 60, address));
    let id = dial.connects("fd64:1::c633:640a");
    dial.accepts(id);
    dial.connected("fd64:1::c633:640a");
}

#[test]
fn a_prefix_that_is_known_is_not_asked_for() {
    for origin in [
        PrefixOrigin::ThreadNetworkData,
        PrefixOrigin::RouterAdvertisement,
    ] {
        let mut dial = Dial::ipv6_only();
        dial.dialer.learned(dial.now, prefix(), origin, HOUR);
        dial.dials(NAME);
        let aaaa = dial.asks(NAME, AAAA, SERVER);
        let a = dial.asks(NAME, A, SERVER);
        dial.quiet();
        v4_only(&mut dial, &aaaa, &a, [198, 51, 100, 10]);
        dial.connects("fd64:1::c633:640a");
    }
    let mut settings = settings(&[SERVER]);
    settings.nat64 = Nat64::Prefix(prefix());
    let mut dial = Dial::new(settings, &["2001:db8:5::5"]);
    dial.dials("198.51.100.10");
    dial.connects("fd64:1::c633:640a");
}

/// OpenThread's border router: no DNS64, and `ipv4only.arpa` does not exist.
#[test]
fn a_prefix_that_comes_late_is_used() {
    let mut settings = settings(&[SERVER]);
    settings.advertisement_wait = ms(1500);
    let mut dial = Dial::new(settings, &["2001:db8:5::5"]);
    let [aaaa, a, arpa] = all(&mut dial);
    v4_only(&mut dial, &aaaa, &a, [198, 51, 100, 10]);
    dial.answers(&arpa, &arpa.reply().rcode(3));
    dial.quiet();
    dial.pass(ms(700));
    let origin = PrefixOrigin::RouterAdvertisement;
    dial.dialer.learned(dial.now, prefix(), origin, HOUR);
    dial.drain();
    dial.connects("fd64:1::c633:640a");
}

#[test]
fn no_prefix() {
    let mut dial = Dial::ipv6_only();
    let [aaaa, a, arpa] = all(&mut dial);
    v4_only(&mut dial, &aaaa, &a, [198, 51, 100, 10]);
    dial.answers(&arpa, &arpa.reply().rcode(3));
    dial.failed(Rung::Nat64, Code::Nat64NoPrefix, NAME);
}

#[test]
fn a_private_address_is_refused_before_a_packet_is_sent() {
    let mut settings = settings(&[SERVER]);
    settings.nat64 = Nat64::Prefix(Prefix::WELL_KNOWN);
    let mut dial = Dial::new(settings.clone(), &["2001:db8:5::5"]);
    dial.dials("192.168.1.10");
    dial.failed(Rung::Nat64, Code::Nat64Private, "192.168.1.10");

    // A DNS64 server synthesises it all the same.
    let mut dial = Dial::new(settings, &["2001:db8:5::5"]);
    dial.dials(NAME);
    let aaaa = dial.asks(NAME, AAAA, SERVER);
    let a = dial.asks(NAME, A, SERVER);
    let address = Prefix::WELL_KNOWN.synthesise([192, 168, 1, 10].into());
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 60, address));
    dial.answers(&a, &a.reply().a(NAME, 60, [192, 168, 1, 10].into()));
    dial.failed(Rung::Nat64, Code::Nat64Private, "192.168.1.10");
}

#[test]
fn a_loopback_address_is_never_translated() {
    let mut settings = settings(&[SERVER]);
    settings.families = Families::V6;
    settings.nat64 = Nat64::Prefix(prefix());
    let mut dial = Dial::new(settings, &["2001:db8:5::5"]);
    dial.dials("127.0.0.1");
    let said = dial.next();
    assert!(matches!(said, super::Said::Failed(_)), "{said:?}");
    dial.over();
}

#[test]
fn a_dead_translator_and_one_that_was_withdrawn() {
    let mut settings = settings(&[SERVER]);
    settings.nat64 = Nat64::Prefix(prefix());
    let mut dial = Dial::new(settings.clone(), &["2001:db8:5::5"]);
    dial.dials("198.51.100.10");
    dial.connects("fd64:1::c633:640a");
    dial.silence(ms(10_000));
    dial.closes("fd64:1::c633:640a");
    let place = "[fd64:1::c633:640a]:1883";
    dial.failed(Rung::Nat64, Code::Nat64Silent, place);

    let mut dial = Dial::new(settings, &["2001:db8:5::5"]);
    dial.dials("198.51.100.10");
    let id = dial.connects("fd64:1::c633:640a");
    dial.fails(id, Code::NetUnreachable);
    dial.failed(Rung::Nat64, Code::Nat64NoRoute, place);
}

#[test]
fn an_ipv4_server_of_names_is_asked_through_the_translator() {
    let mut settings = settings(&[SERVER_V4]);
    settings.nat64 = Nat64::Prefix(prefix());
    let mut dial = Dial::new(settings, &["2001:db8:5::5"]);
    dial.dials(NAME);
    dial.asks(NAME, AAAA, "[fd64:1::c633:6435]:53");
    dial.asks(NAME, A, "[fd64:1::c633:6435]:53");
}

#[test]
fn translated_addresses_come_after_those_of_ipv6() {
    let mut settings = settings(&[SERVER]);
    settings.nat64 = Nat64::Prefix(prefix());
    let mut dial = Dial::new(settings, &["2001:db8:5::5"]);
    dial.dials(NAME);
    let aaaa = dial.asks(NAME, AAAA, SERVER);
    let a = dial.asks(NAME, A, SERVER);
    dial.answers(&a, &a.reply().a(NAME, 60, [198, 51, 100, 10].into()));
    let own = "2001:db8::80".parse().expect("an address");
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 60, own));
    dial.connects("2001:db8::80");
    dial.silence(ms(250));
    let second = dial.connects("fd64:1::c633:640a");
    dial.accepts(second);
    dial.closes("2001:db8::80");
    dial.connected("fd64:1::c633:640a");
}

/// A router tells the prefix a moment later; until then nobody can be asked for anything.
#[test]
fn ipv4_servers_alone_wait_for_the_prefix() {
    let mut settings = settings(&[SERVER_V4]);
    settings.advertisement_wait = Duration::from_secs(4);
    let mut dial = Dial::new(settings.clone(), &["2001:db8:5::5"]);
    dial.dials(NAME);
    dial.quiet();
    dial.pass(ms(600));
    let origin = PrefixOrigin::RouterAdvertisement;
    dial.dialer.learned(dial.now, prefix(), origin, HOUR);
    dial.drain();
    let through = "[fd64:1::c633:6435]:53";
    dial.asks(NAME, AAAA, through);
    let a = dial.asks(NAME, A, through);
    dial.answers(&a, &a.reply().a(NAME, 60, [198, 51, 100, 10].into()));
    dial.silence(ms(50));
    dial.connects("fd64:1::c633:640a");

    let mut dial = Dial::new(settings, &["2001:db8:5::5"]);
    dial.dials(NAME);
    dial.silence(Duration::from_secs(4));
    dial.failed(Rung::Dns, Code::NetUnreachable, "198.51.100.53");
}
