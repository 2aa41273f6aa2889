//! The Upgrade and Ws rungs: RFC 6455, both roles, without extensions.
//!
//! [`handshake`] takes an HTTP/1.1 answer (or request) in pieces and says whether WebSocket frames follow.
//! [`frame`] writes frames with the mask fused into the copy, and takes frames apart in the caller's buffer.
//! [`close`] reads and writes the body of a Close frame, [`utf8`] checks text messages as they come in.

pub mod close;
pub mod frame;
pub mod handshake;
pub mod utf8;

pub(crate) use close::closed_by;
pub use close::{Close, close_code, parse_close, write_close};
pub use frame::{Deframer, HEADER_MAX, Opcode, Step, header_len};
pub use handshake::{Answer, Progress, Request, RequestError};
pub use utf8::Utf8;

/// The clause of a fault whose code says it already: left out where texts are.
const fn told(clause: &'static str) -> &'static str {
    if cfg!(feature = "texts") { clause } else { "" }
}

/// Which end of the connection this side is. A client masks what it sends, a server does not (RFC 6455 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// This side opened the connection.
    Client,
    /// This side accepted it.
    Server,
}
