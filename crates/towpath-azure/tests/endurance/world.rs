//! A fleet and its cloud on one clock: what happens when, and what applications do.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use towpath_azure::{Entry, Fleet, Key, Proof, Settings, dps::GLOBAL_ENDPOINT};
use towpath_proto::Instant;
use towpath_sim::{Log, Rng};

use crate::{
    app::{App, Tally},
    cloud::{
        Cloud, Service,
        dps::{Dps, Enrolment, SCOPE},
        hub::Hub,
        twin::Twin,
    },
    plan::{self, Happening, Incident, Plan},
    rig::{Rig, Stored},
    slot::{Clock, Net, Slot},
};

/// All of it.
pub(crate) struct World {
    pub(crate) at: Instant,
    pub(crate) cloud: Cloud,
    pub(crate) slots: Vec<Slot>,
    pub(crate) tally: Tally,
    rng: Rng,
    /// When each incident comes next, by hub (those of DPS at the first) and the order of [`Incident::ALL`].
    incidents: Vec<[Instant; Incident::ALL.len()]>,
    queue: BinaryHeap<Reverse<(Instant, usize)>>,
    /// When each device is due, so that what stands in the queue and is not that is passed over.
    due: Vec<Instant>,
}

fn settings(number: usize, key: &[u8], fleet: Fleet) -> (String, Settings<'static>) {
    let id = format!("lock-{number}");
    let mut text = [0; 64];
    let text = <base64ct::Base64 as base64ct::Encoding>::encode(key, &mut text).expect("room");
    // A thousand short texts for one run: they may stay.
    let key = Box::leak(Box::new(Key::from_base64(text).expect("a key")));
    let entry = Entry::Dps {
        host: GLOBAL_ENDPOINT,
        scope: SCOPE,
        registration_id: Box::leak(id.clone().into_boxed_str()),
        payload: "",
    };
    let mut settings = Settings::new(entry, Proof::Key(key));
    settings.token_life = Duration::from_secs(24 * 3600);
    settings.keep_alive = 1177;
    settings.fleet = fleet;
    // Some send nothing before they are let in.
    settings.pipeline = !number.is_multiple_of(5);
    (id, settings)
}

fn key(seed: u64, number: usize) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&seed.to_be_bytes()).expect("a key");
    mac.update(&number.to_be_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl World {
    /// The fleet, as it is on the first day: registered, installed within ten minutes.
    pub(crate) fn new(plan: Plan) -> Self {
        let mut rng = Rng::new(plan.seed);
        let hubs = (0..plan.hubs).map(|at| Hub::new(&format!("lock{at}")));
        let mut cloud = Cloud {
            hubs: hubs.collect(),
            dps: Dps::new(1000),
        };
        let fleet = Fleet {
            devices: u32::try_from(plan.devices).expect("a fleet"),
            rate: 100,
        };
        let mut slots = Vec::new();
        for number in 0..plan.devices {
            let key = key(plan.seed, number);
            let (id, settings) = settings(number, &key, fleet);
            let hub = if rng.chance(plan.first_hub) {
                0
            } else {
                rng.below(plan.hubs)
            };
            let enrolment = Enrolment {
                key: key.clone(),
                hub: cloud.hubs[hub].host.clone(),
                device_id: id.clone(),
                ready_at: Instant::ZERO,
            };
            cloud.dps.enrolments.insert(id.clone(), enrolment);
            cloud.hubs[hub].enrol(&id, &key, Twin::default());
            let mut rng = Rng::new(rng.next_u64());
            slots.push(Slot {
                id,
                key,
                settings,
                rig: None,
                saved: VecDeque::new(),
                boots_at: Some(Instant::from_millis(rng.below(600_000) as u64)),
                net: Net::new(rng.next_u64(), plan.calm),
                clock: Clock::default(),
                app: App::default(),
                ledger: crate::cloud::ledger::Ledger::default(),
                peer: None,
                rival: None,
                next: Happening::ALL.map(|one| first(&plan, one, &mut rng)),
                rng,
                log: if plan.watch == Some(number) {
                    Log::Stderr
                } else {
                    Log::Off
                },
                posted: 0,
                forgiven: Default::default(),
            });
        }
        let never = Instant::from_micros(u64::MAX);
        let incidents = (0..plan.hubs).map(|_| {
            Incident::ALL.map(|one| {
                if plan.calm {
                    never
                } else {
                    Instant::ZERO.after(one.pause(&mut rng))
                }
            })
        });
        let incidents = incidents.collect();
        let due: Vec<_> = slots
            .iter()
            .map(|slot| slot.deadline(Instant::ZERO))
            .collect();
        Self {
            queue: due.iter().copied().zip(0..).map(Reverse).collect(),
            due,
            at: Instant::ZERO,
            cloud,
            slots,
            tally: Tally::default(),
            rng,
            incidents,
        }
    }

    /// Lets everything happen until `end`.
    pub(crate) fn run(&mut self, end: Instant) {
        loop {
            let device = self.queue.peek().map(|next| next.0.0);
            let incident = self.incidents.iter().flatten().min().copied();
            let next = [device, incident].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            assert!(next >= self.at, "time goes forward");
            self.at = next;
            if incident.is_some_and(|at| at <= next) {
                self.incident();
                continue;
            }
            let Some(Reverse((at, number))) = self.queue.pop() else {
                break;
            };
            if self.due[number] == at {
                self.tally.wakes += 1;
                self.happen(number);
                self.wake(number);
            }
        }
        self.at = end;
    }

    /// The hardships end: every network and clock is right, every port open, no service fails.
    pub(crate) fn calm_down(&mut self) {
        let never = Instant::from_micros(u64::MAX);
        self.incidents.iter_mut().for_each(|of| *of = [never; 4]);
        for hub in &mut self.cloud.hubs {
            hub.down_until = self.at;
            hub.throttles_until = self.at;
        }
        self.cloud.dps.throttles_until = self.at;
        self.cloud.dps.failing_until = self.at;
        for number in 0..self.slots.len() {
            let slot = &mut self.slots[number];
            slot.next = [never; Happening::ALL.len()];
            slot.net.down_until = self.at;
            slot.net.blocked_until = self.at;
            slot.clock.off = (0, self.at);
            slot.clock.unset_until = slot.clock.unset_until.min(self.at);
            slot.rival = None;
            self.wake(number);
        }
    }

    /// Lets a device and the cloud exchange what there is, and its application act on it.
    pub(crate) fn wake(&mut self, number: usize) {
        let at = self.at;
        let _watch = Watch { number, at };
        loop {
            let slot = &mut self.slots[number];
            slot.exchange(at, &mut self.cloud);
            let clock = slot.clock_at(at);
            let Some(told) = slot.rig.as_mut().and_then(|rig| rig.told.pop_front()) else {
                break;
            };
            slot.told(clock, told, &mut self.tally);
        }
        let slot = &mut self.slots[number];
        let due = slot.deadline(at).max(at.after(Duration::from_micros(1)));
        self.due[number] = due;
        self.queue.push(Reverse((due, number)));
    }

    /// What is due for a device by the plan.
    fn happen(&mut self, number: usize) {
        let at = self.at;
        let slot = &mut self.slots[number];
        if slot.boots_at.is_some_and(|boot| boot <= at) {
            slot.boots_at = None;
            let kept = (slot.app.assignment.clone(), slot.app.transport);
            let saved = std::mem::take(&mut slot.saved);
            slot.rig = Some(Rig::new(&slot.settings, kept, saved, slot.rng.next_u64()));
        }
        if let Some((until, next)) = slot.rival
            && next <= at
        {
            let pause = plan::span(2, 120, &mut slot.rng);
            slot.rival = (at < until).then(|| (until, at.after(pause)));
            // One connection an identity: the device's is the older one.
            if let Some(peer) = slot.listener() {
                peer.wire.closing = true;
            }
        }
        for (index, happening) in Happening::ALL.into_iter().enumerate() {
            let slot = &mut self.slots[number];
            if slot.next[index] <= at {
                slot.next[index] = at.after(happening.pause(&mut slot.rng));
                *self
                    .tally
                    .happened
                    .entry(format!("{happening:?}"))
                    .or_default() += 1;
                slot.log.line(at, || format!("** {happening:?}"));
                self.befall(number, happening);
            }
        }
    }

    fn befall(&mut self, number: usize, happening: Happening) {
        let at = self.at;
        let slot = &mut self.slots[number];
        match happening {
            Happening::Telemetry => {
                // Now and then many at once, more than the window.
                let some = if slot.rng.chance(3) { 20 } else { 1 };
                (0..some).for_each(|_| self.accept(number));
            }
            Happening::Outage => {
                slot.net.down_until = at.after(plan::outage(&mut slot.rng));
                slot.net.cut(at);
            }
            Happening::Cut => slot.net.cut(at),
            Happening::Takeover => {
                let until = at.after(plan::span(1, 1800, &mut slot.rng));
                slot.rival = Some((until, at));
            }
            Happening::ClockStep => {
                let (off, span) = plan::clock_step(&mut slot.rng);
                slot.clock.off = (off, at.after(span));
                slot.clock.stepped_at = at;
            }
            Happening::Reboot => self.power_off(number),
            Happening::Blocked => {
                slot.net.blocked_until = at.after(plan::blockade(&mut slot.rng));
                // What came in by that port is cut as well; nobody can tell by which the device is there.
                slot.net.cut(at);
            }
            Happening::Reassigned => self.reassign(number),
            Happening::Letter => {
                let letter = slot.posted;
                slot.posted += 1;
                let (hub, id) = (self.home(number), self.slots[number].id.clone());
                let wire = self.slots[number].listener().map(|peer| &mut peer.wire);
                self.cloud.hubs[hub].post(&id, letter, wire);
            }
            Happening::Method => {
                let (hub, id) = (self.home(number), self.slots[number].id.clone());
                if let Some(peer) = self.slots[number].listener() {
                    self.cloud.hubs[hub].call(&id, &mut peer.wire);
                }
            }
            Happening::Desired => {
                let (hub, id) = (self.home(number), self.slots[number].id.clone());
                let wire = self.slots[number].listener().map(|peer| &mut peer.wire);
                self.cloud.hubs[hub].desire(&id, wire);
            }
        }
    }

    /// The hub that the device belongs to.
    pub(crate) fn home(&self, number: usize) -> usize {
        let host = &self.cloud.dps.enrolments[&self.slots[number].id].hub;
        match self.cloud.find(host) {
            Some(Service::Hub(hub)) => hub,
            other => panic!("{host} is {other:?}"),
        }
    }

    /// The application has a new message.
    fn accept(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        let clock = slot.clock_at(self.at);
        let Some(rig) = &mut slot.rig else {
            return;
        };
        let life = plan::life(&mut slot.rng);
        // Without a clock nothing is known to expire.
        let expires = clock.unix.zip(life).map(|(unix, life)| unix + life);
        let sequence = slot.ledger.accept(expires) as u64;
        rig.outbox.push_back(Stored { sequence, expires });
        self.tally.accepted += 1;
    }

    /// A city loses power, and has it again: all devices start in the same second.
    pub(crate) fn power_cut(&mut self) {
        let boot = self.at.after(Duration::from_secs(60));
        for number in 0..self.slots.len() {
            self.power_off(number);
            let slot = &mut self.slots[number];
            slot.boots_at = Some(boot.after(Duration::from_millis(slot.rng.below(1000) as u64)));
            slot.clock.unset_until = Instant::ZERO;
            self.wake(number);
        }
    }

    fn power_off(&mut self, number: usize) {
        let at = self.at;
        let slot = &mut self.slots[number];
        let Some(rig) = slot.rig.take() else {
            return;
        };
        slot.saved = rig.outbox;
        slot.net.cut(at);
        crate::rig::Wire::hang_up(&mut slot.net);
        let boot = at.after(plan::span(5, 600, &mut slot.rng));
        slot.boots_at = Some(boot);
        if slot.rng.chance(50) {
            // No battery behind the clock: it has to ask somebody first.
            slot.clock.unset_until = boot.after(plan::span(1, 900, &mut slot.rng));
        }
    }

    /// The hub loses the device; sooner or later DPS names another.
    fn reassign(&mut self, number: usize) {
        if self.cloud.hubs.len() < 2 {
            return;
        }
        let from = self.home(number);
        // These are under way when it happens.
        (0..self.rng.below(6)).for_each(|_| self.accept(number));
        let slot = &mut self.slots[number];
        let to = (from + 1 + slot.rng.below(self.cloud.hubs.len() - 1)) % self.cloud.hubs.len();
        let left = self.cloud.hubs[from].identities.remove(&slot.id);
        let left = left.expect("the device was there");
        slot.forgiven
            .extend(left.letters.iter().map(|letter| letter.number));
        // Its data moves along, or begins anew.
        let twin = if slot.rng.chance(50) {
            left.twin
        } else {
            Twin::default()
        };
        self.cloud.hubs[to].enrol(&slot.id, &slot.key, twin);
        let host = self.cloud.hubs[to].host.clone();
        let takes = plan::span(1, 120, &mut slot.rng);
        self.cloud.dps.assign(&slot.id, &host, self.at, takes);
        if let Some(peer) = slot.listener() {
            peer.wire.closing = true;
        }
    }

    /// What is due for a service.
    fn incident(&mut self) {
        let at = self.at;
        for hub in 0..self.incidents.len() {
            for (index, incident) in Incident::ALL.into_iter().enumerate() {
                if self.incidents[hub][index] > at {
                    continue;
                }
                self.incidents[hub][index] = at.after(incident.pause(&mut self.rng));
                let until = at.after(plan::span(1, 1200, &mut self.rng));
                match incident {
                    Incident::Maintenance => self.maintain(hub),
                    Incident::Throttling => self.cloud.hubs[hub].throttles_until = until,
                    Incident::Overload if hub == 0 => self.cloud.dps.throttles_until = until,
                    Incident::Failing if hub == 0 => self.cloud.dps.failing_until = until,
                    Incident::Overload | Incident::Failing => continue,
                }
                *self
                    .tally
                    .happened
                    .entry(format!("{incident:?}"))
                    .or_default() += 1;
            }
        }
    }

    /// A hub cuts all its connections at once, and may not be back at once.
    fn maintain(&mut self, hub: usize) {
        let away = if self.rng.chance(50) {
            Duration::ZERO
        } else {
            plan::span(1, 120, &mut self.rng)
        };
        if self.rng.chance(30) {
            self.cloud.hubs[hub].throttles_until = self.at.after(away + Duration::from_secs(60));
        }
        self.cut_all(hub, away);
    }

    /// A hub cuts all its connections at once, and nothing listens there for so long.
    pub(crate) fn cut_all(&mut self, hub: usize, away: Duration) {
        self.cloud.hubs[hub].down_until = self.at.after(away);
        for number in 0..self.slots.len() {
            if let Some(peer) = &mut self.slots[number].peer
                && peer.service == Service::Hub(hub)
            {
                peer.wire.closing = true;
                self.wake(number);
            }
        }
    }
}

/// When something happens for the first time.
fn first(plan: &Plan, happening: Happening, rng: &mut Rng) -> Instant {
    if plan.calm && !happening.is_work() {
        return Instant::from_micros(u64::MAX);
    }
    Instant::ZERO.after(happening.pause(rng))
}

/// Names the device that something went wrong with.
struct Watch {
    number: usize,
    at: Instant,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { number, at } = self;
            let seconds = at.as_micros() / 1_000_000;
            eprintln!(
                "==== at {seconds} s with lock-{number}; TOWPATH_WATCH={number} prints its dialogue"
            );
        }
    }
}
