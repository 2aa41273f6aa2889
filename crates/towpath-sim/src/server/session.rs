//! What the server keeps for a client between connections.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use towpath_proto::mqtt::QoS;

/// How far a message to the client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not sent, or sent on an earlier connection.
    Due {
        again: bool,
    },
    AwaitPuback,
    AwaitPubrec,
    /// PUBREL has to be sent again.
    DuePubrel,
    AwaitPubcomp,
}

/// A message to the client.
#[derive(Debug, Clone)]
pub(super) struct Outbound {
    pub(super) id: u16,
    pub(super) qos: QoS,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) stage: Stage,
}

/// A session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// QoS 2 messages taken over whose PUBREL has not come, with their payload.
    pub(super) received: BTreeMap<u16, Vec<u8>>,
    /// Identifiers for which a PUBREC was sent at some time and no PUBCOMP has gone out since.
    pub(super) released: BTreeSet<u16>,
    pub(super) outbound: VecDeque<Outbound>,
    pub(super) subscriptions: BTreeMap<String, QoS>,
    /// Connections that this session has had.
    pub(super) connections: u32,
    /// It stands for one that was forgotten, and the client may not know that.
    pub(super) loss_unknown: bool,
    last_id: u16,
}

impl Session {
    pub(super) fn is_settled(&self) -> bool {
        self.outbound.is_empty()
    }

    pub(super) fn queue(&mut self, topic: &str, payload: &[u8], qos: QoS) {
        let id = if qos == QoS::AtMostOnce {
            0
        } else {
            // Few identifiers, used again soon: a client that mixes up old and new ones is found out.
            assert!(self.outbound.len() < 40, "more messages than identifiers");
            loop {
                self.last_id = self.last_id % 40 + 1;
                if self.outbound.iter().all(|one| one.id != self.last_id) {
                    break self.last_id;
                }
            }
        };
        self.outbound.push_back(Outbound {
            id,
            qos,
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            stage: Stage::Due { again: false },
        });
    }

    /// The connection is gone: what was sent on it is due again.
    pub(super) fn disconnected(&mut self) {
        self.outbound.retain(|one| one.qos != QoS::AtMostOnce);
        for one in &mut self.outbound {
            one.stage = match one.stage {
                Stage::Due { again } => Stage::Due { again },
                Stage::AwaitPuback | Stage::AwaitPubrec => Stage::Due { again: true },
                Stage::DuePubrel | Stage::AwaitPubcomp => Stage::DuePubrel,
            };
        }
    }

    /// The oldest message at `stage`, and the one with this identifier.
    pub(super) fn awaiting(&mut self, stage: Stage, id: u16) -> (Option<u16>, Option<usize>) {
        let oldest = self.outbound.iter().find(|one| one.stage == stage);
        let position = self
            .outbound
            .iter()
            .position(|one| one.stage == stage && one.id == id);
        (oldest.map(|one| one.id), position)
    }
}
