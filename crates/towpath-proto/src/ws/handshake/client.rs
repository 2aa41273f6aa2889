//! The client's opening handshake (RFC 6455 4.1).

use super::{accept, key_text};
use crate::{
    bytes::{Short, copy},
    fault::{Code, Fault},
    http::head,
    rung::Rung,
    text::Text,
    ws::told,
};

/// A head that is longer, interim answers included, is taken for endless.
const HEAD_MAX: u32 = 64 * 1024;

/// So much of a peer's noise is enough to show what it speaks.
const NOISE_SHOWN: usize = 56;

/// The longest list of subprotocols that can be offered: an [`Answer`] keeps it.
pub const SUBPROTOCOLS_MAX: usize = 48;

/// The length of a status line up to its code.
const STATUS_END: usize = "HTTP/1.1 101".len();

/// What the client asks for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The `Host` field: the name or address, with `:port` if the port is not the scheme's own.
    pub host: &'a str,
    /// Path and query, from the first slash on.
    pub target: &'a str,
    /// The subprotocols to offer, comma-separated, best first, at most [`SUBPROTOCOLS_MAX`] bytes; empty offers none.
    pub subprotocols: &'a str,
    /// More fields, name and value. Those of the handshake itself are refused here.
    pub headers: &'a [(&'a str, &'a str)],
    /// Fresh random bytes, for this attempt only.
    pub key: [u8; 16],
}

/// Why a [`Request`] was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// It does not fit the buffer.
    Short,
    /// A part of it may not be sent: [`Code::RequestField`], with the part in the clause.
    Field(Fault),
}

impl From<Short> for RequestError {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

impl Request<'_> {
    /// Writes the request to the start of `out` and gives its length.
    ///
    /// # Errors
    /// [`RequestError`]; `out` may have been written to if it is too small.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, RequestError> {
        if let Some(part) = self.forbidden() {
            let fault = Fault::new(Rung::Upgrade, Code::RequestField);
            return Err(RequestError::Field(fault.clause(part)));
        }
        let len = self.write(out);
        if len > out.len() {
            return Err(RequestError::Short);
        }
        Ok(len)
    }

    /// How many bytes [`encode`](Self::encode) writes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.write(&mut [])
    }

    /// What reads the answer to this request.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer::new(&self.key, self.subprotocols)
    }

    /// Writes what fits of the request and gives the length of the whole: one function, since counting needs the same
    /// parts in the same order.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn write(&self, out: &mut [u8]) -> usize {
        let mut len = 0_usize;
        let mut put = |part: &[u8]| {
            let end = len.saturating_add(part.len());
            if let Some(room) = out.get_mut(len..end) {
                copy(room, part);
            }
            len = end;
        };
        put(b"GET ");
        put(self.target.as_bytes());
        put(b" HTTP/1.1\r\nHost: ");
        put(self.host.as_bytes());
        put(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ");
        put(&key_text(&self.key));
        put(b"\r\nSec-WebSocket-Version: 13");
        if !self.subprotocols.is_empty() {
            put(b"\r\nSec-WebSocket-Protocol: ");
            put(self.subprotocols.as_bytes());
        }
        for (name, value) in self.headers {
            put(b"\r\n");
            put(name.as_bytes());
            put(b": ");
            put(value.as_bytes());
        }
        put(b"\r\n\r\n");
        len
    }

    /// The part that may not be sent, if there is one. Nothing the caller gives may end a line or add one: that would
    /// let it write requests of its own.
    pub(crate) fn forbidden(&self) -> Option<&'static str> {
        let in_host = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        if self.host.is_empty() || !self.host.bytes().all(in_host) {
            return Some("host, RFC 9112 3.2");
        }
        if !head::is_origin_form(self.target.as_bytes()) {
            return Some("path, RFC 9112 3.2.1");
        }
        if self.subprotocols.len() > SUBPROTOCOLS_MAX
            || !head::members(self.subprotocols.as_bytes()).all(head::is_token)
        {
            return Some("subprotocol, RFC 6455 4.1");
        }
        self.headers.iter().find_map(|(name, value)| {
            if !head::is_token(name.as_bytes()) {
                Some("header name, RFC 9110 5.1")
            } else if is_reserved(name) {
                Some("header of the handshake, RFC 6455 4.1")
            } else if !head::is_field_value(value.as_bytes()) {
                Some("header value, RFC 9110 5.5")
            } else {
                None
            }
        })
    }
}

/// Fields that the handshake writes itself, and those that would announce a body.
fn is_reserved(name: &str) -> bool {
    let prefix = b"Sec-WebSocket-";
    field_of(name.as_bytes()) <= field::HOST
        || name
            .as_bytes()
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// How far [`Answer::absorb`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes to drop from the start of the buffer.
    pub consumed: usize,
    /// The server switched; what follows is frames.
    pub done: bool,
}

/// Where in the answer the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the end of the status line.
    Status,
    /// Before the end of a field line.
    Fields,
    /// Within a line that is too long for the buffer, whose start has been looked at.
    LongLine,
    /// Behind the head of a 101 that is accepted.
    End,
}

/// The fields that matter, by their places in [`NAMES`](field::NAMES).
mod field {
    /// Those up to `Host` are written by this side only.
    pub(super) const NAMES: &[u8] =
        b"Upgrade,Connection,Sec-WebSocket-Accept,Sec-WebSocket-Protocol,\
        Sec-WebSocket-Extensions,Content-Length,Transfer-Encoding,Host,Location,Server";

    pub(super) const UPGRADE: u8 = 0;
    pub(super) const CONNECTION: u8 = 1;
    pub(super) const ACCEPT: u8 = 2;
    pub(super) const SUBPROTOCOL: u8 = 3;
    pub(super) const EXTENSIONS: u8 = 4;
    pub(super) const CONTENT_LENGTH: u8 = 5;
    pub(super) const TRANSFER_ENCODING: u8 = 6;
    pub(super) const HOST: u8 = 7;
    pub(super) const LOCATION: u8 = 8;
    pub(super) const SERVER: u8 = 9;
    /// Any other.
    pub(super) const OTHER: u8 = 10;
}

/// The place of a name in [`field::NAMES`].
fn field_of(name: &[u8]) -> u8 {
    head::members(field::NAMES)
        .zip(0..)
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map_or(field::OTHER, |(_, place)| place)
}

/// What was said of the fields up to [`field::TRANSFER_ENCODING`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Said(u16);

impl Said {
    /// The field was there with a right value.
    const fn right(self, field: u8) -> bool {
        self.0 & 1 << field != 0
    }

    /// The field was there with a wrong value.
    const fn wrong(self, field: u8) -> bool {
        self.0 & 0x100 << field != 0
    }
}

/// Reads the server's answer to a [`Request`] as it comes in. It keeps no part of the head but what it will report.
///
/// In this order, since a Cortex-M takes shorter instructions for what lies near the front.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Answer {
    at: At,
    /// The field of the last line, for a line that continues it.
    field: u8,
    /// The status code, 0 before it is known.
    status: u16,
    said: Said,
    /// Bytes of the head that were consumed.
    absorbed: u32,
    expected: [u8; 28],
    /// At most [`SUBPROTOCOLS_MAX`] bytes.
    subprotocols: Text<56>,
    /// What the fault will quote: the `Server` field, the `Location` of a redirect, a subprotocol that was not offered,
    /// a line that can't be read, the first bytes of what is not HTTP/1.1.
    detail: Text<56>,
}

impl Answer {
    /// Expects the answer to a request with this `key` that offered these `subprotocols`.
    #[must_use]
    pub fn new(key: &[u8; 16], subprotocols: &str) -> Self {
        Self {
            expected: accept(&key_text(key)),
            subprotocols: Text::from_bytes(subprotocols.as_bytes()),
            at: At::Status,
            status: 0,
            absorbed: 0,
            field: field::OTHER,
            said: Said(0),
            detail: Text::EMPTY,
        }
    }

    /// Whether the answer announces a body, with `Transfer-Encoding` or `Content-Length`. In a 101 no server may
    /// (RFC 9112 6.1, RFC 9110 8.6), but front ends of clouds do; there is no body, frames follow at once.
    #[must_use]
    pub const fn chunked(&self) -> bool {
        self.said.right(field::CONTENT_LENGTH) || self.said.right(field::TRANSFER_ENCODING)
    }

    /// The status code of the answer, 0 before it has come.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The length in bytes of what was consumed, at the end that of the head with any interim answers.
    #[must_use]
    pub const fn head_len(&self) -> usize {
        self.absorbed as usize
    }

    /// The `Server` field of the answer (`Location` if the status is 3xx), as far as it has come.
    #[must_use]
    pub const fn server(&self) -> &Text<56> {
        &self.detail
    }

    /// Looks at the undecoded bytes and consumes whole lines. `full` says that the caller cannot add to `bytes`
    /// before some are consumed; a line that is too long is then consumed in pieces.
    ///
    /// # Errors
    /// A [`Fault`] on [`Rung::Upgrade`]: the answer is complete and no acceptable 101, or it is no HTTP at all.
    pub fn absorb(&mut self, bytes: &[u8], full: bool) -> Result<Progress, Fault> {
        self.take_lines(bytes, full)
            .map_err(|code| self.fault(code))
    }

    /// [`absorb`](Self::absorb), saying only what is wrong.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn take_lines(&mut self, bytes: &[u8], full: bool) -> Result<Progress, Code> {
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            let taken = self.step(rest, full && consumed == 0)?;
            consumed += taken;
            self.absorbed = self
                .absorbed
                .saturating_add(u32::try_from(taken).unwrap_or(u32::MAX));
            if self.absorbed > HEAD_MAX {
                return Err(Code::HeadTooLarge);
            }
            let done = self.at == At::End;
            if done || taken == 0 {
                return Ok(Progress { consumed, done });
            }
        }
    }

    /// The fault to report if the peer closes, or falls silent, before the answer is complete: what is known of it says
    /// more than that. `None` if nothing is known, or if the answer was about to be 101.
    #[must_use]
    pub fn eof(&self) -> Option<Fault> {
        let code = match self.status {
            // Before the status only what is no HTTP is kept.
            0 if !self.detail.is_empty() => Code::NotHttp,
            0 | 100..200 => return None,
            _ => self.refused(),
        };
        Some(self.fault(code))
    }

    /// Takes the line at the start of `rest`, or what there is of it if `stuck`; answers how much that is.
    fn step(&mut self, rest: &[u8], stuck: bool) -> Result<usize, Code> {
        let (line, end) = head::line(rest).unwrap_or((rest, 0));
        let taken = if end == 0 && (stuck || self.at == At::LongLine) {
            rest.len()
        } else {
            end
        };
        if self.at == At::Status && !self.is_http(rest)? {
            // Kept until there is a line of it, or enough to show.
            self.detail.keep(line);
            if taken > 0 || rest.len() >= NOISE_SHOWN {
                return Err(Code::NotHttp);
            }
        } else if taken > 0 {
            let next = self.line(line)?;
            self.at = if end == 0 { At::LongLine } else { next };
        }
        Ok(taken)
    }

    /// Judges the start of the status line before its end is there: some peers never end one.
    fn is_http(&mut self, rest: &[u8]) -> Result<bool, Code> {
        match rest {
            // RFC 8446 5.1: an alert (21) or handshake (22) record of a peer that expects TLS.
            [0x15 | 0x16, 0x03, ..] => return Err(Code::PeerSpeaksTls),
            [0x15 | 0x16] => return Ok(true),
            _ => {}
        }
        if let Some(status) = rest.get(..STATUS_END).and_then(head::status) {
            self.status = status;
        }
        Ok(rest
            .iter()
            .zip(b"HTTP/1.1 ")
            .all(|(found, expected)| found == expected))
    }

    /// Takes a line, or the start of one that is too long; answers what comes behind it.
    fn line(&mut self, line: &[u8]) -> Result<At, Code> {
        match (self.at, line) {
            // Its start has been looked at.
            (At::LongLine, _) => {}
            (At::Status, _) => {
                if self.status == 0 || !matches!(line.get(STATUS_END), None | Some(b' ')) {
                    return Err(self.malformed(line));
                }
            }
            (_, []) => return self.end(),
            // RFC 9112 5.2: a line that starts with whitespace continues the one before it.
            (_, [b' ' | b'\t', ..]) => self.value(line.trim_ascii()),
            _ => {
                let Some((name, value)) = head::field(line) else {
                    return Err(self.malformed(line));
                };
                self.field = field_of(name);
                self.value(value);
            }
        }
        Ok(At::Fields)
    }

    fn malformed(&mut self, line: &[u8]) -> Code {
        self.detail.keep(line);
        Code::HeadMalformed
    }

    fn value(&mut self, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        let right = match self.field {
            field::UPGRADE => head::has(value, b"websocket"),
            field::CONNECTION => head::has(value, b"upgrade"),
            field::ACCEPT => value == self.expected,
            field::SUBPROTOCOL => head::has(self.subprotocols.as_bytes(), value),
            _ => true,
        };
        if self.field <= field::TRANSFER_ENCODING {
            self.said.0 |= if right { 1 } else { 0x100 } << self.field;
        }
        let redirects = matches!(self.status, 300..400);
        let mut quoted = value;
        match self.field {
            field::SUBPROTOCOL if !right => {}
            field::LOCATION if redirects => {
                // What a query or a fragment holds may be a secret, and the address is told without it.
                let mut parts = value.split(|byte| matches!(byte, b'?' | b'#'));
                quoted = parts.next().unwrap_or_default();
            }
            field::SERVER if !redirects && !self.said.wrong(field::SUBPROTOCOL) => {}
            _ => return,
        }
        self.detail.keep(quoted);
    }

    /// At the empty line.
    fn end(&mut self) -> Result<At, Code> {
        match self.status {
            101 => self.switched(),
            // RFC 9110 15.2: a client MUST be able to read interim answers before the final one.
            100..200 => {
                self.status = 0;
                self.field = field::OTHER;
                self.said = Said(0);
                self.detail.keep(&[]);
                Ok(At::Status)
            }
            _ => Err(self.refused()),
        }
    }

    /// The checks of RFC 6455 4.1 on a complete 101, in the order in which one explains the next.
    const fn switched(&self) -> Result<At, Code> {
        let said = self.said;
        // Items 2 and 3: Upgrade names websocket, Connection names Upgrade, both without case.
        if !said.right(field::UPGRADE) || !said.right(field::CONNECTION) {
            return Err(Code::UpgradeHeader);
        }
        // Item 4: a missing or different accept value fails the connection.
        if !said.right(field::ACCEPT) || said.wrong(field::ACCEPT) {
            return Err(Code::WrongAccept);
        }
        // Item 5: an extension that was not in the request fails the connection.
        if said.right(field::EXTENSIONS) {
            return Err(Code::UnaskedExtension);
        }
        // Item 6: so does a subprotocol. That none is chosen only MQTT forbids.
        if said.wrong(field::SUBPROTOCOL) {
            return Err(Code::WrongSubprotocol);
        }
        if !said.right(field::SUBPROTOCOL) && !self.subprotocols.is_empty() {
            return Err(Code::NoSubprotocol);
        }
        Ok(At::End)
    }

    /// The status says no.
    const fn refused(&self) -> Code {
        match self.status {
            300..400 => Code::Redirected,
            400 => Code::BadRequest,
            401 => Code::Unauthorized,
            403 => Code::Forbidden,
            404 => Code::NotFound,
            407 => Code::ProxyAuthRequired,
            426 => Code::UpgradeRequired,
            500.. => Code::ServerError,
            _ => Code::HttpStatus,
        }
    }

    /// The fault of this code, with what is known: one place, since a fault is large.
    #[cold]
    pub(crate) fn fault(&self, code: Code) -> Fault {
        let mut fault = Fault::new(Rung::Upgrade, code);
        if code == Code::HeadTooLarge {
            return fault.number(self.absorbed);
        }
        fault.clause = match code {
            Code::HeadMalformed if self.at == At::Status => told("RFC 9112 4"),
            Code::HeadMalformed => told("RFC 9112 5"),
            Code::NoSubprotocol => told("MQTT-6.0.0-4"),
            Code::NotHttp
            | Code::UpgradeHeader
            | Code::WrongAccept
            | Code::UnaskedExtension
            | Code::WrongSubprotocol => told("RFC 6455 4.1"),
            // With a status that says no the server is within its rights.
            _ => "",
        };
        fault.number = u32::from(self.status);
        fault.detail = self.detail;
        fault
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
