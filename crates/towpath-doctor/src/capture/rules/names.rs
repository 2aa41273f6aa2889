//! DNS: names that were asked for, and did not lead to a connection.

use std::net::IpAddr;

use domain::base::Rtype;
use towpath_proto::Rung;

use super::{Claim, PATIENCE};
use crate::capture::{Seen, mark::Seconds, names::Question};

/// The most that an answer over UDP may have without EDNS, bytes (RFC 1035 section 4.2.1).
const PLAIN_MOST: usize = 512;

/// Why no connection was attempted, by the last name that was asked for; and what does not break it.
pub(in crate::capture) fn claim(seen: &Seen) -> Option<(Claim, bool)> {
    let questions = seen.names.questions();
    let Some(last) = questions.back() else {
        return unasked(seen);
    };
    let connected = seen.table.flows().iter().any(|flow| flow.last > last.last);
    if connected {
        return None;
    }
    let of_name: Vec<_> = questions
        .iter()
        .filter(|question| question.name == last.name && question.client == last.client)
        .collect();
    let found = of_name.iter().any(|question| {
        question
            .answer
            .is_some_and(|answer| answer.addresses > 0 && !is_cut(question))
    });
    if found {
        return unused(seen, &of_name).map(|claim| (claim, true));
    }
    of_name
        .iter()
        .rev()
        .find_map(|question| of_question(seen, question))
        .or_else(|| without_address(seen, &of_name))
        .map(|claim| (claim, true))
}

fn asked(id: &'static str, question: &Question) -> Claim {
    Claim::new(id, Rung::Dns).seen(
        "last sent",
        format!(
            "{}: {} asked from {}, {} times",
            question.last,
            question.words(),
            question.server,
            question.tries
        ),
    )
}

/// An answer that did not reach the program as a whole: cut, or larger than what was announced.
fn is_cut(question: &Question) -> bool {
    question
        .answer
        .is_some_and(|answer| answer.truncated || (answer.len > PLAIN_MOST && !question.edns))
}

fn of_question(seen: &Seen, question: &Question) -> Option<Claim> {
    let Some(answer) = question.answer else {
        return unanswered(seen, question);
    };
    let said = |claim: Claim| {
        let what = format!(
            "{}: {} bytes, RCODE {}",
            answer.mark, answer.len, answer.rcode
        );
        claim.seen("last received", what)
    };
    if is_cut(question) && seen.last.since(answer.mark) >= PATIENCE {
        let how = if answer.truncated {
            "it says that it is cut"
        } else {
            "more than 512 bytes without EDNS"
        };
        return Some(said(asked("TP-DNS-009", question)).seen("size", how));
    }
    let id = match answer.rcode {
        2 => "TP-DNS-004",
        3 => "TP-DNS-005",
        1 | 4 | 5 => "TP-DNS-003",
        _ => return None,
    };
    Some(said(asked(id, question)))
}

fn unanswered(seen: &Seen, question: &Question) -> Option<Claim> {
    if let Some((complaint, mark)) = question.complaint {
        let claim = asked("TP-DNS-002", question);
        return Some(claim.seen("last received", format!("{mark}: {}", complaint.words())));
    }
    let waited = seen.last.since(question.first);
    if waited < PATIENCE {
        return None;
    }
    let resolvers = &seen.announced.resolvers;
    let known = resolvers
        .iter()
        .any(|(address, _)| IpAddr::V6(*address) == question.server);
    let claim = match resolvers.first() {
        Some((address, mark)) if !known => asked("TP-DNS-012", question)
            .seen(
                "announced",
                format!("{mark}: the network's resolver is {address}"),
            )
            .or_else(&["TP-DNS-002"]),
        _ => asked("TP-DNS-002", question),
    };
    Some(claim.seen("last received", format!("nothing in {}", Seconds(waited))))
}

/// Both kinds of addresses were asked for, or the one that is of use, and there are none.
fn without_address(seen: &Seen, questions: &[&Question]) -> Option<Claim> {
    let last = questions.last()?;
    let answer = last.answer?;
    if seen.last.since(answer.mark) < PATIENCE {
        return None;
    }
    let claim = asked("TP-DNS-006", last);
    Some(claim.seen("last received", format!("{}: no address", answer.mark)))
}

/// There are addresses, and no packet went to any of them.
fn unused(seen: &Seen, questions: &[&Question]) -> Option<Claim> {
    let addresses = |kind| {
        let mut answers = questions.iter().filter(|question| question.kind == kind);
        answers.any(|question| question.answer.is_some_and(|answer| answer.addresses > 0))
    };
    let last = questions.last()?;
    let answer = last.answer?;
    let [v4, _] = seen.families;
    let only_v6 = v4 == 0 && last.client.is_ipv6();
    if !only_v6 || !addresses(Rtype::A) || seen.last.since(answer.mark) < PATIENCE {
        return None;
    }
    let (id, rung) = if addresses(Rtype::AAAA) || !was_asked(questions, Rtype::AAAA) {
        ("TP-ADDR-004", Rung::Address)
    } else {
        ("TP-NAT64-001", Rung::Nat64)
    };
    let mut claim = asked(id, last);
    claim.rung = rung;
    Some(
        claim
            .seen(
                "last received",
                format!("{}: {} addresses", answer.mark, answer.addresses),
            )
            .seen(
                "after that",
                "no connection was attempted, and the device has no IPv4 packet in the capture",
            )
            .or_else(&["TP-ADDR-004", "TP-NAT64-001"]),
    )
}

fn was_asked(questions: &[&Question], kind: Rtype) -> bool {
    questions.iter().any(|question| question.kind == kind)
}

/// The network announces a resolver, and nobody asks it anything.
fn unasked(seen: &Seen) -> Option<(Claim, bool)> {
    let (address, mark) = seen.announced.resolvers.first()?;
    let solicited = seen.announced.solicited?;
    let idle = seen.table.flows().is_empty() && seen.last.since(*mark) >= PATIENCE;
    if !idle || solicited.since(*mark) > PATIENCE {
        return None;
    }
    let claim = Claim::new("TP-DNS-012", Rung::Dns)
        .cause("the network announces its resolver, and the device asks nobody anything: most likely its build does not take that announcement")
        .seen("announced", format!("{mark}: the network's resolver is {address}"))
        .seen("asked", "no question to any resolver");
    Some((claim, false))
}
