//! What an application does with a connection: subscribes, publishes with any QoS, takes events, says farewell.

use core::hint::black_box;

use towpath::{
    Outgoing, TopicFilter, TopicName,
    embedded::{
        Connection, Error, Security, Timer,
        embedded_io_async::{Read, Write},
    },
    proto::{Buffer, Event, Random, mqtt::packet::Subscription},
};

use crate::qos;

/// The whole life of an open connection.
pub async fn talk<B: Buffer, R: Random, I: Read, O: Write, T: Timer, S: Security>(
    mut connection: Connection<'_, B, R, I, O, T, S>,
) -> Result<(), Error> {
    if let Ok(filter) = TopicFilter::new(black_box("lamp/17/set")) {
        connection.subscribe(&[Subscription::new(filter, qos())])?;
    }
    loop {
        if let Ok(topic) = TopicName::new(black_box("lamp/17/seen")) {
            connection.publish(&Outgoing::new(topic, black_box(b"on"), qos()))?;
        }
        match connection.next().await {
            Event::Message(message) => {
                black_box((message.topic.as_bytes(), message.payload));
            }
            Event::Settled { packet_id, outcome } => {
                black_box((packet_id, outcome));
            }
            Event::Failed(fault) => return Err(Error::Path(fault)),
            Event::Disconnected => return Ok(()),
            _ => {}
        }
        if black_box(false) {
            return connection.disconnect().await;
        }
    }
}
