//! The face for programs without an async runtime. Under it a tokio runtime of its own runs in the calling thread.

use std::{net::SocketAddr, time::Duration};

use tokio::runtime::{Builder, Runtime};

use crate::{Error, Event, Limits, Options, Outgoing, PacketId, QoS, Subscription};

/// A connection that blocks the calling thread. What is published leaves with [`next`](Self::next),
/// [`flush`](Self::flush), or when much has come together.
#[derive(Debug)]
pub struct Connection {
    runtime: Runtime,
    inner: crate::tokio::Connection,
}

impl Connection {
    /// Climbs once and answers when the server has accepted the connection.
    ///
    /// # Errors
    /// [`Error::Path`] with the rung that broke.
    pub fn connect(options: Options) -> Result<Self, Error> {
        let runtime = runtime()?;
        let inner = runtime.block_on(crate::tokio::Connection::connect(options))?;
        Ok(Self { runtime, inner })
    }

    /// A connection that is not tried yet; [`next`](Self::next) climbs.
    ///
    /// # Errors
    /// [`Error::Path`] if the operating system gives no event queue.
    pub fn new(options: Options) -> Result<Self, Error> {
        let runtime = runtime()?;
        let guard = runtime.enter();
        let inner = crate::tokio::Connection::new(options);
        drop(guard);
        Ok(Self { runtime, inner })
    }

    /// The next event, `None` if none came within `patience`.
    pub fn next(&mut self, patience: Option<Duration>) -> Option<Event> {
        let inner = &mut self.inner;
        self.runtime.block_on(async {
            match patience {
                None => Some(inner.next().await),
                Some(patience) => ::tokio::time::timeout(patience, inner.next()).await.ok(),
            }
        })
    }

    /// Publishes; see [`tokio::Connection::publish`](crate::tokio::Connection::publish).
    ///
    /// # Errors
    /// As there.
    pub fn publish(
        &mut self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: QoS,
    ) -> Result<Option<PacketId>, Error> {
        self.runtime
            .block_on(self.inner.publish(topic, payload, qos))
    }

    /// Publishes a message with all its options.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn send(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Error> {
        match self.inner.send_now(message) {
            Some(answer) => answer,
            None => self.runtime.block_on(self.inner.send(message)),
        }
    }

    /// Subscribes to one filter; [`Event::Subscribed`] reports.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can't be taken.
    pub fn subscribe(&mut self, filter: &str, qos: QoS) -> Result<PacketId, Error> {
        self.inner.subscribe(filter, qos)
    }

    /// Subscribes to several filters with their options.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can't be taken.
    pub fn subscribe_all(
        &mut self,
        list: &[Subscription<'_>],
        identifier: Option<u32>,
    ) -> Result<PacketId, Error> {
        self.inner.subscribe_all(list, identifier)
    }

    /// Ends the subscription to one filter; [`Event::Unsubscribed`] reports.
    ///
    /// # Errors
    /// [`Error::Refused`] if it can't be taken.
    pub fn unsubscribe(&mut self, filter: &str) -> Result<PacketId, Error> {
        self.inner.unsubscribe(filter)
    }

    /// Blocks until everything published has left this side.
    ///
    /// # Errors
    /// [`Error::Path`] or [`Error::Closed`] once nothing follows.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.runtime.block_on(self.inner.flush())
    }

    /// Blocks until the server has acknowledged everything.
    ///
    /// # Errors
    /// [`Error::Path`] or [`Error::Closed`] once nothing follows.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.runtime.block_on(self.inner.settle())
    }

    /// Says farewell and blocks until it has left.
    ///
    /// # Errors
    /// [`Error::Path`] if the path breaks before.
    pub fn disconnect(&mut self) -> Result<(), Error> {
        self.runtime.block_on(self.inner.disconnect())
    }

    /// What the server granted.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.inner.limits()
    }

    /// Whether the server has accepted the connection and it holds.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.inner.is_connected()
    }

    /// The server's address, while there is a TCP connection.
    #[must_use]
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.inner.peer_address()
    }
}

fn runtime() -> Result<Runtime, Error> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Path(crate::host::fault(crate::Rung::Link, &error)))
}
