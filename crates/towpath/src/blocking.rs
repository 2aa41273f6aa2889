//! The face for programs without an async runtime. Under it a tokio runtime of its own runs in the calling thread.

use std::{
    net::SocketAddr,
    ops::Deref,
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

use crate::{Error, Event, Limits, Options, Outgoing, PacketId, QoS, Subscription};

/// A connection that blocks the calling thread. What is published leaves with [`next`](Self::next),
/// [`flush`](Self::flush), or when much has come together.
#[derive(Debug)]
pub struct Connection {
    runtime: Background,
    inner: crate::tokio::Connection,
    nap: Nap,
}

impl Connection {
    /// Climbs once and answers when the server has accepted the connection.
    ///
    /// # Errors
    /// [`Error::Path`] with the rung that broke.
    pub fn connect(options: Options) -> Result<Self, Error> {
        let runtime = runtime()?;
        let inner = runtime.block_on(crate::tokio::Connection::connect(options))?;
        Ok(Self {
            runtime,
            inner,
            nap: Nap::default(),
        })
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
        Ok(Self {
            runtime,
            inner,
            nap: Nap::default(),
        })
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
        match self.inner.try_send(message) {
            Some(answer) => answer,
            None => self.send_later(message),
        }
    }

    /// Publishes after making room. While the window is full the thread naps, so that acknowledgements come in bunches:
    /// waking for each costs more than all the rest of a publish.
    #[cold]
    fn send_later(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Error> {
        if self.inner.is_window_full(message.qos) {
            self.runtime.block_on(self.inner.flush())?;
            std::thread::sleep(self.nap.length());
            let woken = Instant::now();
            let answer = self.runtime.block_on(self.inner.send(message));
            self.nap.adapt(woken.elapsed());
            return answer;
        }
        self.runtime.block_on(self.inner.send(message))
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

/// A runtime that is not waited for at its end: the operating system's resolver may be at work in a thread of it, and
/// can't be interrupted.
#[derive(Debug)]
struct Background(Option<Runtime>);

impl Deref for Background {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken by drop alone")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> Result<Background, Error> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map(|runtime| Background(Some(runtime)))
        .map_err(|error| Error::Path(crate::host::fault(crate::Rung::Link, &error)))
}

/// How long to sleep while a full window empties: long enough that half of it is free afterwards, never longer than
/// [`Nap::LONGEST`].
#[derive(Debug)]
struct Nap(Duration);

impl Nap {
    const SHORTEST: Duration = Duration::from_micros(10);
    const LONGEST: Duration = Duration::from_millis(1);
    /// Waiting less than this after the nap means that it was long enough.
    const ENOUGH: Duration = Duration::from_micros(50);

    const fn length(&self) -> Duration {
        self.0
    }

    /// Takes in how long the window still had to be waited for after the nap.
    fn adapt(&mut self, waited: Duration) {
        let next = if waited > Self::ENOUGH {
            self.0 * 5 / 4
        } else {
            self.0 * 7 / 8
        };
        self.0 = next.clamp(Self::SHORTEST, Self::LONGEST);
    }
}

impl Default for Nap {
    fn default() -> Self {
        Self(Self::SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nap_grows_to_what_the_server_needs_and_stays_bounded() {
        let mut nap = Nap::default();
        let needed = Duration::from_micros(400);
        for _ in 0..100 {
            nap.adapt(needed.saturating_sub(nap.length()));
        }
        assert!(
            nap.length() > needed / 2 && nap.length() < needed * 2,
            "{nap:?}"
        );
        for _ in 0..100 {
            nap.adapt(Duration::from_secs(1));
        }
        assert_eq!(nap.length(), Nap::LONGEST);
    }
}
