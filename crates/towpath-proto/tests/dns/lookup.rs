//! One question to several servers, as dialogues.

use std::time::Duration;

use towpath_proto::{
    Blame, Code, Fault, Instant, Rung,
    net::dns::{Lookup, Outcome, Plan, Record, Step, Transport},
};
use towpath_sim::dns::{Question, Reply};

use crate::{FIRST, SECOND, Talk, ms, name};

const WWW: &str = "www.example";

fn good(question: &Question) -> Reply {
    Reply::to(question).aaaa(
        &question.name,
        60,
        "2001:db8::80".parse().expect("an address"),
    )
}

/// A different one, to tell which answer was taken.
fn other(question: &Question) -> Reply {
    Reply::to(question).aaaa(
        &question.name,
        30,
        "2001:db8::81".parse().expect("an address"),
    )
}

fn refused() -> Fault {
    Fault::new(Rung::Tcp, Code::Refused).number(111)
}

#[test]
fn asked_and_answered() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, question) = talk.sends(FIRST);
    assert_eq!(
        (question.name.as_str(), question.udp_size),
        (WWW, Some(1232))
    );
    talk.sends_nothing();
    talk.waits();
    assert_eq!(talk.tell(send, &good(&question)), Step::Done);
    talk.found(&["2001:db8::80"], 60);
    // Nothing that comes later changes it.
    assert_eq!(talk.tell(send, &other(&question)), Step::Done);
    talk.fails(send, refused());
    talk.lookup.handle_timeout(Instant::from_micros(u64::MAX));
    talk.found(&["2001:db8::80"], 60);
}

#[test]
fn without_edns() {
    let mut plan = Talk::plan(&[FIRST]);
    plan.udp_size = 0;
    let mut talk = Talk::with(&plan);
    let (_, question) = talk.sends(FIRST);
    assert_eq!(question.udp_size, None);
}

#[test]
fn each_send_has_an_identifier_and_a_slot_of_its_own() {
    let mut talk = Talk::new(&[FIRST]);
    let (first, _) = talk.sends(FIRST);
    talk.silence(ms(2000));
    let (second, _) = talk.sends(FIRST);
    assert_ne!(first.id, second.id);
    assert_ne!(first.slot, second.slot);
    assert_eq!(talk.lookup.open_slots().count(), 2);
}

#[test]
fn the_next_server_after_a_silence_and_twice_the_patience_in_the_next_round() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    for patience in [2000, 4000, 8000] {
        talk.sends(FIRST);
        talk.silence(ms(patience));
        talk.sends(SECOND);
        talk.silence(ms(patience));
    }
    let fault = talk.fault();
    assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::ResolverSilent));
    assert_eq!((fault.number, fault.blame), (28_000, Blame::Path));
    assert_eq!(fault.detail.as_str(), "192.0.2.1, 2001:db8::2");
}

#[test]
fn a_late_answer_of_the_first_server_counts() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (first, question) = talk.sends(FIRST);
    talk.silence(ms(2000));
    talk.sends(SECOND);
    talk.silence(ms(2000));
    talk.sends(FIRST);
    assert_eq!(talk.tell(first, &good(&question)), Step::Done);
    talk.found(&["2001:db8::80"], 60);
}

#[test]
fn the_lookup_ends_at_its_deadline() {
    let mut plan = Talk::plan(&[FIRST]);
    plan.deadline = Some(Instant::from_millis(1000 + 2500));
    let mut talk = Talk::with(&plan);
    talk.sends(FIRST);
    talk.silence(ms(2000));
    talk.sends(FIRST);
    talk.silence(ms(500));
    let fault = talk.fault();
    assert_eq!((fault.code, fault.number), (Code::ResolverSilent, 2500));

    // Who sleeps through it does not get to send.
    let mut talk = Talk::with(&plan);
    talk.now = Instant::from_millis(60_000);
    talk.sends_nothing();
    assert_eq!(talk.fault().code, Code::ResolverSilent);
}

#[test]
fn no_servers() {
    let mut talk = Talk::new(&[]);
    let fault = talk.fault();
    assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::NoResolver));
}

#[test]
fn strays_are_counted_and_change_nothing() {
    let mut talk = Talk::new(&[FIRST]);
    let (send, question) = talk.sends(FIRST);
    let before = talk.lookup.deadline();
    for stray in [
        good(&question).id(question.id ^ 1),
        good(&question).question(Some(("other.example", 28))),
        good(&question).question(Some((WWW, 1))),
        good(&question).flags(0x0100),
    ] {
        assert_eq!(talk.tell(send, &stray), Step::Waiting);
    }
    let garbage = talk.lookup.answered(talk.now, send.slot, b"garbage");
    assert_eq!((garbage, talk.lookup.strays()), (Step::Waiting, 5));
    assert_eq!(talk.lookup.deadline(), before);
    // What comes for a slot that never was is not looked at.
    talk.lookup
        .answered(talk.now, send.slot + 1, &good(&question).bytes());
    talk.waits();
    talk.tell(send, &good(&question));
    talk.found(&["2001:db8::80"], 60);
}

/// The answer of a server is an answer to what it was asked with, not to another send.
#[test]
fn an_answer_for_another_slot_is_stray() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (first, question) = talk.sends(FIRST);
    talk.silence(ms(2000));
    let (second, _) = talk.sends(SECOND);
    assert_eq!(talk.tell(second, &good(&question)), Step::Waiting);
    assert_eq!(talk.lookup.strays(), 1);
    talk.tell(first, &good(&question));
    talk.found(&["2001:db8::80"], 60);
}

#[test]
fn what_is_cut_off_is_asked_for_over_tcp() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, question) = talk.sends(FIRST);
    assert_eq!(talk.tell(send, &good(&question).truncated()), Step::Waiting);
    assert!(!talk.lookup.is_open(send.slot));
    let (send, question) = talk.sends_over(FIRST, Transport::Tcp);
    talk.tell(send, &good(&question));
    talk.found(&["2001:db8::80"], 60);
}

#[test]
fn a_broken_tcp_connection_passes_the_turn_on() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, question) = talk.sends(FIRST);
    talk.tell(send, &good(&question).truncated());
    let (send, _) = talk.sends_over(FIRST, Transport::Tcp);
    talk.fails(send, Fault::new(Rung::Tcp, Code::Reset));
    talk.sends(SECOND);
    talk.silence(ms(2000));
    // It is known now that UDP is too small.
    let (send, question) = talk.sends_over(FIRST, Transport::Tcp);
    talk.tell(send, &good(&question));
    talk.found(&["2001:db8::80"], 60);
}

#[test]
fn cut_off_over_tcp_is_malformed() {
    let mut plan = Talk::plan(&[FIRST]);
    plan.rounds = 1;
    let mut talk = Talk::with(&plan);
    let (send, question) = talk.sends(FIRST);
    talk.tell(send, &good(&question).truncated());
    let (send, question) = talk.sends_over(FIRST, Transport::Tcp);
    assert_eq!(talk.tell(send, &good(&question).truncated()), Step::Done);
    assert_eq!(talk.fault().code, Code::AnswerMalformed);
}

#[test]
fn a_late_cut_off_answer_is_worth_going_back() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (first, question) = talk.sends(FIRST);
    talk.silence(ms(2000));
    let (second, _) = talk.sends(SECOND);
    talk.tell(first, &good(&question).truncated());
    let (over_tcp, question) = talk.sends_over(FIRST, Transport::Tcp);
    assert!(talk.lookup.is_open(second.slot), "it may answer yet");
    talk.tell(over_tcp, &good(&question));
    talk.found(&["2001:db8::80"], 60);
}

#[test]
fn who_does_not_know_edns_is_asked_without() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, question) = talk.sends(FIRST);
    // Such servers leave the question out.
    let formerr = Reply::to(&question).question(None).rcode(1);
    assert_eq!(talk.tell(send, &formerr), Step::Waiting);
    let (send, question) = talk.sends(FIRST);
    assert_eq!(question.udp_size, None);
    // Once only.
    talk.tell(send, &Reply::to(&question).rcode(1));
    let (send, question) = talk.sends(SECOND);
    assert_eq!(question.udp_size, Some(1232));
    talk.tell(send, &good(&question));
    talk.found(&["2001:db8::80"], 60);
}

#[test]
fn servers_that_fail_are_passed_over_at_once() {
    for rcode in [1, 2, 4, 5, 9] {
        let mut plan = Talk::plan(&[FIRST, SECOND]);
        plan.udp_size = 0;
        let mut talk = Talk::with(&plan);
        let (send, question) = talk.sends(FIRST);
        talk.tell(send, &Reply::to(&question).rcode(rcode));
        assert!(!talk.lookup.is_open(send.slot));
        let (send, question) = talk.sends(SECOND);
        talk.tell(send, &good(&question));
        talk.found(&["2001:db8::80"], 60);
    }
}

#[test]
fn all_servers_fail() {
    for (rcodes, code, number, server) in [
        ([5, 5], Code::ResolverRefused, 5, "192.0.2.1"),
        ([2, 2], Code::ResolverFailed, 2, "192.0.2.1"),
        // Who tried says more than who would not.
        ([5, 2], Code::ResolverFailed, 2, "2001:db8::2"),
        ([4, 5], Code::ResolverFailed, 4, "192.0.2.1"),
    ] {
        let mut talk = Talk::new(&[FIRST, SECOND]);
        for (server, rcode) in [FIRST, SECOND].into_iter().zip(rcodes) {
            let (send, question) = talk.sends(server);
            talk.tell(send, &Reply::to(&question).rcode(rcode));
        }
        let fault = talk.fault();
        assert_eq!((fault.rung, fault.code), (Rung::Dns, code));
        assert_eq!((fault.number, fault.detail.as_str()), (number, server));
    }
}

#[test]
fn a_server_that_refuses_is_not_asked_again_and_a_silent_one_is() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, question) = talk.sends(FIRST);
    talk.tell(send, &Reply::to(&question).rcode(5));
    for patience in [2000, 4000, 8000] {
        talk.sends(SECOND);
        talk.silence(ms(patience));
    }
    // It is the one that has said something.
    let fault = talk.fault();
    assert_eq!(fault.code, Code::ResolverRefused);
    assert_eq!(fault.detail.as_str(), "192.0.2.1");
}

#[test]
fn a_late_refusal_does_not_take_the_turn_away() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (first, question) = talk.sends(FIRST);
    talk.silence(ms(2000));
    talk.sends(SECOND);
    talk.tell(first, &Reply::to(&question).rcode(5));
    talk.sends_nothing();
    talk.silence(ms(2000));
    talk.sends(SECOND);
}

#[test]
fn closed_ports() {
    let mut talk = Talk::new(&["192.0.2.1:5353", SECOND]);
    let (send, _) = talk.sends("192.0.2.1:5353");
    talk.fails(send, refused());
    let (send, _) = talk.sends(SECOND);
    talk.fails(send, refused());
    let fault = talk.fault();
    assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::ResolverRefused));
    assert_eq!(fault.number, 0);
    assert_eq!(fault.detail.as_str(), "192.0.2.1:5353: port closed");
}

#[test]
fn servers_without_a_route() {
    let unreachable = Fault::new(Rung::Tcp, Code::NetUnreachable).number(101);
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, _) = talk.sends(FIRST);
    talk.fails(send, unreachable);
    let (send, _) = talk.sends(SECOND);
    talk.fails(send, unreachable);
    let fault = talk.fault();
    assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::NetUnreachable));
    assert_eq!((fault.number, fault.detail.as_str()), (101, "192.0.2.1"));

    // The one that could be asked is the one to look at.
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, _) = talk.sends(FIRST);
    talk.fails(send, unreachable);
    for patience in [2000, 4000, 8000] {
        talk.sends(SECOND);
        talk.silence(ms(patience));
    }
    assert_eq!(talk.fault().code, Code::ResolverSilent);
}

#[test]
fn a_server_that_does_not_recurse() {
    let mut talk = Talk::new(&[FIRST]);
    let (send, question) = talk.sends(FIRST);
    let referral = Reply::to(&question)
        .flags(0x8100)
        .ns("example", "a.example");
    talk.tell(send, &referral);
    let fault = talk.fault();
    assert_eq!((fault.code, fault.number), (Code::ResolverFailed, 0));
    assert_eq!(fault.detail.as_str(), "192.0.2.1: does not recurse");
}

#[test]
fn a_malformed_answer_and_the_true_one_after_it() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (first, question) = talk.sends(FIRST);
    let bytes = good(&question).bytes();
    let broken = &bytes[..bytes.len() - 1];
    talk.lookup.answered(talk.now, first.slot, broken);
    let (second, _) = talk.sends(SECOND);
    // Once more the same: the second server keeps its turn.
    talk.lookup.answered(talk.now, first.slot, broken);
    talk.sends_nothing();
    assert!(talk.lookup.is_open(second.slot));
    talk.tell(first, &good(&question));
    talk.found(&["2001:db8::80"], 60);
}

#[test]
fn nothing_but_malformed_answers() {
    let mut talk = Talk::new(&[FIRST]);
    for _ in 1..=3 {
        let (send, question) = talk.sends(FIRST);
        let bytes = good(&question).bytes();
        let broken = &bytes[..bytes.len() - 1];
        let step = talk.lookup.answered(talk.now, send.slot, broken);
        assert_eq!(step, Step::Waiting);
    }
    // The true answer to the last may come yet.
    talk.silence(ms(8000));
    let fault = talk.fault();
    assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::AnswerMalformed));
    assert_eq!(fault.detail.as_str(), "192.0.2.1");
}

#[test]
fn a_malformed_answer_of_the_last_server_and_the_true_one_after_it() {
    let mut plan = Talk::plan(&[FIRST]);
    plan.rounds = 1;
    let mut talk = Talk::with(&plan);
    let (send, question) = talk.sends(FIRST);
    let bytes = good(&question).bytes();
    let broken = &bytes[..bytes.len() - 1];
    talk.lookup.answered(talk.now, send.slot, broken);
    talk.waits();
    talk.tell(send, &good(&question));
    talk.found(&["2001:db8::80"], 60);
}

#[test]
fn that_a_name_does_not_exist_is_final() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, question) = talk.sends(FIRST);
    let reply = Reply::to(&question).rcode(3).soa("example", 900, 120);
    assert_eq!(talk.tell(send, &reply), Step::Done);
    let ttl = Duration::from_secs(120);
    assert_eq!(talk.ended(), Outcome::NoName { ttl });
}

#[test]
fn that_there_is_no_such_record_is_final() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, question) = talk.sends(FIRST);
    let reply = Reply::to(&question).soa("example", 900, 120);
    assert_eq!(talk.tell(send, &reply), Step::Done);
    let ttl = Duration::from_secs(120);
    assert_eq!(talk.ended(), Outcome::NoData { ttl });
}

#[test]
fn the_target_of_an_alias_is_asked_for() {
    let mut talk = Talk::new(&[FIRST, SECOND]);
    talk.sends(FIRST);
    talk.silence(ms(2000));
    let (send, question) = talk.sends(SECOND);
    let alias = Reply::to(&question).cname(WWW, 20, "edge.example");
    assert_eq!(talk.tell(send, &alias), Step::Waiting);
    assert_eq!(talk.lookup.open_slots().count(), 0, "the name is another");
    // The server that knew so much goes on.
    let (next, question) = talk.sends(SECOND);
    assert_eq!(question.name, "edge.example");
    assert_ne!(next.slot, send.slot);
    // Who still answers the first question is not heard.
    talk.tell(send, &good(&question));
    talk.waits();
    talk.silence(ms(2000));
    let (_, again) = talk.sends(FIRST);
    assert_eq!(again.name, "edge.example");
    talk.tell(next, &good(&question));
    talk.found(&["2001:db8::80"], 20);
    assert_eq!(talk.lookup.aliases(), 1);
}

#[test]
fn eight_aliases_and_no_more() {
    for (aliases, ends_well) in [(8, true), (9, false)] {
        let mut talk = Talk::new(&[FIRST]);
        for n in 1..=aliases {
            let (send, question) = talk.sends(FIRST);
            let target = format!("n{n}.example");
            let alias = Reply::to(&question).cname(&question.name, 300, &target);
            talk.tell(send, &alias);
        }
        if ends_well {
            let (send, question) = talk.sends(FIRST);
            talk.tell(send, &good(&question));
            talk.found(&["2001:db8::80"], 60);
        } else {
            assert_eq!(talk.fault().code, Code::AliasLoop);
        }
    }
}

/// Aliases inside a message count with those that had to be asked for.
#[test]
fn a_long_chain_in_several_answers() {
    for (more, ends_well) in [(6, true), (7, false)] {
        let mut talk = Talk::new(&[FIRST]);
        for n in 1..=2 {
            let (send, question) = talk.sends(FIRST);
            let target = format!("n{n}.example");
            talk.tell(
                send,
                &Reply::to(&question).cname(&question.name, 300, &target),
            );
        }
        let (send, question) = talk.sends(FIRST);
        let chain = (2..2 + more).fold(Reply::to(&question), |reply, n| {
            let (owner, target) = (format!("n{n}.example"), format!("n{}.example", n + 1));
            reply.cname(&owner, 300, &target)
        });
        let last = format!("n{}.example", 2 + more);
        let address = "2001:db8::80".parse().expect("an address");
        talk.tell(send, &chain.aaaa(&last, 300, address));
        if ends_well {
            talk.found(&["2001:db8::80"], 300);
        } else {
            assert_eq!(talk.fault().code, Code::AliasLoop);
        }
    }
}

#[test]
fn aliases_in_a_circle() {
    // In one message, and over two.
    let mut talk = Talk::new(&[FIRST, SECOND]);
    let (send, question) = talk.sends(FIRST);
    let circle = Reply::to(&question)
        .cname(WWW, 300, "b.example")
        .cname("b.example", 300, WWW);
    assert_eq!(talk.tell(send, &circle), Step::Done);
    assert_eq!(talk.fault().code, Code::AliasLoop);

    let mut talk = Talk::new(&[FIRST]);
    let mut asked = 0;
    while talk.lookup.result().is_none() {
        let (send, question) = talk.sends(FIRST);
        let target = if question.name == WWW {
            "b.example"
        } else {
            WWW
        };
        talk.tell(
            send,
            &Reply::to(&question).cname(&question.name, 300, target),
        );
        asked += 1;
    }
    assert_eq!((talk.fault().code, asked), (Code::AliasLoop, 9));
}

#[test]
fn sixteen_addresses_are_kept_and_none_twice() {
    let mut talk = Talk::new(&[FIRST]);
    let (send, question) = talk.sends(FIRST);
    let reply = (0..40u16).fold(Reply::to(&question), |reply, n| {
        reply.aaaa(WWW, 60, [0x2001, 0xdb8, 0, 0, 0, 0, 0, n / 2].into())
    });
    talk.tell(send, &reply);
    let Outcome::Found { addresses, .. } = talk.ended() else {
        panic!("addresses");
    };
    let wanted: Vec<_> = (0..16)
        .map(|n| crate::ip(&format!("2001:db8::{n:x}")))
        .collect();
    assert_eq!(addresses, wanted);
}

/// The least time to live counts for all.
#[test]
fn a_time_to_live_of_zero_is_zero() {
    let mut talk = Talk::new(&[FIRST]);
    let (send, question) = talk.sends(FIRST);
    let address = "2001:db8::1".parse().expect("an address");
    talk.tell(send, &good(&question).aaaa(WWW, 0, address));
    talk.found(&["2001:db8::80", "2001:db8::1"], 0);
}

#[test]
fn an_answer_with_nothing_usable_is_no_data() {
    let mut talk = Talk::new(&[FIRST]);
    let (send, question) = talk.sends(FIRST);
    let nothing = "::".parse().expect("an address");
    talk.tell(send, &Reply::to(&question).aaaa(WWW, 60, nothing));
    let ttl = Duration::from_secs(60);
    assert_eq!(talk.ended(), Outcome::NoData { ttl });
}

/// A generator that always gives the same can't make the lookup hang.
#[test]
fn a_broken_generator() {
    let servers = Talk::plan(&[FIRST]);
    let now = Instant::ZERO;
    let mut lookup = Lookup::start(now, name(WWW), Record::A, &servers);
    let mut broken = || 0xffff_ffff;
    let first = lookup.poll(now, &mut broken).expect("a send");
    lookup.handle_timeout(Instant::from_millis(2000));
    let second = lookup.poll(now, &mut broken).expect("a send");
    assert_eq!((first.id, second.id), (0xffff, 0xffff));
}

/// Whatever the plan says: at most four servers, four rounds each, once more over TCP and once more without EDNS.
#[test]
fn the_most_patient_plan_ends() {
    let servers = ["192.0.2.1:53"; 9];
    let plan = Plan {
        rounds: 255,
        timeout: Duration::MAX,
        ..Talk::plan(&servers)
    };
    let mut talk = Talk::with(&plan);
    let mut sends = 0;
    while talk.lookup.result().is_none() {
        let send = talk.lookup.poll(talk.now, &mut talk.random);
        let send = send.expect("a question");
        sends += 1;
        let mut room = [0; 512];
        let question = Question::read(talk.lookup.message(send.slot, &mut room));
        // First it wants no EDNS, then TCP, and then it says nothing.
        match (question.udp_size, send.over) {
            (Some(_), _) => drop(talk.tell(send, &Reply::to(&question).rcode(1))),
            (None, Transport::Udp) => {
                talk.tell(send, &good(&question).truncated());
            }
            (None, Transport::Tcp) => {
                talk.now = talk.lookup.deadline().expect("a deadline");
                talk.lookup.handle_timeout(talk.now);
            }
        }
    }
    assert_eq!(sends, 4 * (4 + 2));
    assert_eq!(talk.fault().code, Code::ResolverSilent);
}
