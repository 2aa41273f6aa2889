//! Every fault and every kind of fact as frames of defmt: what they decode to is what the host prints.
#![no_std]
#![no_main]

use core::{net::Ipv6Addr, time::Duration};

use embassy_executor::Spawner;
use mps2_an505::exit;
use towpath_proto::{
    Code, Fact, Fault, Instant, Rung, Trace,
    net::{
        self, Candidate, Ended, Origin, Prefix, PrefixOrigin,
        dns::{Record, Transport},
        select::Rule,
    },
    tls::{self, Alert, Message, Side, Version},
};

#[cortex_m_rt::entry]
fn main() -> ! {
    mps2_an505::run(|spawner: Spawner| spawner.spawn(traces().expect("its only one")))
}

#[embassy_executor::task]
async fn traces() {
    for (place, code) in (0..).zip(Code::ALL) {
        defmt::error!("{}", fault(place, *code));
    }
    for (place, fact) in (0..).zip(names().into_iter().chain(climb())) {
        let (rung, fact) = fact;
        let at = Instant::from_micros(1_000_000 + place * 1_500);
        defmt::info!("{}", Trace { at, rung, fact });
    }
    mps2_an505::say!("stack: {} bytes", mps2_an505::stack::high_water());
    exit(0)
}

/// Each code on some rung, with some of what a fault can have. The test on the host makes the same.
fn fault(place: u32, code: Code) -> Fault {
    const RUNGS: [Rung; 7] = [
        Rung::Dns,
        Rung::Tcp,
        Rung::Proxy,
        Rung::Tls,
        Rung::Upgrade,
        Rung::Ws,
        Rung::Mqtt,
    ];
    let rung = RUNGS.into_iter().cycle().nth(place as usize);
    let mut fault = Fault::new(rung.unwrap_or(Rung::Hub), code);
    if place % 2 == 1 {
        fault = fault.number(place * 3);
    }
    if place % 3 == 1 {
        let description = u8::try_from(place).unwrap_or(u8::MAX);
        fault = fault.alert(Alert::fatal(Side::Server, description));
    }
    if place % 5 == 1 {
        fault = fault.detail(b"nginx/1.22 {says} 100 %");
    }
    if place % 7 == 1 {
        fault = fault.clause("RFC 6455 section 5.2");
    }
    fault
}

/// What is seen below TCP, and of TCP.
fn names() -> [(Rung, Fact); 12] {
    let prefix = Prefix::WELL_KNOWN;
    let candidate = Candidate {
        address: Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xc000, 0x0207).into(),
        origin: Origin::Synthesised(prefix, PrefixOrigin::Discovery),
        source: None,
    };
    let server = (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), 53).into();
    let took = Duration::from_millis(12);
    let ttl = Duration::from_secs(300);
    let record = Record::Aaaa;
    let net = |rung, fact| (rung, Fact::Net(fact));
    [
        (Rung::Dns, Fact::Started),
        net(
            Rung::Dns,
            net::Fact::Asked {
                record,
                server,
                over: Transport::Udp,
            },
        ),
        net(
            Rung::Dns,
            net::Fact::Unanswered {
                record,
                code: Code::NoAddress,
            },
        ),
        net(
            Rung::Dns,
            net::Fact::Answered {
                record: Record::A,
                addresses: 1,
                ttl,
            },
        ),
        (Rung::Dns, Fact::Reached),
        net(
            Rung::Nat64,
            net::Fact::Prefix(prefix, PrefixOrigin::Discovery),
        ),
        net(
            Rung::Nat64,
            net::Fact::Ordered(0, candidate, Rule::Translated),
        ),
        (Rung::Tcp, Fact::Started),
        net(Rung::Tcp, net::Fact::Trying(candidate)),
        net(
            Rung::Tcp,
            net::Fact::Ended(candidate.address, Ended::Failed(Code::Refused), took),
        ),
        net(
            Rung::Tcp,
            net::Fact::Ended(candidate.address, Ended::Won, took),
        ),
        (Rung::Tcp, Fact::Reached),
    ]
}

/// What is seen above it.
fn climb() -> [(Rung, Fact); 12] {
    let tls = |fact| (Rung::Tls, Fact::Tls(fact));
    [
        (Rung::Tls, Fact::Started),
        tls(tls::Fact::Handshake {
            from: Side::Client,
            message: Message::CLIENT_HELLO,
            len: 200,
        }),
        tls(tls::Fact::Agreed {
            version: Version::Tls12,
            suite: 0xc02f,
            resumed: false,
        }),
        (Rung::Tls, Fact::Reached),
        (Rung::Upgrade, Fact::Started),
        (Rung::Upgrade, Fact::Sent("GET", 180)),
        tls(tls::Fact::HelloRequest { len: 28 }),
        tls(tls::Fact::Renegotiated),
        (Rung::Upgrade, Fact::Received("101", 130)),
        (Rung::Upgrade, Fact::Reached),
        (Rung::Mqtt, Fact::Started),
        (Rung::Mqtt, Fact::Reached),
    ]
}
