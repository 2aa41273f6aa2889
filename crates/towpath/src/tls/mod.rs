//! TLS on the path: what a caller decides, and the back-ends behind it.
//!
//! [`TlsOptions`] is what `mqtts://` and `wss://` use; without it the safe default is taken: the first back-end that is
//! built in, both versions, the system's roots, no client certificate.

#[cfg(any(feature = "openssl", feature = "mbed"))]
mod engine;
#[cfg(not(any(feature = "openssl", feature = "mbed")))]
#[path = "without.rs"]
mod engine;
#[cfg_attr(
    not(any(feature = "openssl", feature = "mbed")),
    expect(dead_code, reason = "nobody reads what nothing can be made of")
)]
mod options;
mod sessions;
mod signature;

pub use towpath_proto::tls::{
    Agreed, Alert, Capabilities, Clock, Fact, Hello, Message, PublicKey, Renegotiation, Side,
    Version, Versions, is_key_uri,
};

#[cfg(any(feature = "openssl", feature = "mbed", feature = "config"))]
pub use towpath_proto::tls::{suite_like, suite_name, suite_number};

pub(crate) use self::engine::{Engine, Prepared};
pub(crate) use self::options::Watch;
pub use self::{
    options::{Backend, TlsOptions},
    sessions::Sessions,
    signature::Signatures,
};
#[cfg(feature = "openssl")]
pub use towpath_tls_openssl::certificate::{Curve, Facts};
