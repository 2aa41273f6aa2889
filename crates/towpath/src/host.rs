//! What the host gives the core: memory that grows, random numbers, a clock, and faults for its errors.

use std::{io, time};

use rand::Rng as _;
use towpath_proto::{Buffer, Code, Fault, Instant, Random, Rung};

/// A buffer that grows up to a limit and gives its memory back when idle.
#[derive(Debug)]
pub(crate) struct Growable {
    bytes: Box<[u8]>,
    limit: u32,
}

impl Growable {
    /// Empty, at most `limit` bytes long.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            bytes: Box::default(),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        }
    }
}

impl Buffer for Growable {
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn grow(&mut self, len: usize) -> bool {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if len > limit {
            return self.bytes.len() >= len;
        }
        if len > self.bytes.len() {
            // Doubling keeps the copies few; small connections stay small.
            let wanted = len
                .max(self.bytes.len().saturating_mul(2))
                .max(64)
                .min(limit);
            let mut bytes = std::mem::take(&mut self.bytes).into_vec();
            bytes.reserve_exact(wanted - bytes.len());
            bytes.resize(wanted, 0);
            self.bytes = bytes.into_boxed_slice();
        }
        true
    }

    fn release(&mut self) {
        self.bytes = Box::default();
    }
}

/// The thread's cryptographic generator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entropy;

impl Random for Entropy {
    #[inline]
    fn next_u32(&mut self) -> u32 {
        rand::rng().next_u32()
    }
}

/// Sixteen hexadecimal digits for a client identifier that nobody else uses.
pub(crate) fn random_digits() -> String {
    format!("{:016x}", rand::rng().next_u64())
}

/// The monotonic clock as the core counts it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: time::Instant::now(),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// When `at` is for the host, one microsecond late rather than early.
    pub(crate) fn host(&self, at: Instant) -> time::Instant {
        self.origin
            + time::Duration::from_micros(at.as_micros().saturating_add(1).min(u64::MAX / 4))
    }
}

/// The fault for an error of the operating system on `rung`.
pub(crate) fn fault(rung: Rung, error: &io::Error) -> Fault {
    use io::ErrorKind as Kind;
    let code = match error.kind() {
        Kind::ConnectionRefused => Code::Refused,
        Kind::HostUnreachable => Code::HostUnreachable,
        // What a firewall forbids comes as EHOSTUNREACH with IPv4 and as EACCES with IPv6; a local one says EPERM.
        Kind::PermissionDenied if rung == Rung::Tcp => Code::HostUnreachable,
        Kind::NetworkUnreachable => Code::NetUnreachable,
        Kind::TimedOut => Code::ConnectTimeout,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => Code::Reset,
        Kind::AddrNotAvailable | Kind::AddrInUse => Code::BindFailed,
        Kind::UnexpectedEof => Code::Closed,
        _ => Code::Io,
    };
    let number = error
        .raw_os_error()
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(0);
    let number = if code == Code::ConnectTimeout {
        0
    } else {
        number
    };
    let fault = Fault::new(rung, code).number(number);
    if code == Code::Io {
        fault.detail(error.to_string().as_bytes())
    } else {
        fault
    }
}

/// The fault for a name that did not resolve. The standard library gives `getaddrinfo`'s code as text only.
pub(crate) fn resolve_fault(error: &io::Error) -> Fault {
    let said = error.to_string();
    let code =
        if said.contains("not known") || said.contains("No address") || said.contains("nodename") {
            Code::NameNotFound
        } else {
            Code::ResolverFailed
        };
    let detail = said.rsplit(": ").next().unwrap_or(&said);
    Fault::new(Rung::Dns, code).detail(detail.as_bytes())
}
