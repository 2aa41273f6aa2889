//! The diagnosis of a capture: which connection tells most, its ladder, what was found.

mod ladder;

use std::{cmp::Reverse, collections::BTreeMap};

use towpath_proto::Rung;

use super::{
    Seen,
    flow::Flow,
    mark::Mark,
    notes::Notes,
    rules::{self, Case, Claim, Outcome},
};
use crate::{
    Diagnosis,
    diagnosis::{Found, Verdict},
};

/// The most warnings that are told.
const WARNINGS: usize = 8;

/// What was decided.
struct Decided<'a> {
    /// The connection that tells most.
    flow: Option<&'a Flow>,
    outcome: Outcome,
    warnings: Vec<Claim>,
}

/// The answer.
pub(super) fn diagnosis(name: &str, seen: &Seen, mut notes: Notes) -> Diagnosis {
    let decided = decide(seen, &mut notes);
    let ladder = ladder::ladder(seen, decided.flow, &decided.outcome, &decided.warnings);
    let found = found(&decided);
    let verdict = verdict(seen, &decided, &found);
    if verdict == Verdict::Unknown {
        notes.add(nothing(seen));
    }
    if decided.outcome.ready.is_some() && decided.flow.is_some_and(is_hidden) {
        notes.add(
            "what is inside TLS can't be seen: HTTP, WebSocket and MQTT are not measured"
                .to_owned(),
        );
    }
    Diagnosis {
        subject: name.to_owned(),
        vantage: vantage(seen, decided.flow),
        profile: String::new(),
        verdict,
        ladder,
        found,
        notes: notes.into_list(),
        probes: Vec::new(),
    }
}

/// Whether MQTT is carried and can't be read.
fn is_hidden(flow: &Flow) -> bool {
    flow.talk.tls.is_some() && flow.talk.mqtt.is_none()
}

fn vantage(seen: &Seen, flow: Option<&Flow>) -> String {
    let Some(flow) = flow else {
        return format!("a capture of {} packets", seen.packets);
    };
    format!(
        "a capture of {} packets: the device {} to {}",
        seen.packets,
        flow.client.ip(),
        seen.called(flow.server.ip())
    )
}

/// Why nothing is known.
fn nothing(seen: &Seen) -> String {
    if seen.packets == 0 {
        "there is no packet in it".to_owned()
    } else if seen.table.flows().is_empty() {
        "there is no TCP connection in it".to_owned()
    } else {
        "no attempt in it goes so far, or is seen so long, that it can be judged".to_owned()
    }
}

fn verdict(seen: &Seen, decided: &Decided<'_>, found: &[Found]) -> Verdict {
    let began = decided
        .flow
        .map(|flow| began(seen, flow))
        .unwrap_or_default();
    let took = decided.outcome.ready.map(|ready| ready.since(began));
    match (found.first(), took) {
        (Some(first), _) if first.breaks => Verdict::Broken,
        (Some(_), took) => Verdict::Warning(took.unwrap_or_default()),
        (None, Some(took)) => Verdict::Ready(took),
        (None, None) => Verdict::Unknown,
    }
}

/// When the attempt began: with the question for the name, where there was one just before.
fn began(seen: &Seen, flow: &Flow) -> Mark {
    let name = seen.names.of(flow.server.ip());
    let asked = seen
        .names
        .questions()
        .iter()
        .rev()
        .find(|question| Some(question.name.as_str()) == name && question.first <= flow.began);
    asked.map_or(flow.began, |question| question.first)
}

fn found(decided: &Decided<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    if let Some(claim) = &decided.outcome.claim {
        found.extend(claim.clone().found(None));
    }
    for claim in decided.warnings.iter().take(WARNINGS) {
        let Some(warning) = claim.clone().found(None).map(Found::warning) else {
            continue;
        };
        if found
            .iter()
            .all(|known| known.finding.id != warning.finding.id)
        {
            found.push(warning);
        }
    }
    found
}

/// Judges every connection, and chooses the one that tells most.
fn decide<'a>(seen: &'a Seen, notes: &mut Notes) -> Decided<'a> {
    let flows = seen.table.flows();
    let mut outcomes: Vec<_> = flows
        .iter()
        .map(|flow| rules::outcome(&Case { flow, seen }))
        .collect();
    rules::across::refine(seen, &mut outcomes);
    let names = rules::names::claim(seen);
    if let Some((claim, true)) = names {
        let outcome = Outcome {
            claim: Some(claim),
            ..Outcome::default()
        };
        return Decided {
            flow: None,
            outcome,
            warnings: Vec::new(),
        };
    }
    let mut decided = choose(seen, flows, &outcomes, notes);
    if let Some((claim, false)) = names {
        decided.warnings.push(claim);
    }
    decided
}

/// Which server, by the name that was asked for.
fn endpoint(seen: &Seen, flow: &Flow) -> (String, u16) {
    let host = flow.server.ip();
    let host = seen
        .names
        .of(host)
        .map_or_else(|| host.to_string(), str::to_owned);
    (host, flow.server.port())
}

/// How much a connection has to do with MQTT.
fn worth(flow: &Flow) -> u8 {
    let talk = &flow.talk;
    let known = matches!(flow.server.port(), 8883 | 1883 | 8083 | 8084 | 9001);
    if talk.mqtt.is_some() || talk.ws.is_some() || known {
        3
    } else if talk.http.as_ref().is_some_and(|http| http.upgrade) || talk.proxy.is_some() {
        2
    } else {
        u8::from(talk.tls.is_some())
    }
}

fn choose<'a>(
    seen: &'a Seen,
    flows: &'a [Flow],
    outcomes: &[Outcome],
    notes: &mut Notes,
) -> Decided<'a> {
    let mut groups: BTreeMap<(String, u16), Vec<usize>> = BTreeMap::new();
    for (place, flow) in flows.iter().enumerate() {
        groups.entry(endpoint(seen, flow)).or_default().push(place);
    }
    let judged = groups
        .iter()
        .filter_map(|(endpoint, places)| Group::of(endpoint, places, flows, outcomes));
    let mut judged: Vec<_> = judged.collect();
    // What has to do with MQTT first, then what is broken, then the latest.
    judged.sort_by_key(|group| Reverse((group.worth, group.broken, group.last)));
    let mut warnings = Vec::new();
    let Some(first) = judged.first() else {
        return Decided {
            flow: flows.last(),
            outcome: outcomes.last().cloned().unwrap_or_default(),
            warnings,
        };
    };
    first.tell(notes);
    for group in judged.iter().skip(1).filter(|group| group.broken) {
        if let Some(claim) = group.outcome(outcomes).claim {
            notes.add(format!(
                "another server, {} port {}: {}",
                group.endpoint.0, group.endpoint.1, claim.id
            ));
        }
    }
    let outcome = first.outcome(outcomes);
    warnings.extend(outcome.warnings.iter().cloned());
    warnings.extend(first.earlier(flows, outcomes));
    Decided {
        flow: flows.get(first.place),
        outcome,
        warnings,
    }
}

/// The connections to one server.
struct Group<'a> {
    endpoint: &'a (String, u16),
    places: &'a [usize],
    /// The connection that stands for them.
    place: usize,
    broken: bool,
    worth: u8,
    last: Mark,
    /// How many came to the same end.
    alike: usize,
}

impl<'a> Group<'a> {
    fn of(
        endpoint: &'a (String, u16),
        places: &'a [usize],
        flows: &[Flow],
        outcomes: &[Outcome],
    ) -> Option<Self> {
        let outcome = |place: &usize| outcomes.get(*place);
        let decided = places.iter().rev();
        let last = *decided
            .clone()
            .find(|place| outcome(place).is_some_and(Outcome::is_decided))?;
        // Sessions that end again and again are what tells, though the last one stands for now.
        let mut cut = decided.filter(|place| {
            outcome(place).is_some_and(|outcome| outcome.in_session && outcome.claim.is_some())
        });
        let stands = outcome(&last).is_some_and(|outcome| outcome.claim.is_none());
        let place = match (cut.next(), cut.next()) {
            (Some(place), Some(_)) if stands => *place,
            _ => last,
        };
        let id = outcome(&place)?.claim.as_ref().map(|claim| claim.id);
        let alike = places.iter().filter(|place| {
            let claim = outcome(place).and_then(|outcome| outcome.claim.as_ref());
            id.is_some() && claim.map(|claim| claim.id) == id
        });
        Some(Self {
            endpoint,
            places,
            place,
            broken: id.is_some(),
            worth: places
                .iter()
                .filter_map(|place| flows.get(*place))
                .map(worth)
                .max()
                .unwrap_or(0),
            last: flows.get(place).map(|flow| flow.last)?,
            alike: alike.count(),
        })
    }

    fn outcome(&self, outcomes: &[Outcome]) -> Outcome {
        outcomes.get(self.place).cloned().unwrap_or_default()
    }

    /// How many connections there were, and how many went the same way.
    fn tell(&self, notes: &mut Notes) {
        if self.places.len() > 1 {
            let (host, port) = self.endpoint;
            let how = if self.broken {
                format!("{} of them ended like the one shown", self.alike)
            } else {
                "the last that can be judged is shown".to_owned()
            };
            notes.add(format!(
                "{} connections to {host} port {port}; {how}",
                self.places.len()
            ));
        }
    }

    /// What befell earlier connections, once the one shown stands.
    fn earlier(&self, flows: &[Flow], outcomes: &[Outcome]) -> Vec<Claim> {
        if self.broken {
            return Vec::new();
        }
        let shown = flows.get(self.place);
        let mut found: Vec<Claim> = Vec::new();
        for place in self.places {
            let Some(claim) = outcomes
                .get(*place)
                .and_then(|outcome| outcome.claim.clone())
            else {
                continue;
            };
            let other_family = flows
                .get(*place)
                .zip(shown)
                .is_some_and(|(flow, shown)| flow.server.is_ipv4() != shown.server.is_ipv4());
            let claim = if other_family && claim.rung <= Rung::Tcp {
                claim.named("TP-TCP-017")
            } else {
                claim
            };
            if found.iter().all(|known| known.id != claim.id) {
                found.push(claim);
            }
        }
        found
    }
}
