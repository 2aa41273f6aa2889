//! Answers of DNS servers: no panic, no address that the answer does not hold, and a lookup ends whatever it is told.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use towpath_proto::{
    Code, Fault, Instant, Rung,
    net::dns::{
        Answer, Lookup, Name, Outcome, Plan, QUERY_ROOM, Record, message::decode, name::MAX_LEN,
    },
};

/// What the seeds ask for.
const NAME: &str = "mqtt.example";

fuzz_target!(|input: &[u8]| {
    let Some((control, message)) = input.split_first() else {
        return;
    };
    let record = if control & 1 == 0 {
        Record::A
    } else {
        Record::Aaaa
    };
    one(message, record);
    many(&input[1..], record);
    if let Ok(text) = str::from_utf8(message)
        && let Ok(name) = Name::parse(text)
    {
        assert!(name.as_wire().len() <= MAX_LEN);
        assert_eq!(Name::parse(&name.to_string()).expect("the same"), name);
    }
});

fn one(message: &[u8], record: Record) {
    let id = message
        .first_chunk()
        .map_or(0, |id| u16::from_be_bytes(*id));
    let name = Name::parse(NAME).expect("a name");
    match decode(message, id, &name, record) {
        Answer::Addresses(addresses) => {
            let mut any = false;
            for (address, ttl) in addresses {
                any = true;
                assert!(ttl <= 86_400);
                held(message, address, record);
            }
            assert!(any, "addresses without one");
        }
        Answer::Alias {
            target, aliases, ..
        } => {
            assert!(target.as_wire().len() <= MAX_LEN);
            assert!((1..=8).contains(&aliases));
        }
        Answer::Failed { rcode } => assert_ne!(rcode, 3),
        _ => {}
    }
}

fn held(message: &[u8], address: IpAddr, record: Record) {
    let there = match (address, record) {
        (IpAddr::V4(v4), Record::A) => message.windows(4).any(|bytes| bytes == v4.octets()),
        (IpAddr::V6(v6), Record::Aaaa) => message.windows(16).any(|bytes| bytes == v6.octets()),
        _ => false,
    };
    assert!(there, "{address} was not in the answer");
}

/// A lookup that is told pieces of the input: each has a byte of length and a byte of what to do in front.
fn many(mut input: &[u8], record: Record) {
    let servers: [SocketAddr; 2] = ["192.0.2.1:53", "[2001:db8::2]:53"]
        .map(|server| server.parse().expect("an address and a port"));
    let mut plan = Plan::new(&servers);
    plan.rounds = 2;
    let mut now = Instant::ZERO;
    let name = Name::parse(NAME).expect("a name");
    let mut lookup = Lookup::start(now, name, record, &plan);
    let (mut seed, mut sends) = (0u32, 0);
    let mut random = || {
        seed = seed.wrapping_add(0x0001_0000);
        seed
    };
    let mut last = 0;
    while lookup.result().is_none() {
        if let Some(send) = lookup.poll(now, &mut random) {
            sends += 1;
            last = send.slot;
            assert!(lookup.is_open(last));
            assert!(!lookup.message(last, &mut [0; QUERY_ROOM]).is_empty());
            continue;
        }
        let deadline = lookup.deadline().expect("something to wait for");
        let Some(([len, what], rest)) = input.split_first_chunk::<2>() else {
            now = now.max(deadline);
            lookup.handle_timeout(now);
            continue;
        };
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        input = rest;
        let slot = last.saturating_sub(what >> 4);
        match what & 3 {
            0 => lookup.failed(now, slot, Fault::new(Rung::Tcp, Code::Refused)),
            1 => lookup.handle_timeout(deadline),
            _ => drop(lookup.answered(now, slot, &reply(&lookup, slot, piece))),
        }
    }
    assert!(sends <= 9 * 2 * (2 + 2), "{sends} questions");
    assert_eq!(lookup.open_slots().count(), 0);
    match lookup.result() {
        Some(Outcome::Found { addresses, .. }) => assert!((1..=16).contains(&addresses.len())),
        Some(_) => assert!(lookup.aliases() <= 16),
        None => unreachable!(),
    }
}

/// `piece` as flags, counts and records of an answer to what was asked.
fn reply(lookup: &Lookup, slot: u8, piece: &[u8]) -> Vec<u8> {
    let mut room = [0; QUERY_ROOM];
    let question = lookup.message(slot, &mut room);
    let (Some(id), Some((head, records))) = (question.get(..2), piece.split_at_checked(5)) else {
        return piece.to_vec();
    };
    let end = 12 + lookup.name().as_wire().len() + 4;
    let counts = [0, 1, 0, head[2] & 7, 0, head[3] & 7, 0, head[4] & 7];
    let flags = [head[0] | 0x80, head[1]];
    [id, &flags, &counts, &question[12..end], records].concat()
}
