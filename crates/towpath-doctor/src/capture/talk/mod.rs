//! What the two sides of a connection say, layer by layer: proxy, TLS, HTTP, WebSocket, MQTT.
//!
//! Takes in the bytes of both sides in order; keeps a few facts of each layer with the packets that showed them. Bytes
//! are kept only until a head or a packet is whole, and never many.

pub(super) mod certificate;
pub(super) mod hello;
pub(super) mod http;
pub(super) mod mqtt;
pub(super) mod proxy;
pub(super) mod tls;
pub(super) mod ws;

use towpath_proto::tls::Side;

use super::mark::Mark;
use crate::capture::flow::index;

/// The most bytes of a side that wait to be read.
const PENDING: usize = 16 << 10;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing was said that tells it.
    Unknown,
    Socks,
    /// HTTP to a proxy, until it opens the way.
    Connect,
    Tls,
    Http,
    Ws,
    Mqtt,
    /// Nothing more is read.
    Closed,
}

/// What a connection was found to carry.
#[derive(Debug)]
pub(super) struct Talk {
    mode: Mode,
    /// The port of the server, which tells what is likely to be spoken.
    pub(super) port: u16,
    pending: [Vec<u8>; 2],
    pub(super) proxy: Option<proxy::Proxy>,
    pub(super) tls: Option<Box<tls::Tls>>,
    pub(super) http: Option<Box<http::Http>>,
    pub(super) ws: Option<Box<ws::Ws>>,
    pub(super) mqtt: Option<Box<mqtt::Mqtt>>,
    /// The first bytes of a side that are none of these protocols.
    pub(super) foreign: [Option<(Foreign, Mark)>; 2],
    /// Bytes of this connection are not in the capture.
    pub(super) missing: bool,
}

/// What bytes look like that do not belong there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    Http,
    Tls,
    Mqtt,
    Other,
}

impl Foreign {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Tls => "TLS",
            Self::Mqtt => "MQTT",
            Self::Other => "something unknown",
        }
    }

    /// What these bytes begin.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [20..=23, 3, ..] => Self::Tls,
            [b'H', b'T', b'T', b'P', ..] => Self::Http,
            [0x10 | 0x20, ..] => Self::Mqtt,
            _ if bytes.starts_with(b"GET ") || bytes.starts_with(b"CONNECT ") => Self::Http,
            _ => Self::Other,
        }
    }
}

impl Talk {
    pub(super) const fn new(port: u16) -> Self {
        Self {
            mode: Mode::Unknown,
            port,
            pending: [Vec::new(), Vec::new()],
            proxy: None,
            tls: None,
            http: None,
            ws: None,
            mqtt: None,
            foreign: [None, None],
            missing: false,
        }
    }

    /// Whether one of the protocols was recognised.
    pub(super) fn is_known(&self) -> bool {
        self.tls.is_some() || self.mqtt.is_some() || self.ws.is_some() || self.proxy.is_some()
    }

    /// Bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        let [client, server] = &self.pending;
        client.len() + server.len() + self.tls.as_ref().map_or(0, |tls| tls.kept())
    }

    /// Reads nothing more.
    pub(super) fn give_up(&mut self) {
        self.mode = Mode::Closed;
        self.pending = [Vec::new(), Vec::new()];
        if let Some(tls) = &mut self.tls {
            tls.give_up();
        }
    }

    /// So many bytes of `side` are not in the capture.
    pub(super) fn missing(&mut self, side: Side, len: usize, mark: Mark) {
        self.missing = true;
        match self.mode {
            Mode::Tls => {
                if let Some(tls) = &mut self.tls {
                    tls.missing(side, len, mark);
                }
            }
            Mode::Closed => {}
            _ => self.give_up(),
        }
    }

    /// Bytes of `side`.
    pub(super) fn bytes(&mut self, side: Side, bytes: &[u8], mark: Mark) {
        match self.mode {
            Mode::Closed => return,
            Mode::Tls => {
                if let Some(tls) = &mut self.tls {
                    tls.bytes(side, bytes, mark);
                }
                return;
            }
            _ => {}
        }
        // In parts, so that what is whole makes room for more.
        for part in bytes.chunks(PENDING / 4) {
            let Some(pending) = self.pending.get_mut(index(side)) else {
                return;
            };
            if pending.len() + part.len() > PENDING {
                self.give_up();
                return;
            }
            pending.extend_from_slice(part);
            while self.step(side, mark) {}
        }
    }

    /// The bytes of a side that wait.
    fn waiting(&self, side: Side) -> &[u8] {
        let [client, server] = &self.pending;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    fn taken(&mut self, side: Side, len: usize) {
        if let Some(pending) = self.pending.get_mut(index(side)) {
            pending.drain(..len.min(pending.len()));
        }
    }

    /// Reads on; true if that was of use and there may be more.
    fn step(&mut self, side: Side, mark: Mark) -> bool {
        match self.mode {
            Mode::Unknown => self.recognise(mark),
            Mode::Socks => self.socks(side, mark),
            Mode::Connect => self.connect(side, mark),
            Mode::Http => self.http(side, mark),
            Mode::Ws => self.ws(side, mark),
            Mode::Mqtt => self.mqtt(side, mark),
            Mode::Tls | Mode::Closed => false,
        }
    }

    /// Finds out what is spoken, by the first bytes of the client; a server that speaks first waits for them.
    fn recognise(&mut self, mark: Mark) -> bool {
        let [client, _] = &self.pending;
        self.mode = match client[..] {
            [] => return false,
            [20..=23, 3, ..] => Mode::Tls,
            [20..=23] | [5] => return false,
            [0x10, ..] => Mode::Mqtt,
            [5, methods, ..] if client.len() == usize::from(methods) + 2 => Mode::Socks,
            _ => match first_word(client) {
                Some(b"CONNECT") => Mode::Connect,
                Some(b"GET" | b"POST" | b"PUT" | b"HEAD" | b"PATCH" | b"DELETE" | b"OPTIONS") => {
                    Mode::Http
                }
                None if client.len() < 8 && client.iter().all(u8::is_ascii_uppercase) => {
                    return false;
                }
                _ => Mode::Closed,
            },
        };
        match self.mode {
            Mode::Tls => self.begin_tls(mark),
            Mode::Closed => {
                let [first, _] = &mut self.foreign;
                first.get_or_insert((Foreign::of(client), mark));
                self.give_up();
                false
            }
            Mode::Mqtt => {
                self.mqtt.get_or_insert_default();
                true
            }
            _ => true,
        }
    }

    /// TLS begins, with what waits already.
    fn begin_tls(&mut self, mark: Mark) -> bool {
        let [client, server] = std::mem::take(&mut self.pending);
        let tls = self.tls.get_or_insert_default();
        tls.bytes(Side::Client, &client, mark);
        tls.bytes(Side::Server, &server, mark);
        false
    }
}

/// The first word, if a space ends it.
fn first_word(bytes: &[u8]) -> Option<&[u8]> {
    let space = bytes.iter().take(8).position(|byte| *byte == b' ')?;
    bytes.get(..space)
}
