//! HTTP/1.1: the request to become a WebSocket, or another one, and the head of the answer. Queries, cookies and
//! credentials are not kept.

use towpath_proto::{http::head, tls::Side};

use super::{
    Foreign, Mode, Talk,
    proxy::{status, text, values},
};
use crate::capture::mark::Mark;

/// The longest head that is waited for, bytes.
const HEAD: usize = 12 << 10;

/// A request and its answer; of several, the last.
#[derive(Debug, Default)]
pub(in crate::capture) struct Http {
    pub(in crate::capture) asked: Option<Mark>,
    pub(in crate::capture) method: String,
    /// The path without its query.
    pub(in crate::capture) path: String,
    pub(in crate::capture) host: String,
    /// Whether the request is for a WebSocket.
    pub(in crate::capture) upgrade: bool,
    /// The request line has no path.
    pub(in crate::capture) no_path: bool,
    /// The subprotocols that are offered, and the one that is chosen.
    pub(in crate::capture) offered: Vec<String>,
    pub(in crate::capture) chosen: String,
    pub(in crate::capture) answered: Option<Mark>,
    pub(in crate::capture) status: u16,
    pub(in crate::capture) server: String,
    pub(in crate::capture) location: String,
    /// Whether the answer has `Upgrade: websocket`.
    pub(in crate::capture) switched: bool,
    /// Whether the answer chose an extension that was not offered.
    pub(in crate::capture) extension: bool,
    asked_extension: bool,
    /// The answer began, and its head is not complete.
    pub(in crate::capture) begun: Option<(Mark, usize)>,
    /// The answer has a head without end.
    pub(in crate::capture) endless: bool,
    /// What came is no HTTP.
    pub(in crate::capture) foreign: Option<(Foreign, Mark)>,
    /// How many requests there were.
    pub(in crate::capture) requests: u32,
}

impl Talk {
    pub(super) fn http(&mut self, side: Side, mark: Mark) -> bool {
        let waiting = self.waiting(side);
        if waiting.is_empty() {
            return false;
        }
        match (side, head::len(waiting)) {
            (Side::Client, Some(len)) => {
                let bytes = waiting.get(..len).unwrap_or_default().to_vec();
                self.taken(side, len);
                self.request(&bytes, mark)
            }
            (Side::Server, Some(len)) if waiting.starts_with(b"HTTP/1.") => {
                let bytes = waiting.get(..len).unwrap_or_default().to_vec();
                self.taken(side, len);
                self.answer(&bytes, mark)
            }
            (Side::Server, _) => self.unfinished(mark),
            (Side::Client, None) => {
                if waiting.len() > HEAD {
                    self.give_up();
                }
                false
            }
        }
    }

    /// What waits is no complete answer.
    fn unfinished(&mut self, mark: Mark) -> bool {
        let waiting = self.waiting(Side::Server);
        let start = waiting.get(..7.min(waiting.len())).unwrap_or_default();
        let (len, foreign) = (waiting.len(), Foreign::of(waiting));
        let is_http = b"HTTP/1.".starts_with(start);
        let http = self.http.get_or_insert_default();
        // The rest of a body, or of what was pushed unasked.
        if http.answered.is_some() {
            self.taken(Side::Server, len);
            return false;
        }
        if !is_http {
            http.foreign.get_or_insert((foreign, mark));
            self.give_up();
        } else if len > HEAD {
            http.endless = true;
            self.give_up();
        } else {
            let begun = http.begun.map_or(mark, |(begun, _)| begun);
            http.begun = Some((begun, len));
        }
        false
    }

    fn request(&mut self, bytes: &[u8], mark: Mark) -> bool {
        let line = head::line(bytes).map_or(&b""[..], |(line, _)| line);
        let mut words = line.split(|byte| *byte == b' ');
        let method = text(words.next().unwrap_or_default());
        let target = words.next().unwrap_or_default();
        if head::request(line).is_none() && !method.chars().all(|char| char.is_ascii_uppercase()) {
            // The rest of a body.
            return true;
        }
        let path = target
            .split(|byte| *byte == b'?')
            .next()
            .unwrap_or_default();
        let subprotocols = values(bytes, "Sec-WebSocket-Protocol").flat_map(head::members);
        let mut connection = values(bytes, "Upgrade");
        let requests = self.http.as_ref().map_or(0, |http| http.requests);
        let http = Http {
            asked: Some(mark),
            method,
            path: text(path),
            host: values(bytes, "Host").next().map(text).unwrap_or_default(),
            upgrade: connection.any(|value| head::has_member(value, "websocket")),
            no_path: path.is_empty(),
            offered: subprotocols.take(8).map(text).collect(),
            asked_extension: values(bytes, "Sec-WebSocket-Extensions").next().is_some(),
            requests: requests.saturating_add(1),
            ..Http::default()
        };
        self.http = Some(Box::new(http));
        // The rest of an earlier answer's body.
        let left = self.waiting(Side::Server).len();
        self.taken(Side::Server, left);
        true
    }

    fn answer(&mut self, bytes: &[u8], mark: Mark) -> bool {
        let http = self.http.get_or_insert_default();
        let status = status(bytes).unwrap_or(0);
        if http.answered.is_some() {
            return true;
        }
        // A provisional answer, but for the one that switches.
        if (100..200).contains(&status) && status != 101 {
            return true;
        }
        http.begun = None;
        http.answered = Some(mark);
        http.status = status;
        let field = |name| values(bytes, name).next().map(text).unwrap_or_default();
        http.server = field("Server");
        http.location = field("Location")
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned();
        http.chosen = field("Sec-WebSocket-Protocol");
        http.switched = values(bytes, "Upgrade").any(|value| head::has_member(value, "websocket"));
        let extension = values(bytes, "Sec-WebSocket-Extensions").next().is_some();
        http.extension = extension && !http.asked_extension;
        if http.status == 101 {
            self.mode = Mode::Ws;
            self.ws.get_or_insert_default();
        }
        true
    }
}
