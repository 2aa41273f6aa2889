//! The client's opening handshake (RFC 6455 4.1).

use super::{accept, key_text};
use crate::{
    bytes::{Short, Writer},
    fault::{Code, Fault},
    http::head,
    rung::Rung,
    text::Text,
};

/// A head that is longer, interim answers included, is taken for endless.
const HEAD_MAX: u32 = 64 * 1024;

/// So much of a peer's noise is enough to show what it speaks.
const NOISE_SHOWN: usize = 56;

/// The longest list of subprotocols that can be offered: an [`Answer`] keeps it.
pub const SUBPROTOCOLS_MAX: usize = 48;

const RULES: &str = "RFC 6455 4.1";

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
        self.check()?;
        let mut out = Writer::new(out);
        self.parts(&mut |part| out.put(part))?;
        Ok(out.written())
    }

    /// How many bytes [`encode`](Self::encode) writes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let mut len = 0_usize;
        let counted = self.parts(&mut |part| {
            len = len.saturating_add(part.len());
            Ok(())
        });
        counted.map_or(usize::MAX, |()| len)
    }

    /// What reads the answer to this request.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer::new(&self.key, self.subprotocols)
    }

    fn parts(&self, put: &mut dyn FnMut(&[u8]) -> Result<(), Short>) -> Result<(), Short> {
        let mut all = |parts: &[&[u8]]| parts.iter().try_for_each(|part| put(part));
        all(&[
            b"GET ",
            self.target.as_bytes(),
            b" HTTP/1.1\r\nHost: ",
            self.host.as_bytes(),
        ])?;
        all(&[
            b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ",
            &key_text(&self.key),
        ])?;
        all(&[b"\r\nSec-WebSocket-Version: 13\r\n"])?;
        if !self.subprotocols.is_empty() {
            all(&[
                b"Sec-WebSocket-Protocol: ",
                self.subprotocols.as_bytes(),
                b"\r\n",
            ])?;
        }
        for (name, value) in self.headers {
            all(&[name.as_bytes(), b": ", value.as_bytes(), b"\r\n"])?;
        }
        all(&[b"\r\n"])
    }

    /// Nothing the caller gives may end a line or add one: that would let it write requests of its own.
    fn check(&self) -> Result<(), RequestError> {
        let refuse = |what| {
            Err(RequestError::Field(
                Fault::new(Rung::Upgrade, Code::RequestField).clause(what),
            ))
        };
        if self.host.is_empty()
            || !self
                .host
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'/')
        {
            return refuse("host, RFC 9112 3.2");
        }
        if !head::is_origin_form(self.target.as_bytes()) {
            return refuse("path, RFC 9112 3.2.1");
        }
        if self.subprotocols.len() > SUBPROTOCOLS_MAX
            || !head::members(self.subprotocols.as_bytes()).all(head::is_token)
        {
            return refuse("subprotocol, RFC 6455 4.1");
        }
        for (name, value) in self.headers {
            if !head::is_token(name.as_bytes()) {
                return refuse("header name, RFC 9110 5.1");
            }
            if is_reserved(name) {
                return refuse("header of the handshake, RFC 6455 4.1");
            }
            if !head::is_field_value(value.as_bytes()) {
                return refuse("header value, RFC 9110 5.5");
            }
        }
        Ok(())
    }
}

/// Fields that the handshake writes itself, and those that would announce a body.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 5] = [
        "Host",
        "Upgrade",
        "Connection",
        "Content-Length",
        "Transfer-Encoding",
    ];
    let prefix = "Sec-WebSocket-";
    NAMES
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(name))
        || name
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
    /// In what turned out not to be HTTP/1.1, whose first bytes are kept to be shown.
    Noise,
    /// Before the end of a field line.
    Fields,
    /// Within a line that is too long for the buffer, whose start has been looked at.
    LongLine,
}

/// The fields of an answer that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Upgrade,
    Connection,
    Accept,
    Subprotocol,
    Extensions,
    Body,
    Server,
    Location,
    Other,
}

/// What the answer says about a field that must have the right value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Right,
    Wrong,
}

/// Reads the server's answer to a [`Request`] as it comes in. It keeps no part of the head but what it will report.
#[derive(Debug, Clone)]
pub struct Answer {
    expected: [u8; 28],
    subprotocols: Text<SUBPROTOCOLS_MAX>,
    at: At,
    /// The status code, 0 before it is known.
    status: u16,
    /// Bytes of the head that were consumed.
    absorbed: u32,
    /// The field of the last line, for a line that continues it.
    field: Field,
    upgrade: bool,
    connection: bool,
    extensions: bool,
    chunked: bool,
    accept: Said,
    subprotocol: Said,
    /// What the fault will quote: the `Server` field, the `Location` of a redirect, a subprotocol that was not offered,
    /// the first bytes of noise.
    detail: Text<56>,
}

impl Answer {
    /// Expects the answer to a request with this `key` that offered these `subprotocols`.
    #[must_use]
    pub fn new(key: &[u8; 16], subprotocols: &str) -> Self {
        Self::expecting(
            accept(&key_text(key)),
            Text::from_bytes(subprotocols.as_bytes()),
            0,
        )
    }

    const fn expecting(
        expected: [u8; 28],
        subprotocols: Text<SUBPROTOCOLS_MAX>,
        absorbed: u32,
    ) -> Self {
        Self {
            expected,
            subprotocols,
            at: At::Status,
            status: 0,
            absorbed,
            field: Field::Other,
            upgrade: false,
            connection: false,
            extensions: false,
            chunked: false,
            accept: Said::Nothing,
            subprotocol: Said::Nothing,
            detail: Text::EMPTY,
        }
    }

    /// Whether the answer announces a body, with `Transfer-Encoding` or `Content-Length`. In a 101 no server may
    /// (RFC 9112 6.1, RFC 9110 8.6), but front ends of clouds do; there is no body, frames follow at once.
    #[must_use]
    pub const fn chunked(&self) -> bool {
        self.chunked
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
        let mut consumed = 0;
        loop {
            let rest = bytes.get(consumed..).unwrap_or_default();
            let (taken, done) = self.step(rest, full && consumed == 0)?;
            consumed += taken;
            self.absorbed = self
                .absorbed
                .saturating_add(u32::try_from(taken).unwrap_or(u32::MAX));
            if self.absorbed > HEAD_MAX {
                return Err(Fault::new(Rung::Upgrade, Code::HeadTooLarge).number(self.absorbed));
            }
            if done || taken == 0 {
                return Ok(Progress { consumed, done });
            }
        }
    }

    /// Takes the line at the start of `rest`, or what there is of it if `stuck`: how much that is, and whether it ends
    /// an answer that switches protocols.
    fn step(&mut self, rest: &[u8], stuck: bool) -> Result<(usize, bool), Fault> {
        if self.at == At::Status {
            self.look_ahead(rest)?;
        }
        match (self.at, head::line(rest)) {
            (At::Noise, line) => {
                self.noise(rest, line.map(|(line, _)| line), stuck)?;
                Ok((0, false))
            }
            (At::LongLine, Some((_, taken))) => {
                self.at = At::Fields;
                Ok((taken, false))
            }
            (At::LongLine, None) => Ok((rest.len(), false)),
            (_, Some((line, taken))) => Ok((taken, self.line(line)?)),
            (_, None) if stuck && !rest.is_empty() => {
                self.line(rest)?;
                self.at = At::LongLine;
                Ok((rest.len(), false))
            }
            (_, None) => Ok((0, false)),
        }
    }

    /// The fault to report if the peer closes, or falls silent, before the answer is complete: what is known of it says
    /// more than that. `None` if nothing is known, or if the answer was about to be 101.
    #[must_use]
    pub fn eof(&self) -> Option<Fault> {
        match (self.at, self.status) {
            (At::Noise, _) => Some(self.not_http()),
            (_, 0 | 100..200) => None,
            _ => Some(self.refused()),
        }
    }

    /// Judges the start of the status line before its end is there: some peers never end one.
    fn look_ahead(&mut self, rest: &[u8]) -> Result<(), Fault> {
        const VERSION: &[u8] = b"HTTP/1.1 ";
        // RFC 8446 5.1: an alert (21) or handshake (22) record of a peer that expects TLS.
        if let [0x15 | 0x16, 0x03, ..] = rest {
            return Err(Fault::new(Rung::Upgrade, Code::PeerSpeaksTls));
        }
        if matches!(rest, [0x15 | 0x16]) {
            return Ok(());
        }
        if !rest
            .iter()
            .zip(VERSION)
            .all(|(found, expected)| found == expected)
        {
            self.at = At::Noise;
        } else if let Some(status) = rest.get(..VERSION.len() + 3).and_then(head::status) {
            self.status = status;
        }
        Ok(())
    }

    /// Keeps noise until there is a line of it, or enough to show.
    fn noise(&mut self, rest: &[u8], line: Option<&[u8]>, stuck: bool) -> Result<(), Fault> {
        self.detail = Text::from_bytes(line.unwrap_or(rest));
        if line.is_some() || stuck || rest.len() >= NOISE_SHOWN {
            Err(self.not_http())
        } else {
            Ok(())
        }
    }

    fn not_http(&self) -> Fault {
        Fault {
            detail: self.detail,
            ..Fault::new(Rung::Upgrade, Code::NotHttp).clause(RULES)
        }
    }

    /// Takes a line, or the start of one that is too long. `true` ends an answer that switches protocols.
    fn line(&mut self, line: &[u8]) -> Result<bool, Fault> {
        if self.at == At::Status {
            self.status = head::status(line).ok_or_else(|| self.malformed(line, "RFC 9112 4"))?;
            self.at = At::Fields;
            return Ok(false);
        }
        if line.is_empty() {
            return self.end();
        }
        // RFC 9112 5.2: a line that starts with whitespace continues the one before it.
        if matches!(line.first(), Some(b' ' | b'\t')) {
            self.value(line.trim_ascii());
            return Ok(false);
        }
        let (name, value) = head::field(line).ok_or_else(|| self.malformed(line, "RFC 9112 5"))?;
        self.field = field_of(name);
        self.value(value);
        Ok(false)
    }

    fn malformed(&self, line: &[u8], clause: &'static str) -> Fault {
        let fault = Fault::new(Rung::Upgrade, Code::HeadMalformed).clause(clause);
        fault.number(u32::from(self.status)).detail(line)
    }

    fn value(&mut self, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        match self.field {
            Field::Upgrade => self.upgrade |= head::has_member(value, "websocket"),
            Field::Connection => self.connection |= head::has_member(value, "upgrade"),
            Field::Accept => self.accept = self.accept.and(value == self.expected),
            Field::Subprotocol => {
                let offered = head::members(self.subprotocols.as_str().as_bytes())
                    .any(|one| one.eq_ignore_ascii_case(value));
                self.subprotocol = self.subprotocol.and(offered);
                if !offered {
                    self.detail = Text::from_bytes(value);
                }
            }
            Field::Extensions => self.extensions = true,
            Field::Body => self.chunked = true,
            Field::Location if self.redirects() => {
                // What a query or a fragment holds may be a secret, and the address is told without it.
                let end = value.iter().position(|byte| matches!(byte, b'?' | b'#'));
                let address = end.and_then(|end| value.get(..end)).unwrap_or(value);
                self.detail = Text::from_bytes(address);
            }
            Field::Server if !self.redirects() && self.subprotocol != Said::Wrong => {
                self.detail = Text::from_bytes(value);
            }
            Field::Server | Field::Location | Field::Other => {}
        }
    }

    const fn redirects(&self) -> bool {
        matches!(self.status, 300..400)
    }

    /// At the empty line.
    fn end(&mut self) -> Result<bool, Fault> {
        match self.status {
            101 => self.switched().map(|()| true),
            // RFC 9110 15.2: a client MUST be able to read interim answers before the final one.
            100..200 => {
                *self = Self::expecting(self.expected, self.subprotocols, self.absorbed);
                Ok(false)
            }
            _ => Err(self.refused()),
        }
    }

    /// The checks of RFC 6455 4.1 on a complete 101, in the order in which one explains the next.
    fn switched(&self) -> Result<(), Fault> {
        // Items 2 and 3: Upgrade names websocket, Connection names Upgrade, both without case.
        if !self.upgrade || !self.connection {
            return Err(self.fault(Code::UpgradeHeader));
        }
        // Item 4: a missing or different accept value fails the connection.
        if self.accept != Said::Right {
            return Err(self.fault(Code::WrongAccept));
        }
        // Item 5: an extension that was not in the request fails the connection.
        if self.extensions {
            return Err(self.fault(Code::UnaskedExtension));
        }
        // Item 6: so does a subprotocol. That none is chosen only MQTT forbids.
        match self.subprotocol {
            Said::Wrong => Err(self.fault(Code::WrongSubprotocol)),
            Said::Nothing if !self.subprotocols.is_empty() => {
                Err(self.fault(Code::NoSubprotocol).clause("MQTT-6.0.0-4"))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, code: Code) -> Fault {
        self.quoted(code).clause(RULES)
    }

    fn quoted(&self, code: Code) -> Fault {
        Fault {
            detail: self.detail,
            ..Fault::new(Rung::Upgrade, code).number(u32::from(self.status))
        }
    }

    /// The status says no. No clause: the server is within its rights.
    fn refused(&self) -> Fault {
        self.quoted(match self.status {
            300..400 => Code::Redirected,
            400 => Code::BadRequest,
            401 => Code::Unauthorized,
            403 => Code::Forbidden,
            404 => Code::NotFound,
            407 => Code::ProxyAuthRequired,
            426 => Code::UpgradeRequired,
            500.. => Code::ServerError,
            _ => Code::HttpStatus,
        })
    }
}

impl Said {
    /// The verdict over this field and the ones of the same name before it.
    const fn and(self, right: bool) -> Self {
        if right && !matches!(self, Self::Wrong) {
            Self::Right
        } else {
            Self::Wrong
        }
    }
}

fn field_of(name: &[u8]) -> Field {
    const NAMES: [(&str, Field); 9] = [
        ("Upgrade", Field::Upgrade),
        ("Connection", Field::Connection),
        ("Sec-WebSocket-Accept", Field::Accept),
        ("Sec-WebSocket-Protocol", Field::Subprotocol),
        ("Sec-WebSocket-Extensions", Field::Extensions),
        ("Transfer-Encoding", Field::Body),
        ("Content-Length", Field::Body),
        ("Server", Field::Server),
        ("Location", Field::Location),
    ];
    let known = NAMES
        .iter()
        .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
    known.map_or(Field::Other, |(_, field)| *field)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
