//! The board's Ethernet as a device of smoltcp.

use core::task::{Context, Waker};

use embassy_net_driver::{Driver, RxToken as _, TxToken as _};
use mps2_an505::ethernet::{Ethernet, RxToken, TxToken};
use smoltcp::{
    phy::{self, DeviceCapabilities, Medium},
    time::Instant,
};

/// The device. Nobody is woken by it: whoever waits asks again after each interrupt.
pub(crate) struct Device(pub(crate) Ethernet);

pub(crate) struct Received<'a>(RxToken<'a>);
pub(crate) struct Room<'a>(TxToken<'a>);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        self.0.consume(|frame| take(frame))
    }
}

impl phy::TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        self.0.consume(len, fill)
    }
}

impl phy::Device for Device {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Room<'_>)> {
        let mut nobody = Context::from_waker(Waker::noop());
        let (received, room) = self.0.receive(&mut nobody)?;
        Some((Received(received), Room(room)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        let mut nobody = Context::from_waker(Waker::noop());
        self.0.transmit(&mut nobody).map(Room)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.0.capabilities().max_transmission_unit;
        capabilities.max_burst_size = Some(1);
        capabilities
    }
}
