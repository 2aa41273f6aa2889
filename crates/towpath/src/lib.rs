//! MQTT 3.1.1 and 5 over TCP, TLS and WebSockets, with errors that name the rung that broke.
//!
//! - [`tokio::Connection`] is driven in the caller's own task; nothing is spawned.
//! - [`tokio::Client`] is a handle that can be cloned, with a task of its own behind it.
//! - [`blocking::Connection`] is for programs without an async runtime.
//! - [`embedded`] is for microcontrollers, over `embedded-io-async`; it needs neither `std` nor an allocator.
//!
//! All of them drive the same [`towpath_proto::Client`].
#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "azure")]
pub mod device;
pub mod embedded;

#[cfg(feature = "std")]
pub mod blocking;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "std")]
mod endpoint;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod event;
#[cfg(feature = "std")]
mod host;
#[cfg(feature = "azure")]
pub mod https;
#[cfg(feature = "std")]
mod machine;
#[cfg(feature = "std")]
pub mod net;
#[cfg(feature = "std")]
mod options;
#[cfg(any(feature = "hub", feature = "outbox", feature = "outbox-flash"))]
pub mod outbox;
#[cfg(feature = "std")]
mod profile;
#[cfg(feature = "std")]
mod proxy;
#[cfg(feature = "std")]
pub mod tls;
#[cfg(feature = "std")]
pub mod tokio;
#[cfg(feature = "std")]
mod witness;

#[cfg(any(feature = "azure", feature = "hub"))]
pub use towpath_azure as azure;
pub use towpath_proto as proto;
pub use towpath_proto::{
    Blame, Code, Fault, Rung,
    client::Outgoing,
    event::Outcome,
    mqtt::{
        QoS, Version,
        packet::{PacketId, RetainHandling, Subscription},
        property::{Properties, Property, VarInt},
        reason::ReasonCode,
        session::{Limits, Refusal},
        topic::{TopicFilter, TopicName},
    },
};

#[cfg(feature = "std")]
pub use self::{
    endpoint::{Endpoint, Scheme},
    error::Error,
    event::{Details, Event, Message},
    options::{Full, Options, Will},
    profile::Profile,
    proxy::{Proxy, Scheme as ProxyScheme},
    tls::TlsOptions,
    witness::{Seen, Witness},
};
pub use towpath_proto::{Backoff, Reconnect};
