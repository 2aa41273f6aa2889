//! The front door, seen by towpath's own client with both TLS back-ends, and by OpenSSL's client where it takes a
//! client that does as it likes.

mod behind_proxy;
mod client;
mod ends;
mod faults;
mod http;
mod profiles;
mod raw;
mod secrets;
mod websocket;
