//! A device that reaches nothing but a proxy: real proxies and servers that are none, in namespaces of the test's own.
//!
//! ```text
//! device  192.0.2.2                    office  192.0.2.1
//! no resolver, no name       ──        the proxy; behind it mosquitto, closed to the device
//! ```

mod dante;
mod impostor;
mod office;
mod squid;

pub use self::{
    dante::Dante,
    impostor::{Act, Impostor},
    office::{BROKER, FORBIDDEN, NOWHERE, OFFICE, Office, SCHEMES},
    squid::Squid,
};

/// What a proxy wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// Nothing.
    Open,
    /// A user and a password, said plainly.
    Plain,
    /// A user who knows the password without saying it.
    Digest,
}

/// The user whom the proxies know.
pub const USER: &str = "anna";
/// Her password, which is full of what URLs and quoted strings don't like.
pub const PASSWORD: &str = "p@ss:w\"rd \\/%";
