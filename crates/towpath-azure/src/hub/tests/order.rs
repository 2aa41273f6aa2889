//! The order of versions, whatever the hub, the network and time do: each version of the desired properties reaches the
//! application once as a change or inside a twin, none after a newer one, and at the end it has the newest.

use std::{collections::VecDeque, format, string::String, vec::Vec};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The service changes the desired properties, and the hub tells the device.
    Change,
    /// It does not tell it.
    ChangeUntold,
    /// The hub tells the last change once more.
    TellAgain,
    /// The hub works on the next request.
    Work,
    /// On an older state of the twin.
    WorkBehind,
    /// It is busy.
    Refuse,
    /// Something arrives at the device.
    Arrive,
    /// The application asks for the whole.
    Ask,
    /// A second passes, or a minute.
    Second,
    Minute,
    /// The connection is lost with all that is on its way.
    Reconnect {
        present: bool,
    },
}

/// A hub as far as twins go, and what lies between.
struct World {
    desk: Desk,
    version: u64,
    up: VecDeque<u32>,
    down: VecDeque<(String, String)>,
    /// What the application has, on this connection.
    has: Option<u64>,
}

impl World {
    fn new() -> Self {
        let mut desk = Desk::new();
        desk.begins(true);
        desk.sends();
        desk.accepted(false);
        desk.suback(1, &[1, 0, 0, 0]);
        let mut world = Self {
            desk,
            version: 1,
            up: VecDeque::new(),
            down: VecDeque::new(),
            has: None,
        };
        world.up.push_back(1);
        world
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Change => {
                self.version += 1;
                self.tell();
            }
            Step::ChangeUntold => self.version += 1,
            Step::TellAgain => self.tell(),
            Step::Work => self.answer(self.version),
            Step::WorkBehind => {
                // Not older than what this connection has seen: see `an_older_twin_is_believed_the_second_time`.
                let behind = self.version.saturating_sub(1).max(self.has.unwrap_or(1));
                self.answer(behind);
            }
            Step::Refuse => {
                if let Some(rid) = self.up.pop_front() {
                    let topic = format!("$iothub/twin/res/429/?$rid={rid}");
                    self.down.push_back((topic, String::new()));
                }
            }
            Step::Arrive => self.arrive(),
            Step::Ask => self.desk.hub.request_twin(),
            Step::Second => self.pass(1),
            Step::Minute => self.pass(60),
            Step::Reconnect { present } => self.reconnect(present),
        }
        self.speak();
    }

    fn tell(&mut self) {
        let version = self.version;
        let topic = format!("$iothub/twin/PATCH/properties/desired/?$version={version}");
        self.down
            .push_back((topic, format!(r#"{{"$version":{version}}}"#)));
    }

    fn answer(&mut self, version: u64) {
        if let Some(rid) = self.up.pop_front() {
            let topic = format!("$iothub/twin/res/200/?$rid={rid}");
            self.down.push_back((topic, twin(version, 1)));
        }
    }

    /// The application checks what it gets.
    fn arrive(&mut self) {
        let Some((topic, payload)) = self.down.pop_front() else {
            return;
        };
        let (hub, names) = (&mut self.desk.hub, &self.desk.names);
        match hub.message(self.desk.now, names, &topic, payload.as_bytes(), false) {
            Some(Event::Desired { version, .. }) => {
                assert_eq!(Some(version), self.has.map(|has| has + 1));
                self.has = Some(version);
            }
            Some(Event::Twin {
                desired_version, ..
            }) => {
                assert!(self.has.is_none_or(|has| desired_version >= has));
                self.has = Some(desired_version);
            }
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.desk.seconds(seconds);
    }

    fn reconnect(&mut self, present: bool) {
        self.up.clear();
        self.down.clear();
        self.has = None;
        self.desk.hub.ended();
        self.desk.begins(false);
        self.desk.accepted(present);
    }

    /// The device says what it has to say; SUBSCRIBE is granted at once.
    fn speak(&mut self) {
        let Desk {
            hub,
            line,
            names,
            wants,
            now,
            scratch,
            due,
        } = &mut self.desk;
        *due = hub.poll(*now, names, wants, line, scratch).unwrap();
        for seen in line.taken() {
            match seen {
                Seen::Subscribe { packet_id, filters } => {
                    let granted: Vec<_> = filters.iter().map(|_| ReasonCode::SUCCESS).collect();
                    assert_eq!(hub.subscribed(packet_id, &granted), None);
                }
                Seen::Publish { topic, .. } => {
                    let (_, rid) = topic.split_once("GET/?$rid=").unwrap();
                    self.up.push_back(rid.parse().unwrap());
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// One more change that is told; then nothing goes wrong any more.
    fn settle(&mut self) {
        self.step(Step::Change);
        for _ in 0..100 {
            while !self.down.is_empty() || !self.up.is_empty() {
                self.step(Step::Work);
                self.step(Step::Arrive);
            }
            let Some(due) = self.desk.due else { break };
            let seconds = due.since(self.desk.now.at).as_secs() + 1;
            self.pass(seconds);
            self.speak();
        }
        assert_eq!(self.desk.due, None, "it comes to rest");
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Change),
        1 => Just(Step::ChangeUntold),
        1 => Just(Step::TellAgain),
        4 => Just(Step::Work),
        2 => Just(Step::WorkBehind),
        1 => Just(Step::Refuse),
        8 => Just(Step::Arrive),
        1 => Just(Step::Ask),
        2 => Just(Step::Second),
        1 => Just(Step::Minute),
        1 => any::<bool>().prop_map(|present| Step::Reconnect { present }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_version_once_and_in_order(steps in prop::collection::vec(any_step(), 0..80)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.settle();
        prop_assert_eq!(world.has, Some(world.version));
    }
}
