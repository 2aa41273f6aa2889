//! Which address is tried when, and what becomes of the others.

use towpath_proto::{Code, Rung};
use towpath_sim::dns::{A, AAAA};

use super::{Asked, Dial, NAME, SERVER, ms, settings};

const V6: &str = "2001:db8::80";
const V4: &str = "198.51.100.80";

fn v6(text: &str) -> std::net::Ipv6Addr {
    text.parse().expect("an address")
}

fn v4(text: &str) -> std::net::Ipv4Addr {
    text.parse().expect("an address")
}

/// Asks for the addresses of both families.
fn both(dial: &mut Dial) -> [Asked; 2] {
    dial.dials(NAME);
    [dial.asks(NAME, AAAA, SERVER), dial.asks(NAME, A, SERVER)]
}

#[test]
fn aaaa_first() {
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    dial.pass(ms(20));
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 60, v6(V6)));
    // It does not wait for A.
    let id = dial.connects(V6);
    dial.pass(ms(5));
    dial.answers(&a, &a.reply().a(NAME, 60, v4(V4)));
    dial.quiet();
    dial.pass(ms(5));
    dial.accepts(id);
    dial.connected(V6);
}

#[test]
fn a_first_waits_fifty_milliseconds_for_aaaa() {
    // In time: IPv6 is tried first, IPv4 after the delay between attempts.
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    dial.answers(&a, &a.reply().a(NAME, 60, v4(V4)));
    dial.quiet();
    dial.pass(ms(49));
    dial.quiet();
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 60, v6(V6)));
    dial.connects(V6);
    dial.silence(ms(250));
    dial.connects(V4);

    // Too late: IPv4 goes, and IPv6 joins when it comes.
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    dial.answers(&a, &a.reply().a(NAME, 60, v4(V4)));
    dial.silence(ms(50));
    let first = dial.connects(V4);
    dial.pass(ms(100));
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 60, v6(V6)));
    dial.silence(ms(150));
    dial.connects(V6);
    dial.accepts(first);
    dial.closes(V6);
    dial.connected(V4);
}

#[test]
fn no_waiting_where_aaaa_is_answered_empty() {
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    dial.answers(&aaaa, &aaaa.reply().soa("example", 60, 60));
    dial.quiet();
    dial.answers(&a, &a.reply().a(NAME, 60, v4(V4)));
    dial.connects(V4);
}

#[test]
fn behind_a_dead_first_address_the_second_wins_within_300_ms() {
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 60, v6(V6)));
    dial.answers(&a, &a.reply().a(NAME, 60, v4(V4)));
    let began = dial.now;
    dial.connects(V6);
    dial.silence(ms(250));
    let second = dial.connects(V4);
    dial.pass(ms(20));
    dial.accepts(second);
    dial.closes(V6);
    assert!(dial.now.since(began) < ms(300));
    dial.connected(V4);
}

#[test]
fn a_refusal_brings_on_the_next_at_once() {
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    let both = aaaa.reply().aaaa(NAME, 60, v6(V6));
    dial.answers(&aaaa, &both.aaaa(NAME, 60, v6("2001:db8::81")));
    dial.answers(&a, &a.reply().a(NAME, 60, v4(V4)));
    let first = dial.connects(V6);
    dial.fails(first, Code::Refused);
    // Families take turns.
    let second = dial.connects(V4);
    dial.fails(second, Code::HostUnreachable);
    let third = dial.connects("2001:db8::81");
    dial.fails(third, Code::Refused);
    dial.failed(Rung::Tcp, Code::Refused, "[2001:db8::80]:1883 and 2 more");
}

#[test]
fn all_silent() {
    let mut dial = Dial::dual_stack();
    dial.dials(V4);
    dial.connects(V4);
    dial.silence(ms(10_000));
    dial.closes(V4);
    dial.failed(Rung::Tcp, Code::ConnectTimeout, "198.51.100.80:1883");
}

#[test]
fn a_connection_that_comes_too_late_is_not_the_one() {
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 60, v6(V6)));
    dial.answers(&a, &a.reply().a(NAME, 60, v4(V4)));
    let first = dial.connects(V6);
    dial.silence(ms(250));
    let second = dial.connects(V4);
    dial.accepts(second);
    dial.closes(V6);
    dial.connected(V4);
    dial.accepts(first);
    dial.over();
}

#[test]
fn only_so_many_at_a_time() {
    let mut settings = settings(&[SERVER]);
    settings.attempts = 1;
    let mut dial = Dial::new(settings, &["192.0.2.5", "2001:db8:5::5"]);
    dial.dials("localhost");
    dial.connects("::1");
    dial.silence(ms(10_000));
    dial.closes("::1");
    let second = dial.connects("127.0.0.1");
    dial.accepts(second);
    dial.connected("127.0.0.1");
}

#[test]
fn literals_ask_nobody() {
    for literal in [V4, V6] {
        let mut dial = Dial::dual_stack();
        dial.dials(literal);
        let id = dial.connects(literal);
        dial.accepts(id);
        dial.connected(literal);
    }
}

#[test]
fn many_addresses_of_one_family_leave_room_for_the_other() {
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    dial.answers(&a, &a.reply().a(NAME, 60, v4(V4)));
    let many = (1..=16).fold(aaaa.reply(), |reply, host| {
        reply.aaaa(NAME, 60, v6(&format!("2001:db8::{host}")))
    });
    dial.answers(&aaaa, &many);
    dial.connects("2001:db8::1");
    dial.silence(ms(250));
    let id = dial.connects(V4);
    dial.accepts(id);
    dial.closes("2001:db8::1");
    dial.connected(V4);
}

#[test]
fn a_connection_that_nobody_took_is_closed() {
    let mut dial = Dial::dual_stack();
    dial.dials(V4);
    let id = dial.connects(V4);
    dial.dialer.connected(dial.now, id);
    dial.dials(NAME);
    dial.closes(V4);
    dial.asks(NAME, AAAA, SERVER);
    dial.asks(NAME, A, SERVER);
    dial.quiet();
}

#[test]
fn what_is_no_name_ends_what_was_under_way() {
    let mut dial = Dial::dual_stack();
    dial.dials(V4);
    dial.connects(V4);
    let fault = dial.dialer.dial(dial.now, "no name", 1883).unwrap_err();
    assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::NameInvalid));
    dial.drain();
    dial.closes(V4);
    dial.quiet();
}
