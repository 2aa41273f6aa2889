//! From a name to an open connection, below everything else: DNS, NAT64, the order of addresses, and the race of
//! connection attempts.
//!
//! Takes in a host name, answers of DNS servers, source addresses and the ends of connection attempts. Gives out
//! questions to send, addresses to connect to, and at the end one connection or one fault. [`Dialer`] puts the parts
//! together; each of them works alone too. No socket, no clock, no allocation.
//!
//! Clauses: RFC 1035 (DNS), RFC 6052, 7050 and 8781 (NAT64), RFC 6724 (order), RFC 8305 (racing).

mod candidate;
pub mod dialer;
pub mod dns;
mod fact;
pub mod nat64;
pub mod pref64;
pub mod race;
pub mod select;
mod written;

pub use candidate::{Candidate, Families, Family, Origin};
pub use dialer::Dialer;
pub use fact::{Ended, Fact};
pub use nat64::{Prefix, PrefixOrigin};
