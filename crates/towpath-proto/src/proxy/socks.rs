//! SOCKS5 (RFC 1928), with user and password (RFC 1929). Names are resolved by the proxy.

use core::net::IpAddr;

use super::{Ask, Step, Unsaid, not_proxy};
use crate::{
    bytes::{Short, Writer},
    fault::{Code, Fault},
    rung::Rung,
};

const VERSION: u8 = 5;
/// The version of the subnegotiation of RFC 1929.
const LOGIN_VERSION: u8 = 1;

const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;

const CONNECT: u8 = 1;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Up to and with the first byte of the bound address, which is the length of a name.
const REPLY_START: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Methods are to be offered.
    Greet,
    /// One of them is to be chosen.
    Method,
    /// User and password are to be sent.
    Login,
    /// The verdict on them.
    Verdict,
    /// The request is to be sent.
    Ask,
    /// Its reply.
    Reply,
    /// So many bytes are left of the address in it.
    Address(usize),
    Open,
}

/// The dialogue with a SOCKS5 proxy.
pub(super) struct Dialogue {
    at: At,
    /// The start of a message that is not complete.
    start: [u8; REPLY_START],
    len: usize,
}

impl Dialogue {
    pub(super) const fn new() -> Self {
        Self {
            at: At::Greet,
            start: [0; REPLY_START],
            len: 0,
        }
    }

    pub(super) const fn step(&self) -> Step {
        match self.at {
            At::Greet | At::Login | At::Ask => Step::Send,
            At::Method | At::Verdict => Step::Read(2_usize.saturating_sub(self.len)),
            At::Reply => Step::Read(REPLY_START.saturating_sub(self.len)),
            At::Address(left) => Step::Read(left),
            At::Open => Step::Done,
        }
    }

    /// Writes the next message, and expects the answer to it.
    pub(super) fn message(&mut self, ask: &Ask<'_>, out: &mut Writer<'_>) -> Result<(), Unsaid> {
        self.len = 0;
        self.at = match self.at {
            At::Greet => {
                greet(ask, out)?;
                At::Method
            }
            At::Login => {
                login(ask, out)?;
                At::Verdict
            }
            _ => {
                request(ask, out)?;
                At::Reply
            }
        };
        Ok(())
    }

    /// Takes bytes of the answer that is expected.
    pub(super) fn absorb(&mut self, ask: &Ask<'_>, bytes: &[u8]) -> (usize, Option<Fault>) {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.at {
                At::Address(left) => {
                    let n = left.min(rest.len());
                    taken += n;
                    self.at = if n == left {
                        At::Open
                    } else {
                        At::Address(left - n)
                    };
                }
                At::Method | At::Verdict | At::Reply => {
                    taken += 1;
                    if let Some(place) = self.start.get_mut(self.len) {
                        *place = rest.first().copied().unwrap_or_default();
                        self.len += 1;
                    }
                    if let Err(fault) = self.judge(ask) {
                        return (taken, Some(fault));
                    }
                }
                At::Greet | At::Login | At::Ask | At::Open => break,
            }
        }
        (taken, None)
    }

    /// What the start of an answer says, as soon as it is there.
    fn judge(&mut self, ask: &Ask<'_>) -> Result<(), Fault> {
        let start = self.start.get(..self.len).unwrap_or_default();
        match (self.at, start) {
            (At::Verdict, [LOGIN_VERSION | VERSION]) | (At::Method | At::Reply, [VERSION]) => {
                Ok(())
            }
            (_, [other]) => Err(wrong_version(*other)),
            (At::Method, [_, method]) => {
                self.at = match *method {
                    NO_AUTHENTICATION => At::Ask,
                    USER_AND_PASSWORD if ask.credentials.is_some() => At::Login,
                    method => return Err(wrong_method(method, ask)),
                };
                Ok(())
            }
            (At::Verdict, [_, 0]) => {
                self.at = At::Ask;
                Ok(())
            }
            (At::Verdict, [_, _]) => Err(Fault::new(Rung::Proxy, Code::SocksAuthFailed)),
            (At::Reply, [_, 0]) => Ok(()),
            (At::Reply, [_, reply]) => {
                Err(Fault::new(Rung::Proxy, Code::SocksFailed).number(u32::from(*reply)))
            }
            (At::Reply, [_, _, _, kind, first]) => {
                // The first byte of the address is here already; the port is still to come.
                let left = match *kind {
                    IPV4 => 4 - 1 + 2,
                    IPV6 => 16 - 1 + 2,
                    NAME => usize::from(*first) + 2,
                    _ => return Err(not_proxy(b"").clause("RFC 1928 5")),
                };
                self.at = At::Address(left);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The stream has ended.
    pub(super) fn ended(&self) -> Option<Fault> {
        let fault = Fault::new(Rung::Proxy, Code::ProxyClosed);
        match self.at {
            At::Open => None,
            // RFC 1929 2: a refusal closes, and not everybody says so before.
            At::Verdict => Some(Fault::new(Rung::Proxy, Code::SocksAuthFailed)),
            _ => Some(fault),
        }
    }

    pub(super) const fn waits_for(&self) -> &'static str {
        match self.at {
            At::Greet | At::Method => "no answer to the greeting",
            At::Login | At::Verdict => "no answer to user and password",
            _ => "no reply to CONNECT",
        }
    }
}

/// RFC 1928 3.
fn greet(ask: &Ask<'_>, out: &mut Writer<'_>) -> Result<(), Short> {
    if ask.credentials.is_some() {
        out.put(&[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD])
    } else {
        out.put(&[VERSION, 1, NO_AUTHENTICATION])
    }
}

/// RFC 1929 2. The lengths were checked with the [`Ask`].
fn login(ask: &Ask<'_>, out: &mut Writer<'_>) -> Result<(), Short> {
    let credentials = ask.credentials.ok_or(Short)?;
    out.u8(LOGIN_VERSION)?;
    for text in [credentials.user.as_bytes(), credentials.password] {
        out.u8(u8::try_from(text.len()).map_err(|_| Short)?)?;
        out.put(text)?;
    }
    Ok(())
}

/// RFC 1928 4.
fn request(ask: &Ask<'_>, out: &mut Writer<'_>) -> Result<(), Short> {
    out.put(&[VERSION, CONNECT, 0])?;
    match ask.host.parse() {
        Ok(IpAddr::V4(address)) => {
            out.u8(IPV4)?;
            out.put(&address.octets())?;
        }
        Ok(IpAddr::V6(address)) => {
            out.u8(IPV6)?;
            out.put(&address.octets())?;
        }
        Err(_) => {
            out.u8(NAME)?;
            out.u8(u8::try_from(ask.host.len()).map_err(|_| Short)?)?;
            out.put(ask.host.as_bytes())?;
        }
    }
    out.u16(ask.port)
}

/// The first byte of an answer is no version of SOCKS5.
fn wrong_version(byte: u8) -> Fault {
    not_proxy(match byte {
        b'H' => b"HTTP",
        0x15 | 0x16 => b"TLS",
        // RFC 1928 6 has no other version; SOCKS4 answers with 0.
        0 | 4 => b"SOCKS4",
        _ => b"",
    })
}

fn wrong_method(method: u8, ask: &Ask<'_>) -> Fault {
    let fault = Fault::new(Rung::Proxy, Code::SocksMethod);
    match (method, ask.credentials) {
        (NONE_ACCEPTABLE, Some(_)) => fault.detail(b"offered: none, user and password"),
        (NONE_ACCEPTABLE, None) => fault.detail(b"offered: none; it wants credentials"),
        _ => fault.detail(b"it chose one that was not offered"),
    }
}
