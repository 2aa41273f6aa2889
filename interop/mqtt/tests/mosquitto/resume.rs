//! `kill -9` of the broker and what is left then.
//!
//! With `autosave_interval 1` and `autosave_on_changes true` mosquitto 2.0.11 writes its whole database at the end of
//! each turn of its loop in which it counted a change. It counts sessions, subscriptions and what leaves its store; it
//! does not count a QoS 2 message that waits for PUBREL, nor one on its way to a subscriber that is there. What it read
//! it has answered before it writes. So:
//!
//! - What it had not read when it was killed, and what it had read and written, is safe: nothing is lost, and at QoS 2
//!   nothing comes twice, wherever the exchange stood. These cases are tested, and they are strict.
//! - What it acknowledged and did not write is lost, which at QoS 2 may be every message between PUBREC and PUBREL,
//!   for as long as nothing else makes it write: after the restart it answers PUBREL by PUBCOMP although it has no
//!   message any more. What it delivered and did not write may come twice. And it numbers what it sends anew, so that
//!   an identifier comes, without DUP, whose QoS 2 exchange is not over; section 4.3.3 of MQTT 5 has the receiver take
//!   that for a repetition. No client can mend that. The one test that kills at any moment therefore asserts what the
//!   client owes: it goes on by itself, every receipt settles, and at QoS 1 all that was not acknowledged arrives.

use std::time::{Duration, Instant};

use mqtt::{Broker, Peer, Relay, Setup, Via, Way};
use towpath::{
    Event, Outcome, Outgoing, QoS, TopicName,
    tokio::{Client, Receipt},
};

ways! {
    all:
        what_waits_for_a_sleeping_subscriber_outlives_the_broker
        what_the_broker_had_not_read_comes_once
        what_the_broker_had_saved_but_not_answered_comes_once
        a_lost_pubrel_is_sent_again
        a_lost_pubcomp_is_asked_for_again
        a_subscription_is_made_again_if_the_broker_forgot
        the_client_goes_on_whenever_the_broker_dies;
}

const LEVELS: [QoS; 2] = [QoS::AtLeastOnce, QoS::ExactlyOnce];

fn broker() -> Broker {
    Setup::new().unlimited().persistent().start()
}

/// A subscriber whose session is kept, to everything.
async fn subscriber(way: Way, broker: &Broker) -> Peer {
    let options = way.keeping(way.options(broker), "subscriber");
    let mut subscriber = Peer::connect(options).await;
    subscriber.subscribe("#", QoS::ExactlyOnce).await;
    subscriber.connected().await;
    subscriber
}

/// The client whose publications are looked at, with its session kept.
fn publisher(way: Way, port: u16) -> (Client, Peer<towpath::tokio::Events>) {
    let options = way.keeping(way.options_to(port), "publisher");
    let (client, events) = Client::spawn(options);
    (client, Peer::new(events))
}

async fn publish(client: &Client, numbers: std::ops::Range<usize>) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for number in numbers {
        let qos = LEVELS[number % 2];
        let topic = format!("level/{}", qos as u8);
        receipts.push(
            client
                .publish(&topic, number.to_string(), qos)
                .await
                .unwrap(),
        );
    }
    receipts
}

async fn acknowledged(receipts: Vec<Receipt>) {
    for receipt in receipts {
        assert!(matches!(receipt.await, Ok(Outcome::Acknowledged(_))));
    }
}

/// How often each number came, read up to a fence.
async fn counted(peer: &mut Peer, fence: &str, most: usize) -> Vec<usize> {
    let mut seen = vec![0; most];
    loop {
        let message = peer.message().await;
        let text = String::from_utf8(message.payload).unwrap();
        if text == fence {
            return seen;
        }
        if let Ok(number) = text.parse::<usize>() {
            seen[number] += 1;
        }
    }
}

/// Each number came; those of QoS 2 once.
fn complete(seen: &[usize]) {
    for (number, times) in seen.iter().enumerate() {
        assert!(*times >= 1, "{number} is lost");
        let once = LEVELS[number % 2] == QoS::ExactlyOnce;
        assert!(!once || *times == 1, "{number} came {times} times at QoS 2");
    }
}

/// The fence goes the same way at QoS 2, after everything is acknowledged.
async fn fence(client: &Client, text: &str) {
    let receipt = client
        .publish("fence", text, QoS::ExactlyOnce)
        .await
        .unwrap();
    assert!(matches!(receipt.await, Ok(Outcome::Acknowledged(_))));
}

async fn what_waits_for_a_sleeping_subscriber_outlives_the_broker(way: Way) {
    let mut broker = broker();
    let mut sleeper = subscriber(way, &broker).await;
    sleeper.close().await;
    let (client, mut events) = publisher(way, broker.port(way.via));
    acknowledged(publish(&client, 0..200).await).await;
    broker.save().await;
    broker.kill_hard();
    events.fault().await;
    broker.restart();
    // It asks for its session by itself and gets what waited.
    fence(&client, "end").await;
    let options = way.keeping(way.options(&broker), "subscriber");
    let mut woken = Peer::connect(options).await;
    assert!(woken.connected().await, "the session is there");
    let seen = counted(&mut woken, "end", 200).await;
    assert!(seen.iter().all(|times| *times == 1), "{seen:?}");
}

async fn what_the_broker_had_not_read_comes_once(way: Way) {
    let mut broker = broker();
    let mut subscriber = subscriber(way, &broker).await;
    let (client, mut events) = publisher(way, broker.port(way.via));
    acknowledged(publish(&client, 0..2).await).await;
    broker.save().await;
    broker.freeze();
    let receipts = publish(&client, 2..300).await;
    // They are in the hands of the system, behind a broker that will not read them.
    tokio::task::yield_now().await;
    broker.kill_hard();
    events.fault().await;
    broker.restart();
    acknowledged(receipts).await;
    fence(&client, "end").await;
    let seen = counted(&mut subscriber, "end", 300).await;
    complete(&seen);
}

async fn what_the_broker_had_saved_but_not_answered_comes_once(way: Way) {
    let mut broker = broker();
    let relay = Relay::before(broker.port(way.via)).await;
    let mut subscriber = subscriber(way, &broker).await;
    let (client, mut events) = publisher(way, relay.port());
    acknowledged(publish(&client, 0..2).await).await;
    relay.swallow_answers();
    let receipts = publish(&client, 2..100).await;
    broker
        .until_logged(&["Received PUBLISH from publisher"], 100)
        .await;
    broker.save().await;
    broker.kill_hard();
    events.fault().await;
    relay.cut();
    broker.restart();
    acknowledged(receipts).await;
    fence(&client, "end").await;
    complete(&counted(&mut subscriber, "end", 100).await);
}

async fn a_lost_pubrel_is_sent_again(way: Way) {
    half_done(way, Lost::Pubrel).await;
}

async fn a_lost_pubcomp_is_asked_for_again(way: Way) {
    half_done(way, Lost::Pubcomp).await;
}

#[derive(PartialEq)]
enum Lost {
    Pubrel,
    Pubcomp,
}

/// A `Connection` does nothing unless it is driven, so that the broker is killed at a known place of the exchange.
async fn half_done(way: Way, lost: Lost) {
    const COUNT: usize = 40;
    let mut broker = broker();
    let relay = Relay::before(broker.port(way.via)).await;
    let mut subscriber = subscriber(way, &broker).await;
    let options = way.keeping(way.options_to(relay.port()), "publisher");
    let mut publisher = Peer::connect(options).await;
    let received = relay.counts().1;
    let topic = TopicName::new("level/2").unwrap();
    for number in 0..COUNT {
        let payload = (2 * number + 1).to_string();
        let message = Outgoing::new(topic, payload.as_bytes(), QoS::ExactlyOnce);
        publisher.face.send(&message).await.unwrap();
    }
    publisher.face.flush().await.unwrap();
    let answered = ["Sending PUBREC to publisher"];
    broker.until_logged(&answered, COUNT).await;
    // The broker's log is ahead of the relay: all of PUBREC, in frames of six bytes over WebSocket, has to be through.
    let pubrec = if way.via == Via::Ws { 6 } else { 4 };
    while relay.counts().1 < received + pubrec * u64::try_from(COUNT).unwrap() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    broker.save().await;
    // PUBREC waits to be read. Either what it asks for is swallowed, or the answer to that.
    if lost == Lost::Pubrel {
        relay.swallow_requests();
    } else {
        relay.swallow_answers();
    }
    let before = relay.counts().0;
    let patience = Instant::now() + Duration::from_secs(20);
    while relay.counts().0 == before {
        assert!(Instant::now() < patience, "no PUBREL is sent");
        let _ = tokio::time::timeout(Duration::from_millis(5), publisher.face.settle()).await;
    }
    // Not driven any more, it sends nothing more. What is on its way arrives before the first save is over, so that the
    // second has it all.
    broker.save().await;
    broker.save().await;
    let released = broker.logged(&["Received PUBREL from publisher"]);
    assert_eq!(released == 0, lost == Lost::Pubrel);
    broker.kill_hard();
    relay.cut();
    broker.restart();
    let settled = tokio::time::timeout(Duration::from_secs(20), publisher.face.settle());
    assert_eq!(settled.await, Ok(Ok(())));
    publisher.publish("fence", b"end", QoS::ExactlyOnce).await;
    let seen = counted(&mut subscriber, "end", 2 * COUNT).await;
    let exact = seen.iter().skip(1).step_by(2);
    assert!(exact.clone().all(|times| *times == 1), "{seen:?}");
}

/// Nothing is persistent here: the broker comes back empty.
async fn a_subscription_is_made_again_if_the_broker_forgot(way: Way) {
    let mut broker = Setup::new().start();
    let (client, events) = publisher(way, broker.port(way.via));
    let mut events = Peer::new(events.face);
    client.subscribe("again/+", QoS::ExactlyOnce).await.unwrap();
    assert!(!events.connected().await);
    broker.kill_hard();
    events.fault().await;
    broker.restart();
    assert!(!events.connected().await, "the session is gone");
    broker
        .until_logged(&["Received SUBSCRIBE from publisher"], 2)
        .await;
    client
        .publish("again/x", "here", QoS::ExactlyOnce)
        .await
        .unwrap();
    assert_eq!(events.text().await, "here");
}

async fn the_client_goes_on_whenever_the_broker_dies(way: Way) {
    let mut broker = broker();
    let mut subscriber = subscriber(way, &broker).await;
    let (client, mut events) = publisher(way, broker.port(way.via));
    let mut receipts = Vec::new();
    // What was acknowledged when the broker died is the broker's to lose.
    let mut settled = [false; 300];
    for round in 0..3 {
        receipts.extend(publish(&client, round * 100..(round + 1) * 100).await);
        // Some turns of the broker's loop, and then in the midst of one.
        let lines = 100 * round + 10 * (round + 1);
        let words = ["Received PUBLISH from publisher"];
        broker.until_logged(&words, lines).await;
        broker.kill_hard();
        events.fault().await;
        for (receipt, settled) in receipts.iter_mut().zip(&mut settled) {
            if !*settled {
                let now = tokio::time::timeout(Duration::ZERO, receipt);
                *settled = now.await.is_ok();
            }
        }
        broker.restart();
    }
    for (receipt, settled) in receipts.into_iter().zip(&settled) {
        if !settled {
            acknowledged(vec![receipt]).await;
        }
    }
    fence(&client, "end").await;
    let seen = counted(&mut subscriber, "end", 300).await;
    let lost: Vec<_> = (0..300).filter(|number| seen[*number] == 0).collect();
    let (exact, plain): (Vec<usize>, Vec<usize>) = lost.iter().partition(|number| *number % 2 == 1);
    let due: Vec<_> = plain.iter().filter(|number| !settled[**number]).collect();
    assert!(
        due.is_empty(),
        "{due:?} were not acknowledged and did not come"
    );
    println!(
        "killed at any moment: {} + {} of 300 lost",
        plain.len(),
        exact.len()
    );
    let dropped = |event: &&Event| matches!(event, Event::Dropped(_));
    assert_eq!(events.kept().filter(dropped).count(), 0);
}
