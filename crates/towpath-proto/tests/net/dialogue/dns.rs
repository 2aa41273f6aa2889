//! Names: faults that name the cause, and what is remembered.

use towpath_proto::{Code, Fault, Rung, net::Families, net::dns::Transport};
use towpath_sim::dns::{A, AAAA};

use super::{Asked, Dial, NAME, SERVER, SERVER_V4, ms, settings};

/// Asks for both, in the order in which it does.
fn both(dial: &mut Dial) -> [Asked; 2] {
    dial.dials(NAME);
    [dial.asks(NAME, AAAA, SERVER), dial.asks(NAME, A, SERVER)]
}

#[test]
fn a_name_that_does_not_exist() {
    let mut dial = Dial::dual_stack();
    for asked in both(&mut dial) {
        let reply = asked.reply().rcode(3).soa("example", 60, 60);
        dial.answers(&asked, &reply);
    }
    dial.failed(Rung::Dns, Code::NameNotFound, NAME);
}

#[test]
fn a_name_without_addresses() {
    let mut dial = Dial::dual_stack();
    for asked in both(&mut dial) {
        dial.answers(&asked, &asked.reply().soa("example", 60, 60));
    }
    dial.failed(Rung::Dns, Code::NoAddress, NAME);
}

#[test]
fn a_server_that_refuses_and_one_that_fails() {
    for (rcode, code) in [(5, Code::ResolverRefused), (2, Code::ResolverFailed)] {
        let mut dial = Dial::dual_stack();
        for asked in both(&mut dial) {
            dial.answers(&asked, &asked.reply().rcode(rcode));
        }
        dial.failed(Rung::Dns, code, "2001:db8:53::1");
    }
}

#[test]
fn a_server_where_nothing_listens() {
    let mut dial = Dial::dual_stack();
    for asked in both(&mut dial) {
        let fault = Fault::new(Rung::Tcp, Code::Refused).number(111);
        dial.dialer.query_failed(dial.now, asked.query, fault);
        dial.drain();
    }
    dial.failed(
        Rung::Dns,
        Code::ResolverRefused,
        "2001:db8:53::1: port closed",
    );
}

#[test]
fn a_silent_server() {
    let mut dial = Dial::dual_stack();
    both(&mut dial);
    for patience in [2000, 4000] {
        dial.silence(ms(patience));
        if patience == 2000 {
            dial.asks(NAME, AAAA, SERVER);
            dial.asks(NAME, A, SERVER);
        }
    }
    dial.failed(Rung::Dns, Code::ResolverSilent, "2001:db8:53::1");
}

#[test]
fn no_server() {
    let mut dial = Dial::new(settings(&[]), &["192.0.2.5", "2001:db8:5::5"]);
    dial.dials(NAME);
    dial.failed(Rung::Dns, Code::NoResolver, NAME);
}

#[test]
fn aliases_in_a_circle() {
    let mut dial = Dial::dual_stack();
    for asked in both(&mut dial) {
        dial.answers(&asked, &asked.reply().cname(NAME, 60, NAME));
    }
    dial.failed(Rung::Dns, Code::AliasLoop, NAME);
}

#[test]
fn a_large_answer_comes_over_tcp() {
    let mut dial = Dial::dual_stack();
    let [aaaa, _] = both(&mut dial);
    dial.answers(&aaaa, &aaaa.reply().truncated());
    let again = dial.asks(NAME, AAAA, SERVER);
    assert_eq!(again.over, Transport::Tcp);
    let reply = (0..40).fold(again.reply(), |reply, n| {
        reply.aaaa(NAME, 60, [0x2001, 0xdb8, 0, 0, 0, 0, 0, n].into())
    });
    assert!(reply.bytes().len() > 1000);
    dial.answers(&again, &reply);
    dial.connects("2001:db8::");
}

#[test]
fn an_answer_is_remembered_for_its_time_and_no_longer() {
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    let address = "2001:db8::80".parse().expect("an address");
    dial.answers(&a, &a.reply().soa("example", 60, 60));
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 30, address));
    let id = dial.connects("2001:db8::80");
    dial.pass(ms(200));
    dial.accepts(id);
    dial.connected("2001:db8::80");
    // Its time began with the answer, not with the connection.
    dial.pass(ms(29_799));
    dial.dials(NAME);
    let id = dial.connects("2001:db8::80");
    dial.accepts(id);
    dial.connected("2001:db8::80");
    dial.pass(ms(1));
    both(&mut dial);
    dial.quiet();
}

#[test]
fn what_failed_is_asked_for_again() {
    let mut dial = Dial::dual_stack();
    let [aaaa, a] = both(&mut dial);
    let address = "2001:db8::80".parse().expect("an address");
    dial.answers(&a, &a.reply().soa("example", 60, 60));
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 3600, address));
    let id = dial.connects("2001:db8::80");
    dial.fails(id, Code::Refused);
    dial.failed(Rung::Tcp, Code::Refused, "[2001:db8::80]:1883");
    both(&mut dial);
}

/// Which family the connection may have says nothing about the way to the server.
#[test]
fn ipv6_only_by_choice_asks_an_ipv4_server() {
    let mut settings = settings(&[SERVER_V4]);
    settings.families = Families::V6;
    let mut dial = Dial::new(settings, &["192.0.2.5", "2001:db8:5::5"]);
    dial.dials(NAME);
    let aaaa = dial.asks(NAME, AAAA, SERVER_V4);
    let address = "2001:db8::80".parse().expect("an address");
    dial.answers(&aaaa, &aaaa.reply().aaaa(NAME, 30, address));
    while let Some(said) = dial.said.pop_front() {
        if let super::Said::Connects(_, to) = said {
            assert_eq!(to.ip(), super::ip("2001:db8::80"));
            return;
        }
    }
    panic!("it does not connect");
}

#[test]
fn dialing_again_takes_everything_back() {
    let mut dial = Dial::dual_stack();
    dial.dials("198.51.100.80");
    dial.connects("198.51.100.80");
    dial.dials("198.51.100.81");
    dial.closes("198.51.100.80");
    let id = dial.connects("198.51.100.81");
    dial.accepts(id);
    dial.connected("198.51.100.81");
}
