//! The sockets of embassy-net and the clock of embassy-time, as [`dial`](fn@super::dial) and
//! [`Connection`](super::Connection) want them. Feature `embassy`.
//!
//! TCP sockets are made once, each with its buffers, and are used for one connection after the other. Leave their
//! `timeout` unset while they dial: what it ends looks like a refusal, and the dialer has a patience of its own.
//!
//! Which families and which medium there are is decided by the application's own dependency on embassy-net, by
//! `proto-ipv4`, `proto-ipv6`, `medium-ethernet` and their like; one of each has to be asked for.

use core::net::{IpAddr, SocketAddr};

use embassy_net::{
    IpAddress, IpEndpoint,
    tcp::{self, ConnectError},
    udp::{self, SendError},
};
use embedded_io_async::{ErrorType, Read, Write};
use towpath_proto::{Code, Fault, Instant, Rung};

use super::{TcpSocket, Timer, UdpSocket};

/// A TCP socket. Split the socket inside once it is connected.
pub struct Tcp<'d>(pub tcp::TcpSocket<'d>);

/// The UDP socket for questions.
pub struct Udp<'d>(pub udp::UdpSocket<'d>);

/// The clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

/// An address of one family, for a stack that may lack the family.
///
/// `IpAddress` has the families that embassy-net was built with, and nothing tells a crate that uses it which: so the
/// stack is asked by whether it takes the address. A call by `&` finds this method if it does, else that of [`Lacking`].
struct Family<T>(T);

trait Has {
    fn address(&self) -> Option<IpAddress>;
}

impl<T: Copy> Has for Family<T>
where
    IpAddress: From<T>,
{
    fn address(&self) -> Option<IpAddress> {
        Some(self.0.into())
    }
}

#[allow(dead_code, reason = "a stack may have both families")]
trait Lacking {
    fn address(&self) -> Option<IpAddress>;
}

impl<T> Lacking for &Family<T> {
    fn address(&self) -> Option<IpAddress> {
        None
    }
}

#[expect(
    clippy::needless_borrow,
    reason = "the reference is what leaves the choice between the two methods"
)]
fn endpoint(address: SocketAddr, rung: Rung) -> Result<IpEndpoint, Fault> {
    let ip = match address.ip() {
        IpAddr::V6(ip) => (&Family(ip)).address(),
        IpAddr::V4(ip) => (&Family(ip)).address(),
    };
    let lacking = || Fault::new(rung, Code::FamilyUnavailable);
    Ok(IpEndpoint::new(ip.ok_or_else(lacking)?, address.port()))
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

impl Timer for Clock {
    fn now(&self) -> Instant {
        Instant::from_micros(embassy_time::Instant::now().as_micros())
    }

    async fn sleep_until(&self, at: Instant) {
        // Ticks may be coarse: the one that `at` falls into is not yet over.
        let ticks = embassy_time::Instant::from_micros(at.as_micros()).as_ticks();
        let over = embassy_time::Instant::from_ticks(ticks.saturating_add(1));
        embassy_time::Timer::at(over).await;
    }

    /// With feature `defmt`: a frame of defmt, which `towpath explain --elf` reads.
    #[cfg(feature = "defmt")]
    fn trace(&self, trace: towpath_proto::Trace) {
        defmt::info!("{}", trace);
    }
}
