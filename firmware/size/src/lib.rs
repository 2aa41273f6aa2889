//! What all programs of this package have: sockets that do nothing, a clock that stands still, and a loop that polls.
//! What the sockets answer nobody can know when a program is linked, so nothing behind them is optimized away.
#![no_std]

mod dialogue;

use core::{
    future::{Future, pending},
    hint::black_box,
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};

use cortex_m as _;
pub use dialogue::talk;
use towpath::{
    Fault, QoS, Version,
    embedded::{
        TcpSocket, Timer, UdpSocket,
        embedded_io_async::{ErrorKind, ErrorType, Read, Write},
    },
    proto::Instant,
};

/// Where a panic ends. scripts/panics looks for what leads here.
#[panic_handler]
#[inline(never)]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::nop();
    }
}

/// A clock.
pub struct Ticks;

impl Timer for Ticks {
    fn now(&self) -> Instant {
        black_box(Instant::ZERO)
    }

    async fn sleep_until(&self, _: Instant) {
        pending().await
    }
}

/// Both sockets.
pub struct Socket;

impl ErrorType for Socket {
    type Error = ErrorKind;
}

impl Read for Socket {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, ErrorKind> {
        black_box(Ok(room.len()))
    }
}

impl Write for Socket {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        black_box(Ok(bytes.len()))
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl TcpSocket for Socket {
    async fn connect(&mut self, _: SocketAddr) -> Result<(), Fault> {
        black_box(Ok(()))
    }

    fn abort(&mut self) {}
}

impl UdpSocket for Socket {
    fn bind(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    async fn send_to(&mut self, _: &[u8], _: SocketAddr) -> Result<(), Fault> {
        black_box(Ok(()))
    }

    async fn receive_from(&mut self, room: &mut [u8]) -> Result<(usize, SocketAddr), Fault> {
        black_box(Ok((room.len(), ([192, 0, 2, 53], 53).into())))
    }
}

/// Polls `program` to its end, and again.
pub fn run<F: Future>(program: impl Fn() -> F) -> ! {
    loop {
        let mut program = pin!(program());
        let mut task = Context::from_waker(Waker::noop());
        while program.as_mut().poll(&mut task).is_pending() {}
        let _ = black_box(Poll::<()>::Pending);
    }
}

/// Random numbers, as far as the linker knows.
pub fn random() -> u32 {
    black_box(4)
}

/// What nearly every firmware holds anyhow: moving, copying and filling memory, division of 64 bits, UTF-8. `bare` has it
/// too, so that it is not counted for the layer that happens to need it first.
pub fn ground(memory: &mut [u8]) -> u64 {
    let (from, to) = (black_box(1), black_box(2));
    if to <= memory.len() {
        memory.copy_within(from..to, 0);
    }
    let (first, rest) = memory.split_at_mut_checked(to).unwrap_or_default();
    for (to, from) in first.iter_mut().zip(rest.iter()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (first.get_mut(..from), rest.get(..from)) {
        to.copy_from_slice(from);
    }
    first.fill(black_box(0));
    black_box(core::str::from_utf8(memory).is_ok());
    black_box(9_u64) / black_box(7_u64)
}

/// Any version: both have to be there.
pub fn version() -> Version {
    black_box(Version::V5)
}

/// Any QoS.
pub fn qos() -> QoS {
    black_box(QoS::AtLeastOnce)
}
