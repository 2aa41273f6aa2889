//! The dialogue with a proxy: an open stream to it comes in, one to the server goes out.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use towpath_proto::{
    Fault, Rung,
    proxy::{Output, ROOM, Tunnel},
};

use crate::{
    Endpoint, Proxy,
    host::{self, Entropy},
};

/// How many bytes of an answer are looked at in one go.
const LOOK: usize = 512;

/// Asks `proxy`, at the other end of `stream`, for a connection to the server. No byte of the server is read. `connect`
/// opens another connection to the same address, which a proxy that wants credentials may make necessary.
///
/// # Errors
/// A fault of [`Rung::Proxy`].
pub(super) async fn tunnel<C>(
    stream: TcpStream,
    proxy: &Proxy,
    endpoint: &Endpoint,
    patience: Duration,
    connect: impl Fn(SocketAddr) -> C,
) -> Result<TcpStream, Fault>
where
    C: Future<Output = io::Result<TcpStream>>,
{
    let mut tunnel = proxy.tunnel(endpoint)?;
    let until = Instant::now() + patience;
    let broken = |error: &io::Error| host::fault(Rung::Proxy, error);
    let address = stream.peer_addr().map_err(|error| broken(&error))?;
    let mut stream = stream;
    let mut room = vec![0; ROOM];
    loop {
        let step = match tunnel.poll_output(&mut Entropy, &mut room) {
            Output::Transmit(len) => {
                let request = room.get(..len).unwrap_or_default();
                timeout_at(until, write(&stream, request)).await
            }
            Output::Read { .. } => timeout_at(until, read(&stream, &mut tunnel)).await,
            Output::Reconnect => match timeout_at(until, connect(address)).await {
                Ok(Ok(another)) => {
                    stream = another;
                    continue;
                }
                Ok(Err(error)) => return Err(broken(&error)),
                Err(late) => Err(late),
            },
            Output::Done => return Ok(stream),
            Output::Failed(fault) => return Err(fault),
        };
        match step {
            Ok(Ok(())) => {}
            // Either is the proxy's end; what it said before is known to the tunnel.
            Ok(Err(_)) => tunnel.ended(),
            Err(_) => return Err(tunnel.late(patience)),
        }
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes what the proxy sent, and leaves what is behind it in the socket.
async fn read(stream: &TcpStream, tunnel: &mut Tunnel<'_>) -> io::Result<()> {
    let mut bytes = [0; LOOK];
    let seen = stream.peek(&mut bytes).await?;
    if seen == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut left = tunnel.absorb(bytes.get(..seen).unwrap_or_default());
    while let Some(taken) = bytes.get_mut(..left).filter(|taken| !taken.is_empty()) {
        stream.readable().await?;
        match stream.try_read(taken) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => left = left.saturating_sub(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
