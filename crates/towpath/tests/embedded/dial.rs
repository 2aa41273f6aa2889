//! From a name to an open connection, on the sockets of a small network stack.

use std::{net::IpAddr, time::Duration};

use towpath::{
    Code, Fault, Rung, Version,
    embedded::{Connection, Network, Timer as _, dial},
    proto::{
        Event, Fact,
        net::{
            self, Dialer, PrefixOrigin,
            dialer::{Nat64, Settings},
        },
    },
};
use towpath_sim::{Rng, hex};

use crate::{
    device,
    network::{Host, Net, Question, Reply, Tcp},
    start,
};

const SERVER: &str = "[fd00::53]:53";
const OTHER: &str = "[fd00::54]:53";
const BROKER: &str = "broker.example";
/// A device on an IPv6-only network.
const OWN: [&str; 2] = ["fe80::2", "fd00::2"];

fn dialer(servers: &[&str]) -> Dialer {
    let servers: Vec<_> = servers.iter().map(|text| text.parse().unwrap()).collect();
    Dialer::new(Settings::default().servers(&servers))
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Dials with `N` sockets; the address of the connection.
fn reach<const N: usize>(net: &Net, dialer: &mut Dialer, host: &str) -> Result<String, Fault> {
    reach_with::<N>(net, dialer, host, &OWN, 1024)
}

fn reach_with<const N: usize>(
    net: &Net,
    dialer: &mut Dialer,
    host: &str,
    own: &[&str],
    room: usize,
) -> Result<String, Fault> {
    let (mut tcp, mut udp) = net.sockets::<N>();
    let (own, mut buffer, mut random) = (addresses(own), vec![0; room], Rng::new(9));
    let network = Network {
        tcp: &mut tcp,
        udp: &mut udp,
        own: &own,
        buffer: &mut buffer,
    };
    let end = net.run(dial(dialer, network, net, &mut random, host, 1883));
    let open = net.open();
    match end {
        Ok(_) => assert_eq!(open.len(), 1, "the losers are closed: {open:?}"),
        Err(_) => assert!(open.is_empty(), "all are closed: {open:?}"),
    }
    end.map(|_| open[0].to_string())
}

/// Answers AAAA and A of the broker with these addresses.
fn zone(v6: &'static [&str], v4: &'static [&str]) -> impl Fn(&Question) -> Option<Reply> {
    move |question| {
        Some(match (question.name.as_str(), question.kind) {
            (BROKER, 28) => Reply::addresses(v6),
            (BROKER, 1) => Reply::addresses(v4),
            _ => Reply {
                rcode: 3,
                ..Reply::default()
            },
        })
    }
}

#[test]
fn a_name_becomes_a_connection_on_which_mqtt_runs() {
    let net = Net::new(2)
        .dns(SERVER, zone(&["fd00::99"], &[]))
        .host("[fd00::99]:1883", Host::Accepts(10));
    let (mut tcp, mut udp) = net.sockets::<2>();
    let own = addresses(&OWN);
    let mut client = device();
    let mut dialer = dialer(&[SERVER]);
    let network = Network {
        tcp: &mut tcp,
        udp: &mut udp,
        own: &own,
        // Before there is a connection nobody else needs it.
        buffer: client.rx_space(),
    };
    let mut random = Rng::new(9);
    let won = net
        .run(dial(&mut dialer, network, &net, &mut random, BROKER, 1883))
        .unwrap();
    assert_eq!(
        net.elapsed(),
        30,
        "one question there and back, one connection"
    );

    won.say(&hex("20 [ 00 00 [] ]"));
    let (reader, writer): (Tcp<'_>, Tcp<'_>) = won.halves();
    let start = start(Version::V5, false);
    let opening = Connection::open(&mut client, reader, writer, &net, &start);
    let mut connection = net.run(opening).unwrap();
    assert!(matches!(net.run(connection.next()), Event::Connected(_)));
}

#[test]
fn a_dead_first_address_costs_a_quarter_of_a_second() {
    let net = Net::new(2)
        .dns(SERVER, zone(&["fd00::98", "fd00::99"], &[]))
        .host("[fd00::99]:1883", Host::Accepts(10));
    assert_eq!(
        reach::<2>(&net, &mut dialer(&[SERVER]), BROKER).unwrap(),
        "[fd00::99]:1883"
    );
    assert_eq!(net.elapsed(), 20 + 250 + 10);
}

#[test]
fn a_refusal_lets_the_next_one_begin_at_once() {
    let net = Net::new(1)
        .dns(SERVER, zone(&["fd00::97", "fd00::98", "fd00::99"], &[]))
        .host("[fd00::97]:1883", Host::Refuses(5))
        .host("[fd00::98]:1883", Host::NoRoute)
        .host("[fd00::99]:1883", Host::Accepts(10));
    reach::<1>(&net, &mut dialer(&[SERVER]), BROKER).unwrap();
    assert_eq!(net.elapsed(), 20 + 5 + 10);
}

#[test]
fn no_more_attempts_than_sockets_run_at_once() {
    let net = Net::new(2)
        .dns(SERVER, zone(&["fd00::97", "fd00::98", "fd00::99"], &[]))
        .host("[fd00::99]:1883", Host::Accepts(1_000));
    let mut dialer = dialer(&[SERVER]);
    assert_eq!(
        reach::<2>(&net, &mut dialer, BROKER).unwrap(),
        "[fd00::99]:1883"
    );
    // The third begins when the patience with the first is over, and has its own then.
    let began: Vec<_> = net.take_attempts().into_iter().map(|(at, _)| at).collect();
    assert_eq!(began, [20, 270, 10_020]);
}

#[test]
fn all_that_failed_is_one_fault() {
    let net = Net::new(2)
        .dns(SERVER, zone(&["fd00::98", "fd00::99"], &[]))
        .host("[fd00::98]:1883", Host::NoRoute)
        .host("[fd00::99]:1883", Host::Refuses(5));
    let fault = reach::<2>(&net, &mut dialer(&[SERVER]), BROKER).unwrap_err();
    assert_eq!((fault.rung, fault.code), (Rung::Tcp, Code::Refused));
    let text = fault.detail.as_str();
    assert!(text.starts_with("[fd00::99]:1883"), "{text}");
}

#[test]
fn ipv4_is_reached_through_the_prefix_that_the_caller_knows() {
    let through = "[fd64::198.51.100.10]:1883";
    for by_thread in [true, false] {
        let net = Net::new(2)
            .dns(SERVER, zone(&[], &["198.51.100.10"]))
            .host(through, Host::Accepts(10));
        let mut dialer = dialer(&[SERVER]);
        let prefix = "fd64::/96".parse().unwrap();
        if by_thread {
            let lifetime = Duration::from_secs(3600);
            dialer.learned(net.now(), prefix, PrefixOrigin::ThreadNetworkData, lifetime);
        } else {
            dialer.settings_mut().nat64 = Nat64::Prefix(prefix);
        }
        let reached = reach::<2>(&net, &mut dialer, BROKER).unwrap();
        assert_eq!(reached, "[fd64::c633:640a]:1883");
        assert_eq!(net.elapsed(), 30, "nothing else is waited for");
        let (candidate, _) = dialer.candidates().next().unwrap();
        assert_eq!(candidate.source, Some("fd00::2".parse().unwrap()));
    }
}

#[test]
fn an_ipv4_resolver_is_asked_through_the_prefix() {
    let net = Net::new(2)
        .dns("[fd64::198.51.100.53]:53", zone(&[], &["198.51.100.10"]))
        .host("[fd64::198.51.100.10]:1883", Host::Accepts(10));
    let mut dialer = dialer(&["198.51.100.53:53"]);
    dialer.settings_mut().nat64 = Nat64::Prefix("fd64::/96".parse().unwrap());
    assert_eq!(
        reach::<2>(&net, &mut dialer, BROKER).unwrap(),
        "[fd64::c633:640a]:1883"
    );
}

#[test]
fn without_a_prefix_an_ipv4_server_is_out_of_reach() {
    let net = Net::new(2).dns(SERVER, zone(&[], &["198.51.100.10"]));
    let fault = reach::<2>(&net, &mut dialer(&[SERVER]), BROKER).unwrap_err();
    assert_eq!((fault.rung, fault.code), (Rung::Nat64, Code::Nat64NoPrefix));
    assert!(net.take_attempts().is_empty());
}

#[test]
fn a_silent_resolver_is_named_and_the_next_one_asked() {
    let net = Net::new(2);
    let fault = reach::<2>(&net, &mut dialer(&[SERVER]), BROKER).unwrap_err();
    assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::ResolverSilent));
    assert!(net.elapsed() <= 10_000, "{}", net.elapsed());

    let net = Net::new(2)
        .dns(OTHER, zone(&["fd00::99"], &[]))
        .host("[fd00::99]:1883", Host::Accepts(10));
    reach::<2>(&net, &mut dialer(&[SERVER, OTHER]), BROKER).unwrap();
    assert_eq!(net.elapsed(), 2_000 + 20 + 10);
}

#[test]
fn what_is_cut_short_is_asked_over_tcp() {
    // Two questions at a time, with one socket and with two.
    fn serves(question: &Question) -> Option<Reply> {
        Some(match (question.over_tcp, question.kind) {
            (false, _) => Reply::truncated(),
            (true, 28) => Reply::addresses(&["fd00::99"]),
            (true, _) => Reply::addresses(&["198.51.100.10"]),
        })
    }
    let net = || {
        Net::new(2)
            .dns(SERVER, serves)
            .host(SERVER, Host::Accepts(10))
            .host("[fd00::99]:1883", Host::Accepts(10))
    };
    let (one, two) = (net(), net());
    reach::<1>(&one, &mut dialer(&[SERVER]), BROKER).unwrap();
    reach::<2>(&two, &mut dialer(&[SERVER]), BROKER).unwrap();
    for net in [one, two] {
        let asked = net.take_asked();
        let over_tcp = |kind| asked.iter().filter(|ask| ask.1 == kind && ask.2).count();
        assert_eq!((over_tcp(28), over_tcp(1)), (2, 1), "{asked:?}");
        assert!(net.elapsed() <= 200, "{}", net.elapsed());
    }
}

/// One room for questions over TCP, three questions, two sockets: who gave up makes way at once.
#[test]
fn a_server_that_says_nothing_over_tcp_holds_nobody_up() {
    let first = |question: &Question| {
        Some(match (question.over_tcp, question.kind) {
            (false, _) => Reply::truncated(),
            (true, 28) if question.name == BROKER => Reply::addresses(&[]),
            (true, 28) => Reply::addresses(&["fd64::192.0.0.170"]),
            (true, _) => Reply {
                never: true,
                ..Reply::default()
            },
        })
    };
    let second =
        |question: &Question| (question.kind == 1).then(|| Reply::addresses(&["198.51.100.10"]));
    let net = Net::new(2)
        .dns(SERVER, first)
        .dns(OTHER, second)
        .host(SERVER, Host::Accepts(10))
        .host("[fd64::198.51.100.10]:1883", Host::Accepts(10));
    reach::<2>(&net, &mut dialer(&[SERVER, OTHER]), BROKER).unwrap();
    // The second server answers at 2040; then the prefix is asked over TCP, and the connection made.
    assert_eq!(net.elapsed(), 2_040 + 10 + 20 + 10);
}

#[test]
fn an_answer_over_tcp_that_does_not_fit_is_named() {
    let serves = |question: &Question| {
        Some(Reply {
            truncated: !question.over_tcp,
            padding: 600,
            ..Reply::addresses(&[])
        })
    };
    let net = Net::new(2)
        .dns(SERVER, serves)
        .host(SERVER, Host::Accepts(10));
    let fault = reach::<2>(&net, &mut dialer(&[SERVER]), BROKER).unwrap_err();
    assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::AnswerTooLarge));
    // A server that refuses TCP, or closes it.
    for host in [Host::Refuses(5), Host::Accepts(5)] {
        let serves = |question: &Question| (!question.over_tcp).then(Reply::truncated);
        let net = Net::new(2).dns(SERVER, serves).host(SERVER, host);
        let fault = reach::<2>(&net, &mut dialer(&[SERVER]), BROKER).unwrap_err();
        assert_eq!(fault.rung, Rung::Dns, "{fault}");
        assert!(net.elapsed() < 1_000, "{}: {fault}", net.elapsed());
    }
}

#[test]
fn what_others_say_is_no_answer() {
    for lies in [0, 1] {
        let serves = move |question: &Question| {
            Some(Reply {
                from: (lies == 0).then(|| "[fd00::666]:53".parse().unwrap()),
                other_id: lies == 1,
                ..zone(&["fd00::66"], &[])(question)?
            })
        };
        let net = Net::new(2)
            .dns(SERVER, serves)
            .dns(OTHER, zone(&["fd00::99"], &[]))
            .host("[fd00::66]:1883", Host::Accepts(1))
            .host("[fd00::99]:1883", Host::Accepts(10));
        let reached = reach::<2>(&net, &mut dialer(&[SERVER, OTHER]), BROKER).unwrap();
        assert_eq!(reached, "[fd00::99]:1883");
    }
}

#[test]
fn an_answer_is_remembered_for_its_time() {
    let net = Net::new(2)
        .dns(SERVER, zone(&["fd00::99"], &[]))
        .host("[fd00::99]:1883", Host::Accepts(10));
    let mut dialer = dialer(&[SERVER]);
    for (pause, asks) in [(0, true), (30, false), (40, true)] {
        net.advance(Duration::from_secs(pause));
        reach::<2>(&net, &mut dialer, BROKER).unwrap();
        assert_eq!(!net.take_asked().is_empty(), asks, "{pause}");
    }
    assert_eq!(net.ports.get(), 3, "each time a new port");
}

#[test]
fn literals_ask_nobody() {
    for (host, reached) in [("fd00::99", "[fd00::99]:1883"), ("localhost", "[::1]:1883")] {
        let net = Net::new(2).host(reached, Host::Accepts(10));
        let own = ["::1", "fd00::2"];
        let end = reach_with::<2>(&net, &mut dialer(&[]), host, &own, 0);
        assert_eq!(end.as_deref(), Ok(reached));
        assert_eq!(net.elapsed(), 10);
    }
    let fault = reach::<2>(&Net::new(2), &mut dialer(&[SERVER]), "a..b").unwrap_err();
    assert_eq!(fault.code, Code::NameInvalid);
}

#[test]
fn a_device_without_an_address_is_told_so() {
    for own in [&[][..], &["fe80::2"]] {
        let net = Net::new(2).dns(SERVER, zone(&["2001:db8::99"], &[]));
        let end = reach_with::<2>(&net, &mut dialer(&[SERVER]), BROKER, own, 1024);
        let fault = end.unwrap_err();
        assert_eq!(
            (fault.rung, fault.code),
            (Rung::Address, Code::NoSourceAddress),
            "{own:?}"
        );
        assert!(net.take_attempts().is_empty());
    }
}

/// Every way in which the UDP socket may be of no use.
#[test]
fn a_stack_that_sends_no_datagrams_is_named_in_time() {
    let out_of_memory = Fault::new(Rung::Dns, Code::Io).detail(b"out of memory");
    let faults: [fn(&Net, Fault); 4] = [
        |net, fault| net.binding.set(Some(fault)),
        |net, fault| net.sending.set(Some(fault)),
        |net, fault| net.receiving.set(Some(fault)),
        |net, _| net.stuffed.set(true),
    ];
    for breaks in faults {
        let net = Net::new(2).dns(SERVER, zone(&["fd00::99"], &[]));
        breaks(&net, out_of_memory);
        let fault = reach::<2>(&net, &mut dialer(&[SERVER]), BROKER).unwrap_err();
        assert_eq!(fault.rung, Rung::Dns);
        assert!(net.elapsed() <= 12_000, "{}: {fault}", net.elapsed());
        assert!(net.polls.get() < 100, "{}", net.polls.get());
    }
}

#[test]
fn a_datagram_that_got_lost_in_the_stack_is_no_end() {
    let net = Net::new(2)
        .dns(SERVER, zone(&["fd00::99"], &[]))
        .host("[fd00::99]:1883", Host::Accepts(10));
    let once = Fault::new(Rung::Dns, Code::Io).detail(b"cut short");
    net.receiving_once.set(Some(once));
    reach::<2>(&net, &mut dialer(&[SERVER]), BROKER).unwrap();
    // The next round.
    assert_eq!(net.elapsed(), 2_000 + 10);
}

#[test]
fn answers_are_asked_for_that_fit_the_buffer() {
    for (room, size) in [(1024, 512), (4000, 1232)] {
        let net = Net::new(2).dns(SERVER, zone(&[], &[]));
        let _ = reach_with::<2>(&net, &mut dialer(&[SERVER]), BROKER, &OWN, room);
        let asked = net.asked.take();
        assert!(!asked.is_empty());
        for (_, question) in asked {
            assert_eq!(question.udp_size(), size);
        }
    }
}

#[test]
fn too_small_a_buffer_is_named() {
    let net = Net::new(2).dns(SERVER, zone(&["fd00::99"], &[]));
    let end = reach_with::<2>(&net, &mut dialer(&[SERVER]), BROKER, &OWN, 40);
    let fault = end.unwrap_err();
    assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::BufferTooSmall));
}

/// Dropped at each await point, and begun anew.
#[test]
fn dropped_anywhere_it_leaves_nothing_open() {
    let serves = |question: &Question| {
        if question.over_tcp {
            return zone(&["fd00::98", "fd00::99"], &["198.51.100.10"])(question);
        }
        Some(Reply::truncated())
    };
    let mut polls = 0;
    loop {
        let net = Net::new(2)
            .dns(SERVER, serves)
            .host(SERVER, Host::Accepts(10))
            .host("[fd00::99]:1883", Host::Accepts(10));
        let mut dialer = dialer(&[SERVER]);
        let (mut tcp, mut udp) = net.sockets::<2>();
        let (own, mut buffer, mut random) = (addresses(&OWN), [0; 1024], Rng::new(9));
        let network = Network {
            tcp: &mut tcp,
            udp: &mut udp,
            own: &own,
            buffer: &mut buffer,
        };
        let dialing = dial(&mut dialer, network, &net, &mut random, BROKER, 1883);
        let end = net.poll_for(polls, dialing);
        if let Some(end) = end {
            assert!(end.is_ok());
            assert!(polls > 8, "{polls}");
            return;
        }
        assert!(net.open().is_empty());
        let reached = reach::<2>(&net, &mut dialer, BROKER).unwrap();
        assert_eq!(reached, "[fd00::99]:1883");
        polls += 1;
    }
}

#[test]
fn the_climb_can_be_watched() {
    let net = Net::new(2)
        .dns(SERVER, zone(&["fd00::98", "fd00::99"], &[]))
        .host("[fd00::99]:1883", Host::Accepts(10));
    let mut dialer = dialer(&[SERVER]);
    reach::<2>(&net, &mut dialer, BROKER).unwrap();
    assert!(net.traces.borrow().is_empty());
    dialer.trace(true);
    dialer.forget();
    reach::<2>(&net, &mut dialer, BROKER).unwrap();
    let traces = net.traces.take();
    let ends: Vec<_> = traces
        .iter()
        .filter_map(|trace| match trace.fact {
            Fact::Net(net::Fact::Ended(address, end, _)) => Some((address.to_string(), end)),
            _ => None,
        })
        .collect();
    let end = |address: &str, end| (address.to_owned(), end);
    assert_eq!(
        ends,
        [
            end("fd00::99", net::Ended::Won),
            end("fd00::98", net::Ended::Lost)
        ]
    );
}
