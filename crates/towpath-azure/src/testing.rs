//! For tests: an MQTT connection that only notes what is asked of it.

use std::{
    string::{String, ToString},
    vec::Vec,
};

use towpath_proto::{
    client::Outgoing,
    mqtt::{
        QoS,
        packet::{PacketId, Subscription},
        session::Refusal,
    },
};

use crate::Line;

/// What a device does with its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Subscribe {
        packet_id: PacketId,
        /// Each with the QoS asked for.
        filters: Vec<(String, u8)>,
    },
    Publish {
        /// `None` with QoS 0.
        packet_id: Option<PacketId>,
        topic: String,
        payload: Vec<u8>,
    },
    Withdraw(PacketId),
    Disconnect,
}

/// Notes everything; takes everything unless told otherwise.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    /// What was done, in order. [`taken`](Self::taken) empties it.
    pub(crate) seen: Vec<Seen>,
    /// What is answered to the next publishes and subscribes in place of taking them, the first one first.
    pub(crate) refusals: Vec<Refusal>,
    /// Messages of QoS 1 without an acknowledgement. A test takes them out to acknowledge them.
    pub(crate) unsettled: Vec<PacketId>,
    /// Whether [`Line::withdraw`] finds what it is asked for.
    pub(crate) connected: bool,
    last: u16,
}

impl Recorder {
    /// A connection that is there and has room.
    pub(crate) fn new() -> Self {
        Self {
            connected: true,
            ..Self::default()
        }
    }

    /// What was done since the last call.
    pub(crate) fn taken(&mut self) -> Vec<Seen> {
        core::mem::take(&mut self.seen)
    }

    /// What was done since the last call, one line each: `SUBSCRIBE filter`, `PUBLISH topic payload`.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        self.taken().iter().map(ToString::to_string).collect()
    }

    fn admit(&mut self) -> Result<(), Refusal> {
        if self.refusals.is_empty() {
            Ok(())
        } else {
            Err(self.refusals.remove(0))
        }
    }

    fn packet_id(&mut self) -> PacketId {
        self.last = self.last.checked_add(1).unwrap_or(1);
        PacketId::new(self.last).unwrap()
    }
}

impl core::fmt::Display for Seen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Subscribe { filters, .. } => {
                f.write_str("SUBSCRIBE")?;
                filters
                    .iter()
                    .try_for_each(|(filter, qos)| write!(f, " {filter} q{qos}"))
            }
            Self::Publish {
                packet_id,
                topic,
                payload,
            } => {
                let qos = u8::from(packet_id.is_some());
                let payload = String::from_utf8_lossy(payload);
                write!(f, "PUBLISH q{qos} {topic} {payload}")
            }
            Self::Withdraw(packet_id) => write!(f, "withdraw {packet_id}"),
            Self::Disconnect => f.write_str("DISCONNECT"),
        }
    }
}

impl Line for Recorder {
    fn publish(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Refusal> {
        self.admit()?;
        let packet_id = (message.qos != QoS::AtMostOnce).then(|| self.packet_id());
        self.unsettled.extend(packet_id);
        self.seen.push(Seen::Publish {
            packet_id,
            topic: message.topic.as_str().into(),
            payload: message.payload.into(),
        });
        Ok(packet_id)
    }

    fn subscribe(&mut self, list: &[Subscription<'_>]) -> Result<PacketId, Refusal> {
        self.admit()?;
        let packet_id = self.packet_id();
        let filters = list
            .iter()
            .map(|one| (one.filter.as_str().into(), one.qos as u8))
            .collect();
        self.seen.push(Seen::Subscribe { packet_id, filters });
        Ok(packet_id)
    }

    fn withdraw(&mut self, packet_id: PacketId) -> bool {
        let known = self.unsettled.iter().position(|one| *one == packet_id);
        let Some(index) = known.filter(|_| !self.connected) else {
            return false;
        };
        self.unsettled.remove(index);
        self.seen.push(Seen::Withdraw(packet_id));
        true
    }

    fn disconnect(&mut self) -> Result<(), Refusal> {
        self.seen.push(Seen::Disconnect);
        Ok(())
    }

    fn unsettled(&self) -> usize {
        self.unsettled.len()
    }
}
