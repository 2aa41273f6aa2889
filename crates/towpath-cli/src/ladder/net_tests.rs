//! The ladder's words below TCP.

use super::*;
use std::net::IpAddr;
use towpath::proto::net::{
    Candidate, Ended, Fact as Seen, Origin, Prefix, PrefixOrigin,
    dns::{Record, Transport},
    select::Rule,
};

const BEHIND: &str = "64:ff9b:1::c633:640a";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn prefix() -> Prefix {
    "64:ff9b:1::/96".parse().unwrap()
}

fn candidate(text: &str, origin: Origin) -> Candidate {
    Candidate {
        address: address(text),
        origin,
        source: Some(address("2001:db8::7")),
    }
}

fn translated() -> Candidate {
    candidate(
        BEHIND,
        Origin::Synthesised(prefix(), PrefixOrigin::Discovery),
    )
}

/// A question and its answer, 2 ms later.
fn asked(rung: Rung, record: Record, addresses: u8) -> [(u64, Rung, Seen); 2] {
    let question = Seen::Asked {
        record,
        server: "[fd00::53]:53".parse().unwrap(),
        over: Transport::Udp,
    };
    let answer = Seen::Answered {
        record,
        addresses,
        ttl: Duration::from_secs(60),
    };
    [(0, rung, question), (2000, rung, answer)]
}

impl Climb {
    /// A fact below TCP. Its own line is for programs.
    fn net(mut self, micros: u64, rung: Rung, fact: Seen) -> Self {
        let trace = Trace {
            at: Instant::from_micros(micros),
            rung,
            fact: Fact::Net(fact),
        };
        let line = self.0.fact(&trace, None).unwrap();
        assert!(line.is_part());
        self
    }

    fn nets(self, facts: impl IntoIterator<Item = (u64, Rung, Seen)>) -> Self {
        let facts = facts.into_iter();
        facts.fold(self, |climb, (at, rung, fact)| climb.net(at, rung, fact))
    }
}

#[test]
fn through_a_translator() {
    let climb = Climb::to("mqtt://broker.example")
        .fact(0, Rung::Dns, Fact::Started)
        .nets(asked(Rung::Dns, Record::Aaaa, 0))
        .nets(asked(Rung::Dns, Record::A, 1))
        .nets(asked(Rung::Nat64, Record::Aaaa, 2))
        .net(
            2000,
            Rung::Nat64,
            Seen::Prefix(prefix(), PrefixOrigin::Discovery),
        )
        .fact(2100, Rung::Dns, Fact::Reached)
        .fact(2100, Rung::Tcp, Fact::Started)
        .net(2100, Rung::Tcp, Seen::Trying(translated()))
        .net(
            6100,
            Rung::Tcp,
            Seen::Ended(address(BEHIND), Ended::Won, Duration::from_millis(4)),
        )
        .fact(6100, Rung::Nat64, Fact::Reached);
    climb.shows(&[
        &format!(
            "  dns       reached       2.10 ms  broker.example\n\
             {0:35}AAAA: no address, good for 60 s; A: 1 address, good for 60 s\n\
             {0:35}asked fd00::53",
            ""
        ),
        &format!(
            "  nat64     reached                64:ff9b:1::/96 (ipv4only.arpa)\n\
             {0:35}AAAA of ipv4only.arpa: 2 addresses, good for 60 s\n\
             {0:35}asked fd00::53",
            ""
        ),
    ]);
    let mut ladder = climb.0;
    let reached = Trace {
        at: Instant::from_micros(6100),
        rung: Rung::Tcp,
        fact: Fact::Reached,
    };
    let peer = SocketAddr::new(address(BEHIND), 1883);
    assert_eq!(
        ladder.fact(&reached, Some(peer)).unwrap().text(false),
        "  tcp       reached       4.00 ms  [64:ff9b:1::c633:640a]:1883 (198.51.100.10 through NAT64)"
    );
}

#[test]
fn a_race_says_how_each_address_ended() {
    let (first, second, third) = ("2001:db8::1", "127.0.0.1", "192.0.2.9");
    let trying = |at, text| (at, Rung::Tcp, Seen::Trying(candidate(text, Origin::Dns)));
    let ended = |at, text, how, after| {
        let after = Duration::from_millis(after);
        (at, Rung::Tcp, Seen::Ended(address(text), how, after))
    };
    let facts = [
        trying(0, first),
        trying(250_000, third),
        ended(255_000, third, Ended::Failed(Code::Refused), 5),
        trying(255_000, second),
        ended(257_000, second, Ended::Won, 2),
        ended(257_000, first, Ended::Lost, 257),
    ];
    Climb::to("mqtt://127.0.0.1")
        .fact(0, Rung::Tcp, Fact::Started)
        .nets(facts)
        .fact(257_000, Rung::Tcp, Fact::Reached)
        .shows(&[&format!(
            "  tcp       reached      257.0 ms  127.0.0.1:1883\n\
             {0:35}2001:db8::1: given up after 257.0 ms\n\
             {0:35}192.0.2.9: tried 250.0 ms after the first, failed in 5.00 ms: {1}\n\
             {0:35}127.0.0.1: tried 255.0 ms after the first, won in 2.00 ms",
            "",
            Code::Refused.cause(),
        )]);
}

#[test]
fn what_breaks_between_a_name_and_its_addresses() {
    let fault = Fault::new(Rung::Nat64, Code::Nat64NoPrefix).detail(b"broker.example");
    let unanswered = Seen::Unanswered {
        record: Record::Aaaa,
        code: Code::NameNotFound,
    };
    let [question, _] = asked(Rung::Nat64, Record::Aaaa, 0);
    Climb::to("mqtt://broker.example")
        .fact(0, Rung::Dns, Fact::Started)
        .nets(asked(Rung::Dns, Record::A, 1))
        .nets([question, (3000, Rung::Nat64, unanswered)])
        .broke(3000, &fault)
        .shows(&[
            &format!(
                "  dns       done                   broker.example\n\
                 {0:35}A: 1 address, good for 60 s\n\
                 {0:35}asked fd00::53",
                ""
            ),
            &format!(
                "  nat64     broke         3.00 ms  broker.example\n\
                 {0:35}AAAA of ipv4only.arpa: the name does not exist\n\
                 {0:35}asked fd00::53",
                ""
            ),
            "  tcp       not reached",
            "  mqtt      not reached",
        ]);
}

#[test]
fn the_next_attempt_begins_anew_even_if_its_facts_come_first() {
    let fault = Fault::new(Rung::Mqtt, Code::Closed);
    let climb = Climb::to("mqtt://broker.example")
        .fact(0, Rung::Dns, Fact::Started)
        .nets(asked(Rung::Dns, Record::A, 1))
        .fact(2000, Rung::Dns, Fact::Reached)
        .broke(50_000, &fault);
    let again = Seen::Remembered {
        addresses: 1,
        ttl: Duration::from_secs(9),
    };
    let climb = climb
        .net(90_000, Rung::Dns, again)
        .fact(90_000, Rung::Dns, Fact::Started)
        .fact(90_100, Rung::Dns, Fact::Reached);
    assert_eq!(
        climb.1.last().unwrap(),
        &format!(
            "  dns       reached       0.10 ms  broker.example\n{:35}remembered: 1 address, good for 9 s",
            ""
        )
    );
}

#[test]
fn a_proxy_is_a_rung_of_its_own() {
    let endpoint = Endpoint::parse("mqtts://192.0.2.1").unwrap();
    let climb = Climb(Ladder::new(endpoint, Some("proxy.example")), Vec::new());
    let fault = Fault::new(Rung::Proxy, Code::ProxyRefused).number(403);
    climb
        .fact(0, Rung::Dns, Fact::Started)
        .fact(1000, Rung::Dns, Fact::Reached)
        .fact(1000, Rung::Tcp, Fact::Started)
        .fact(1300, Rung::Tcp, Fact::Reached)
        .fact(1300, Rung::Proxy, Fact::Started)
        .broke(1800, &fault)
        .shows(&[
            "  dns       reached       1.00 ms  proxy.example",
            "  tcp       reached       0.30 ms  127.0.0.1:1883",
            "  proxy     broke         0.50 ms  asked for 192.0.2.1:8883",
            "  tls       not reached",
            "  mqtt      not reached",
        ]);
}

#[test]
fn json_has_each_fact_with_its_moment() {
    let mut ladder = Ladder::new(Endpoint::parse("mqtt://h").unwrap(), None);
    let mut json = |micros, rung, fact| -> serde_json::Value {
        let trace = Trace {
            at: Instant::from_micros(micros),
            rung,
            fact,
        };
        let line = ladder.fact(&trace, None);
        line.map_or(serde_json::Value::Null, |line| {
            serde_json::from_str(&line.json()).unwrap()
        })
    };
    json(1000, Rung::Dns, Fact::Started);
    let [(_, _, question), (_, _, answer)] = asked(Rung::Dns, Record::A, 1);
    let asked = json(1500, Rung::Dns, Fact::Net(question));
    assert_eq!(
        asked.to_string(),
        r#"{"at_ms":0.5,"over":"udp","record":"A","server":"[fd00::53]:53","state":"asked","trace":"dns","what":"A, fd00::53 (udp)"}"#
    );
    let answered = json(3750, Rung::Dns, Fact::Net(answer));
    assert_eq!(
        (&answered["at_ms"], &answered["ms"]),
        (&2.75.into(), &2.25.into())
    );
    assert_eq!(
        (&answered["addresses"], &answered["ttl"]),
        (&1.into(), &60.into())
    );
    let ordered = Seen::Ordered(0, translated(), Rule::AsGiven);
    let ordered = json(3750, Rung::Address, Fact::Net(ordered));
    assert_eq!(
        ordered.to_string(),
        r#"{"address":"64:ff9b:1::c633:640a","at_ms":2.75,"ipv4":"198.51.100.10","origin":"nat64","place":0,"prefix":"64:ff9b:1::/96","prefix_origin":"ipv4only.arpa","rule":"as given","source":"2001:db8::7","state":"ordered","trace":"address","what":"1: 64:ff9b:1::c633:640a"}"#
    );
    let dropped = Seen::Dropped(address("192.0.2.1"), Code::NoSourceAddress);
    let dropped = json(3750, Rung::Address, Fact::Net(dropped));
    assert_eq!(dropped["code"], "NoSourceAddress");
    let failed = Ended::Failed(Code::Refused);
    let failed = Seen::Ended(address(BEHIND), failed, Duration::from_micros(1500));
    let failed = json(5250, Rung::Tcp, Fact::Net(failed));
    assert_eq!(
        (&failed["state"], &failed["ms"]),
        (&"failed".into(), &1.5.into())
    );
    assert_eq!(failed["code"], "Refused");
}
