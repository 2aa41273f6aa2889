//! What a device's program writes for towpath to dial on embassy-net: its two sockets, as towpath wants them.
//!
//! TCP sockets are made once, each with its buffers, and are used for one connection after the other. Leave their
//! `timeout` unset while they dial: what it ends looks like a refusal, and the dialer has a patience of its own.

use core::net::{IpAddr, SocketAddr};

use embassy_net::{
    IpAddress,
    tcp::{self, ConnectError},
    udp::{self, SendError},
};
use towpath::{
    Code, Fault, Rung,
    embedded::{
        TcpSocket, UdpSocket,
        embedded_io_async::{ErrorType, Read, Write},
    },
};

/// A TCP socket. Split the socket inside once it is connected.
pub struct Tcp<'d>(pub tcp::TcpSocket<'d>);

/// The UDP socket for questions.
pub struct Udp<'d>(pub udp::UdpSocket<'d>);

/// With `proto-ipv4` there is `IpAddress::Ipv4` too.
fn endpoint(address: SocketAddr, rung: Rung) -> Result<(IpAddress, u16), Fault> {
    match address.ip() {
        IpAddr::V6(ip) => Ok((IpAddress::Ipv6(ip), address.port())),
        IpAddr::V4(_) => Err(Fault::new(rung, Code::FamilyUnavailable)),
    }
}

impl ErrorType for Tcp<'_> {
    type Error = tcp::Error;
}

impl Read for Tcp<'_> {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, tcp::Error> {
        self.0.read(room).await
    }
}

impl Write for Tcp<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, tcp::Error> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), tcp::Error> {
        self.0.flush().await
    }
}

impl TcpSocket for Tcp<'_> {
    async fn connect(&mut self, address: SocketAddr) -> Result<(), Fault> {
        let to = endpoint(address, Rung::Tcp)?;
        let code = match self.0.connect(to).await {
            Ok(()) => return Ok(()),
            Err(ConnectError::ConnectionReset) => Code::Refused,
            Err(ConnectError::TimedOut) => Code::ConnectTimeout,
            Err(ConnectError::NoRoute) => Code::NetUnreachable,
            Err(ConnectError::InvalidState) => Code::Io,
        };
        Err(Fault::new(Rung::Tcp, code))
    }

    fn abort(&mut self) {
        self.0.abort();
    }
}

impl UdpSocket for Udp<'_> {
    fn bind(&mut self) -> Result<(), Fault> {
        self.0.close();
        let bound = self.0.bind(0);
        bound.map_err(|_| Fault::new(Rung::Dns, Code::BindFailed))
    }

    async fn send_to(&mut self, bytes: &[u8], address: SocketAddr) -> Result<(), Fault> {
        let to = endpoint(address, Rung::Dns)?;
        let sent = self.0.send_to(bytes, to).await;
        sent.map_err(|error| {
            let code = match error {
                SendError::NoRoute => Code::NetUnreachable,
                _ => Code::Io,
            };
            Fault::new(Rung::Dns, code)
        })
    }

    async fn receive_from(&mut self, room: &mut [u8]) -> Result<(usize, SocketAddr), Fault> {
        match self.0.recv_from(room).await {
            Ok((len, from)) => {
                let from = from.endpoint;
                Ok((len, SocketAddr::new(from.addr.into(), from.port)))
            }
            Err(_) => Err(Fault::new(Rung::Dns, Code::AnswerTooLarge)),
        }
    }
}
