//! What has to hold when a schedule has run.

use towpath_proto::{
    event::Outcome,
    mqtt::{QoS, reason::ReasonCode},
};
use towpath_sim::{Direction, Pair};

use crate::run::{Run, payload, topic};

/// The serial number of a payload, which has to be whole and unchanged.
fn serial(direction: Direction, topic_name: &str, bytes: &[u8]) -> usize {
    let serial = usize::from(bytes[1]);
    let intact = payload(direction, serial, bytes.len());
    assert_eq!(bytes, intact, "a payload arrives as it was sent");
    assert_eq!(topic_name, topic(serial), "so does its topic");
    serial
}

/// A message of the client was reported as settled: the server has to have it.
pub(crate) fn settled(pair: &Pair, wanted: usize, outcome: Outcome) {
    assert!(
        matches!(outcome, Outcome::Acknowledged(code) if code == ReasonCode::SUCCESS),
        "message {wanted}: {outcome:?}"
    );
    let has_it = pair
        .server
        .heard
        .iter()
        .any(|heard| heard.taken && usize::from(heard.payload[1]) == wanted);
    assert!(
        has_it,
        "message {wanted} is settled but the server lacks it"
    );
}

/// Each number appears after all smaller ones that appear at all.
fn assert_first_arrivals_in_order(serials: impl Iterator<Item = usize>) {
    let mut highest = None;
    let mut met = Vec::new();
    for serial in serials {
        if !met.contains(&serial) {
            assert!(
                highest < Some(serial),
                "message {serial} overtook {highest:?}"
            );
            highest = Some(serial);
            met.push(serial);
        }
    }
}

/// Within one connection nothing is sent twice, and all in order ([MQTT-4.4.0-2], [MQTT-4.6.0-1]).
fn assert_rising_within_connections(arrivals: impl Iterator<Item = (u32, usize)>) {
    let mut last = None;
    for (connection, serial) in arrivals {
        let this = Some((connection, serial));
        assert!(last < this, "{this:?} comes behind {last:?}");
        last = this;
    }
}

/// What arrived is what was sent, whatever happened on the way.
pub(crate) fn intact(run: &Run<'_>) {
    for heard in &run.pair.server.heard {
        serial(Direction::Up, &heard.topic, &heard.payload);
    }
    for (_, arrived) in &run.pair.messages {
        serial(Direction::Down, &arrived.topic, &arrived.payload);
    }
}

/// Everything that the schedule promised.
pub(crate) fn check(run: &Run<'_>) {
    check_up(run);
    check_down(run);
    check_dup(run);
    if run.plan.subscribe {
        assert!(run.subscribed >= 1, "SUBACK was reported");
    }
}

fn check_up(run: &Run<'_>) {
    let heard = &run.pair.server.heard;
    let serials = |taken: bool| {
        heard
            .iter()
            .filter(move |heard| heard.taken || !taken)
            .map(|heard| {
                let serial = serial(Direction::Up, &heard.topic, &heard.payload);
                assert_eq!(heard.qos, run.sent[serial].qos);
                (heard.connection, serial)
            })
    };
    assert_first_arrivals_in_order(serials(true).map(|(_, serial)| serial));
    assert_rising_within_connections(serials(false));
    for (wanted, sent) in run.sent.iter().enumerate() {
        let count = serials(true)
            .filter(|(_, serial)| *serial == wanted)
            .count();
        match sent.qos {
            QoS::AtMostOnce => assert!(count <= 1, "QoS 0 message {wanted}: {count}"),
            QoS::AtLeastOnce => assert!(count >= 1, "QoS 1 message {wanted} is lost"),
            // A server that forgets its session takes the message for a new one.
            QoS::ExactlyOnce if run.plan.forgets() => {
                assert!(count >= 1, "QoS 2 message {wanted} is lost");
            }
            QoS::ExactlyOnce => assert_eq!(count, 1, "QoS 2 message {wanted}"),
        }
        assert_eq!(
            sent.settled,
            sent.qos != QoS::AtMostOnce,
            "message {wanted} is reported once"
        );
    }
}

fn check_down(run: &Run<'_>) {
    let serials = || {
        run.pair.messages.iter().map(|(connection, arrived)| {
            let serial = serial(Direction::Down, &arrived.topic, &arrived.payload);
            assert_eq!(arrived.qos, run.queued[serial].qos);
            (*connection, serial)
        })
    };
    assert_first_arrivals_in_order(serials().map(|(_, serial)| serial));
    assert_rising_within_connections(serials());
    for (wanted, queued) in run.queued.iter().enumerate() {
        let count = serials().filter(|(_, serial)| *serial == wanted).count();
        let forgotten = run
            .pair
            .server
            .forgotten
            .iter()
            .any(|payload| usize::from(payload[1]) == wanted);
        let least = usize::from(!forgotten && queued.taken && queued.qos != QoS::AtMostOnce);
        assert!(count >= least, "{:?} message {wanted} is lost", queued.qos);
        if queued.qos != QoS::AtLeastOnce {
            assert!(count <= 1, "{:?} message {wanted}: {count}", queued.qos);
        }
    }
}

/// DUP is set on repetitions and on nothing else ([MQTT-3.3.1-1]).
fn check_dup(run: &Run<'_>) {
    let heard = &run.pair.server.heard;
    for (at, one) in heard.iter().enumerate() {
        let serial = usize::from(one.payload[1]);
        let since = run.sent[serial].connection.max(1);
        let carried = (since..one.connection).any(|earlier| !run.refused.contains(&earlier));
        assert!(
            carried || !one.dup,
            "message {serial} on connection {} has DUP and no connection can have carried it before",
            one.connection
        );
        let before = heard[..at].iter().any(|other| other.payload == one.payload);
        if before && !run.plan.forgets() {
            assert!(one.dup, "message {serial} comes again without DUP");
        }
    }
}

/// How many QoS 1 messages arrived more than once, either way.
pub(crate) fn twice(run: &Run<'_>) -> u64 {
    let up = run.pair.server.heard.iter();
    let up = up.filter(|heard| heard.qos == QoS::AtLeastOnce && heard.dup);
    let down = run.pair.messages.iter();
    let down = down.filter(|(_, arrived)| arrived.qos == QoS::AtLeastOnce && arrived.dup);
    (up.count() + down.count()) as u64
}
