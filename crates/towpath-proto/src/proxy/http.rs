//! HTTP CONNECT (RFC 9110 9.3.6), with credentials once the proxy asks for them: Digest (RFC 7616), Basic (RFC 7617).

use core::fmt::Write as _;

use base64ct::{Base64, Encoder};

use super::{
    Ask, Credentials, NOISE_SHOWN, Step, Unsaid,
    challenge::{self, Offer},
    digest,
    line::Line,
    not_proxy,
};
use crate::{
    buffers::Random,
    bytes::{Short, Writer},
    fault::{Code, Fault},
    http::head,
    rung::Rung,
    text::Text,
};

/// A head that is longer is taken for endless, bytes.
const HEAD_MAX: u32 = 4096;

/// The longest line that is read as a whole, bytes. A challenge has to fit.
const LINE_MAX: usize = 640;

/// The longest body of a 407 that is skipped, bytes; before a longer one another connection is opened.
const BODY_MAX: u32 = 16 * 1024;

/// How many bytes are read at once where the tunnel can't begin yet.
const READ: usize = 256;

/// The shortest head that opens a tunnel, bytes: `HTTP/1.1 200` and two line ends.
const SHORTEST: usize = 14;

const METHOD: &[u8] = b"CONNECT";

/// What the request carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// No credentials.
    Bare,
    Basic,
    Digest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// A request is to be sent.
    Send,
    /// The answer's first line.
    Status,
    /// Its fields.
    Fields,
    /// So many bytes are left of a body that nobody needs.
    Body(u32),
    /// What comes is no HTTP.
    Noise,
    /// Another connection is wanted.
    Reconnect,
    Open,
}

/// The dialogue with an HTTP proxy.
pub(super) struct Connect {
    at: At,
    sent: Sent,
    /// The request to be sent next answers a nonce that had grown old.
    renewed: bool,
    /// This connection has carried an answer before, so the proxy may have closed it in the meantime.
    reused: bool,
    line: Line<LINE_MAX>,
    /// The field that asks for credentials in the strongest way known here.
    challenge: Line<LINE_MAX>,
    answer: Answer,
}

/// What is known of an answer.
struct Answer {
    status: u16,
    /// Bytes of the head so far.
    len: u32,
    /// The connection stays open after it.
    persists: bool,
    body: Option<u32>,
    /// What it says about itself: an error's name or a reason phrase, and the server.
    said: Text<56>,
    /// It names an error: the reason phrase says less.
    named: bool,
    /// The schemes it offers, and how strong the best is that is known here.
    schemes: Text<56>,
    strength: u8,
    stale: bool,
    /// A challenge was too long to be kept.
    cut: bool,
}

impl Answer {
    const NONE: Self = Self {
        status: 0,
        len: 0,
        persists: false,
        body: None,
        said: Text::EMPTY,
        named: false,
        schemes: Text::EMPTY,
        strength: 0,
        cut: false,
        stale: false,
    };
}

impl Connect {
    pub(super) const fn new() -> Self {
        Self {
            at: At::Send,
            sent: Sent::Bare,
            renewed: false,
            reused: false,
            line: Line::EMPTY,
            challenge: Line::EMPTY,
            answer: Answer::NONE,
        }
    }

    pub(super) fn step(&self) -> Step {
        match self.at {
            At::Send => Step::Send,
            At::Status => Step::Read(SHORTEST.saturating_sub(self.line.bytes().len()).max(2)),
            // No tunnel follows a refusal.
            At::Fields if self.answer.status >= 300 => Step::Read(READ),
            // An empty line at once, or after this one.
            At::Fields if self.line.without_cr().is_empty() => Step::Read(1),
            At::Fields => Step::Read(2),
            At::Body(left) => Step::Read(usize::try_from(left).unwrap_or(READ).min(READ)),
            At::Noise => Step::Read(NOISE_SHOWN),
            At::Reconnect => Step::Reconnect,
            At::Open => Step::Done,
        }
    }

    pub(super) const fn reconnected(&mut self) {
        self.at = At::Send;
        self.reused = false;
    }

    /// Writes the request, and expects its answer.
    pub(super) fn request(
        &mut self,
        ask: &Ask<'_>,
        random: &mut impl Random,
        out: &mut Writer<'_>,
    ) -> Result<(), Unsaid> {
        let (open, close) = if ask.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        let mut port = Text::<6>::EMPTY;
        let _ = write!(port, ":{}", ask.port);
        let target = [open, ask.host, close, port.as_str()].map(str::as_bytes);
        put(out, &[METHOD, b" "])?;
        put(out, &target)?;
        // Host is the same as the target (RFC 9112 3.2.3).
        put(out, &[b" HTTP/1.1\r\nHost: "])?;
        put(out, &target)?;
        put(out, &[b"\r\n"])?;
        if let Some(credentials) = &ask.credentials {
            match (self.sent, challenge::strongest(self.challenge.bytes())) {
                (Sent::Basic, _) => basic(credentials, out)?,
                (Sent::Digest, Some(Offer::Digest(challenge))) => {
                    let request = digest::Request {
                        method: METHOD,
                        target: &target,
                    };
                    let cnonce = digest::cnonce(core::array::from_fn(|_| random.next_u32()));
                    answer_digest(&challenge, credentials, &request, &cnonce, out)?;
                }
                _ => {}
            }
        }
        put(out, &[b"\r\n"])?;
        self.line.clear();
        self.answer = Answer::NONE;
        self.at = At::Status;
        Ok(())
    }

    /// Takes bytes up to the end of the head, or of the body that is skipped.
    pub(super) fn absorb(&mut self, has_credentials: bool, bytes: &[u8]) -> (usize, Option<Fault>) {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.at {
                At::Body(left) => {
                    let n = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                    taken += n;
                    let left = left.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX));
                    self.at = if left == 0 { At::Send } else { At::Body(left) };
                }
                At::Status | At::Fields | At::Noise => {
                    taken += 1;
                    let byte = rest.first().copied().unwrap_or_default();
                    if let Some(fault) = self.byte(has_credentials, byte) {
                        return (taken, Some(fault));
                    }
                }
                At::Send | At::Reconnect | At::Open => break,
            }
        }
        (taken, None)
    }

    fn byte(&mut self, has_credentials: bool, byte: u8) -> Option<Fault> {
        self.answer.len = self.answer.len.saturating_add(1);
        if self.answer.len > HEAD_MAX {
            // Pages that forbid something bring long fields along; the status says enough.
            let known = self.answer.status >= 400 && self.answer.status != 407;
            return Some(if known {
                self.refused()
            } else {
                Fault::new(Rung::Proxy, Code::HeadTooLarge).number(self.answer.len)
            });
        }
        if byte != b'\n' {
            self.line.push(byte);
            if self.at == At::Status && !begins_like_http(self.line.bytes()) {
                self.at = At::Noise;
            }
            let noise = self.line.bytes();
            let enough = self.at == At::Noise && is_enough(noise);
            return enough.then(|| not_proxy(noise));
        }
        let fault = match self.at {
            At::Status => self.status_line(),
            At::Fields if self.line.without_cr().is_empty() => self.end(has_credentials),
            At::Fields => {
                self.field();
                None
            }
            _ => Some(not_proxy(self.line.without_cr())),
        };
        self.line.clear();
        fault
    }

    fn status_line(&mut self) -> Option<Fault> {
        let line = self.line.without_cr();
        let Some((status, version, reason)) = status_of(line) else {
            return Some(not_proxy(line));
        };
        self.answer.status = status;
        // RFC 9112 9.3: HTTP/1.0 closes unless it says otherwise.
        self.answer.persists = version == 1;
        self.answer.said = Text::from_bytes(reason.trim_ascii());
        self.at = At::Fields;
        None
    }

    fn field(&mut self) {
        let line = self.line.without_cr();
        // RFC 9112 5.2: a continued line is not understood here; none of these fields has one in practice.
        let Some((name, value)) = head::field(line).filter(|_| !line.starts_with(b" ")) else {
            return;
        };
        if !head::is_field_value(value) {
            return;
        }
        let answer = &mut self.answer;
        let is = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        if is("Proxy-Authenticate") && answer.status == 407 {
            for scheme in challenge::schemes(value) {
                name_scheme(&mut answer.schemes, scheme);
            }
            answer.cut |= self.line.is_cut();
            let offer = challenge::strongest(value).filter(|_| !self.line.is_cut());
            if let Some(offer) = offer.filter(|offer| offer.strength() > answer.strength) {
                answer.strength = offer.strength();
                answer.stale = matches!(offer, Offer::Digest(digest) if digest.stale);
                self.challenge.clear();
                value.iter().for_each(|byte| self.challenge.push(*byte));
            }
        } else if is("Connection") || is("Proxy-Connection") {
            if head::has_member(value, "close") {
                answer.persists = false;
                answer.body = None;
            } else if head::has_member(value, "keep-alive") {
                answer.persists = true;
            }
        } else if is("Content-Length") {
            answer.body = str::from_utf8(value).ok().and_then(|len| len.parse().ok());
        } else if is("Transfer-Encoding") {
            // Its end is not looked for.
            answer.persists = false;
        } else if is("X-Squid-Error") || is("Proxy-Status") {
            // RFC 9209, and squid's own: these name the cause.
            answer.said = Text::from_bytes(value);
            answer.named = true;
        } else if (is("Server") || is("Via")) && !answer.named {
            let comma = if answer.said.is_empty() { "" } else { ", " };
            let _ = write!(answer.said, "{comma}{}", Text::<56>::from_bytes(value));
            answer.named = true;
        }
    }

    /// At the empty line.
    fn end(&mut self, has_credentials: bool) -> Option<Fault> {
        match self.answer.status {
            // RFC 9110 15.2: interim answers come before the final one.
            100..200 => {
                let len = self.answer.len;
                self.answer = Answer {
                    len,
                    ..Answer::NONE
                };
                self.at = At::Status;
                None
            }
            200..300 => {
                self.at = At::Open;
                None
            }
            407 => self.challenged(has_credentials),
            _ => Some(self.refused()),
        }
    }

    /// The proxy wants credentials, or others.
    fn challenged(&mut self, has_credentials: bool) -> Option<Fault> {
        let answer = &self.answer;
        if !has_credentials {
            return Some(self.fault(Code::ProxyAuthRequired, answer.schemes));
        }
        // RFC 7616 3.3: a stale nonce does not mean that the password is wrong.
        let stale = self.sent == Sent::Digest && answer.stale && !self.renewed;
        if self.sent != Sent::Bare && !stale {
            return Some(self.fault(Code::ProxyAuthFailed, answer.said));
        }
        self.renewed = stale;
        self.sent = match answer.strength {
            0 => return Some(self.fault(Code::ProxyAuthScheme, answer.schemes)),
            // What was cut may have been Digest: then the password is not sent in clear.
            1 if answer.cut => {
                let why = Text::from_bytes(b"its challenge is too long");
                return Some(self.fault(Code::ProxyAuthScheme, why));
            }
            1 => Sent::Basic,
            _ => Sent::Digest,
        };
        self.reused = true;
        self.at = match answer.body {
            Some(0) if answer.persists => At::Send,
            Some(left) if answer.persists && left <= BODY_MAX => At::Body(left),
            _ => At::Reconnect,
        };
        None
    }

    fn refused(&self) -> Fault {
        let code = match self.answer.status {
            401 | 403 | 451 => Code::ProxyRefused,
            // With an end that never came.
            407 if self.sent != Sent::Bare => Code::ProxyAuthFailed,
            407 => Code::ProxyAuthRequired,
            // What servers say that are no proxies.
            400 | 404 | 405 | 501 => Code::NotProxy,
            502..=504 => Code::ProxyBadGateway,
            // What squid 5 says of a name that does not resolve.
            500 if self.answer.said.as_str().starts_with("ERR_CANNOT_FORWARD") => {
                Code::ProxyBadGateway
            }
            _ => Code::ProxyStatus,
        };
        self.fault(code, self.answer.said)
    }

    fn fault(&self, code: Code, detail: Text<56>) -> Fault {
        Fault {
            detail,
            ..Fault::new(Rung::Proxy, code).number(u32::from(self.answer.status))
        }
    }

    /// The stream has ended.
    pub(super) fn ended(&mut self) -> Option<Fault> {
        match self.at {
            At::Open => None,
            At::Body(_) | At::Reconnect => {
                self.at = At::Reconnect;
                None
            }
            // It closed before it saw the second request.
            At::Send | At::Status if self.reused && self.answer.len == 0 => {
                self.at = At::Reconnect;
                None
            }
            _ => Some(
                self.heard()
                    .unwrap_or_else(|| Fault::new(Rung::Proxy, Code::ProxyClosed)),
            ),
        }
    }

    /// What an answer that is not complete has said already.
    pub(super) fn heard(&self) -> Option<Fault> {
        match (self.at, self.answer.status) {
            (At::Noise, _) => Some(not_proxy(self.line.without_cr())),
            (At::Fields, 300..) => Some(self.refused()),
            _ => None,
        }
    }

    pub(super) const fn waits_for(&self) -> &'static str {
        match self.at {
            At::Body(_) => "in the middle of an answer",
            _ if self.answer.len > 0 => "in the middle of an answer",
            _ => "no answer to CONNECT",
        }
    }
}

fn put(out: &mut Writer<'_>, parts: &[&[u8]]) -> Result<(), Short> {
    parts.iter().try_for_each(|part| out.put(part))
}

/// RFC 7617 2.
fn basic(credentials: &Credentials<'_>, out: &mut Writer<'_>) -> Result<(), Unsaid> {
    let Credentials { user, password } = *credentials;
    if user.contains(':') {
        let fault = Fault::new(Rung::Proxy, Code::ProxyName);
        return Err(Unsaid::Fault(
            fault.detail(b"Basic can't carry a user name with a colon"),
        ));
    }
    put(out, &[b"Proxy-Authorization: Basic "])?;
    // User, colon and password in base64.
    let mut text = [0; (2 * super::CREDENTIAL_MAX + 1).div_ceil(3) * 4];
    let mut encoder = Encoder::<Base64>::new(&mut text).map_err(|_| Short)?;
    for part in [user.as_bytes(), b":", password] {
        encoder.encode(part).map_err(|_| Short)?;
    }
    let encoded = encoder.finish().map_err(|_| Short)?;
    put(out, &[encoded.as_bytes(), b"\r\n"])?;
    Ok(())
}

/// RFC 7616 3.4.
fn answer_digest(
    challenge: &challenge::Digest<'_>,
    credentials: &Credentials<'_>,
    request: &digest::Request<'_>,
    cnonce: &[u8],
    out: &mut Writer<'_>,
) -> Result<(), Short> {
    put(out, &[b"Proxy-Authorization: Digest username=\""])?;
    for byte in credentials.user.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.u8(b'\\')?;
        }
        out.u8(byte)?;
    }
    put(out, &[b"\", realm=\"", challenge.realm])?;
    put(out, &[b"\", nonce=\"", challenge.nonce, b"\", uri=\""])?;
    put(out, request.target)?;
    let response = digest::response(challenge, credentials, request, cnonce);
    put(out, &[b"\", response=\"", response.as_bytes(), b"\""])?;
    if challenge.algorithm.named {
        put(
            out,
            &[b", algorithm=", challenge.algorithm.name().as_bytes()],
        )?;
    }
    if challenge.qop {
        put(out, &[b", qop=auth, nc=", digest::COUNT])?;
    }
    if challenge.qop || challenge.algorithm.session {
        put(out, &[b", cnonce=\"", cnonce, b"\""])?;
    }
    if let Some(opaque) = challenge.opaque {
        put(out, &[b", opaque=\"", opaque, b"\""])?;
    }
    put(out, &[b"\r\n"])
}

/// Whether there is no use in waiting for the end of a line that is no HTTP: it is long, or no text.
fn is_enough(noise: &[u8]) -> bool {
    match noise {
        // The start of a TLS record, perhaps; the next byte tells.
        [0x15 | 0x16] => false,
        [.., last] => noise.len() >= NOISE_SHOWN || !matches!(last, b'\t' | b'\r' | b' '..=b'~'),
        [] => false,
    }
}

/// Whether a status line may begin like this.
fn begins_like_http(start: &[u8]) -> bool {
    let version = b"HTTP/1.";
    start
        .iter()
        .zip(version)
        .all(|(found, wanted)| found == wanted)
}

/// Status, minor version and reason phrase of a status line (RFC 9112 4) of HTTP/1.0 or 1.1.
fn status_of(line: &[u8]) -> Option<(u16, u8, &[u8])> {
    let (minor, rest) = line.strip_prefix(b"HTTP/1.")?.split_first()?;
    let minor = minor.checked_sub(b'0').filter(|minor| *minor <= 1)?;
    let (digits, reason) = rest.strip_prefix(b" ")?.split_first_chunk::<3>()?;
    if !matches!(digits, [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'])
        || !matches!(reason.first(), None | Some(b' '))
    {
        return None;
    }
    let status = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Some((status, minor, reason))
}

/// Adds a scheme to a list of them, once.
fn name_scheme(list: &mut Text<56>, scheme: &[u8]) {
    let known = list.as_str().split(", ");
    let Ok(scheme) = str::from_utf8(scheme) else {
        return;
    };
    if known
        .into_iter()
        .any(|known| known.eq_ignore_ascii_case(scheme))
    {
        return;
    }
    let comma = if list.is_empty() { "" } else { ", " };
    let _ = write!(list, "{comma}{scheme}");
}
