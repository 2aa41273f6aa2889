//! What stands in front of a server: records to the link, plaintext to the server.

use towpath_proto::Instant;

use crate::{Asks, Server, ToyServer};

/// The server's TLS of one connection.
#[derive(Debug)]
pub struct Front {
    /// The records, to look at and to say what it does next.
    pub tls: ToyServer,
    asks: Asks,
}

impl Front {
    /// A front that waits for ClientHello and asks for a renegotiation then.
    #[must_use]
    pub const fn new(tls: ToyServer, asks: Asks) -> Self {
        Self { tls, asks }
    }

    /// Records have come from the client.
    pub fn receive(&mut self, now: Instant, records: &[u8], server: &mut Server) {
        self.tls.receive(records);
        let plain = self.tls.take_plain();
        if !plain.is_empty() {
            server.receive(now, &plain);
        }
    }

    /// Moves the server's plaintext into records, and asks for a renegotiation when it is time. True if anything moved.
    pub fn fill(&mut self, server: &mut Server) -> bool {
        if !self.tls.is_open() {
            return false;
        }
        let due = !server.output().is_empty();
        if due && self.asks == Asks::BeforeAnswer {
            self.asks = Asks::Never;
            self.tls.renegotiate();
            return true;
        }
        // A server that has asked waits for the end of that, as real ones do. One that goes on talking could lock up with
        // a client whose buffers are full: it may not answer before the renegotiation is complete.
        if self.tls.is_asking() {
            return false;
        }
        let mut moved = false;
        while !server.output().is_empty() {
            let n = server.output().len();
            self.tls.write(server.output());
            server.sent(n);
            moved = true;
        }
        if moved && self.asks == Asks::AfterAnswer {
            self.asks = Asks::Never;
            self.tls.renegotiate();
        }
        if server.is_done() {
            self.tls.alert(false, 0);
            moved = true;
        }
        moved
    }

    /// Whether the server wants the stream closed and has said everything.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.tls.is_closing() && self.tls.output().is_empty()
    }
}
