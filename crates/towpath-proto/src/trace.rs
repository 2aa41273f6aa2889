//! Facts about the climb, for the doctor and for `--trace`.

use crate::{mqtt::packet::Kind, net, rung::Rung, time::Instant, tls, ws::Opcode};

/// One fact, stamped with the time it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// When.
    pub at: Instant,
    /// On which rung.
    pub rung: Rung,
    /// What.
    pub fact: Fact,
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// The rung is being climbed.
    Started,
    /// The rung is reached.
    Reached,
    /// A packet, request or frame of this name and size in bytes was handed to the wire.
    Sent(&'static str, u32),
    /// A packet, answer or frame of this name and size in bytes came in.
    Received(&'static str, u32),
    /// The attempt ended here; the driver has the fault.
    Failed,
    /// What was seen of TLS.
    Tls(tls::Fact),
    /// What was seen below TCP.
    Net(net::Fact),
}

/// What was sent or received, in one byte: an MQTT packet by its number, or one of the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name(u8);

impl Name {
    /// The upgrade request.
    pub(crate) const GET: Self = Self(16);
    /// The answer that switches protocols.
    pub(crate) const SWITCHING: Self = Self(17);

    pub(crate) const fn packet(kind: Kind) -> Self {
        Self(kind as u8)
    }

    pub(crate) const fn frame(opcode: Opcode) -> Self {
        Self(match opcode {
            Opcode::Close => 18,
            Opcode::Ping => 19,
            Opcode::Pong => 20,
            Opcode::Continuation | Opcode::Text | Opcode::Binary => 21,
        })
    }

    const fn text(self) -> &'static str {
        match self.0 {
            16 => "GET",
            17 => "101",
            18 => "close",
            19 => "ping",
            20 => "pong",
            number => match Kind::from_bits(number) {
                Some(kind) => kind.name(),
                None => "frame",
            },
        }
    }
}

/// How many facts are kept between two polls. More of the same name in a row count as one.
const KEPT: usize = if cfg!(feature = "traces") { 8 } else { 0 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Started,
    Reached,
    Failed,
    Sent(Name),
    Received(Name),
}

/// A fact in sixteen bytes.
#[derive(Debug, Clone, Copy)]
struct Kept {
    at: Instant,
    len: u32,
    rung: Rung,
    what: What,
}

impl Kept {
    const NONE: Self = Self {
        at: Instant::ZERO,
        len: 0,
        rung: Rung::Link,
        what: What::Started,
    };

    const fn trace(self) -> Trace {
        let fact = match self.what {
            What::Started => Fact::Started,
            What::Reached => Fact::Reached,
            What::Failed => Fact::Failed,
            What::Sent(name) => Fact::Sent(name.text(), self.len),
            What::Received(name) => Fact::Received(name.text(), self.len),
        };
        Trace {
            at: self.at,
            rung: self.rung,
            fact,
        }
    }
}

/// Facts that were seen and not yet handed out.
#[derive(Debug, Clone)]
pub(crate) struct Traces {
    facts: [Kept; KEPT],
    len: u8,
    on: bool,
}

impl Traces {
    pub(crate) const fn new() -> Self {
        Self {
            facts: [Kept::NONE; KEPT],
            len: 0,
            on: false,
        }
    }

    #[cfg(feature = "traces")]
    pub(crate) const fn switch(&mut self, on: bool) {
        self.on = on;
    }

    #[inline]
    fn push(&mut self, at: Instant, rung: Rung, what: What, len: usize) {
        if cfg!(feature = "traces") && self.on {
            self.keep(Kept {
                at,
                rung,
                what,
                len: u32::try_from(len).unwrap_or(u32::MAX),
            });
        }
    }

    #[cold]
    fn keep(&mut self, fact: Kept) {
        let (kept, free) = self
            .facts
            .split_at_mut_checked(usize::from(self.len))
            .unwrap_or((&mut [], &mut []));
        let named = matches!(fact.what, What::Sent(_) | What::Received(_));
        match (kept.last_mut(), free.first_mut()) {
            (Some(last), _) if named && last.what == fact.what && last.rung == fact.rung => {
                *last = fact;
            }
            (_, Some(free)) => {
                *free = fact;
                self.len += 1;
            }
            // The newest fact is worth most: it says what came last.
            (Some(_), None) => {
                self.facts.rotate_left(1);
                if let Some(last) = self.facts.last_mut() {
                    *last = fact;
                }
            }
            (None, None) => {}
        }
    }

    pub(crate) fn take(&mut self) -> Option<Trace> {
        if cfg!(not(feature = "traces")) {
            return None;
        }
        self.len = self.len.checked_sub(1)?;
        let first = self.facts.first()?.trace();
        self.facts.rotate_left(1);
        Some(first)
    }

    pub(crate) fn started(&mut self, at: Instant, rung: Rung) {
        self.push(at, rung, What::Started, 0);
    }

    pub(crate) fn reached(&mut self, at: Instant, rung: Rung) {
        self.push(at, rung, What::Reached, 0);
    }

    pub(crate) fn failed(&mut self, at: Instant, rung: Rung) {
        self.push(at, rung, What::Failed, 0);
    }

    #[inline]
    pub(crate) fn sent(&mut self, at: Instant, rung: Rung, name: Name, len: usize) {
        self.push(at, rung, What::Sent(name), len);
    }

    #[inline]
    pub(crate) fn received(&mut self, at: Instant, rung: Rung, name: Name, len: usize) {
        self.push(at, rung, What::Received(name), len);
    }
}
