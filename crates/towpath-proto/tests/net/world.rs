//! The servers: true answers and false ones.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use towpath_proto::net::dns::Transport;
use towpath_sim::{
    Rng,
    dns::{A, AAAA, Question, Reply},
};

use crate::plan::{NAME, Plan, Server};

/// What comes back for a question.
#[derive(Debug, Clone)]
pub(crate) enum Back {
    Message(Vec<u8>),
    /// Nothing listens there, or the connection was cut.
    Broken,
}

/// What comes back, when, and whether it is the truth.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) after: Duration,
    pub(crate) back: Back,
    pub(crate) truth: Option<Truth>,
}

/// What a true answer says, as far as it has to do with addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) ttl: u32,
    /// It is about `ipv4only.arpa`.
    pub(crate) discovery: bool,
}

/// Addresses that only false answers name.
const POISON_4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
const POISON_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 0x66);

pub(crate) fn is_poison(address: IpAddr) -> bool {
    let bytes = match address {
        IpAddr::V4(v4) => return v4 == POISON_4,
        IpAddr::V6(v6) => v6.octets(),
    };
    address == POISON_6 || bytes.windows(4).any(|window| window == POISON_4.octets())
}

/// All that `server` has to say to a question.
pub(crate) fn ask(
    plan: &Plan,
    server: &Server,
    question: &Question,
    over: Transport,
    rng: &mut Rng,
) -> Vec<Arrival> {
    let at = |after, back| Arrival {
        after,
        back,
        truth: None,
    };
    if server.closed || (over == Transport::Tcp && !server.tcp) {
        return vec![at(server.rtt, Back::Broken)];
    }
    let mut arrivals = Vec::new();
    // Into a connection only the server itself can put a lie.
    let lies = (over == Transport::Udp || server.instead) && rng.chance(server.lies);
    if lies {
        let lie = lie(plan, question, rng);
        arrivals.push(at(server.rtt / 2, Back::Message(lie)));
    }
    if (lies && server.instead) || rng.chance(server.lost) {
        return arrivals;
    }
    let (reply, truth) = truth(plan, server, question, over);
    let mut after = server.rtt;
    if rng.chance(server.late) {
        after += Duration::from_millis(rng.below(5000) as u64);
    }
    let copies = 1 + usize::from(rng.chance(server.twice));
    for copy in 0..copies {
        arrivals.push(Arrival {
            after: after + Duration::from_millis(copy as u64 * rng.below(300) as u64),
            back: Back::Message(reply.bytes()),
            truth: Some(truth.clone()),
        });
    }
    arrivals
}

fn truth(plan: &Plan, server: &Server, question: &Question, over: Transport) -> (Reply, Truth) {
    let reply = Reply::to(question);
    if question.udp_size.is_some() && !server.knows_edns {
        return (reply.question(None).rcode(1), Truth::default());
    }
    if server.rcode != 0 {
        return (reply.rcode(server.rcode), Truth::default());
    }
    if over == Transport::Udp && server.truncates {
        return (reply.truncated(), Truth::default());
    }
    if question.name == "ipv4only.arpa" {
        return discovery(plan, reply);
    }
    about_the_name(plan, server, question, reply)
}

fn discovery(plan: &Plan, reply: Reply) -> (Reply, Truth) {
    let mut truth = Truth {
        ttl: plan.zone.ttl,
        discovery: true,
        ..Truth::default()
    };
    match plan.prefix {
        Some((prefix, crate::plan::Knowledge::Asked)) => {
            let address = prefix.synthesise([192, 0, 0, 170].into());
            truth.addresses.push(address.into());
            let reply = reply.aaaa("ipv4only.arpa", plan.zone.ttl, address);
            (reply, truth)
        }
        // As OpenThread's border router has it.
        _ if plan.seed.is_multiple_of(2) => (reply.rcode(3), truth),
        _ => (reply.soa("arpa", 3600, 60), truth),
    }
}

/// The name behind so many aliases.
fn alias(n: usize) -> String {
    match n {
        0 => NAME.to_owned(),
        n => format!("a{n}.example"),
    }
}

fn about_the_name(
    plan: &Plan,
    server: &Server,
    question: &Question,
    mut reply: Reply,
) -> (Reply, Truth) {
    let zone = &plan.zone;
    let asked = (0..=zone.aliases).find(|n| alias(*n) == question.name);
    let from = asked.expect("a name of this zone");
    let to = zone.aliases.min(from + zone.at_once);
    for n in from..to {
        reply = reply.cname(&alias(n), zone.ttl, &alias(n + 1));
    }
    if zone.circle && to == zone.aliases {
        return (reply.cname(&alias(to), 1, NAME), Truth::default());
    }
    if zone.missing {
        return (reply.soa("example", 60, 60).rcode(3), Truth::default());
    }
    if to < zone.aliases {
        return (reply, Truth::default());
    }
    let made = |v4: &Ipv4Addr| plan.prefix.map(|(prefix, _)| prefix.synthesise(*v4));
    let (v4, v6): (&[_], Vec<_>) = match question.kind {
        A => (&zone.v4, Vec::new()),
        _ if zone.v6.is_empty() && server.dns64 => (&[], zone.v4.iter().filter_map(made).collect()),
        _ => (&[], zone.v6.clone()),
    };
    let owner = alias(to);
    let mut truth = Truth {
        ttl: zone.ttl,
        ..Truth::default()
    };
    for address in v4 {
        reply = reply.a(&owner, zone.ttl, *address);
        truth.addresses.push((*address).into());
    }
    for address in v6 {
        reply = reply.aaaa(&owner, zone.ttl, address);
        truth.addresses.push(address.into());
    }
    if truth.addresses.is_empty() {
        reply = reply.soa("example", 60, 60);
    }
    (reply, truth)
}

/// Something false that can be told from the truth: nothing of it may ever be used.
fn lie(plan: &Plan, question: &Question, rng: &mut Rng) -> Vec<u8> {
    let with = |reply: Reply, owner: &str| {
        let reply = reply.a(owner, 3600, POISON_4).aaaa(owner, 3600, POISON_6);
        let made = plan.prefix.map(|(prefix, _)| prefix.synthesise(POISON_4));
        made.into_iter()
            .fold(reply, |reply, made| reply.aaaa(owner, 3600, made))
    };
    let good = Reply::to(question);
    let name = question.name.as_str();
    let other_kind = if question.kind == A { AAAA } else { A };
    // The last two are believed as "no such record", so that in fair weather they would spoil the end.
    match rng.below(if plan.fair { 8 } else { 10 }) {
        0 => with(good.id(question.id ^ (1 + rng.below(0xffff) as u16)), name).bytes(),
        1 => with(good.question(Some(("bank.example", question.kind))), name).bytes(),
        2 => with(good.question(Some((name, other_kind))), name).bytes(),
        // No answer but a question.
        3 => with(good.flags(0x0100), name).bytes(),
        4 => {
            let mut bytes = with(good, name).bytes();
            let len = bytes.len();
            bytes.truncate(len - 1 - rng.below(len - 1));
            bytes
        }
        5 => (0..rng.below(100)).map(|_| rng.next_u64() as u8).collect(),
        6 => {
            // The true question, and noise where records should be.
            let mut bytes = good.bytes();
            bytes[7] = 3;
            bytes.extend((0..rng.between(1, 60)).map(|_| rng.next_u64() as u8 | 0x80));
            bytes
        }
        7 => with(good.question(Some(("", question.kind))), name).bytes(),
        8 => with(good, "bank.example").bytes(),
        // The other family.
        _ if question.kind == A => good.aaaa(name, 3600, POISON_6).bytes(),
        _ => good.a(name, 3600, POISON_4).bytes(),
    }
}
