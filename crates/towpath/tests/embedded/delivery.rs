//! Messages both ways over every kind of stream, with futures dropped after any number of polls.

use towpath::{QoS, Version, embedded::Security};
use towpath_sim::{Arrived, Chunks, Inbox, Seen, Terms, Weather};

use crate::{
    BOTH, device, message, open, start,
    world::{Connected, Habits, World},
};

const MESSAGES: usize = 24;
const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// The payload of message `n`: its number, and as much behind that some don't fit the receive buffer.
fn payload(n: usize) -> Vec<u8> {
    let mut payload = n.to_be_bytes().to_vec();
    payload.resize(8 + n * 97 % 700, n as u8);
    payload
}

/// What the application does in one round: it publishes what goes, and looks for an event. Its future is dropped after
/// `polls` polls.
fn round<S: Security>(
    world: &World,
    connection: &mut Connected<'_, S>,
    inbox: &mut Inbox,
    polls: usize,
    next: &mut usize,
) -> Option<Arrived> {
    if *next < MESSAGES {
        let body = payload(*next);
        let body = &body[..body.len().min(200)];
        if connection.publish(&message(body, ALL[*next % 3])).is_ok() {
            *next += 1;
        }
    }
    if polls.is_multiple_of(3) {
        world.poll_for(polls, connection.flush());
    }
    let event = async { inbox.take(&connection.next().await) };
    match world.poll_for(polls, event)? {
        (Some(Seen::Failed(fault)), _) => panic!("{fault}"),
        (_, Some(Seen::Message(arrived))) => Some(arrived),
        _ => None,
    }
}

/// A server that does what it may.
pub(crate) fn terms(version: Version) -> Terms {
    Terms {
        frame: 50,
        pings: 20,
        slow_acks: 30,
        // So many QoS 2 messages the store has room to remember.
        window: 4,
        receive_maximum: (version == Version::V5).then_some(3),
        ..Terms::default()
    }
}

fn exchange(version: Version, ws: bool, habits: Habits, most_polls: usize) {
    let world = World::serving(terms(version), habits);
    let mut client = device();
    let connection = open(&world, &mut client, &start(version, ws));
    let what = format!("{version:?} ws {ws} {habits:?} {most_polls}");
    converse(&world, connection, most_polls, &what);
}

/// Messages both ways up to the last, and a farewell. Futures are dropped after at most so many polls.
pub(crate) fn converse<S: Security>(
    world: &World,
    mut connection: Connected<'_, S>,
    most_polls: usize,
    what: &str,
) {
    for n in 0..MESSAGES {
        assert!(world.server().publish("c", "to/c", &payload(n), ALL[n % 3]));
    }
    let (mut inbox, mut arrived, mut next) = (Inbox::default(), Vec::new(), 0);
    for polls in (0..=most_polls).cycle().take(200_000) {
        arrived.extend(round(world, &mut connection, &mut inbox, polls, &mut next));
        let done = next == MESSAGES && arrived.len() == MESSAGES;
        if done && connection.is_settled() && world.server().heard.len() == MESSAGES {
            break;
        }
    }
    let come: Vec<_> = arrived.iter().map(|a| a.payload.clone()).collect();
    let sent: Vec<_> = (0..MESSAGES).map(payload).collect();
    assert_eq!(come, sent, "{what}");
    let mut heard: Vec<_> = world.server().heard.iter().map(|h| h.payload[7]).collect();
    heard.sort_unstable();
    assert!(heard.iter().copied().eq(0..MESSAGES as u8), "{heard:?}");
    assert!(inbox.in_pieces > 0, "some messages come in pieces");
    let begin = *world.clock();
    world.run(connection.disconnect()).expect("a farewell");
    assert_eq!(*world.clock(), begin, "{what}: somebody was waited for");
}

pub(crate) fn streams() -> [Habits; 4] {
    let bytewise = Weather {
        chunks: Chunks::Upto(1),
        writes: Chunks::Upto(1),
        ..Weather::FAIR
    };
    let random = Weather {
        chunks: Chunks::Random(40),
        writes: Chunks::Random(40),
        ..Weather::FAIR
    };
    [
        Habits::default(),
        Habits {
            weather: bytewise,
            ..Habits::default()
        },
        Habits {
            weather: random,
            stutter: 50,
            ..Habits::default()
        },
        Habits {
            weather: random,
            stutter: 30,
            hoards: true,
            ..Habits::default()
        },
    ]
}

#[test]
fn every_message_arrives_once_over_every_stream() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        for habits in streams() {
            exchange(version, ws, habits, 100_000);
        }
    }
}

#[test]
fn every_message_arrives_once_though_futures_are_dropped_after_any_number_of_polls() {
    for (version, ws) in BOTH.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        for habits in streams() {
            for most_polls in [1, 2, 3, 7] {
                exchange(version, ws, habits, most_polls);
            }
        }
    }
}
