//! The script's peer with TLS: records are moved here, plaintext is in the script.

use towpath_proto::{
    Client, Code, Fault, Instant, Rung,
    client::Start,
    tls::{Fact, Layer, Renegotiation},
    trace,
};

use super::Script;
use crate::{Chunks, Memory, Rng, Toy, ToyProfile, ToyServer, ToyTerms};

/// When a server asks for a renegotiation; in TLS 1.3, for the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asks {
    /// Not by itself.
    #[default]
    Never,
    /// Once it has heard what it is asked for, before it answers: what front ends do once they have seen the path.
    BeforeAnswer,
    /// Right behind its first answer.
    AfterAnswer,
}

/// The TLS of both sides.
#[derive(Debug, Clone)]
pub struct Security {
    /// What the client offers.
    pub profile: ToyProfile,
    /// What the server grants.
    pub terms: ToyTerms,
    /// Which renegotiation the client does.
    pub renegotiation: Renegotiation,
    /// When the server of a [`Pair`](crate::Pair) asks for one. A [`Script`] is told.
    pub asks: Asks,
}

impl Default for Security {
    /// TLS 1.2, with one renegotiation.
    fn default() -> Self {
        Self {
            profile: ToyProfile::default(),
            terms: ToyTerms::default(),
            renegotiation: Renegotiation::OnceUntilConnack,
            asks: Asks::Never,
        }
    }
}

impl Security {
    /// The client's layer and the server of a connection.
    #[must_use]
    pub fn ends(&self, seed: u64) -> (Layer<Toy>, ToyServer) {
        let toy = Toy::new(self.profile.clone(), seed);
        let identity = self.profile.identity;
        let layer = Layer::with(toy, self.renegotiation, identity, true);
        (layer, ToyServer::new(self.terms.clone(), !seed))
    }
}

/// One connection's TLS.
#[derive(Debug)]
pub(super) struct Secured {
    pub(super) layer: Layer<Toy>,
    server: ToyServer,
    /// How many bytes of the server's output may go; none: all.
    allowed: Option<usize>,
    /// The stream takes nothing.
    blocked: bool,
    /// Writing fails. The client still reads what came before.
    broken: bool,
    told: bool,
    facts: Vec<Fact>,
    rng: Rng,
}

impl Secured {
    /// Moves records once, one way. The plaintext that arrived with the server goes to `raw`. True if anything moved.
    fn carry(
        &mut self,
        client: &mut Client<Memory, Rng>,
        now: Instant,
        chunks: Chunks,
        raw: &mut Vec<u8>,
    ) -> bool {
        let moved = self.layer.carry(client, now);
        while let Some(trace) = self.layer.next_trace() {
            if let trace::Fact::Tls(fact) = trace.fact {
                self.facts.push(fact);
            }
        }
        if moved {
            return true;
        }
        let chunk = chunks.next(&mut self.rng);
        let n = self.layer.sendable().len().min(chunk);
        if n > 0 && !self.broken && !self.blocked {
            self.server.receive(&self.layer.sendable()[..n]);
            self.layer.transmitted(now, n);
            raw.extend(self.server.take_plain());
            return true;
        }
        let mut n = self.server.output().len().min(chunk);
        n = n.min(self.allowed.unwrap_or(usize::MAX));
        let space = self.layer.rx_space();
        n = n.min(space.len());
        if n > 0 {
            space[..n].copy_from_slice(&self.server.output()[..n]);
            self.layer.commit(now, n);
            self.server.sent(n);
            self.allowed = self.allowed.map(|allowed| allowed - n);
            return true;
        }
        if self.broken && !self.told && self.server.output().is_empty() {
            self.told = true;
            self.layer.ended(Fault::new(client.rung(), Code::Reset));
            return true;
        }
        false
    }
}

impl Script {
    /// Begins a connection with TLS on an open byte stream.
    ///
    /// # Panics
    /// If the client refuses to.
    pub fn start_tls(&mut self, mut start: Start<'_>, security: &Security) {
        let (layer, server) = security.ends(1);
        self.tls = Some(Box::new(Secured {
            layer,
            server,
            allowed: std::mem::take(&mut self.hold).then_some(0),
            blocked: false,
            broken: false,
            told: false,
            facts: Vec::new(),
            rng: Rng::new(3),
        }));
        start.secured = true;
        self.begin(&start);
    }

    fn secured(&mut self) -> &mut Secured {
        self.tls.as_mut().expect("a connection with TLS")
    }

    /// The server's TLS, to say what it does next.
    pub fn server(&mut self) -> &mut ToyServer {
        self.pump();
        &mut self.secured().server
    }

    /// From now on records of the server, those of the next connection too, wait until they are
    /// [delivered](Self::deliver).
    pub fn hold(&mut self) {
        match &mut self.tls {
            Some(tls) if !self.over => tls.allowed = Some(0),
            _ => self.hold = true,
        }
    }

    /// This many bytes of the server's records arrive; `usize::MAX`: all, and those that follow. Tells how many wait.
    pub fn deliver(&mut self, n: usize) -> usize {
        self.secured().allowed = if n == usize::MAX { None } else { Some(n) };
        self.pump();
        self.secured().server.output().len()
    }

    /// The server has heard exactly these messages and alerts since the last time.
    #[track_caller]
    pub fn hears(&mut self, what: &str) {
        self.pump();
        let heard = std::mem::take(&mut self.secured().server.heard);
        assert_eq!(heard.join(" "), what, "what the server heard");
    }

    /// What was seen of TLS since the last time.
    pub fn facts(&mut self) -> Vec<Fact> {
        self.pump();
        std::mem::take(&mut self.secured().facts)
    }

    /// From now on writing fails. What the server has said still arrives.
    pub fn break_writes(&mut self) {
        self.pump();
        self.secured().broken = true;
    }

    /// From now on the stream takes nothing that the client writes.
    pub fn block_writes(&mut self) {
        self.pump();
        self.secured().blocked = true;
    }

    /// Bytes arrive that no TLS server sent, one chunk after the other.
    pub fn send_raw(&mut self, mut bytes: &[u8]) {
        self.pump();
        let chunks = self.chunks;
        while !bytes.is_empty() && !self.over {
            let tls = self.secured();
            let n = chunks.next(&mut tls.rng).min(bytes.len());
            let space = tls.layer.rx_space();
            let n = n.min(space.len());
            assert!(n > 0, "no room for records");
            space[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            let now = self.now;
            self.secured().layer.commit(now, n);
            self.pump();
        }
    }

    /// The stream has ended; whether the client can know yet, the test says.
    pub fn end(&mut self) {
        self.pump();
        self.end_secured();
    }

    /// The application has what follows from the connection's TLS.
    pub(super) fn explain(tls: Option<&Secured>, fault: Fault) -> Fault {
        tls.map_or(fault, |tls| tls.layer.explain(fault))
    }

    /// Moves records once. False if nothing moves, or there is no TLS.
    pub(super) fn carry(&mut self) -> bool {
        let Some(tls) = &mut self.tls else {
            return false;
        };
        let moved = tls.carry(&mut self.client, self.now, self.chunks, &mut self.raw);
        self.deframe();
        moved
    }

    /// The server sends plaintext.
    pub(super) fn send_secured(&mut self, bytes: &[u8]) {
        self.secured().server.write(bytes);
        self.pump();
    }

    /// The byte stream has ended.
    pub(super) fn end_secured(&mut self) {
        let rung: Rung = self.client.rung();
        self.secured().layer.ended(Fault::new(rung, Code::Closed));
    }
}
