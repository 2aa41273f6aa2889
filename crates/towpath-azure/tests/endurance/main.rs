//! A fleet of whole devices against a small cloud on simulated time: thirty days in a minute or two, the same for the
//! same seed.
//!
//! Each device is [`towpath_azure::Device`] over the real MQTT client, with an outbox, a clock that can be wrong and a
//! network that breaks inside packets; the cloud is hubs and a provisioning service that check what Azure's check.
//! What is promised is looked at while it happens: each arrival is in order and not behind its expiry, each
//! acknowledgement is for something that is there, versions only rise, no connection outlives its token.
//!
//! `TOWPATH_DEVICES=n` and `TOWPATH_DAYS=n` change the size of the long run, `TOWPATH_SEED=n` its days;
//! `TOWPATH_WATCH=n` prints the dialogue of one device.

mod app;
mod cloud;
mod dialogue;
mod plan;
mod rig;
mod slot;
mod stage;
mod world;

use std::{io::Write, time::Duration};

use towpath_proto::Instant;

use self::{plan::Plan, world::World};

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

/// Prints a line even if the test passes: the harness captures only what the print macros write.
fn report(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs a plan to its end and half a day beyond, and looks at what came of it.
fn run(plan: Plan) -> World {
    let begun = std::time::Instant::now();
    let mut world = World::new(plan);
    let end = Instant::ZERO.after(plan.end());
    world.run(end);
    world.calm_down();
    world.run(end.after(Duration::from_secs(12 * 3600)));
    let sums = check(&world);
    let tally = &world.tally;
    report(&format!(
        "{} devices, {} days, seed {}: {} accepted, {} arrived, {} expired, {} arrived again; {:.1} s",
        plan.devices,
        plan.days,
        plan.seed,
        tally.accepted,
        sums.arrived,
        sums.expired,
        sums.repeated,
        begun.elapsed().as_secs_f64()
    ));
    report(&format!("  {tally:?}"));
    for hub in &world.cloud.hubs {
        report(&format!(
            "  {}: peak {}/s, {:?}",
            hub.host, hub.meter.peak, hub.tally
        ));
    }
    let dps = &world.cloud.dps;
    report(&format!(
        "  DPS: peak {}/s, {:?}; {} dials",
        dps.meter.peak, dps.tally, sums.dials
    ));
    world
}

#[derive(Debug, Default)]
struct Sums {
    arrived: u64,
    expired: u64,
    repeated: u64,
    dials: u64,
}

/// What has to hold when half a day went by without hardship.
fn check(world: &World) -> Sums {
    let mut sums = Sums::default();
    for (number, slot) in world.slots.iter().enumerate() {
        let id = &slot.id;
        let rig = slot.rig.as_ref().expect("power");
        assert!(rig.device.is_online(), "{id} waits for {:?}", rig.waiting);
        assert!(rig.outbox.is_empty(), "{id} keeps {:?}", rig.outbox);
        assert_eq!(rig.line.stored(), 0, "{id} has nothing under way");
        let (arrived, expired) = slot.ledger.close();
        sums.arrived += arrived;
        sums.expired += expired;
        sums.repeated += slot.ledger.repeated;
        sums.dials += slot.net.dials;
        let hub = &world.cloud.hubs[world.home(number)];
        let identity = &hub.identities[id];
        let twin = &identity.twin;
        assert_eq!(
            slot.app.version, twin.desired_version,
            "{id} has the newest"
        );
        assert_eq!(slot.app.level, twin.level, "{id} has the newest");
        assert_eq!(twin.acknowledged, twin.desired_version, "{id} said so");
        let missing = (0..slot.posted)
            .filter(|letter| !slot.app.letters.contains(letter) && !slot.forgiven.contains(letter));
        assert_eq!(missing.count(), 0, "letters to {id} are lost");
    }
    assert_eq!(sums.arrived + sums.expired, world.tally.accepted);
    for hub in &world.cloud.hubs {
        assert_eq!(
            hub.tally.expired[1], 0,
            "a token was too old: {:?}",
            hub.tally
        );
        assert_eq!(
            hub.tally.outlived[1], 0,
            "a token was not renewed: {:?}",
            hub.tally
        );
    }
    sums
}

#[test]
fn a_fleet_lives_through_a_month() {
    // What a device is in memory does not depend on how long it runs: the outbox alone grows, and it is the caller's.
    report(&format!(
        "a device is {} bytes beside the buffers of its connection",
        size_of::<towpath_azure::Device<'static, { rig::WINDOW }>>()
    ));
    let plan = Plan {
        seed: number("TOWPATH_SEED").unwrap_or(1),
        devices: number("TOWPATH_DEVICES").unwrap_or(100) as usize,
        days: number("TOWPATH_DAYS").unwrap_or(30),
        hubs: 3,
        first_hub: 60,
        calm: false,
        watch: number("TOWPATH_WATCH").map(|number| number as usize),
    };
    let world = run(plan);
    varied(&world, plan);
    frugal(&world, plan);
}

/// A run that passes because nothing happened is found out.
fn varied(world: &World, plan: Plan) {
    let (tally, a_few) = (&world.tally, plan.devices as u64 * plan.days / 60);
    let hub = |count: fn(&cloud::hub::Tally) -> u64| -> u64 {
        world.cloud.hubs.iter().map(|hub| count(&hub.tally)).sum()
    };
    for (what, count) in [
        ("renewals", tally.renewals / 10),
        ("assignments", tally.assigned),
        ("methods", tally.methods),
        ("answers to methods", hub(|tally| tally.answered_calls)),
        ("letters", tally.letters),
        ("changes", tally.desired),
        ("twins", tally.twins),
        ("connections by 8883", tally.transports[0]),
        ("connections by 443", tally.transports[1]),
        ("refusals of the deleted", hub(|tally| tally.unknown)),
        ("connections that fell silent", hub(|tally| tally.silent)),
    ] {
        assert!(count >= a_few, "{what}: {count}, and {a_few} were expected");
    }
}

/// Neither a hub nor DPS is asked more often than hardships explain: about four times a day a device loses its
/// connection here, by cuts, outages, rivals, maintenance, reboots and renewals.
fn frugal(world: &World, plan: Plan) {
    let device_days = plan.devices as u64 * plan.days;
    let connects: u64 = world.cloud.hubs.iter().map(|hub| hub.tally.connects).sum();
    assert!(connects <= 7 * device_days, "{connects} connections");
    let asked = world.cloud.dps.tally.connects;
    assert!(
        asked <= device_days + plan.devices as u64,
        "{asked} registrations"
    );
    let dials: u64 = world.slots.iter().map(|slot| slot.net.dials).sum();
    assert!(dials <= 50 * device_days, "{dials} attempts");
    for hub in &world.cloud.hubs {
        assert!(hub.meter.peak <= 100, "{} in a second", hub.meter.peak);
    }
}

/// A thousand devices at one hub, which takes a hundred connections in a second. Whatever they lose at once, they do
/// not come back at once.
#[test]
fn a_fleet_does_not_storm_its_hub() {
    let mut world = World::new(Plan {
        seed: number("TOWPATH_SEED").unwrap_or(1),
        devices: 1000,
        days: 1,
        hubs: 1,
        first_hub: 100,
        calm: true,
        watch: None,
    });
    let minutes = |world: &mut World, n: u64| {
        let end = world.at.after(Duration::from_secs(n * 60));
        world.run(end);
    };
    let mut peaks = Vec::new();
    let mut settle = |world: &mut World, what: &str| {
        minutes(world, 60);
        let online = world.slots.iter().filter(|slot| {
            let rig = slot.rig.as_ref();
            rig.is_some_and(|rig| rig.device.is_online())
        });
        assert_eq!(online.count(), 1000, "an hour after {what} all are back");
        let meter = std::mem::take(&mut world.cloud.hubs[0].meter);
        peaks.push((what.to_owned(), meter.peak));
    };
    settle(&mut world, "installation within ten minutes");
    for (away, what) in [
        (0, "a cut"),
        (20, "20 s of maintenance"),
        (180, "3 min of maintenance"),
        (1800, "half an hour of maintenance"),
    ] {
        world.cut_all(0, Duration::from_secs(away));
        if away > 0 {
            minutes(&mut world, away / 60);
        }
        settle(&mut world, what);
    }
    world.cut_all(0, Duration::ZERO);
    world.cloud.hubs[0].throttles_until = world.at.after(Duration::from_secs(60));
    settle(&mut world, "a minute of throttling");
    world.power_cut();
    settle(&mut world, "a power cut");
    // What came back together has its tokens renewed together, a day later.
    minutes(&mut world, 24 * 60);
    settle(&mut world, "a day of renewals");
    report(&format!(
        "1,000 devices, connections in the busiest second: {peaks:?}"
    ));
    for (what, peak) in peaks {
        assert!(peak <= 100, "{peak} connections in one second after {what}");
    }
    assert_eq!(world.cloud.hubs[0].tally.outlived, [0, 0]);
}
