//! From a story to its cause: the line that decides, or what the end means after the step that came before it.

use std::time::Duration;

use towpath_proto::Rung;

use super::{
    fact::{Fact, Says, Step, Symptom, Trait, Weight},
    story::{Attempt, Story, ended},
};
use crate::explain::code;

/// What broke an attempt.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    /// The finding.
    pub(super) id: &'static str,
    /// What else could be behind it, the likeliest first.
    pub(super) others: Vec<&'static str>,
    /// The line that decides.
    pub(super) fact: Fact,
    /// What is sure, where the finding is but the likeliest of several; else empty.
    pub(super) sure: &'static str,
    /// What can't be told from this log, and what to try.
    pub(super) notes: Vec<&'static str>,
}

impl Cause {
    fn new(id: &'static str, others: &[&'static str], fact: &Fact) -> Self {
        Self {
            id,
            others: others.to_vec(),
            fact: fact.clone(),
            sure: "",
            notes: Vec::new(),
        }
    }
}

/// Why this attempt broke; none if nothing in it is known.
pub(super) fn of(story: &Story, attempt: &Attempt) -> Option<Cause> {
    if let Some(cause) = syn(story, attempt) {
        return Some(cause);
    }
    let facts = || story.before(attempt).chain(&attempt.facts);
    // What was told before counts as much as what is told now; the first line of the greatest weight decides.
    let weight = facts().filter_map(weight).max()?;
    let fact = facts().find(|fact| self::weight(fact) == Some(weight))?;
    let mut cause = match fact.says {
        Says::Names(id, Weight::Told) => Cause::new(id, &[], fact),
        Says::Names(id, _) => named(story, attempt, id, fact),
        Says::Alert(number, from_server) => alert(story, attempt, number, from_server, fact),
        _ => {
            let mut cause = symptom(story, attempt)?;
            cause.sure = sure(&cause);
            cause
        }
    };
    silence_after_renegotiation(attempt, &mut cause);
    Some(cause)
}

fn weight(fact: &Fact) -> Option<Weight> {
    match fact.says {
        Says::Names(_, weight) => Some(weight),
        Says::Alert(..) => Some(Weight::Named),
        Says::Ended(_) => Some(Weight::Symptom),
        Says::Step(_) | Says::Is(_) | Says::Harmless(_) => None,
    }
}

/// OpenThread's own TCP marks its SYN for ECN, and nothing answers.
fn syn(story: &Story, attempt: &Attempt) -> Option<Cause> {
    let line = *story.traits.get(&Trait::EcnSyn)?;
    if story.is(Trait::SynAnswered) || attempt.top.is_some_and(|top| top > Step::TcpOpen) {
        return None;
    }
    let fact = Fact {
        line,
        at: None,
        says: Says::Is(Trait::EcnSyn),
        rung: Some(Rung::Tcp),
        text: "a SYN with ECE and CWR, and no SYN/ACK in this log".into(),
    };
    Some(Cause::new("TP-TCP-016", &["TP-TCP-013"], &fact))
}

/// A finding that a line names, seen with what else is known.
fn named(story: &Story, attempt: &Attempt, id: &'static str, fact: &Fact) -> Cause {
    let others: &[&'static str] = match id {
        "TP-DEV-002" if story.is(Trait::NamesWork) || story.printer.is_none() => {
            return Cause::new("TP-DNS-005", &["TP-DEV-002"], fact);
        }
        "TP-DEV-001" if story.is(Trait::Modem) => &["TP-TLS-021"],
        "TP-DEV-013" => &["TP-DEV-025"],
        "TP-DEV-008" => &["TP-DEV-009"],
        "TP-DEV-009" => &["TP-DEV-008"],
        "TP-TLS-046" if story.is(Trait::Thread) => {
            return Cause::new("TP-DEV-019", &["TP-TLS-046"], fact);
        }
        "TP-TLS-010" | "TP-TLS-011" | "TP-TLS-056"
            if story
                .traits
                .get(&Trait::ClockSet)
                .is_some_and(|line| *line > fact.line) =>
        {
            return Cause::new("TP-TLS-055", &["TP-DEV-029", id], fact);
        }
        "TP-MQTT-003" if story.is(Trait::Mqtt311) && fact.text.contains("132") => {
            return Cause::new("TP-MQTT-031", &["TP-MQTT-003"], fact);
        }
        "TP-TLS-010" | "TP-TLS-011" | "TP-TLS-056" | "TP-HUB-004"
            if story.is(Trait::ClockUnset) =>
        {
            return Cause::new("TP-DEV-029", &[id], fact);
        }
        "TP-TLS-056" | "TP-TLS-013" if story.is(Trait::Baltimore) => {
            return Cause::new("TP-TLS-053", &["TP-TLS-013"], fact);
        }
        "TP-TLS-056" => &[
            "TP-TLS-013",
            "TP-TLS-011",
            "TP-TLS-010",
            "TP-TLS-012",
            "TP-TLS-055",
        ],
        "TP-TLS-011" => &["TP-DEV-029", "TP-TLS-055"],
        "TP-TLS-013" => &["TP-PROXY-014", "TP-TLS-015"],
        "TP-TLS-024" if attempt.top < Some(Step::ServerHello) => {
            return Cause::new("TP-TLS-003", &["TP-TLS-024"], fact);
        }
        "TP-UPG-019" => &["TP-UPG-010", "TP-DEV-040"],
        "TP-MQTT-007" => return refused(story, fact),
        "TP-UPG-014" | "TP-HUB-006" | "TP-HUB-010" if story.is(Trait::StoredAssignment) => {
            return Cause::new("TP-DPS-015", &[id], fact);
        }
        "TP-MQTT-030" if !story.is(Trait::Aws) => {
            return Cause::new("TP-MQTT-001", &["TP-MQTT-030"], fact);
        }
        "TP-DNS-004" => &["TP-DNS-003", "TP-DNS-006"],
        _ => &[],
    };
    Cause::new(id, others, fact)
}

/// CONNACK 5.
fn refused(story: &Story, fact: &Fact) -> Cause {
    if story.is(Trait::ClockUnset) {
        return Cause::new("TP-DEV-029", &["TP-HUB-004", "TP-MQTT-007"], fact);
    }
    if story.is(Trait::StoredAssignment) {
        return Cause::new("TP-DPS-015", &["TP-HUB-021", "TP-HUB-023"], fact);
    }
    if !story.is(Trait::Azure) {
        return Cause::new("TP-MQTT-007", &["TP-MQTT-006", "TP-MQTT-025"], fact);
    }
    if story.is(Trait::WebSocket) && story.is(Trait::ClientCertificate) {
        return Cause::new("TP-HUB-022", &["TP-HUB-021"], fact);
    }
    Cause::new(
        "TP-HUB-021",
        &["TP-HUB-004", "TP-HUB-005", "TP-HUB-023", "TP-HUB-010"],
        fact,
    )
}

/// An alert: what it means depends on who sent it, and after what.
fn alert(story: &Story, attempt: &Attempt, number: u8, from_server: bool, fact: &Fact) -> Cause {
    // A broker's log is seen from the other side.
    let from_server = from_server != story.is(Trait::BrokersLog);
    let asked = attempt.top >= Some(Step::CertificateAsked);
    let ids = code::alert_ids(number);
    let others: Vec<_> = ids.iter().skip(1).copied().collect();
    let id = match (number, from_server) {
        (48 | 46, false) => "TP-TLS-013",
        (45, false) => "TP-TLS-010",
        (42, false) => "TP-TLS-056",
        (80, false) => "TP-DEV-010",
        (40, true) if attempt.top == Some(Step::Renegotiating) => "TP-TLS-026",
        (40, true) if asked => "TP-TLS-026",
        (40, true) if story.is(Trait::OneSuite) => "TP-DEV-015",
        (48, true) => "TP-TLS-040",
        (45, true) => "TP-TLS-041",
        (42..=44 | 46 | 49, true) => "TP-TLS-042",
        (80, true) => "TP-TLS-029",
        _ => ids.first().copied().unwrap_or("TP-TLS-029"),
    };
    let mut cause = Cause::new(id, &others, fact);
    cause.others.retain(|other| *other != id);
    cause
}

/// What an end without words means: the step before it decides.
fn symptom(story: &Story, attempt: &Attempt) -> Option<Cause> {
    // The first line that says more than that it failed.
    let symptoms = || {
        attempt
            .facts
            .iter()
            .filter_map(|fact| Some((fact, ended(fact)?)))
    };
    let telling = symptoms().find(|(_, symptom)| *symptom != Symptom::Failed);
    let (fact, symptom) = telling.or_else(|| symptoms().next())?;
    let top = attempt
        .last_step(fact.line)
        .map_or(Step::Booted, |(step, _)| step);
    // A module above speaks only once those below are done.
    let top = match fact.rung {
        Some(Rung::Upgrade) => top.max(Step::Requested),
        Some(Rung::Tls) if symptom != Symptom::NoName => top.max(Step::TcpOpen),
        _ => top,
    };
    let cause = |id, others: &[&'static str]| Some(Cause::new(id, others, fact));
    match symptom {
        Symptom::NoName => no_name(story, attempt, fact),
        Symptom::Refused if top >= Step::ClientHello => closed(story, attempt, top, fact),
        Symptom::Refused if story.is(Trait::Modem) => {
            cause("TP-TCP-010", &["TP-TLS-001", "TP-DEV-018"])
        }
        Symptom::Refused => cause("TP-TCP-010", &[]),
        Symptom::Unreachable | Symptom::NetUnreachable if v4_without(story) => {
            cause("TP-ADDR-004", &["TP-TCP-011"])
        }
        Symptom::Unreachable => cause("TP-TCP-011", &["TP-ADDR-004"]),
        Symptom::NetUnreachable => cause("TP-TCP-012", &["TP-ADDR-001"]),
        Symptom::TlsFailed => cause(
            "TP-TLS-001",
            &[
                "TP-TLS-013",
                "TP-TLS-010",
                "TP-TLS-011",
                "TP-TLS-015",
                "TP-TLS-026",
            ],
        ),
        Symptom::Timeout => timeout(story, attempt, top, fact),
        Symptom::Closed => closed(story, attempt, top, fact),
        Symptom::Reset => reset(story, attempt, top, fact),
        Symptom::Failed if top >= Step::TcpOpen => closed(story, attempt, top, fact),
        Symptom::Failed => cause("TP-TCP-013", &["TP-TCP-010", "TP-DNS-002", "TP-TLS-001"]),
    }
}

/// What an end that has many causes says for certain.
fn sure(cause: &Cause) -> &'static str {
    match (ended(&cause.fact), cause.id) {
        (Some(Symptom::NoName), "TP-DNS-002" | "TP-DNS-005") => {
            "the host name could not be resolved"
        }
        (Some(Symptom::Failed), "TP-TCP-013") => "the connection could not be made",
        (Some(Symptom::TlsFailed), _) => "TLS failed",
        _ => "",
    }
}

/// Whether the device goes to an IPv4 address and has none itself.
fn v4_without(story: &Story) -> bool {
    story.is(Trait::ToIpv4) && story.is(Trait::Ipv6) && !story.is(Trait::Ipv4)
}

fn no_name(story: &Story, attempt: &Attempt, fact: &Fact) -> Option<Cause> {
    let has_address =
        story.is(Trait::Ipv4) || story.is(Trait::Ipv6) || attempt.step(Step::Address).is_some();
    let only6 = story.is(Trait::Ipv6) && !story.is(Trait::Ipv4);
    let (id, others): (_, &[_]) = if story.is(Trait::Ppp) {
        ("TP-ADDR-005", &["TP-DNS-002"])
    } else if story.is(Trait::DnsServer4) && only6 {
        ("TP-DNS-011", &["TP-DNS-002"])
    } else if only6 {
        ("TP-DNS-012", &["TP-DNS-002"])
    } else if story.printer.is_some() && !has_address {
        ("TP-ADDR-001", &["TP-DNS-002", "TP-DNS-005"])
    } else if story.printer.is_none() {
        ("TP-DNS-005", &["TP-DNS-002", "TP-DNS-003"])
    } else {
        ("TP-DNS-002", &["TP-DNS-005", "TP-DNS-003"])
    };
    Some(Cause::new(id, others, fact))
}

fn timeout(story: &Story, attempt: &Attempt, top: Step, fact: &Fact) -> Option<Cause> {
    let (id, others): (_, &[_]) = match top {
        _ if fact.rung == Some(Rung::Dns) => ("TP-DNS-002", &[]),
        Step::Booted | Step::Address | Step::DnsAsked if fact.rung == Some(Rung::Dns) => {
            ("TP-DNS-002", &[])
        }
        _ if top <= Step::Connecting && story.is(Trait::Proxy) => ("TP-DEV-034", &["TP-TCP-013"]),
        Step::Booted | Step::Address | Step::DnsAsked | Step::DnsDone | Step::Connecting => {
            ("TP-TCP-013", &["TP-TCP-016", "TP-NAT64-004"])
        }
        Step::TcpOpen | Step::ClientHello => ("TP-TLS-002", &["TP-TCP-015"]),
        Step::Renegotiating if !attempt.renegotiated => ("TP-TLS-035", &[]),
        Step::ServerHello
        | Step::ServerCertificate
        | Step::CertificateAsked
        | Step::ClientCertificate => ("TP-TLS-002", &["TP-TCP-015", "TP-TLS-043"]),
        Step::Answering => ("TP-UPG-010", &["TP-UPG-002"]),
        Step::Requested | Step::Renegotiating => ("TP-UPG-002", &["TP-UPG-010"]),
        Step::Secured if story.is(Trait::WebSocket) => ("TP-UPG-002", &["TP-UPG-010"]),
        Step::Secured | Step::Upgraded | Step::ConnectSent => ("TP-MQTT-002", &[]),
        Step::Accepted | Step::Working => ("TP-MQTT-013", &[]),
    };
    Some(Cause::new(id, others, fact))
}

fn closed(story: &Story, attempt: &Attempt, top: Step, fact: &Fact) -> Option<Cause> {
    let (id, others): (_, &[_]) = match top {
        Step::Booted | Step::Address | Step::DnsAsked | Step::DnsDone | Step::Connecting
            if story.is(Trait::Tls) =>
        {
            ("TP-TLS-001", &["TP-TCP-001", "TP-TLS-056"])
        }
        Step::Booted
        | Step::Address
        | Step::DnsAsked
        | Step::DnsDone
        | Step::Connecting
        | Step::TcpOpen => ("TP-TCP-001", &["TP-TLS-048"]),
        Step::ClientHello | Step::ServerHello => {
            ("TP-TLS-001", &["TP-TLS-047", "TP-TLS-049", "TP-TLS-020"])
        }
        Step::ServerCertificate => ("TP-TLS-004", &["TP-TLS-026"]),
        Step::CertificateAsked => ("TP-TLS-026", &["TP-TLS-043"]),
        Step::ClientCertificate => ("TP-TLS-043", &["TP-TLS-040", "TP-TLS-042"]),
        Step::Renegotiating if !attempt.renegotiated => ("TP-TLS-034", &["TP-TLS-026"]),
        Step::Secured if story.is(Trait::WebSocket) => ("TP-UPG-001", &["TP-TLS-005"]),
        Step::Secured => ("TP-TLS-005", &["TP-TLS-026", "TP-MQTT-001"]),
        Step::Requested | Step::Answering | Step::Renegotiating => ("TP-UPG-001", &["TP-UPG-010"]),
        Step::Upgraded => ("TP-WS-001", &["TP-MQTT-001"]),
        Step::ConnectSent if story.is(Trait::Aws) => ("TP-MQTT-030", &["TP-MQTT-001"]),
        Step::ConnectSent => ("TP-MQTT-001", &["TP-MQTT-030"]),
        Step::Accepted | Step::Working => ("TP-MQTT-015", &[]),
    };
    Some(Cause::new(id, others, fact))
}

fn reset(story: &Story, attempt: &Attempt, top: Step, fact: &Fact) -> Option<Cause> {
    if top == Step::ClientCertificate {
        let signed = attempt.last_step(fact.line).and_then(|(_, step)| step.at);
        let gap = fact
            .at
            .zip(signed)
            .and_then(|(end, since)| end.checked_sub(since));
        if gap.is_some_and(|gap| gap >= SLOW) {
            return Some(Cause::new("TP-DEV-021", &["TP-TLS-043"], fact));
        }
        return Some(Cause::new(
            "TP-TLS-043",
            &["TP-TLS-026", "TP-DEV-021"],
            fact,
        ));
    }
    match top {
        Step::ConnectSent if !story.is(Trait::Tls) => {
            Some(Cause::new("TP-MQTT-032", &["TP-TLS-048"], fact))
        }
        _ if top <= Step::TcpOpen && !story.is(Trait::Tls) => {
            Some(Cause::new("TP-TCP-002", &["TP-TLS-048"], fact))
        }
        _ => closed(story, attempt, top, fact),
    }
}

/// A signature that takes longer than this makes servers give up.
const SLOW: Duration = Duration::from_secs(2);

/// The end of the second story: what the server waits for is not known.
fn silence_after_renegotiation(attempt: &Attempt, cause: &mut Cause) {
    if attempt.renegotiated && matches!(cause.id, "TP-UPG-002" | "TP-UPG-010") {
        cause.notes.push(
            "The renegotiation came to its end, so the client certificate was shown. Why no complete answer follows can't \
             be told from this log, and no cause is known for certain.",
        );
        cause.notes.push(
            "To try, one at a time: a longer time for the HTTP answer; TLS 1.2 as the highest version; the same from a \
             laptop with towpath doctor, which shows how far the answer comes; port 8883, or 443 with a shared access \
             signature, which need no renegotiation.",
        );
    }
}

/// Why accepted connections end; none where one end means nothing.
pub(super) fn of_drops(story: &Story) -> Option<Cause> {
    let attempt = &story.attempt;
    let named = attempt
        .facts
        .iter()
        .filter(|fact| attempt.accepted.is_some_and(|(line, _)| fact.line > line));
    let named = named
        .filter(|fact| weight(fact) >= Some(Weight::Named))
        .max_by_key(|fact| weight(fact));
    if let Some(fact) = named {
        return Some(match fact.says {
            Says::Alert(number, from_server) => alert(story, attempt, number, from_server, fact),
            Says::Names(id, _) => self::named(story, attempt, id, fact),
            _ => return None,
        });
    }
    let last = story.drops.last()?;
    let again = story.drops.len() > 1;
    let up_again = !attempt.dropped && attempt.accepted.is_some();
    let cause = |id, others: &[&'static str]| Some(Cause::new(id, others, &last.fact));
    let period = period(story);
    let short = last
        .alive
        .is_some_and(|alive| alive < Duration::from_secs(1));
    let azure = story.is(Trait::Azure);
    if short && (again || !up_again) {
        return match last.last_sent {
            _ if azure && story.is(Trait::Qos2) => cause("TP-HUB-025", &["TP-HUB-024"]),
            _ if azure => cause("TP-HUB-024", &["TP-HUB-001"]),
            Some(Trait::Subscribed) => cause("TP-MQTT-026", &["TP-MQTT-018"]),
            Some(Trait::Published) => cause("TP-MQTT-019", &["TP-MQTT-026", "TP-MQTT-018"]),
            _ => cause("TP-MQTT-018", &["TP-MQTT-015", "TP-MQTT-026"]),
        };
    }
    if let Some(period) = period {
        let seconds = period.as_secs();
        return match seconds {
            3500..=3720 if azure => cause("TP-HUB-029", &["TP-MQTT-023"]),
            57..=63 if story.is(Trait::WebSocket) => cause("TP-MQTT-024", &["TP-MQTT-023"]),
            _ => cause("TP-MQTT-023", &["TP-MQTT-018"]),
        };
    }
    if azure && story.is(Trait::Sleeps) && ended(&last.fact) == Some(Symptom::Reset) {
        return cause("TP-HUB-035", &["TP-MQTT-023"]);
    }
    if ended(&last.fact) == Some(Symptom::Timeout) && !up_again {
        return cause("TP-MQTT-013", &["TP-MQTT-023"]);
    }
    // One end, and it came back: that is what reconnecting is for.
    if up_again && story.drops.len() < 3 {
        return None;
    }
    cause("TP-MQTT-015", &["TP-MQTT-018", "TP-MQTT-023"])
}

/// The time that connections stay up, if it is the same each time.
fn period(story: &Story) -> Option<Duration> {
    let alive: Vec<Duration> = story.drops.iter().filter_map(|drop| drop.alive).collect();
    let (shortest, longest) = (*alive.iter().min()?, *alive.iter().max()?);
    let slack = (shortest / 25).max(Duration::from_secs(2));
    let same = longest - shortest <= slack && shortest >= Duration::from_secs(10);
    (alive.len() >= 2 && same).then_some(longest)
}
