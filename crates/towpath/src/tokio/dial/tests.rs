//! Dialing with real sockets: a DNS server of the test's own, and listeners on the loopback addresses.

use std::{
    future::poll_fn,
    io::{Read as _, Write as _},
    net::{TcpListener, UdpSocket},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use socket2::{Domain, Socket, Type};
use towpath_proto::net::{Ended, dialer::Nat64};

use super::*;
use crate::{
    Event, Options,
    host::Clock,
    net::{Families, NetOptions, Resolver},
    tokio::Connection,
};

/// How a name is answered.
#[derive(Clone)]
enum Answer {
    /// A records, and for how long.
    V4(&'static [[u8; 4]], u32),
    /// There is no such name.
    NoName,
    /// The answer does not fit, so it has to be asked for over TCP; there it is this address.
    Large([u8; 4]),
}

/// A DNS server for one test, on a thread of its own that ends with it.
struct Dns {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    /// What was asked, in order.
    names: mpsc::Receiver<String>,
    end: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Dns {
    /// `lose`: so many datagrams are not heard.
    fn start(zone: &[(&'static str, Answer)], lose: usize) -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(address).unwrap();
        let (asked, end) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (told, names) = mpsc::channel();
        let zone = zone.to_vec();
        let over_tcp = {
            let (zone, end) = (zone.clone(), Arc::clone(&end));
            thread::spawn(move || {
                while let Ok((mut stream, _)) = tcp.accept() {
                    if end.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut len = [0; 2];
                    stream.read_exact(&mut len).unwrap();
                    let mut question = vec![0; usize::from(u16::from_be_bytes(len))];
                    stream.read_exact(&mut question).unwrap();
                    let answer = reply(&question, &zone, true).1;
                    let len = u16::try_from(answer.len()).unwrap().to_be_bytes();
                    // In two pieces, as networks deliver.
                    stream.write_all(&len).unwrap();
                    stream.write_all(&answer).unwrap();
                }
            })
        };
        let over_udp = {
            let (asked, end) = (Arc::clone(&asked), Arc::clone(&end));
            thread::spawn(move || {
                let mut bytes = [0; 1500];
                while let Ok((len, from)) = udp.recv_from(&mut bytes) {
                    if end.load(Ordering::Relaxed) {
                        return;
                    }
                    if asked.fetch_add(1, Ordering::Relaxed) < lose {
                        continue;
                    }
                    let (name, answer) = reply(&bytes[..len], &zone, false);
                    let _ = told.send(name);
                    // Somebody else's answer first.
                    udp.send_to(&[0; 12], from).unwrap();
                    udp.send_to(&answer, from).unwrap();
                }
            })
        };
        Self {
            address,
            asked,
            names,
            end,
            threads: vec![over_tcp, over_udp],
        }
    }

    fn options(&self) -> NetOptions {
        NetOptions::default().resolver(Resolver::Servers(vec![self.address]))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(self.address);
        let waker = UdpSocket::bind("127.0.0.1:0").unwrap();
        let _ = waker.send_to(&[0], self.address);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the DNS server broke");
        }
    }
}

/// The answer to `question`, and the name in it. Names that are not in the zone exist without addresses.
fn reply(question: &[u8], zone: &[(&str, Answer)], over_tcp: bool) -> (String, Vec<u8>) {
    let mut at = 12;
    let mut name = String::new();
    while question[at] != 0 {
        let len = usize::from(question[at]);
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(std::str::from_utf8(&question[at + 1..=at + len]).unwrap());
        at += len + 1;
    }
    let is_a = question[at + 2] == 1;
    let section = &question[12..at + 5];
    let found = zone
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, answer)| answer);
    let (flags, addresses, ttl): (u16, &[[u8; 4]], u32) = match found {
        Some(Answer::V4(list, ttl)) if is_a => (0x8180, list, *ttl),
        Some(Answer::Large(address)) if is_a && over_tcp => {
            (0x8180, std::slice::from_ref(address), 60)
        }
        Some(Answer::Large(_)) if is_a => (0x8380, &[], 0),
        Some(Answer::NoName) => (0x8183, &[], 0),
        _ => (0x8180, &[], 0),
    };
    let mut answer = question[..2].to_vec();
    answer.extend(flags.to_be_bytes());
    for count in [1, addresses.len(), 0, 0] {
        answer.extend(u16::try_from(count).unwrap().to_be_bytes());
    }
    answer.extend(section);
    for address in addresses {
        answer.extend([0xc0, 12, 0, 1, 0, 1]);
        answer.extend(ttl.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address);
    }
    (name, answer)
}

/// Drives to the end; the facts beside it.
async fn drive(
    dial: &mut Dial,
    clock: &Clock,
) -> (Result<(TcpStream, Option<Candidate>), Fault>, Vec<Fact>) {
    let mut facts = Vec::new();
    loop {
        let step = poll_fn(|context| match dial.poll(context, clock.now()) {
            Step::Wait(None) => Poll::Pending,
            step => Poll::Ready(step),
        });
        match step.await {
            Step::Trace(trace) => {
                if let trace::Fact::Net(fact) = trace.fact {
                    facts.push(fact);
                }
            }
            Step::Connected(stream, candidate) => return (Ok((stream, candidate)), facts),
            Step::Failed(fault) => return (Err(fault), facts),
            Step::Resolved => panic!("it was to connect"),
            Step::Trying => {}
            Step::Wait(until) => dial.wait(clock, clock.host(until.unwrap()).into()).await,
        }
    }
}

fn dial(host: &str, port: u16, options: &NetOptions, kept: Option<&Kept>) -> Dial {
    let target = (host, port);
    Dial::start(
        Instant::ZERO,
        target,
        options,
        Sockets::default(),
        true,
        kept,
    )
    .unwrap()
}

async fn connected(host: &str, port: u16, options: &NetOptions) -> (TcpStream, Vec<Fact>) {
    let (found, facts) = drive(&mut dial(host, port, options, None), &Clock::start()).await;
    let (stream, candidate) = found.unwrap();
    assert_eq!(stream.peer_addr().unwrap().ip(), candidate.unwrap().address);
    (stream, facts)
}

async fn failed(host: &str, options: &NetOptions) -> Fault {
    let (found, _) = drive(&mut dial(host, 9, options, None), &Clock::start()).await;
    found.unwrap_err()
}

/// A file of the test's own that goes with it. The path is never given back, which is once for a test.
struct File(&'static str);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("towpath-{name}-{}", process::id()));
        std::fs::write(&path, text).unwrap();
        let path = path.into_os_string().into_string().unwrap();
        Self(Box::leak(path.into_boxed_str()))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Lets nobody in: its queue is full, so that requests are dropped. The sockets that fill it belong to it.
fn silent(address: &str, port: u16) -> (Socket, Vec<Socket>) {
    let address: SocketAddr = format!("{address}:{port}").parse().unwrap();
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&address.into()).unwrap();
    listener.listen(0).unwrap();
    let fill = |_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address.into());
        socket
    };
    (listener, (0..4).map(fill).collect())
}

const GOOD: [u8; 4] = [127, 0, 0, 1];
const OTHER: [u8; 4] = [127, 0, 0, 2];

#[tokio::test]
async fn a_name_is_asked_for_and_connected_to() {
    let dns = Dns::start(&[("broker.example", Answer::V4(&[GOOD], 60))], 0);
    let (_listener, port) = listener();
    let (_stream, facts) = connected("broker.example", port, &dns.options()).await;
    assert!(
        facts
            .iter()
            .any(|fact| matches!(fact, Fact::Answered { addresses: 1, .. }))
    );
    assert_eq!(dns.asked(), 2, "A and AAAA");
}

#[tokio::test]
async fn a_lost_question_is_asked_again() {
    let dns = Dns::start(&[("broker.example", Answer::V4(&[GOOD], 60))], 2);
    let conf = format!("nameserver {}\noptions timeout:1\n", dns.address);
    let conf = File::new("lost", &conf);
    let options = NetOptions {
        resolv_conf: conf.0,
        ..NetOptions::default()
    };
    let (_listener, port) = listener();
    connected("broker.example", port, &options).await;
    assert!(dns.asked() >= 4, "{}", dns.asked());
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let dns = Dns::start(&[("broker.example", Answer::Large(GOOD))], 0);
    let (_listener, port) = listener();
    let (_stream, facts) = connected("broker.example", port, &dns.options()).await;
    let over_tcp = |fact: &&Fact| {
        matches!(
            fact,
            Fact::Asked {
                over: towpath_proto::net::dns::Transport::Tcp,
                ..
            }
        )
    };
    assert_eq!(facts.iter().filter(over_tcp).count(), 1, "{facts:?}");
}

#[tokio::test]
async fn a_dead_first_address_does_not_stop_the_second() {
    let dns = Dns::start(&[("broker.example", Answer::V4(&[OTHER, GOOD], 60))], 0);
    let (_listener, port) = listener();
    let _silent = silent("127.0.0.2", port);
    let (_stream, facts) = connected("broker.example", port, &dns.options()).await;
    let ended: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Ended(address, how, _) => Some((*address, *how)),
            _ => None,
        })
        .collect();
    let wanted = [(GOOD.into(), Ended::Won), (OTHER.into(), Ended::Lost)];
    assert_eq!(ended, wanted, "{facts:?}");
    let tried = facts
        .iter()
        .filter(|fact| matches!(fact, Fact::Trying(_)))
        .count();
    assert_eq!(tried, 2);
}

#[tokio::test]
async fn an_address_that_refuses_is_left_at_once() {
    let dns = Dns::start(&[("broker.example", Answer::V4(&[OTHER, GOOD], 60))], 0);
    let (_listener, port) = listener();
    // Longer than the test would be waited for.
    let options = dns.options().attempt_delay(Duration::from_secs(3600));
    let (_stream, facts) = connected("broker.example", port, &options).await;
    let refused = |fact: &Fact| matches!(fact, Fact::Ended(_, Ended::Failed(Code::Refused), _));
    assert!(facts.iter().any(refused), "{facts:?}");
}

#[tokio::test]
async fn every_address_refused_is_one_fault_with_the_first() {
    let dns = Dns::start(&[("broker.example", Answer::V4(&[OTHER, GOOD], 60))], 0);
    let (listener, port) = listener();
    drop(listener);
    let mut all = dial("broker.example", port, &dns.options(), None);
    let (found, _) = drive(&mut all, &Clock::start()).await;
    let fault = found.unwrap_err();
    assert_eq!((fault.rung, fault.code), (Rung::Tcp, Code::Refused));
    assert_eq!(
        fault.detail.to_string(),
        format!("127.0.0.2:{port} and 1 more")
    );
}

#[tokio::test]
async fn servers_that_refuse_or_do_not_exist_are_named() {
    let closed = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let options = NetOptions::default().resolver(Resolver::Servers(vec![closed]));
    let fault = failed("broker.example", &options).await;
    assert_eq!(
        (fault.rung, fault.code),
        (Rung::Dns, Code::ResolverRefused),
        "{fault}"
    );
    let conf = File::new("empty", "search example\n");
    let options = NetOptions {
        resolv_conf: conf.0,
        ..NetOptions::default()
    };
    let fault = failed("broker.example", &options).await;
    assert_eq!(
        (fault.rung, fault.code),
        (Rung::Dns, Code::NoResolver),
        "{fault}"
    );
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_to_live() {
    let dns = Dns::start(
        &[
            ("long.example", Answer::V4(&[GOOD], 60)),
            ("short.example", Answer::V4(&[GOOD], 0)),
        ],
        0,
    );
    let (_listener, port) = listener();
    let clock = Clock::start();
    for (host, asked) in [("long.example", 2), ("short.example", 4)] {
        let before = dns.asked();
        let options = dns.options();
        let mut first = dial(host, port, &options, None);
        drive(&mut first, &clock).await.0.unwrap();
        let kept = first.keep(clock.now(), None, false);
        assert_eq!(kept.is_some(), host == "long.example");
        let mut second = dial(host, port, &options, kept.as_deref());
        let (found, facts) = drive(&mut second, &clock).await;
        found.unwrap();
        assert_eq!(dns.asked() - before, asked, "{host}: {facts:?}");
        // It is still kept, but not beyond a failure.
        let again = second.keep(clock.now(), kept.clone(), false);
        assert_eq!(again.is_some(), kept.is_some());
        assert!(second.keep(clock.now(), kept, true).is_none());
    }
}

#[tokio::test]
async fn the_hosts_file_goes_before_dns() {
    let dns = Dns::start(&[("broker.example", Answer::NoName)], 0);
    let conf = File::new("before", &format!("nameserver {}", dns.address));
    let hosts = File::new("hosts", "127.0.0.1 broker.example\n");
    let options = NetOptions {
        resolv_conf: conf.0,
        hosts: hosts.0,
        ..NetOptions::default()
    };
    let (_listener, port) = listener();
    let (_stream, facts) = connected("Broker.Example", port, &options).await;
    let from_hosts =
        |fact: &Fact| matches!(fact, Fact::Trying(candidate) if candidate.origin == Origin::Hosts);
    assert!(facts.iter().any(from_hosts), "{facts:?}");
    assert_eq!(dns.asked(), 0);
}

#[tokio::test]
async fn the_search_list_is_tried_in_order() {
    let dns = Dns::start(
        &[
            ("broker.one.example", Answer::NoName),
            ("broker.two.example", Answer::V4(&[GOOD], 60)),
            ("nobody.one.example", Answer::NoName),
            ("nobody.two.example", Answer::NoName),
            ("nobody", Answer::NoName),
        ],
        0,
    );
    let search = "search one.example two.example";
    let conf = File::new("search", &format!("nameserver {}\n{search}", dns.address));
    let options = NetOptions {
        resolv_conf: conf.0,
        ..NetOptions::default()
    };
    let (_listener, port) = listener();
    connected("broker", port, &options).await;
    let fault = failed("nobody", &options).await;
    assert_eq!(fault.code, Code::NameNotFound);
    assert_eq!(fault.detail.as_str(), "nobody", "the name as it was given");
    let mut names: Vec<_> = dns.names.try_iter().collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "broker.one.example",
            "broker.two.example",
            "nobody.one.example",
            "nobody.two.example",
            "nobody"
        ]
    );
}

#[tokio::test]
async fn the_systems_resolver_knows_this_machine() {
    let (_listener, port) = listener();
    let options = NetOptions::default()
        .resolver(Resolver::System)
        .families(Families::V4)
        .nat64(Nat64::Off);
    let (_stream, facts) = connected("localhost", port, &options).await;
    assert!(facts.iter().any(|fact| matches!(fact, Fact::Trying(_))));
}

#[tokio::test]
async fn resolving_connects_nowhere() {
    let dns = Dns::start(&[("broker.example", Answer::V4(&[GOOD, OTHER], 60))], 0);
    let mut told = 0;
    let found = resolve("broker.example", 9, &dns.options(), &mut |_| told += 1).await;
    let found = found.unwrap();
    let addresses: Vec<IpAddr> = found.candidates.iter().map(|(c, _)| c.address).collect();
    assert_eq!(addresses, [IpAddr::from(GOOD), OTHER.into()]);
    assert_eq!(
        (found.name.as_str(), found.servers),
        ("broker.example", vec![dns.address])
    );
    assert!(told > 4, "{told} facts");
}

#[tokio::test]
async fn the_segment_size_is_asked_for_before_connecting() {
    let (listener, port) = listener();
    let sockets = Sockets {
        bind: Some("127.0.0.3".parse().unwrap()),
        mss: Some(500),
        ..Sockets::default()
    };
    let stream = connect(([127, 0, 0, 1], port).into(), sockets)
        .await
        .unwrap();
    assert_eq!(
        stream.local_addr().unwrap().ip(),
        IpAddr::from([127, 0, 0, 3])
    );
    let (accepted, _) = listener.accept().unwrap();
    let peers = SockRef::from(&accepted).tcp_mss().unwrap();
    assert!(peers <= 500, "the peer sends segments of {peers} bytes");
}

/// A broker that takes everybody.
fn broker(listener: TcpListener) -> impl Future<Output = ()> {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.readable().await.unwrap();
            stream.writable().await.unwrap();
            stream.try_write(&[0x20, 3, 0, 0, 0]).unwrap();
            // Held until the peer has read it.
            stream.readable().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_dropped_future_loses_nothing() {
    let dns = Dns::start(&[("broker.example", Answer::V4(&[OTHER, GOOD], 60))], 0);
    let (listener, port) = listener();
    let _silent = silent("127.0.0.2", port);
    let broker = tokio::spawn(broker(listener));
    let options = Options::new(&format!("mqtt://broker.example:{port}"))
        .unwrap()
        .network(dns.options());
    let mut connection = Connection::new(options);
    let mut dropped = 0;
    loop {
        tokio::select! {
            biased;
            event = connection.next() => {
                assert!(matches!(event, Event::Connected { .. }), "{event:?}");
                break;
            }
            () = tokio::task::yield_now() => dropped += 1,
        }
    }
    assert!(dropped > 0, "it was never dropped");
    assert_eq!(dns.asked(), 2, "nothing is begun again");
    broker.abort();
}
