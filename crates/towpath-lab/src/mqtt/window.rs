//! Messages on their way to a client: packet identifiers, what is not acknowledged yet, and what waits for a place.

use std::collections::VecDeque;

use bytes::Bytes;
use towpath_proto::mqtt::{
    QoS,
    packet::{PacketId, Publish},
    property::Properties,
    topic::TopicName,
};

use super::output::Output;
use crate::hub;

/// So many messages of QoS 1 may be unacknowledged.
const FLYING: usize = 32;

/// So many more may wait here; the others wait in the hub's channel.
const WAITING: usize = 64;

/// So many may wait here in all when the channel is searched for the hub's word that the connection is to end.
const SEARCHED: usize = WAITING + hub::WAITING;

/// A message for the client.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// 0 or 1.
    pub(super) qos: u8,
    /// The cloud-to-device message that its PUBACK completes.
    pub(super) settles: Option<u64>,
    /// It was sent before, on this connection or an earlier one, and not acknowledged.
    pub(super) redelivered: bool,
}

/// Messages that were sent or wait.
#[derive(Debug, Default)]
pub(super) struct Window {
    flying: Vec<(PacketId, Option<u64>)>,
    waiting: VecDeque<Message>,
    last: u16,
}

impl Window {
    /// Whether no more messages are taken from the hub.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    /// Whether not even a search of the channel may add to what waits.
    pub(super) fn is_searched(&self) -> bool {
        self.waiting.len() >= SEARCHED
    }

    /// Whether a message of QoS 1 has to wait.
    pub(super) fn has_no_place(&self) -> bool {
        self.flying.len() >= FLYING || !self.waiting.is_empty()
    }

    pub(super) fn wait(&mut self, message: Message) {
        self.waiting.push_back(message);
    }

    /// The next message that need not wait any more.
    pub(super) fn next(&mut self) -> Option<Message> {
        if self.flying.len() < FLYING {
            self.waiting.pop_front()
        } else {
            None
        }
    }

    /// Sends a message, as often as `times` says, the later ones as repetitions of the first. `false`: it can't be
    /// written as MQTT.
    pub(super) fn send(&mut self, message: &Message, times: u8, output: &mut Output) -> bool {
        let Ok(topic) = TopicName::new(&message.topic) else {
            return false;
        };
        let packet_id = if message.qos == 0 {
            None
        } else {
            // Who is sent a message anew owes the PUBACK of the new one only.
            if message.settles.is_some() {
                self.flying
                    .retain(|(_, settles)| *settles != message.settles);
            }
            Some(self.packet_id(message.settles))
        };
        let mut publish = Publish {
            // [MQTT-3.3.1-2]: not with QoS 0.
            dup: message.redelivered && packet_id.is_some(),
            qos: packet_id.map_or(QoS::AtMostOnce, |_| QoS::AtLeastOnce),
            retain: false,
            topic,
            packet_id,
            properties: Properties::NONE,
            payload: &message.payload,
        };
        for _ in 0..times {
            if !output.put(&towpath_proto::mqtt::packet::Packet::Publish(publish)) {
                return false;
            }
            publish.dup = packet_id.is_some();
        }
        true
    }

    /// An identifier that is not in use ([MQTT-2.3.1-2]).
    fn packet_id(&mut self, settles: Option<u64>) -> PacketId {
        loop {
            self.last = self.last.wrapping_add(1);
            let free = |id: &PacketId| self.flying.iter().all(|(used, _)| used != id);
            // Few are in use at a time, so that one of the next is free.
            if let Some(id) = PacketId::new(self.last).filter(free) {
                self.flying.push((id, settles));
                return id;
            }
        }
    }

    /// PUBACK has come: gives what it completes. One for an unknown identifier says nothing.
    pub(super) fn acknowledged(&mut self, id: PacketId) -> Option<u64> {
        let at = self.flying.iter().position(|(flying, _)| *flying == id)?;
        // In order, since nothing but their number is asked of the others.
        self.flying.remove(at).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(qos: u8, settles: u64) -> Message {
        Message {
            topic: "t".into(),
            payload: Bytes::new(),
            qos,
            settles: Some(settles),
            redelivered: false,
        }
    }

    #[test]
    fn identifiers_are_used_once_at_a_time_and_never_zero() {
        let mut window = Window::default();
        let mut output = Output::default();
        for number in 0..FLYING as u64 {
            assert!(!window.has_no_place());
            window.send(&message(1, number), 1, &mut output);
        }
        assert!(window.has_no_place());
        window.last = u16::MAX;
        let first = PacketId::MIN;
        assert_eq!(window.acknowledged(first), Some(0));
        assert_eq!(window.acknowledged(first), None);
        window.send(&message(1, 99), 1, &mut output);
        assert_eq!(window.acknowledged(first), Some(99));
        window.last = 0;
        window.send(&message(1, 100), 1, &mut output);
        let second = PacketId::MIN.saturating_add(1);
        assert_eq!(window.acknowledged(second), Some(1));
    }

    #[test]
    fn what_is_sent_again_has_one_place() {
        let mut window = Window::default();
        let mut output = Output::default();
        let mut again = message(1, 7);
        for _ in 0..FLYING {
            window.send(&again, 1, &mut output);
            again.redelivered = true;
        }
        assert_eq!(window.flying.len(), 1);
        let old = PacketId::MIN;
        assert_eq!(window.acknowledged(old), None);
        let new = PacketId::new(FLYING as u16).expect("an identifier");
        assert_eq!(window.acknowledged(new), Some(7));
    }

    #[test]
    fn a_topic_that_can_not_be_is_not_sent() {
        let mut window = Window::default();
        let mut wrong = message(1, 0);
        wrong.topic = "a/#".into();
        assert!(!window.send(&wrong, 1, &mut Output::default()));
        assert!(!window.has_no_place());
    }
}
