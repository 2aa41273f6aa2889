//! The sockets of the device's network stack, as far as [`dial`](fn@super::dial) needs them.

use core::net::SocketAddr;

use embedded_io_async::{Read, Write};
use towpath_proto::Fault;

/// A TCP socket with buffers of its own, used for one connection after the other.
///
/// It is a small trait of towpath's own because a race needs more than the traits at hand give: with those of
/// `embedded-nal-async` embassy-net says "reset" for each cause of a failed attempt, its connections have no halves, and
/// it has no datagrams behind them.
#[expect(
    async_fn_in_trait,
    reason = "no executor of a microcontroller needs Send"
)]
pub trait TcpSocket: Read + Write {
    /// Connects to `address`. Called only on a socket that is closed: a new one, or after [`abort`](Self::abort). The
    /// future may be dropped; `abort` follows then.
    ///
    /// # Errors
    /// Why there is no connection, on [`Rung::Tcp`](towpath_proto::Rung::Tcp): [`fault`](super::fault) makes it of an
    /// error kind. What the stack calls no route is
    /// [`Code::NetUnreachable`](towpath_proto::Code::NetUnreachable).
    async fn connect(&mut self, address: SocketAddr) -> Result<(), Fault>;

    /// Closes at once, whatever state it is in. It can be connected again then.
    fn abort(&mut self);
}

/// A UDP socket.
#[expect(
    async_fn_in_trait,
    reason = "no executor of a microcontroller needs Send"
)]
pub trait UdpSocket {
    /// Takes a new port that nobody can guess (RFC 5452 section 9.2), and forgets datagrams that came to the old one.
    ///
    /// # Errors
    /// Why there is no port.
    fn bind(&mut self) -> Result<(), Fault>;

    /// Sends one datagram. The future may be dropped.
    ///
    /// # Errors
    /// Why it could not be sent; what a host or router answered by ICMP if the stack tells it.
    async fn send_to(&mut self, bytes: &[u8], address: SocketAddr) -> Result<(), Fault>;

    /// Receives one datagram: how long it is, and from whom. The future may be dropped, then no datagram is lost.
    ///
    /// # Errors
    /// Why nothing can be received.
    async fn receive_from(&mut self, room: &mut [u8]) -> Result<(usize, SocketAddr), Fault>;
}
