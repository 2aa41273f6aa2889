//! The four ways to a broker: {TCP, WebSocket} x {3.1.1, 5}.

use std::time::Duration;

use towpath::{Options, Reconnect, Version};

use crate::Broker;

/// What carries MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `mqtt://`
    Tcp,
    /// `ws://`
    Ws,
}

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// What carries MQTT.
    pub via: Via,
    /// The version spoken.
    pub version: Version,
}

impl Way {
    /// A way.
    #[must_use]
    pub const fn new(via: Via, version: Version) -> Self {
        Self { via, version }
    }

    /// Whether MQTT 5 is spoken.
    #[must_use]
    pub fn is_v5(self) -> bool {
        self.version == Version::V5
    }

    /// Options for `broker` with short pauses between attempts.
    ///
    /// # Panics
    /// Never: the broker's URLs are good.
    #[must_use]
    pub fn options(self, broker: &Broker) -> Options {
        self.options_to(broker.port(self.via))
    }

    /// Options for whatever listens on a loopback port.
    ///
    /// # Panics
    /// Never: the URL is good.
    #[must_use]
    pub fn options_to(self, port: u16) -> Options {
        let url = match self.via {
            Via::Tcp => format!("mqtt://127.0.0.1:{port}"),
            Via::Ws => format!("ws://127.0.0.1:{port}/mqtt"),
        };
        Options::new(&url)
            .expect("a good URL")
            .report_settled(true)
            .version(self.version)
            .reconnect(short())
            .report_settled(true)
    }

    /// Options for a session that outlives its connections and, with MQTT 5, an hour without one.
    #[must_use]
    pub fn keeping(self, options: Options, client_id: &str) -> Options {
        let options = options.client_id(client_id).clean_start(false);
        if self.is_v5() {
            options.session_expiry(3600)
        } else {
            options
        }
    }
}

/// Tries again soon, as long as the test waits.
#[must_use]
pub const fn short() -> Reconnect {
    Reconnect::Backoff {
        first: Duration::from_millis(10),
        longest: Duration::from_millis(100),
        stable: Duration::from_secs(30),
    }
}
