//! Names and addresses on this machine: which DNS servers there are, what `/etc/hosts` says, which source addresses
//! exist, and what the operating system tells about a path that swallows large packets.
//!
//! [`NetOptions`] is what a caller decides. [`resolve`] looks for a name's addresses, in the order in which a connection
//! would try them, and connects nowhere. The work itself is done by [`Dialer`](towpath_proto::net::Dialer).

#[cfg_attr(not(target_os = "linux"), path = "no_advertisement.rs")]
pub(crate) mod advertisement;
pub(crate) mod black_hole;
mod hosts;
mod plan;
mod resolv_conf;
mod resolver;
pub(crate) mod source;

use std::{fs::File, io::Read as _, net::SocketAddr, path::Path, time::Duration};

pub use self::resolver::{Resolver, nat64};
pub(crate) use self::{
    hosts::Zoned,
    plan::{Addresses, Plan},
};
pub use towpath_proto::net::{
    Candidate, Ended, Fact, Families, Family, Origin, Prefix, PrefixOrigin, dialer::Nat64,
    select::Rule,
};
use towpath_proto::{Fault, Trace};

/// The DNS servers that this machine's `/etc/resolv.conf` names, for who shows or compares them. A connection reads the
/// file anew by itself.
#[must_use]
pub fn system_servers() -> Vec<SocketAddr> {
    let options = NetOptions::default();
    resolv_conf::ResolvConf::read(Path::new(options.resolv_conf)).servers
}

/// The least and the largest TCP segment that Linux lets a program ask for, bytes.
pub const MSS: std::ops::RangeInclusive<u16> = 88..=32_767;

/// What a caller decides about names, addresses and TCP. Each method sets one and answers the options again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetOptions {
    pub(crate) families: Families,
    pub(crate) resolver: Resolver,
    pub(crate) nat64: Nat64,
    pub(crate) mss: Option<u16>,
    pub(crate) delayed_acks: bool,
    pub(crate) attempt_delay: Duration,
    pub(crate) patience: Duration,
    /// Where the system's tables are; others only in tests.
    pub(crate) resolv_conf: &'static str,
    pub(crate) hosts: &'static str,
}

impl Default for NetOptions {
    fn default() -> Self {
        Self {
            families: Families::Any,
            resolver: Resolver::Auto,
            nat64: Nat64::Auto,
            mss: None,
            delayed_acks: false,
            attempt_delay: Duration::from_millis(250),
            patience: Duration::from_secs(10),
            resolv_conf: "/etc/resolv.conf",
            hosts: "/etc/hosts",
        }
    }
}

macro_rules! setters {
    ($( $(#[$doc:meta])* $name:ident: $kind:ty; )*) => {
        $( $(#[$doc])* #[must_use] pub fn $name(mut self, $name: $kind) -> Self { self.$name = $name; self } )*
    };
}

impl NetOptions {
    setters! {
        /// Whether TCP acknowledgements wait for data to ride on from the first segment on, the kernel's 40 ms at most.
        /// The default is Linux's, which acknowledges at once while a connection is young: better throughput for more
        /// packets. Without effect elsewhere.
        delayed_acks: bool;
        /// The address families that packets may have. The default is both.
        families: Families;
        /// Who is asked for addresses. The default is [`Resolver::Auto`].
        resolver: Resolver;
        /// What is done about NAT64. The default is to find the prefix when an IPv4 address is out of reach.
        nat64: Nat64;
        /// The time between two connection attempts that race (RFC 8305 section 5). The default is 250 ms.
        attempt_delay: Duration;
        /// How long resolving, and each connection attempt, may take. The default is 10 s. [`Options`](crate::Options)
        /// uses its own patience.
        patience: Duration;
    }

    /// The largest TCP segment in both directions, bytes, within [`MSS`]: for a path that loses larger ones. The default
    /// is what the operating system finds.
    #[must_use]
    pub const fn mss(mut self, bytes: u16) -> Self {
        self.mss = Some(bytes);
        self
    }
}

/// What [`resolve`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolution {
    /// The addresses in the order in which they would be tried, each with the rule that put it behind the one before.
    pub candidates: Vec<(Candidate, Rule)>,
    /// The DNS servers that may have been asked, in order; none where the operating system's resolver was.
    pub servers: Vec<SocketAddr>,
    /// The name that has these addresses: the given one, or that with a suffix of the search list.
    pub name: String,
}

/// Looks for the addresses of `host` as a connection to `port` there would, and connects nowhere. Facts are handed to
/// `tell` as they are seen; their times count from the call.
///
/// Blocks the calling thread, which may not be one of an async runtime; there use [`resolve_async`].
///
/// # Errors
/// Why there is no address that could be tried.
pub fn resolve(
    host: &str,
    port: u16,
    options: &NetOptions,
    tell: &mut dyn FnMut(Trace),
) -> Result<Resolution, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| crate::host::fault(crate::Rung::Link, &error))?;
    let found = runtime.block_on(resolve_async(host, port, options, tell));
    // The thread of a getaddrinfo that was given up is not waited for.
    runtime.shutdown_background();
    found
}

/// As [`resolve`], without blocking: needs tokio's I/O and timers.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_async(
    host: &str,
    port: u16,
    options: &NetOptions,
    tell: &mut dyn FnMut(Trace),
) -> Result<Resolution, Fault> {
    crate::tokio::resolve(host, port, options, tell).await
}

/// The beginning of a file as text; empty if it can't be read. What is not UTF-8 is replaced.
fn read_bounded(path: &Path, most: usize) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        // What was read before an error is as good as the file's beginning.
        let _ = file.take(most).read_to_end(&mut bytes);
    }
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// The number of a network interface.
#[cfg(target_os = "linux")]
fn interface_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

#[cfg(not(target_os = "linux"))]
fn interface_index(_: &str) -> Option<u32> {
    None
}
