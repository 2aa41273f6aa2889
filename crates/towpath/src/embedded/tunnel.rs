//! From an open connection to a proxy to one that leads to the server.

use core::time::Duration;

use embassy_futures::select::{Either, select};
use embedded_io_async::{Read, Write};
use towpath_proto::{
    Fault, Random,
    proxy::{Output, Tunnel},
};

use super::{Timer, stream::sleep};

/// How a dialogue with a proxy went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnelled {
    /// The stream leads to the server: open a [`Connection`](super::Connection) on it.
    Open,
    /// The proxy has asked for credentials and closes. Open another connection to it, and call [`tunnel`] again with the
    /// same [`Tunnel`].
    Again,
}

/// Asks the proxy at the other end of the stream for a connection to the server. `buffer` holds what is sent, one message
/// at a time: [`ROOM`](towpath_proto::proxy::ROOM) bytes are always enough, 600 without credentials. It may be one of
/// the client's. No byte of the server is read.
///
/// If the future is dropped, close the stream and begin with a new [`Tunnel`].
///
/// # Errors
/// A fault of [`Rung::Proxy`](towpath_proto::Rung::Proxy).
pub async fn tunnel<I: Read, O: Write>(
    tunnel: &mut Tunnel<'_>,
    (reader, writer): (&mut I, &mut O),
    timer: &impl Timer,
    patience: Duration,
    random: &mut impl Random,
    buffer: &mut [u8],
) -> Result<Tunnelled, Fault> {
    let until = Some(timer.now().after(patience));
    loop {
        let moved = match tunnel.poll_output(random, buffer) {
            Output::Transmit(len) => {
                let request = buffer.get(..len).unwrap_or_default();
                select(send(writer, request), sleep(timer, until)).await
            }
            Output::Read { most } => {
                // What was sent is of no use any more.
                let len = most.min(buffer.len());
                let room = buffer.get_mut(..len).unwrap_or_default();
                select(receive(tunnel, reader, room), sleep(timer, until)).await
            }
            Output::Reconnect => return Ok(Tunnelled::Again),
            Output::Done => return Ok(Tunnelled::Open),
            Output::Failed(fault) => return Err(fault),
        };
        match moved {
            Either::First(true) => {}
            Either::First(false) => tunnel.ended(),
            Either::Second(()) => return Err(tunnel.late(patience)),
        }
    }
}

/// Sends all of it. False: the stream has ended.
async fn send<O: Write>(writer: &mut O, bytes: &[u8]) -> bool {
    writer.write_all(bytes).await.is_ok() && writer.flush().await.is_ok()
}

/// Reads once. False: the stream has ended.
async fn receive<I: Read>(tunnel: &mut Tunnel<'_>, reader: &mut I, room: &mut [u8]) -> bool {
    match reader.read(room).await {
        Ok(n) if n > 0 => {
            tunnel.absorb(room.get(..n).unwrap_or_default());
            true
        }
        _ => false,
    }
}
