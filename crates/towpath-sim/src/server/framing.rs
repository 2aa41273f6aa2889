//! The server's rungs below MQTT: the byte stream as it is, or upgrade and frames.

use towpath_proto::{
    Instant,
    http::head,
    ws::{
        self, Deframer, Opcode, Role, Step,
        handshake::{Rejection, Upgrade},
    },
};

use super::Server;

/// What lies between the byte stream and MQTT.
#[derive(Debug)]
pub(super) enum Framing {
    None,
    /// The request so far.
    Upgrading(Vec<u8>),
    /// Bytes that are no whole frame yet, and the payloads of pings that wait for their pongs.
    Open {
        deframer: Deframer,
        raw: Vec<u8>,
        pings: Vec<Vec<u8>>,
    },
}

impl Framing {
    pub(super) const fn new(framed: bool) -> Self {
        if framed {
            Self::Upgrading(Vec::new())
        } else {
            Self::None
        }
    }

    const fn open() -> Self {
        Self::Open {
            deframer: Deframer::new(Role::Server),
            raw: Vec::new(),
            pings: Vec::new(),
        }
    }
}

impl Server {
    /// Bytes have come from the client.
    pub fn receive(&mut self, now: Instant, bytes: &[u8]) {
        self.now = now;
        let Some(connection) = &mut self.connection else {
            return;
        };
        if connection.closing {
            return;
        }
        match &mut connection.framing {
            Framing::None => connection.input.extend(bytes),
            Framing::Upgrading(request) => {
                request.extend(bytes);
                self.upgrade();
            }
            Framing::Open { raw, .. } => {
                raw.extend(bytes);
                self.unframe();
            }
        }
        self.packets();
        let slow = self.rng.chance(self.terms.slow_acks);
        if !slow {
            self.acknowledge();
        }
        self.send_due();
        self.frame_staged();
    }

    fn upgrade(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let Framing::Upgrading(request) = &mut connection.framing else {
            return;
        };
        let Some(len) = head::len(request) else {
            return;
        };
        let rest = request.split_off(len);
        let request = std::mem::take(request);
        let mut answer = [0; 512];
        let written = match Upgrade::parse(&request, &["mqtt"]) {
            Ok(upgrade) if upgrade.subprotocol == Some("mqtt") => {
                connection.framing = Framing::open();
                upgrade.encode(&mut answer)
            }
            Ok(_) => Rejection::bad("subprotocol", "[MQTT-6.0.0-3]").encode(&mut answer),
            Err(rejection) => rejection.encode(&mut answer),
        };
        let written = written.expect("the answer fits");
        connection.output.extend(&answer[..written]);
        let Framing::Open { raw, .. } = &mut connection.framing else {
            self.broken("RFC 6455 4.1 a request for the upgrade that is not acceptable");
            return;
        };
        // RFC 6455 4.1: the client waits for the answer before it sends frames.
        raw.extend(rest);
        if !raw.is_empty() {
            self.broken("RFC 6455 4.1 frames before the answer to the upgrade");
        }
    }

    fn unframe(&mut self) {
        loop {
            let Some(connection) = &mut self.connection else {
                return;
            };
            let Framing::Open {
                deframer,
                raw,
                pings,
            } = &mut connection.framing
            else {
                return;
            };
            match deframer.next(raw) {
                Ok(Step::Need) => return,
                Ok(Step::Data {
                    opcode: Opcode::Binary,
                    skip,
                    take,
                    ..
                }) => {
                    connection.input.extend(&raw[skip..skip + take]);
                    raw.drain(..skip + take);
                }
                Ok(Step::Control {
                    opcode: Opcode::Pong,
                    skip,
                    take,
                }) => {
                    let payload: Vec<u8> = raw.drain(..skip + take).skip(skip).collect();
                    let asked = pings.iter().position(|ping| *ping == payload);
                    match asked {
                        Some(at) => drop(pings.drain(..=at)),
                        None => return self.broken("RFC 6455 5.5.3 a pong that answers no ping"),
                    }
                }
                Ok(Step::Control {
                    opcode: Opcode::Close,
                    skip,
                    take,
                }) => {
                    let payload: Vec<u8> = raw.drain(..skip + take).skip(skip).collect();
                    self.packets();
                    return self.close_frame(&payload);
                }
                Ok(step) => return self.broken(&format!("[MQTT-6.0.0-1] a frame: {step:?}")),
                Err(fault) => return self.broken(&format!("{fault}")),
            }
        }
    }

    fn close_frame(&mut self, payload: &[u8]) {
        let Ok(close) = ws::parse_close(payload) else {
            return self.broken("RFC 6455 5.5.1 a close frame");
        };
        self.log
            .line(self.now, || format!("server: close frame {}", close.code));
        if let Some(connection) = &mut self.connection {
            let mut answer = [0; 8];
            let written = ws::frame::write(
                &mut answer,
                true,
                Opcode::Close,
                payload.get(..2).unwrap_or(&[]),
                None,
            );
            let written = written.expect("a close frame fits");
            connection.output.extend(&answer[..written]);
        }
        self.close();
    }

    /// Moves staged MQTT bytes to the output, in frames where there are frames.
    pub(super) fn frame_staged(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let staged = std::mem::take(&mut connection.staged);
        let Framing::Open { pings, .. } = &mut connection.framing else {
            connection.output.extend(staged);
            return;
        };
        let mut rest = &staged[..];
        // One message in several frames or several messages: both are allowed, and packets care for neither.
        let mut continued = false;
        while !rest.is_empty() {
            if pings.len() < 8 && self.rng.chance(self.terms.pings) {
                let payload = vec![b'p'; self.rng.below(126)];
                push_frame(&mut connection.output, true, Opcode::Ping, &payload);
                pings.push(payload);
            }
            let max = self.rng.between(1, self.terms.frame.clamp(1, rest.len()));
            let max = if self.terms.frame == usize::MAX {
                rest.len()
            } else {
                max
            };
            let (payload, after) = rest.split_at(max);
            rest = after;
            let opcode = if continued {
                Opcode::Continuation
            } else {
                Opcode::Binary
            };
            let fin = rest.is_empty() || self.rng.chance(50);
            continued = !fin;
            push_frame(&mut connection.output, fin, opcode, payload);
        }
    }
}

fn push_frame(
    output: &mut std::collections::VecDeque<u8>,
    fin: bool,
    opcode: Opcode,
    payload: &[u8],
) {
    let mut header = [0; ws::HEADER_MAX];
    let len = ws::frame::write_header(&mut header, fin, opcode, payload.len(), None);
    output.extend(&header[..len.expect("a header fits")]);
    output.extend(payload);
}
