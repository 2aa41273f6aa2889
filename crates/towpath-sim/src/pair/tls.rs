//! The pair's TLS: records are on the link, plaintext is with the client and with the server.

use towpath_proto::{Client, Fault, Instant, tls::Layer};

use crate::{Front, Memory, Rng, Security, Toy};

/// The TLS of one connection.
#[derive(Debug)]
pub(super) struct Secured {
    pub(super) layer: Layer<Toy>,
    pub(super) front: Front,
}

impl Secured {
    pub(super) fn new(security: &Security, seed: u64) -> Self {
        let (layer, server) = security.ends(seed);
        Self {
            layer,
            front: Front::new(server, security.asks),
        }
    }

    /// Moves the client's plaintext. True if anything moved.
    pub(super) fn carry(&mut self, client: &mut Client<Memory, Rng>, now: Instant) -> bool {
        let moved = self.layer.carry(client, now);
        while self.layer.next_trace().is_some() {}
        moved
    }

    /// The cause behind a fault.
    pub(super) fn explain(&self, fault: Fault) -> Fault {
        self.layer.explain(fault)
    }
}
