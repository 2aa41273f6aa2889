//! What a client is asked to do, and what it answers: a line of JSON each way, the same for towpath and the SDKs.

use serde::{Deserialize, Serialize};

/// What a client is asked to do. It comes on standard input, because there is a key in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub work: Work,
    pub transport: Transport,
    pub tls: Tls,
    /// Where `root.pem`, `x509.pem` and `x509.key` are, and where a disk outbox may be.
    pub folder: String,
    pub hub: String,
    /// The device, or its registration id.
    pub device: String,
    /// Its key; without one it has the certificate in the folder.
    pub key: Option<String>,
    /// The provisioning service and the ID scope, if it is asked for the hub.
    pub dps: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Sends one message, leaves, and does the same again: two [`Start`]s.
    Start,
    /// Sends many: a [`Flow`].
    Flow {
        count: u32,
        /// How many may be unacknowledged.
        at_once: u32,
        /// Where towpath keeps them meanwhile. The SDKs have no such thing.
        disk: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Mqtts,
    Wss,
}

/// The TLS library, where there is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    OpenSsl,
    Mbed,
}

/// From nothing to an acknowledged message: microseconds since 1970.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Start {
    pub began: u64,
    pub acknowledged: u64,
}

/// What many messages cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Flow {
    /// Seconds of CPU time from connected to all acknowledged.
    pub user: f64,
    pub cpu: f64,
    /// Seconds that passed meanwhile.
    pub wall: f64,
    /// Resident memory when connected, and the most it ever was.
    pub connected_kb: u64,
    pub most_kb: u64,
}

/// 64 bytes.
pub const BODY: &str = r#"{"temperature":21.5,"humidity":48.25,"battery":3.012,"seq":1000}"#;
