//! HTTP and HTTPS over the same path as MQTT: the same names and NAT64, the same proxy, the same TLS back-end with its
//! renegotiation. For the hub's REST calls, and for downloads.
//!
//! Takes in a request; gives out the head of its answer and the body piece by piece, or a [`Fault`](crate::Fault) that
//! names the rung. Each exchange has a connection of its own; the TLS session and the addresses of the last few servers
//! are kept. The bytes of HTTP are those of [`towpath_azure::http`].
//!
//! A redirect is an answer like any other: whoever asked decides whether to follow it.
//!
//! - `client.rs`: what is decided, and the exchange
//! - `pipe.rs`: the byte stream with its TLS, and the patience with it
//! - `plain.rs`: the plaintext between both
//! - `response.rs`: the answer as it is read
//! - `upload.rs`: the three calls of a file upload to a hub

mod client;
mod pipe;
mod plain;
mod response;
mod upload;

pub use self::{
    client::{Body, Client, Request, Settings, Via},
    response::Response,
    upload::{Upload, Uploaded},
};
pub use towpath_azure::http::{Answer, ContentRange, Range, Url};
