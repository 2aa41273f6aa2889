//! A device of Azure IoT Hub: from credentials to telemetry in the hub, and it stays there.
//!
//! [`Device::spawn`] takes what is decided beforehand ([`Options`]) and gives a handle that can be cloned, and
//! [`Events`]. A task behind them provisions the device, finds the port that is open, renews tokens, comes back after
//! whatever breaks, and sends what the [`outbox`] holds. The algorithm is [`towpath_azure::Device`];
//! here are the sockets, the clocks and the files.
//!
//! - `options.rs`: what is decided
//! - `drive.rs`, `drive/asked.rs`: the task, and what it is asked for
//! - `line.rs`: the connection as the algorithm sees it
//! - `event.rs`, `queue.rs`: what is told, and how it waits
//! - `kept.rs`: what a restart finds again
//! - `fetch.rs`, `slot.rs`: where firmware comes from, and the files it lies in
//! - `updater.rs`: firmware updates beside a running device
//! - `provision.rs`: one registration with the provisioning service, such as for a new certificate
//! - `certificate.rs`: the request for a new certificate, and its installation

#[cfg(feature = "openssl")]
pub mod certificate;
mod drive;
mod event;
mod fetch;
mod kept;
mod line;
mod options;
mod provision;
mod queue;
mod slot;
mod updater;

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use towpath_azure::bag::Bag;

pub use self::{
    event::{Call, Devicebound, Event, ReportError, Stop},
    fetch::Images,
    kept::Kept,
    options::{Credential, Entry, Module, Options},
    provision::{Registered, provision},
    slot::{FileSlot, keep_record, read_record},
    updater::{Jobs, Notice, RootKey, Updater, Updates, Version},
};
use crate::{
    Error,
    outbox::{self, Outbox},
};

pub use towpath_azure::{
    self as azure, Fleet, Key, KeyError, Ports, Transport, Transports, Wants, bag, dps, pnp, update,
};

/// The hub's limit for a message, its properties in it: 256 KB.
const MOST_MESSAGE: usize = 262_144;

/// Commands that wait for the task.
const MOST_COMMANDS: usize = 64;

/// What the application asks of the task.
enum Command {
    Report(Vec<u8>, oneshot::Sender<Result<u64, ReportError>>),
    RequestTwin,
    Respond(towpath_azure::hub::RequestId, u32, Vec<u8>),
    Reconnect(Box<Options>),
}

/// Telemetry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Telemetry<'a> {
    /// Its properties.
    pub bag: Bag<'a>,
    /// Its body.
    pub body: &'a [u8],
    /// When it is worth nothing any more, seconds since 1970; `None`: only the outbox's bounds count.
    pub expires: Option<u64>,
}

impl<'a> Telemetry<'a> {
    /// Telemetry of JSON in UTF-8, so that the hub can route by what is in it.
    #[must_use]
    pub fn json(body: &'a [u8]) -> Self {
        Self {
            bag: Bag {
                content_type: Some("application/json"),
                content_encoding: Some("utf-8"),
                ..Bag::NONE
            },
            body,
            expires: None,
        }
    }
}

/// A handle to a device. Clones share it. The device says farewell when [`stop`](Self::stop) is called or the last
/// handle is dropped; what the outbox still holds is sent by the next run.
#[derive(Debug, Clone)]
pub struct Device {
    commands: mpsc::Sender<Command>,
    outbox: Outbox,
    /// The outbox became empty, or the device stopped.
    emptied: Arc<Notify>,
    stopping: Arc<Notify>,
    /// How long the properties of a message may be, encoded.
    most_properties: usize,
}

/// The events of a device, in order. An application need not read them; the device goes on. What waits is bounded: the
/// oldest are left out, and counted in [`Event::Missed`].
#[derive(Debug)]
pub struct Events(queue::Listener);

impl Events {
    /// The next event; `None` after [`Event::Stopped`]. May be dropped at any point.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.next().await
    }
}

impl Device {
    /// Spawns the task on the current tokio runtime.
    ///
    /// # Errors
    /// What can't be used in the options, before anything is sent.
    pub fn spawn(options: Options, outbox: Outbox) -> Result<(Self, Events), Error> {
        options.check()?;
        let (commands, asked) = mpsc::channel(MOST_COMMANDS);
        let (told, events) = queue::queue();
        let emptied = Arc::new(Notify::new());
        let stopping = Arc::new(Notify::new());
        let most_properties = options.most_properties();
        tokio::spawn(drive::drive(
            options,
            outbox.clone(),
            asked,
            told,
            Arc::clone(&emptied),
            Arc::clone(&stopping),
        ));
        let device = Self {
            commands,
            outbox,
            emptied,
            stopping,
            most_properties,
        };
        Ok((device, Events(events)))
    }

    /// Hands telemetry to the outbox and answers its sequence number once it is there to stay: on the disk, if the
    /// outbox has one. The hub gets it as soon as the path allows, at least once, in order.
    ///
    /// # Errors
    /// Why the outbox does not take it; [`outbox::Error::NotForHub`] if the hub would not: it takes 262,144 bytes,
    /// properties and body, and somewhat less than 2 KB of encoded properties.
    pub async fn send(&self, telemetry: &Telemetry<'_>) -> Result<u64, outbox::Error> {
        let properties = telemetry.bag.to_string();
        let whole = properties.len().saturating_add(telemetry.body.len());
        for (bytes, bound) in [
            (properties.len(), self.most_properties),
            (whole, MOST_MESSAGE),
        ] {
            if bytes > bound {
                let (bytes, bound) = (bytes as u64, bound as u64);
                return Err(outbox::Error::NotForHub { bytes, bound });
            }
        }
        self.outbox
            .push(
                drive::unix(),
                telemetry.expires,
                &properties,
                telemetry.body,
            )
            .await
    }

    /// The outbox that telemetry goes through.
    #[must_use]
    pub const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Changes reported properties: a JSON object, in which `null` deletes. Waits for the hub's answer, also over a
    /// broken connection, and gives the new version.
    ///
    /// # Errors
    /// What the hub says against it, or that the device has stopped.
    pub async fn report(&self, patch: impl Into<Vec<u8>>) -> Result<u64, ReportError> {
        let (sender, answer) = oneshot::channel();
        self.commands
            .send(Command::Report(patch.into(), sender))
            .await
            .map_err(|_| ReportError::Stopped)?;
        answer.await.unwrap_or(Err(ReportError::Stopped))
    }

    /// Asks for the whole twin; [`Event::Twin`] brings it.
    pub async fn request_twin(&self) {
        // A device that has stopped says so by its events.
        let _ = self.commands.send(Command::RequestTwin).await;
    }

    /// Answers a method with a status and JSON, which may be empty. An answer to a call whose connection has ended is
    /// dropped: the hub has told the caller. One that finds no room waits; of more than 64 the oldest is dropped.
    pub async fn respond(&self, call: &Call, status: u32, payload: impl Into<Vec<u8>>) {
        let answer = Command::Respond(call.request.clone(), status, payload.into());
        let _ = self.commands.send(answer).await;
    }

    /// Leaves the connection and comes back with the network and the TLS settings of these options, such as a new
    /// certificate, after messages under way are acknowledged. The rest of the options does not count.
    pub async fn reconnect(&self, options: &Options) {
        let options = Box::new(options.clone());
        let _ = self.commands.send(Command::Reconnect(options)).await;
    }

    /// Waits until the hub has acknowledged everything that is in the outbox. False: the device stopped before.
    pub async fn delivered(&self) -> bool {
        loop {
            let emptied = self.emptied.notified();
            if self.outbox.is_empty() {
                return true;
            }
            if self.commands.is_closed() {
                return false;
            }
            tokio::select! {
                () = emptied => {}
                () = self.commands.closed() => {}
            }
        }
    }

    /// Says farewell after messages under way are acknowledged. [`Event::Stopped`] follows.
    pub async fn stop(&self) {
        self.stopping.notify_one();
    }
}
