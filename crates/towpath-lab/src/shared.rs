//! What every part of a lab has in hand.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    clock::Clock,
    config::Config,
    connection::Connections,
    dps::Dps,
    fault::Faults,
    hub::Hub,
    log::{Log, Record},
    pki::Pki,
    service::Uploads,
    store::Store,
};

/// Clock, store, log and faults: what a hub or a provisioning service needs to do anything.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    pub(crate) clock: Arc<Clock>,
    pub(crate) store: Arc<Store>,
    pub(crate) log: Arc<Log>,
    pub(crate) faults: Faults,
}

impl Means {
    /// Adds a record now.
    pub(crate) fn tell(&self, record: Record) {
        self.log.add(self.clock.now(), record);
    }
}

/// Where the lab listens, as bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listening {
    pub(crate) mqtts: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) page: Option<SocketAddr>,
}

/// The whole lab.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) listening: Listening,
    pub(crate) means: Means,
    pub(crate) pki: Pki,
    pub(crate) hubs: Vec<Arc<Hub>>,
    pub(crate) dps: Option<Dps>,
    pub(crate) connections: Connections,
    /// Files that devices uploaded.
    pub(crate) uploads: Uploads,
}

impl Shared {
    /// The hub of this host name, without regard to case.
    pub(crate) fn hub(&self, host: &str) -> Option<&Arc<Hub>> {
        self.hubs
            .iter()
            .find(|hub| hub.host.eq_ignore_ascii_case(host))
    }
}
