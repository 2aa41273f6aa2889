//! The server's opening handshake (RFC 6455 4.2).

use base64ct::{Base64, Encoding};

use super::accept;
use crate::{
    bytes::{Short, Writer},
    http::head::{self, Head},
};

/// An acceptable request to switch to WebSocket.
#[derive(Debug, Clone, Copy)]
pub struct Upgrade<'a> {
    /// Path and query, as the client wrote them.
    pub target: &'a str,
    /// The subprotocol to use, in the client's spelling; `None` if it offers none that is supported.
    pub subprotocol: Option<&'a str>,
    accept: [u8; 28],
    head: Head<'a>,
}

impl<'a> Upgrade<'a> {
    /// Reads the request whose complete head is at the start of `bytes` (see [`head::len`]). Of the subprotocols the
    /// client offers, the first that is in `supported` (in any case) is chosen.
    ///
    /// # Errors
    /// The [`Rejection`] to answer with.
    pub fn parse(bytes: &'a [u8], supported: &[&str]) -> Result<Self, Rejection> {
        let head = Head::new(bytes).ok_or(Rejection::bad("malformed head", "RFC 9112 5"))?;
        let target = target(&head)?;
        // 4.2.1 items 3 and 4.
        if !head
            .values("Upgrade")
            .any(|list| head::has_member(list, "websocket"))
        {
            return Err(Rejection::upgrade_required("Upgrade: websocket is missing"));
        }
        if !head
            .values("Connection")
            .any(|list| head::has_member(list, "upgrade"))
        {
            return Err(Rejection::bad(
                "Connection: Upgrade is missing",
                "RFC 6455 4.2.1",
            ));
        }
        // 4.2.1 item 6, 4.4: to another version the answer is 426 and the versions understood.
        if head.only("Sec-WebSocket-Version") != Some(b"13") {
            return Err(Rejection::upgrade_required(
                "Sec-WebSocket-Version is not 13",
            ));
        }
        let accept = accept(key(&head)?);
        let offers = head
            .values("Sec-WebSocket-Protocol")
            .flat_map(head::members);
        let subprotocol = offers
            .filter_map(|offer| {
                core::str::from_utf8(offer)
                    .ok()
                    .filter(|_| head::is_token(offer))
            })
            .find(|offer| supported.iter().any(|one| one.eq_ignore_ascii_case(offer)));
        Ok(Self {
            target,
            subprotocol,
            accept,
            head,
        })
    }

    /// The request's head, for its other fields.
    #[must_use]
    pub const fn head(&self) -> &Head<'a> {
        &self.head
    }

    /// Writes the 101 to the start of `out` and gives its length; frames follow it.
    ///
    /// # Errors
    /// [`Short`] if `out` is too small.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Short> {
        let mut out = Writer::new(out);
        out.put(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        )?;
        out.put(b"Sec-WebSocket-Accept: ")?;
        out.put(&self.accept)?;
        if let Some(subprotocol) = self.subprotocol {
            out.put(b"\r\nSec-WebSocket-Protocol: ")?;
            out.put(subprotocol.as_bytes())?;
        }
        out.put(b"\r\n\r\n")?;
        Ok(out.written())
    }
}

fn target<'a>(head: &Head<'a>) -> Result<&'a str, Rejection> {
    let (method, target) = head::request(head.start_line())
        .ok_or(Rejection::bad("malformed request line", "RFC 9112 3"))?;
    // 4.2.1 item 1.
    if method != b"GET" {
        return Err(Rejection::bad("the method is not GET", "RFC 6455 4.2.1"));
    }
    // 4.2.1 item 2, RFC 9112 3.2: 400 to a request without Host or with more than one.
    if head.only("Host").is_none() {
        return Err(Rejection::bad("one Host is needed", "RFC 9112 3.2"));
    }
    let target = core::str::from_utf8(target)
        .ok()
        .filter(|target| head::is_origin_form(target.as_bytes()));
    target.ok_or(Rejection::bad("the target is no path", "RFC 9112 3.2.1"))
}

/// 4.2.1 item 5: a key is 16 bytes in base64.
fn key<'a>(head: &Head<'a>) -> Result<&'a [u8; 24], Rejection> {
    let key = head
        .only("Sec-WebSocket-Key")
        .and_then(|value| <&[u8; 24]>::try_from(value).ok());
    let good =
        |key: &&[u8; 24]| Base64::decode(*key, &mut [0; 18]).is_ok_and(|bytes| bytes.len() == 16);
    key.filter(good).ok_or(Rejection::bad(
        "Sec-WebSocket-Key is no key",
        "RFC 6455 4.2.1",
    ))
}

/// The answer to a request that is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// The status code, three digits.
    pub status: u16,
    /// Why, for the body.
    pub reason: &'static str,
    /// The clause that the request breaks, or empty.
    pub clause: &'static str,
}

impl Rejection {
    /// 404: nothing is at the request's target.
    pub const NOT_FOUND: Self = Self {
        status: 404,
        reason: "no such path",
        clause: "",
    };

    /// 400: the request is wrong.
    #[must_use]
    pub const fn bad(reason: &'static str, clause: &'static str) -> Self {
        Self {
            status: 400,
            reason,
            clause,
        }
    }

    /// 426: only WebSocket version 13 is spoken here.
    #[must_use]
    pub const fn upgrade_required(reason: &'static str) -> Self {
        Self {
            status: 426,
            reason,
            clause: "RFC 6455 4.2.2",
        }
    }

    /// Writes the answer to the start of `out` and gives its length. The server closes the connection after it.
    ///
    /// # Errors
    /// [`Short`] if `out` is too small.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Short> {
        let mut out = Writer::new(out);
        out.put(b"HTTP/1.1 ")?;
        out.put(&digits(self.status))?;
        out.put(b" ")?;
        out.put(phrase(self.status).as_bytes())?;
        // RFC 9110 7.8 and 15.5.22: a 426 names what to upgrade to, and Connection names Upgrade.
        out.put(match self.status {
            426 => {
                b"\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade, close"
            }
            _ => b"\r\nConnection: close",
        })?;
        out.put(b"\r\nContent-Type: text/plain\r\nContent-Length: ")?;
        out.put(&digits(
            u16::try_from(self.reason.len() + 1).unwrap_or(u16::MAX),
        ))?;
        out.put(b"\r\n\r\n")?;
        out.put(self.reason.as_bytes())?;
        out.put(b"\n")?;
        Ok(out.written())
    }
}

/// Three decimal digits; Content-Length may have leading zeros (RFC 9110 8.6).
fn digits(number: u16) -> [u8; 3] {
    [100, 10, 1].map(|unit| b'0' + (number / unit % 10) as u8)
}

const fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        426 => "Upgrade Required",
        503 => "Service Unavailable",
        _ => "Refused",
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
