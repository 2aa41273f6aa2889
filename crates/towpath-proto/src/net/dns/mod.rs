//! Asking DNS servers for the addresses of a name (RFC 1035), as a stub resolver: recursive servers do the work.
//!
//! [`name`] is a name as the wire has it, [`message`] a question and what an answer says, [`lookup`] one question asked
//! of several servers until it is answered. Messages come in and go out as bytes; sockets belong to the caller.

pub mod lookup;
pub mod message;
pub mod name;

pub use lookup::{Lookup, MAX_SERVERS, Outcome, Plan, Send, Servers, Step};
pub use message::{Answer, QUERY_ROOM};
pub use name::Name;

use core::fmt;

/// The kind of record that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    /// IPv4 addresses (RFC 1035 section 3.4.1).
    A,
    /// IPv6 addresses (RFC 3596 section 2.1).
    Aaaa,
}

/// As zone files write it.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
        })
    }
}

/// What carries a question to its server (RFC 1035 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram each way.
    Udp,
    /// A connection; each message has its length in front, in two bytes.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}
