//! A device of Azure IoT Hub on a microcontroller: provisioning, hub, twin, methods, messages, telemetry from an outbox,
//! firmware updates. Neither `std` nor an allocator.
//!
//! Takes in a way to connected byte streams ([`Access`]), a [`Clock`], memory and what the application wants
//! ([`Commands`]); gives out [`Event`]s. What to do when is said by [`towpath_azure::Device`], as for the device of the
//! host face; here are the waiting and the bytes.
//!
//! - `drive.rs`: between attempts, and the attempt itself; `serve.rs`: one connection
//! - `commands.rs`: what the application asks for, from its own tasks
//! - `outbox.rs`: where telemetry waits, in flash or in memory
//! - `update.rs`, `images.rs`: firmware updates, and the server that the images come from
//!
//! [`Hub::run`] is driven beside the application's own futures in one task, by a `join` or a `select`. It may be dropped
//! at any await point and run again: the session, what is under way in it and the times of the next attempts are kept.
//! That costs the connection that was there.
//!
//! ```no_run
//! use core::time::Duration;
//! use towpath::{
//!     azure::{self, Entry, Key, Proof, Settings},
//!     embedded::hub::{Access, Clock, Commands, Event, Hub, Ram},
//!     proto::{Buffers, Random},
//! };
//!
//! async fn lamp(access: &mut impl Access, clock: &impl Clock, random: impl Random + Clone, key: &Key) {
//!     let entry = Entry::Dps {
//!         host: azure::dps::GLOBAL_ENDPOINT,
//!         scope: "0ne00000000",
//!         registration_id: "lamp-17",
//!         payload: "",
//!     };
//!     let (mut rx, mut tx, mut store) = ([0; 4096], [0; 2048], [0; 2048]);
//!     let buffers = Buffers {
//!         rx: &mut rx[..], tx: &mut tx[..], store: &mut store[..], aliases: &mut [][..],
//!     };
//!     let mut hub = Hub::<_>::new(Settings::new(entry, Proof::Key(key)), None, buffers, random);
//!     let mut memory = [0; 2048];
//!     let commands = Commands::<_>::new(Ram::new(&mut memory));
//!     let measure = async {
//!         loop {
//!             clock.sleep_until(clock.now().after(Duration::from_secs(60))).await;
//!             let _ = commands.send(clock.unix(), None, "", b"{\"lux\":12}").await;
//!         }
//!     };
//!     let told = |event: Event<'_>| {
//!         if let Event::Device(azure::Event::Method { request_id, .. }) = event {
//!             let _ = commands.respond(&request_id, 200, b"{}");
//!         }
//!     };
//!     let run = hub.run(access, clock, &commands, told);
//!     embassy_futures::select::select(run, measure).await;
//! }
//! ```

mod commands;
mod drive;
mod event;
mod images;
mod outbox;
mod plain;
mod serve;
mod update;

use embedded_io_async::{Read, Write};
use towpath_proto::{
    Fault,
    tls::{Layer, Tls},
};

pub use self::{
    commands::{Commands, Full, ReportError},
    drive::Hub,
    event::Event,
    outbox::{Outbox, Ram, RamError},
    update::{Memory, Notice, Store, Updater},
};
use super::Timer;

/// The clocks of a device.
pub trait Clock: Timer {
    /// Seconds since 1970-01-01 00:00 UTC; `None` while the device does not know. A time before 2024 counts as not known.
    fn unix(&self) -> Option<u64>;
}

impl<C: Clock> Clock for &C {
    fn unix(&self) -> Option<u64> {
        C::unix(self)
    }
}

/// The way to byte streams: the network stack, names, TLS.
#[expect(
    async_fn_in_trait,
    reason = "no executor of a microcontroller needs Send"
)]
pub trait Access {
    /// What is read from.
    type Reader<'s>: Read
    where
        Self: 's;
    /// What is written to.
    type Writer<'s>: Write
    where
        Self: 's;
    /// The TLS connection on it.
    type Tls<'s>: Tls
    where
        Self: 's;

    /// Connects, usually with [`dial`](fn@crate::embedded::dial), and makes the rung of TLS ready. The future may be
    /// dropped.
    ///
    /// # Errors
    /// The rung that broke, and why.
    async fn open(
        &mut self,
        to: &To<'_>,
    ) -> Result<Opened<Self::Reader<'_>, Self::Writer<'_>, Self::Tls<'_>>, Fault>;

    /// The stream that was opened is not used any more. Close it, if the next [`open`](Self::open) does not.
    async fn close(&mut self) {}
}

/// Where a connection is to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct To<'t> {
    /// The host to dial, to ask for by SNI, and to verify.
    pub host: &'t str,
    /// The TCP port.
    pub port: u16,
    /// Whether the device's certificate is shown to who asks for one.
    pub shows_certificate: bool,
}

/// A connected stream in halves, and the TLS on it, which has not begun.
#[derive(Debug)]
pub struct Opened<I, O, T> {
    /// What is read from.
    pub reader: I,
    /// What is written to.
    pub writer: O,
    /// What secures it.
    pub tls: Layer<T>,
}
