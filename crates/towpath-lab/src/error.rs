//! Why a lab can't start or do what it was asked for.

use std::{fmt, io, path::PathBuf};

/// Why a lab can't start or do what it was asked for. The text names the cause and what mends it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The config can't be: `file:line: key: why`.
    Config {
        /// Place, key and reason.
        why: String,
    },
    /// A port can't be listened on.
    Listen {
        /// Which listener: `mqtts`, `https` or `page`.
        listener: &'static str,
        /// Address and port.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A file or folder can't be read or written.
    File {
        /// Which one.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The state folder's database can't be used.
    Store {
        /// The database's reason.
        why: String,
    },
    /// OpenSSL refused a key, a certificate or a setting.
    Tls {
        /// What was tried, and OpenSSL's reason.
        why: String,
    },
    /// There is no such fault, or its settings can't be.
    Fault {
        /// What is wrong, and what there is.
        why: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { why } | Self::Fault { why } => f.write_str(why),
            Self::Listen {
                listener,
                address,
                source,
            } => write!(
                f,
                "can't listen on {address} ({listener}): {source}{}",
                remedy(source, listener, address.port())
            ),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Store { why } => write!(f, "the lab's state can't be used: {why}"),
            Self::Tls { why } => write!(f, "TLS: {why}"),
        }
    }
}

/// What mends a port that can't be listened on.
fn remedy(source: &io::Error, listener: &str, port: u16) -> String {
    match source.kind() {
        io::ErrorKind::PermissionDenied if port < 1024 => format!(
            ". Ports below 1024 need a permission: run as root, or once \"sysctl -w \
             net.ipv4.ip_unprivileged_port_start={port}\", or choose another port: {listener} in \
             [listen], or --{listener}-port"
        ),
        io::ErrorKind::AddrInUse => format!(
            ". Another program has this port: end it, or choose another one: {listener} in [listen], or \
             --{listener}-port"
        ),
        io::ErrorKind::AddrNotAvailable => {
            ". This machine does not have the address: see address in [listen], or --address".into()
        }
        _ => String::new(),
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<openssl::error::ErrorStack> for Error {
    fn from(stack: openssl::error::ErrorStack) -> Self {
        Self::Tls {
            why: stack.to_string(),
        }
    }
}
