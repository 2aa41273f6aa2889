//! The client of a proxy: on an open byte stream it asks for a connection to somebody else. HTTP CONNECT
//! (RFC 9110 9.3.6) with Basic and Digest, and SOCKS5 (RFC 1928, RFC 1929).
//!
//! [`Ask`] says what is wanted. [`Tunnel`] takes received bytes and gives bytes to send, one message after the other, until
//! the stream leads to the server. Names go to the proxy as they are: nothing is resolved on this side.
//!
//! No byte behind the proxy's last one is touched: [`Tunnel::absorb`] stops there, and [`Output::Read`] says how many
//! bytes may be read at once without reading past it, for streams that can't be peeked at.

mod challenge;
mod digest;
mod http;
mod line;
mod socks;

use core::{fmt, net::IpAddr, time::Duration};

use crate::{
    buffers::Random,
    bytes::Writer,
    fault::{Code, Fault},
    rung::Rung,
    text::Text,
};

/// A buffer of this length, in bytes, holds every message that a [`Tunnel`] sends. Without credentials 600 are enough.
pub const ROOM: usize = 3072;

/// The longest host name, bytes: a length of SOCKS5 is one byte (RFC 1928 section 5), and names of DNS are shorter.
pub const HOST_MAX: usize = 255;

/// The longest user name and the longest password, bytes (RFC 1929 section 2).
pub const CREDENTIAL_MAX: usize = 255;

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP CONNECT.
    Http,
    /// SOCKS5.
    Socks5,
}

/// User and password for a proxy. Shown to nobody: [`Debug`](fmt::Debug) leaves the password out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The user name, at most [`CREDENTIAL_MAX`] bytes.
    pub user: &'a str,
    /// The password, at most [`CREDENTIAL_MAX`] bytes.
    pub password: &'a [u8],
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What a proxy is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask<'a> {
    /// What the proxy speaks.
    pub scheme: Scheme,
    /// The server: a name, or an address without brackets.
    pub host: &'a str,
    /// The server's port.
    pub port: u16,
    /// For a proxy that wants them. With HTTP they are kept back until it asks.
    pub credentials: Option<Credentials<'a>>,
}

impl Ask<'_> {
    /// Nothing the caller gives may end a line or add one.
    fn check(&self) -> Result<(), Fault> {
        let refuse =
            |what: &str| Err(Fault::new(Rung::Proxy, Code::ProxyName).detail(what.as_bytes()));
        if self.host.is_empty() {
            return refuse("the host is empty");
        }
        if self.host.len() > HOST_MAX {
            return refuse("the host name is over 255 bytes");
        }
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !self.host.bytes().all(named) && self.host.parse::<IpAddr>().is_err() {
            return refuse("the host has characters that no name has");
        }
        let Some(credentials) = &self.credentials else {
            return Ok(());
        };
        let Credentials { user, password } = *credentials;
        if user.is_empty() {
            return refuse("the user name is empty");
        }
        if user.len() > CREDENTIAL_MAX || password.len() > CREDENTIAL_MAX {
            return refuse("user or password is over 255 bytes");
        }
        // RFC 7617 2, and Digest's quoted strings.
        if user.bytes().any(|byte| byte.is_ascii_control()) {
            return refuse("the user name has control characters");
        }
        Ok(())
    }
}

/// What a driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Send so many bytes from the start of the buffer, all of them, then ask again.
    Transmit(usize),
    /// Read at most so many bytes, and [`absorb`](Tunnel::absorb) them. Whoever can look at received bytes without
    /// taking them may show more of them.
    Read {
        /// So many bytes the proxy certainly sends before the tunnel begins; at least 1.
        most: usize,
    },
    /// Close the connection, open another one to the same proxy, and ask again.
    Reconnect,
    /// The stream leads to the server.
    Done,
    /// There will be no tunnel.
    Failed(Fault),
}

/// The dialogue with one proxy, from the open stream to the tunnel.
pub struct Tunnel<'a> {
    ask: Ask<'a>,
    dialogue: Dialogue,
    ended: Option<Fault>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each connection that is being opened, and no allocator to put it elsewhere"
)]
enum Dialogue {
    Http(http::Connect),
    Socks(socks::Dialogue),
}

/// How far a dialogue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Send,
    Read(usize),
    Reconnect,
    Done,
}

impl fmt::Debug for Tunnel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("ask", &self.ask)
            .finish_non_exhaustive()
    }
}

impl<'a> Tunnel<'a> {
    /// A dialogue that begins with the next [`poll_output`](Self::poll_output).
    ///
    /// # Errors
    /// [`Code::ProxyName`]: the proxy can't be asked for this, the detail says why.
    pub fn new(ask: Ask<'a>) -> Result<Self, Fault> {
        ask.check()?;
        Ok(Self {
            ask,
            dialogue: match ask.scheme {
                Scheme::Http => Dialogue::Http(http::Connect::new()),
                Scheme::Socks5 => Dialogue::Socks(socks::Dialogue::new()),
            },
            ended: None,
        })
    }

    /// What to do next. A message to send is written to the start of `out`, which [`ROOM`] bytes are enough for; what is
    /// not called for stays as it is. Messages may hold the password: wipe the buffer if others see it.
    pub fn poll_output(&mut self, random: &mut impl Random, out: &mut [u8]) -> Output {
        if let Some(fault) = self.ended {
            return Output::Failed(fault);
        }
        let step = match &self.dialogue {
            Dialogue::Http(connect) => connect.step(),
            Dialogue::Socks(dialogue) => dialogue.step(),
        };
        match step {
            Step::Send => self.send(random, out),
            Step::Read(most) => Output::Read { most: most.max(1) },
            Step::Reconnect => {
                if let Dialogue::Http(connect) = &mut self.dialogue {
                    connect.reconnected();
                }
                Output::Reconnect
            }
            Step::Done => Output::Done,
        }
    }

    fn send(&mut self, random: &mut impl Random, out: &mut [u8]) -> Output {
        let mut out = Writer::new(out);
        let written = match &mut self.dialogue {
            Dialogue::Http(connect) => connect.request(&self.ask, random, &mut out),
            Dialogue::Socks(dialogue) => dialogue.message(&self.ask, &mut out),
        };
        match written {
            Ok(()) => Output::Transmit(out.written()),
            Err(Unsaid::Short) => {
                let fault = Fault::new(Rung::Proxy, Code::ProxyName);
                self.fail(fault.detail(b"the buffer is too small for the request"))
            }
            Err(Unsaid::Fault(fault)) => self.fail(fault),
        }
    }

    fn fail(&mut self, fault: Fault) -> Output {
        self.ended = Some(fault);
        Output::Failed(fault)
    }

    /// Takes received bytes, and answers how many of them were the proxy's. Those behind belong to the tunnel.
    pub fn absorb(&mut self, bytes: &[u8]) -> usize {
        if self.ended.is_some() {
            return 0;
        }
        let (taken, fault) = match &mut self.dialogue {
            Dialogue::Http(connect) => connect.absorb(self.ask.credentials.is_some(), bytes),
            Dialogue::Socks(dialogue) => dialogue.absorb(&self.ask, bytes),
        };
        self.ended = fault;
        taken
    }

    /// The stream has ended, or nothing can be written to it any more: either is the proxy's last word, or there is to be
    /// another connection, as the next [`poll_output`](Self::poll_output) says.
    pub fn ended(&mut self) {
        if self.ended.is_some() {
            return;
        }
        self.ended = match &mut self.dialogue {
            Dialogue::Http(connect) => connect.ended(),
            Dialogue::Socks(dialogue) => dialogue.ended(),
        };
    }

    /// The fault to report if the driver's patience, which this is, is over.
    #[must_use]
    pub fn late(&self, patience: Duration) -> Fault {
        if let Some(fault) = self.ended {
            return fault;
        }
        let (heard, waits) = match &self.dialogue {
            Dialogue::Http(connect) => (connect.heard(), connect.waits_for()),
            Dialogue::Socks(dialogue) => (None, dialogue.waits_for()),
        };
        let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        heard.unwrap_or_else(|| {
            Fault::new(Rung::Proxy, Code::ProxyTimeout)
                .number(millis)
                .detail(waits.as_bytes())
        })
    }
}

/// Why a message was not written.
enum Unsaid {
    Short,
    Fault(Fault),
}

impl From<crate::bytes::Short> for Unsaid {
    fn from(_: crate::bytes::Short) -> Self {
        Self::Short
    }
}

/// So many bytes of noise are enough to show what it is.
const NOISE_SHOWN: usize = 56;

/// What answers is no proxy of this kind. `said` is what it said, or empty.
fn not_proxy(said: &[u8]) -> Fault {
    let mut detail = Text::from_bytes(said);
    // RFC 8446 5.1: an alert (21) or handshake (22) record.
    if let [0x15 | 0x16, 0x03, ..] = said {
        detail = Text::from_bytes(b"TLS");
    }
    Fault {
        detail,
        ..Fault::new(Rung::Proxy, Code::NotProxy)
    }
}

#[cfg(test)]
mod tests;
