//! The server's end of a connection below MQTT: the byte stream as it is, or upgrade and frames.

use towpath_proto::{
    Instant,
    bytes::Writer,
    http::head,
    mqtt::{Version, packet::Packet},
    ws::{
        self, Deframer, Opcode, Role, Step,
        handshake::{Rejection, Upgrade},
    },
};
use towpath_sim::Log;

#[derive(Debug)]
enum Framing {
    None,
    /// The request so far.
    Upgrading(Vec<u8>),
    Open(Deframer, Vec<u8>),
}

/// Bytes from the device in, MQTT bytes out, and the other way round.
#[derive(Debug)]
pub(crate) struct Wire {
    framing: Framing,
    /// MQTT bytes that are no whole packet yet.
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    /// The path and query that were asked for.
    pub(crate) target: String,
    /// It sends no more and closes when its output has left.
    pub(crate) closing: bool,
    /// Where the dialogue is written, and when bytes came last.
    pub(super) log: Log,
    pub(super) at: Instant,
}

impl Wire {
    pub(crate) const fn new(framed: bool) -> Self {
        Self {
            framing: if framed {
                Framing::Upgrading(Vec::new())
            } else {
                Framing::None
            },
            input: Vec::new(),
            output: Vec::new(),
            target: String::new(),
            closing: false,
            log: Log::Off,
            at: Instant::ZERO,
        }
    }

    /// Bytes have come.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        match &mut self.framing {
            _ if self.closing => {}
            Framing::None => self.input.extend(bytes),
            Framing::Upgrading(request) => {
                request.extend(bytes);
                self.upgrade();
            }
            Framing::Open(_, raw) => {
                raw.extend(bytes);
                self.unframe();
            }
        }
    }

    fn upgrade(&mut self) {
        let Framing::Upgrading(request) = &mut self.framing else {
            return;
        };
        let Some(len) = head::len(request) else {
            return;
        };
        assert_eq!(request.len(), len, "nothing before the answer");
        let request = std::mem::take(request);
        let mut answer = [0; 512];
        let written = match Upgrade::parse(&request, &["mqtt"]) {
            Ok(upgrade) if upgrade.target.starts_with("/$iothub/websocket") => {
                self.target = upgrade.target.to_owned();
                self.framing = Framing::Open(Deframer::new(Role::Server), Vec::new());
                upgrade.encode(&mut answer)
            }
            Ok(_) => Rejection::NOT_FOUND.encode(&mut answer),
            Err(rejection) => rejection.encode(&mut answer),
        };
        self.output
            .extend(&answer[..written.expect("the answer fits")]);
        self.closing = !matches!(self.framing, Framing::Open(..));
    }

    fn unframe(&mut self) {
        let Framing::Open(deframer, raw) = &mut self.framing else {
            return;
        };
        loop {
            match deframer.next(raw).expect("frames") {
                Step::Need => return,
                Step::Data {
                    opcode, skip, take, ..
                } => {
                    assert_ne!(opcode, Opcode::Text, "[MQTT-6.0.0-1]");
                    self.input.extend(raw.drain(..skip + take).skip(skip));
                }
                Step::Control {
                    opcode, skip, take, ..
                } => {
                    raw.drain(..skip + take);
                    // A close frame stands behind DISCONNECT, which says as much.
                    assert_eq!(opcode, Opcode::Close);
                }
            }
        }
    }

    /// Puts a packet on its way.
    pub(crate) fn say(&mut self, packet: &Packet<'_>) {
        if self.closing {
            return;
        }
        self.log.line(self.at, || format!("  < {packet:?}"));
        let version = Version::V311;
        let mut bytes = vec![0; packet.encoded_len(version).expect("a packet for MQTT")];
        let encoded = packet.encode(version, &mut Writer::new(&mut bytes));
        encoded.expect("a packet as long as it says");
        if matches!(self.framing, Framing::Open(..)) {
            let mut header = [0; ws::HEADER_MAX];
            let len = ws::frame::write_header(&mut header, true, Opcode::Binary, bytes.len(), None);
            self.output.extend(&header[..len.expect("room")]);
        }
        self.output.extend(bytes);
    }
}
