//! The pair's TLS: records are on the link, plaintext is with the client and with the server.

use towpath_proto::{Client, Fault, Instant, tls::Layer};

use crate::{Asks, Memory, Rng, Security, Server, Toy, ToyServer};

/// The TLS of one connection.
#[derive(Debug)]
pub(super) struct Secured {
    pub(super) layer: Layer<Toy>,
    pub(super) server: ToyServer,
    asks: Asks,
}

impl Secured {
    pub(super) fn new(security: &Security, seed: u64) -> Self {
        let (layer, server) = security.ends(seed);
        Self {
            layer,
            server,
            asks: security.asks,
        }
    }

    /// Moves the client's plaintext. True if anything moved.
    pub(super) fn carry(&mut self, client: &mut Client<Memory, Rng>, now: Instant) -> bool {
        let moved = self.layer.carry(client, now);
        while self.layer.next_trace().is_some() {}
        moved
    }

    /// Records have come from the client.
    pub(super) fn receive(&mut self, now: Instant, records: &[u8], server: &mut Server) {
        self.server.receive(records);
        let plain = self.server.take_plain();
        if !plain.is_empty() {
            server.receive(now, &plain);
        }
    }

    /// Moves the server's plaintext into records, and asks for a renegotiation when it is time. True if anything moved.
    pub(super) fn fill(&mut self, server: &mut Server) -> bool {
        if !self.server.is_open() {
            return false;
        }
        let due = !server.output().is_empty();
        if due && self.asks == Asks::BeforeAnswer {
            self.asks = Asks::Never;
            self.server.renegotiate();
            return true;
        }
        // A server that has asked waits for the end of that, as real ones do. One that goes on talking could lock up with
        // a client whose buffers are full: it may not answer before the renegotiation is complete.
        if self.server.is_asking() {
            return false;
        }
        let mut moved = false;
        while !server.output().is_empty() {
            let n = server.output().len();
            self.server.write(server.output());
            server.sent(n);
            moved = true;
        }
        if moved && self.asks == Asks::AfterAnswer {
            self.asks = Asks::Never;
            self.server.renegotiate();
        }
        if server.is_done() {
            self.server.alert(false, 0);
            moved = true;
        }
        moved
    }

    /// Whether the server wants the stream closed and has said everything.
    pub(super) fn is_done(&self) -> bool {
        self.server.is_closing() && self.server.output().is_empty()
    }

    /// The cause behind a fault.
    pub(super) fn explain(&self, fault: Fault) -> Fault {
        self.layer.explain(fault)
    }
}
