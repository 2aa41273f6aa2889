//! What the door knows about one connection.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use towpath_proto::Rung;

use super::{Door, wire::Wire};
use crate::{
    connection::Connection,
    fault::Kind,
    log::{Code, Record},
    shared::Means,
};

/// A connection on its way through the door.
pub(super) struct Visit {
    pub(super) connection: Arc<Connection>,
    means: Means,
    /// The name that the client means: SNI, or `Host` where there is none.
    pub(super) host: Option<String>,
    /// The fault of this name was done: no secure renegotiation.
    pub(super) legacy: bool,
    /// Records are to have at most so many bytes.
    pub(super) record: Option<u64>,
    /// Whether the faults of TCP were done.
    dripping: bool,
    resetting: bool,
    /// Where the time of a reset is told to the one who waits for it.
    reset: watch::Sender<Option<Duration>>,
}

impl Visit {
    pub(super) fn new(
        connection: Arc<Connection>,
        means: Means,
        reset: watch::Sender<Option<Duration>>,
    ) -> Self {
        Self {
            connection,
            means,
            host: None,
            legacy: false,
            record: None,
            dripping: false,
            resetting: false,
            reset,
        }
    }

    /// A record with what is known about the connection.
    pub(super) fn about(&self, record: Record) -> Record {
        let mut record = record.connection(self.connection.id);
        record.host = record.host.or_else(|| self.connection.host());
        record.device = record.device.or_else(|| self.connection.device());
        record
    }

    /// The client has said which server it means.
    pub(super) fn named(&mut self, door: &Door, name: Option<String>) {
        let Some(name) = name else { return };
        self.connection.identify(Some(&name), None);
        let lab = &door.lab;
        let known = lab.hub(&name).is_some()
            || name.eq_ignore_ascii_case("localhost")
            || lab
                .dps
                .as_ref()
                .is_some_and(|dps| dps.host.eq_ignore_ascii_case(&name));
        if !known {
            let hint = match lab.config.listen.behind_proxy {
                Some(_) => ". The proxy has to hand Host on (Apache: ProxyPreserveHost On)",
                None => "",
            };
            let text = format!(
                "the client means {name:?}, which is no hub and no provisioning service of this lab; it is served all \
                 the same{hint}"
            );
            door.tell(self, Record::info(Code::Accepted, text));
        }
        self.host = Some(name);
    }

    /// The faults of TCP that last: asked for at accept, and again when the host is known.
    pub(super) fn shaped(&mut self, door: &Door, mut wire: Wire) -> Wire {
        if !self.dripping
            && let Some(pause) = door.strike(Kind::Drip, self)
        {
            self.dripping = true;
            wire.drip(Duration::from_millis(pause.number()));
        }
        if !self.resetting
            && let Some(after) = door.strike(Kind::ResetAfter, self)
        {
            self.resetting = true;
            // The one who waits lives as long as this connection.
            let _ = self.reset.send(Some(Duration::from_millis(after.number())));
        }
        wire
    }

    pub(super) const fn means(&self) -> &Means {
        &self.means
    }

    /// A rung broke by a fault; the fault itself was logged when it was done.
    pub(super) fn broke(&self, rung: Rung, why: &str) -> String {
        self.connection.step(rung, false, why);
        why.to_owned()
    }

    /// A rung broke; tells it.
    pub(super) fn failed(&self, rung: Rung, code: Code, why: String) -> String {
        self.connection.step(rung, false, why.clone());
        self.means.tell(self.about(Record::warn(code, why.clone())));
        why
    }
}
