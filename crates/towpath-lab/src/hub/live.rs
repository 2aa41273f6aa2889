//! The connection that a device has at the moment, as the hub sees it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{clock::Time, connection::Connection, log::Code};

/// How many messages may wait for a connection that is slow to take them.
pub(crate) const WAITING: usize = 256;

/// Something for a connection to do.
#[derive(Debug)]
pub(crate) enum Down {
    /// A message for the client.
    Publish {
        topic: String,
        payload: Bytes,
        /// 0 or 1.
        qos: u8,
        /// The number of the cloud-to-device message that is complete with its PUBACK, or with QoS 0 when it is written.
        settles: Option<u64>,
        /// An earlier connection was sent it and did not acknowledge it.
        redelivered: bool,
    },
    /// The hub ends the connection.
    Close { code: Code, why: String },
}

/// The hub's end of the channel to a connection.
pub(super) type Sender = mpsc::Sender<Down>;

/// A live connection.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) connection: Arc<Connection>,
    pub(crate) down: Sender,
    pub(crate) since: Time,
    /// When it is closed because its token has expired.
    pub(crate) expires: Option<Time>,
    /// What CONNECT announced.
    pub(crate) model_id: Option<String>,
    pub(crate) client_type: Option<String>,
}

impl Live {
    /// Hands a message on; `false` if the connection has too much waiting, or is gone.
    pub(crate) fn send(&self, down: Down) -> bool {
        self.down.try_send(down).is_ok()
    }
}
