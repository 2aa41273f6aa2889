//! What a client with clean session 0 finds again: its subscriptions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Hub, Name, Rejected, State};
use crate::{
    connection::Connection,
    log::Code,
    store::{Batch, Table},
};

/// What a filter of the hub is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Feature {
    /// `devices/{id}/messages/devicebound/#`
    CloudToDevice,
    /// `$iothub/methods/POST/#`
    Methods,
    /// `$iothub/twin/res/#`
    TwinAnswers,
    /// `$iothub/twin/PATCH/properties/desired/#`
    DesiredChanges,
    /// `devices/{id}/modules/{id}/inputs/#`
    Inputs,
}

/// A client's subscriptions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The filters by what they are for, with the QoS that was granted.
    pub(crate) subscriptions: BTreeMap<Feature, u8>,
    /// It outlives the connection (clean session 0).
    pub(crate) kept: bool,
}

impl Session {
    /// A connection with or without clean session takes it up; `false` if there was nothing to take up.
    pub(super) fn resume(&mut self, clean: bool, lost: bool) -> bool {
        let present = self.kept && !lost && !clean;
        if !present {
            self.subscriptions.clear();
        }
        self.kept = !clean;
        present
    }
}

impl Hub {
    /// Grants a subscription of the live connection; gives the QoS. What waits in the queue is handed on at once when
    /// the subscription is for it, so SUBACK has to be written before the connection's next message is read.
    ///
    /// # Errors
    /// There are as many as allowed, or the connection is not the live one any more.
    pub(crate) fn subscribe(
        &self,
        name: &Name,
        connection: &Connection,
        feature: Feature,
        qos: u8,
    ) -> Result<u8, Rejected> {
        let granted = qos.min(1);
        let most = self.limits.subscriptions;
        let now = self.means.clock.now();
        let mut state = self.lock();
        let entry = state.entries.get_mut(name);
        let Some(entry) = entry.filter(|entry| entry.is_live(connection)) else {
            return Err(Rejected::stolen(name));
        };
        let subscriptions = &mut entry.session.subscriptions;
        if !subscriptions.contains_key(&feature) && subscriptions.len() >= most {
            return Err(Rejected {
                close: false,
                code: Code::ArgumentInvalid,
                why: format!("{most} subscriptions are allowed"),
            });
        }
        let mut batch = Batch::default();
        if subscriptions.insert(feature, granted) != Some(granted) {
            self.keep_session(&state, name, &mut batch);
        }
        match feature {
            Feature::Methods => state.methods.ready.notify_waiters(),
            Feature::CloudToDevice if self.attend(&mut state, name, now, &mut batch) => {
                self.keep_inbox(&state, name, &mut batch);
            }
            _ => {}
        }
        // SUBACK does not promise that a session outlives a crash of the server.
        drop(self.means.store.write(batch));
        Ok(granted)
    }

    /// Gives a subscription of the live connection up.
    pub(crate) fn unsubscribe(&self, name: &Name, connection: &Connection, feature: Feature) {
        let mut batch = Batch::default();
        let mut state = self.lock();
        let entry = state.entries.get_mut(name);
        let Some(entry) = entry.filter(|entry| entry.is_live(connection)) else {
            return;
        };
        if entry.session.subscriptions.remove(&feature).is_some() {
            self.keep_session(&state, name, &mut batch);
            drop(self.means.store.write(batch));
        }
    }

    /// Puts the session as it is into the batch: nothing is kept of one that ends with its connection.
    pub(super) fn keep_session(&self, state: &State, name: &Name, batch: &mut Batch) {
        let Some(entry) = state.entries.get(name) else {
            return;
        };
        let key = name.key(&self.host);
        if entry.session.kept {
            batch.put(Table::Session, key, &entry.session);
        } else {
            batch.delete(Table::Session, key);
        }
    }
}
