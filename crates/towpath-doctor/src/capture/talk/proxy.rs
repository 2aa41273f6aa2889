//! A proxy: HTTP CONNECT and SOCKS5 (RFC 9110 section 9.3.6, RFC 1928, RFC 1929). Credentials are not kept.

use towpath_proto::{http::head, tls::Side};

use super::{Foreign, Mode, Talk};
use crate::capture::{mark::Mark, names::printable};

/// The longest head that is waited for, bytes.
const HEAD: usize = 12 << 10;

/// What was said to a proxy, and by it.
#[derive(Debug, Default)]
pub(in crate::capture) struct Proxy {
    pub(in crate::capture) socks: bool,
    /// Which server is asked for.
    pub(in crate::capture) target: String,
    pub(in crate::capture) asked: Option<Mark>,
    /// Whether credentials were sent along.
    pub(in crate::capture) credentials: bool,
    pub(in crate::capture) answered: Option<Mark>,
    /// The status of HTTP, or the reply of SOCKS.
    pub(in crate::capture) status: u16,
    /// `Server` or `Via` of the answer.
    pub(in crate::capture) server: String,
    /// The proxy takes none of the methods, or not the credentials.
    pub(in crate::capture) no_method: bool,
    pub(in crate::capture) refused: bool,
    /// The way is open.
    pub(in crate::capture) open: Option<Mark>,
    /// What answers is no proxy of this kind.
    pub(in crate::capture) foreign: Option<(Foreign, Mark)>,
    step: u8,
}

impl Talk {
    /// HTTP to a proxy.
    pub(super) fn connect(&mut self, side: Side, mark: Mark) -> bool {
        let waiting = self.waiting(side);
        // What comes behind an answer that opened nothing is its body.
        let over = self
            .proxy
            .as_ref()
            .is_some_and(|proxy| proxy.answered.is_some() && proxy.answered >= proxy.asked);
        if side == Side::Server && over {
            let left = waiting.len();
            self.taken(side, left);
            return false;
        }
        let Some(len) = head::len(waiting) else {
            if side == Side::Server
                && !waiting.is_empty()
                && !b"HTTP/1.".starts_with(waiting.get(..7.min(waiting.len())).unwrap_or_default())
            {
                let foreign = Foreign::of(waiting);
                self.proxy
                    .get_or_insert_default()
                    .foreign
                    .get_or_insert((foreign, mark));
                self.give_up();
            } else if waiting.len() > HEAD {
                self.give_up();
            }
            return false;
        };
        let bytes = waiting.get(..len).unwrap_or_default().to_vec();
        self.taken(side, len);
        let proxy = self.proxy.get_or_insert_default();
        if side == Side::Client {
            let line = head::line(&bytes).map_or(&b""[..], |(line, _)| line);
            let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            proxy.target = printable(&String::from_utf8_lossy(target));
            proxy.asked = Some(mark);
            proxy.credentials = values(&bytes, "Proxy-Authorization").next().is_some();
            // What is left of an earlier answer's body is of no use.
            let left = self.waiting(Side::Server).len();
            self.taken(Side::Server, left);
            return true;
        }
        proxy.answered = Some(mark);
        proxy.status = status(&bytes).unwrap_or(0);
        let said = values(&bytes, "Server").chain(values(&bytes, "Via")).next();
        proxy.server = said.map(text).unwrap_or_default();
        if (200..300).contains(&proxy.status) {
            proxy.open = Some(mark);
            self.mode = Mode::Unknown;
        }
        true
    }

    /// SOCKS5: methods, perhaps a password, the request.
    pub(super) fn socks(&mut self, side: Side, mark: Mark) -> bool {
        let waiting = self.waiting(side).to_vec();
        let proxy = self.proxy.get_or_insert_default();
        proxy.socks = true;
        if side == Side::Server
            && proxy.step == 1
            && waiting.first().is_some_and(|first| *first != 5)
        {
            proxy.foreign = Some((Foreign::of(&waiting), mark));
            self.give_up();
            return false;
        }
        let taken = match side {
            Side::Client => proxy.socks_asked(&waiting, mark),
            Side::Server => proxy.socks_answered(&waiting, mark),
        };
        let open = proxy.open.is_some();
        let Some(taken) = taken else { return false };
        if open {
            self.mode = Mode::Unknown;
        }
        self.taken(side, taken);
        true
    }
}

impl Proxy {
    /// A message of the client, and its length; none: it is not complete, or not its turn.
    fn socks_asked(&mut self, waiting: &[u8], mark: Mark) -> Option<usize> {
        let len = match (self.step, waiting) {
            (0, [5, methods, ..]) => usize::from(*methods) + 2,
            (2, [1, ..]) => {
                let len = credentials(waiting)?;
                self.credentials = true;
                len
            }
            (4, [5, ..]) => {
                let (target, len) = target(waiting)?;
                self.target = target;
                len
            }
            _ => return None,
        };
        self.asked = Some(mark);
        self.step += 1;
        Some(len)
    }

    /// A message of the proxy, and its length.
    fn socks_answered(&mut self, waiting: &[u8], mark: Mark) -> Option<usize> {
        let len = match (self.step, waiting) {
            (1, [5, method, ..]) => {
                self.no_method = *method == 0xff;
                self.step = if *method == 2 { 2 } else { 4 };
                2
            }
            (3, [_, outcome, ..]) => {
                self.refused = *outcome != 0;
                self.step = 4;
                2
            }
            (5, [5, reply, ..]) => {
                let (_, len) = target(waiting)?;
                self.status = u16::from(*reply);
                if *reply == 0 {
                    self.open = Some(mark);
                }
                len
            }
            _ => return None,
        };
        self.answered = Some(mark);
        Some(len)
    }
}

/// The length of a message with user and password (RFC 1929).
fn credentials(bytes: &[u8]) -> Option<usize> {
    let user = usize::from(*bytes.get(1)?);
    let password = usize::from(*bytes.get(user + 2)?);
    let len = user + password + 3;
    (bytes.len() >= len).then_some(len)
}

/// The address in a request or reply (RFC 1928 sections 4 and 6), and the length of the whole.
fn target(bytes: &[u8]) -> Option<(String, usize)> {
    let (kind, rest) = (*bytes.get(3)?, bytes.get(4..)?);
    let (host, len) = match kind {
        1 => {
            let address = std::net::Ipv4Addr::from(*rest.first_chunk::<4>()?);
            (address.to_string(), 4)
        }
        4 => {
            let address = std::net::Ipv6Addr::from(*rest.first_chunk::<16>()?);
            (format!("[{address}]"), 16)
        }
        3 => {
            let len = usize::from(*rest.first()?);
            (text(rest.get(1..=len)?), len + 1)
        }
        _ => return None,
    };
    let port = u16::from_be_bytes(*rest.get(len..)?.first_chunk::<2>()?);
    Some((format!("{host}:{port}"), len + 6))
}

/// Bytes of a peer as text that can be shown: short, without control characters.
pub(super) fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..80).unwrap_or(bytes);
    printable(&String::from_utf8_lossy(bytes))
}

/// The values of a field in a head.
pub(super) fn values<'a>(bytes: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (line, taken) = head::line(rest)?;
        rest = rest.get(taken..)?;
        Some(line)
    })
    .filter_map(head::field)
    .filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
    .map(|(_, value)| value)
}

/// The status in a status line of any HTTP/1.
pub(super) fn status(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"HTTP/1.")?;
    let code = std::str::from_utf8(rest.get(2..5)?).ok()?;
    code.parse().ok()
}
