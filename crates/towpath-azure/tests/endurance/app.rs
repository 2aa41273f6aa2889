//! What applications do with what their devices tell them, and what has to hold of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;
use towpath_azure::{Assignment, Now, Transport};
use towpath_proto::Instant;

use crate::{plan::Happening, rig::Told, slot::Slot};

/// What a run went through, as the devices saw it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    pub(crate) connected: u64,
    pub(crate) resumed: u64,
    pub(crate) renewals: u64,
    pub(crate) assigned: u64,
    pub(crate) not_assigned: BTreeMap<String, u64>,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) transports: [u64; 2],
    pub(crate) methods: u64,
    pub(crate) letters: u64,
    pub(crate) letters_again: u64,
    pub(crate) twins: u64,
    pub(crate) desired: u64,
    pub(crate) reported: [u64; 2],
    pub(crate) happened: BTreeMap<String, u64>,
    pub(crate) wakes: u64,
}

/// What the device keeps while it is off, and its application.
#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) assignment: Option<Assignment>,
    pub(crate) transport: Option<Transport>,
    /// The desired property and its version.
    pub(crate) level: u64,
    pub(crate) version: u64,
    /// The numbers of letters that came.
    pub(crate) letters: BTreeSet<u64>,
}

impl App {
    /// The desired property is this.
    fn desired(&mut self, properties: &Value, version: u64) {
        self.version = version;
        self.level = properties["level"].as_u64().expect("a level");
    }

    /// A letter came; whether for the first time.
    fn letter(&mut self, letter: u64, dup: bool) -> bool {
        let new = !self.letters.contains(&letter);
        assert!(new || dup, "letter {letter} comes again without DUP");
        let in_order = self.letters.last() < Some(&letter);
        assert!(in_order || !new, "letter {letter} comes late");
        self.letters.insert(letter);
        new
    }
}

impl Slot {
    /// The application is told something.
    pub(crate) fn told(&mut self, clock: Now, told: Told, tally: &mut Tally) {
        self.log.line(clock.at, || format!("{told:?}"));
        match told {
            Told::Twin { document, version } => {
                tally.twins += 1;
                let had = self.app.version;
                assert!(version >= had, "{version} after {had}");
                self.desired(clock, &json(&document)["desired"], version);
            }
            Told::Desired { patch, version } => {
                tally.desired += 1;
                let had = self.app.version;
                assert!(version > had, "{version} after {had}");
                self.desired(clock, &json(&patch), version);
            }
            Told::Reported(well) => tally.reported[usize::from(well)] += 1,
            Told::Method { name, id } => {
                assert_eq!(name, "lift");
                tally.methods += 1;
                let rig = self.rig.as_mut().expect("power");
                assert!(rig.respond(&id, r#"{"ok":true}"#), "the call has just come");
            }
            Told::Message { body, dup } => {
                let new = self.app.letter(body.parse().expect("a number"), dup);
                tally.letters += u64::from(new);
                tally.letters_again += u64::from(!new);
            }
            Told::Delivered(sequence) => {
                self.ledger.acknowledged(sequence as usize);
                self.rig.as_mut().expect("power").remove(sequence);
            }
            Told::Expired(sequence) => {
                self.ledger.expire(sequence as usize, clock.unix);
                self.rig.as_mut().expect("power").remove(sequence);
            }
            other => self.told_of_path(clock, other, tally),
        }
    }

    /// The application is told about the connection.
    fn told_of_path(&mut self, clock: Now, told: Told, tally: &mut Tally) {
        let app = &mut self.app;
        match told {
            Told::Assigned(assignment) => {
                tally.assigned += 1;
                // Even at the same hub the twin may be a new one.
                app.version = 0;
                app.assignment = Some(assignment);
            }
            Told::NotAssigned(refused, _) => {
                let kind = format!("{:?}", refused.kind);
                *tally.not_assigned.entry(kind).or_default() += 1;
            }
            Told::Connected(transport, session_present) => {
                tally.connected += 1;
                tally.resumed += u64::from(session_present);
                tally.transports[transport as usize] += 1;
                app.transport = Some(transport);
                if !session_present {
                    app.version = 0;
                }
                self.desire_soon(clock.at);
            }
            Told::Disconnected(fault, _) => {
                let name = format!("{}: {}", fault.rung, fault.code.name());
                *tally.faults.entry(name).or_default() += 1;
            }
            Told::Renewing => tally.renewals += 1,
            other => panic!("{} was told {other:?}", self.id),
        }
    }

    fn desired(&mut self, clock: Now, properties: &Value, version: u64) {
        self.app.desired(properties, version);
        let rig = self.rig.as_mut().expect("power");
        // Without a connection the next twin brings the next occasion.
        rig.report(clock, &format!(r#"{{"seen":{version}}}"#));
    }

    /// Now and then the service changes its mind while the whole twin is on its way.
    fn desire_soon(&mut self, at: Instant) {
        let index = Happening::ALL
            .iter()
            .position(|one| *one == Happening::Desired)
            .expect("it happens");
        let never = Instant::from_micros(u64::MAX);
        if self.rng.chance(10) && self.next[index] < never {
            let soon = Duration::from_millis(self.rng.below(600) as u64);
            self.next[index] = at.after(soon);
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}
