//! What is seen between a name and an open connection.

use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    Candidate, Prefix, PrefixOrigin,
    dns::{Record, Transport},
    select::Rule,
};
use crate::fault::Code;

/// How an attempt at one address ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is the connection.
    Won,
    /// Another was faster; it was closed.
    Lost,
    /// It failed for this cause.
    Failed(Code),
}

/// One fact below TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// A question left.
    Asked {
        /// For which kind of record.
        record: Record,
        /// To which server.
        server: SocketAddr,
        /// Over UDP or TCP.
        over: Transport,
    },
    /// The answer has this many addresses, good for so long; 0 addresses: the name exists without them.
    Answered {
        /// For which kind of record.
        record: Record,
        /// How many addresses.
        addresses: u8,
        /// The time to live.
        ttl: Duration,
    },
    /// Asking ended without an answer, or the name does not exist.
    Unanswered {
        /// For which kind of record.
        record: Record,
        /// Why.
        code: Code,
    },
    /// Addresses that an earlier answer gave are used: their time to live is not over.
    Remembered {
        /// How many addresses.
        addresses: u8,
        /// The rest of the time to live.
        ttl: Duration,
    },
    /// A NAT64 prefix became known.
    Prefix(Prefix, PrefixOrigin),
    /// A NAT64 prefix of this origin can't become known: this program is not permitted to look for it.
    Unpermitted(PrefixOrigin),
    /// The place of a candidate in the order of attempts, 0 is first, and the rule that put it behind the one before.
    Ordered(u8, Candidate, Rule),
    /// An address is not tried, for this cause.
    Dropped(IpAddr, Code),
    /// A connection to this address is attempted.
    Trying(Candidate),
    /// The attempt at this address ended, so long after it began.
    Ended(IpAddr, Ended, Duration),
}
