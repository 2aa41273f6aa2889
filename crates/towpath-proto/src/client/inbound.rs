//! The way up: received bytes climb the ladder until there is something for the application.

use super::{Client, Lent, Pieces, settled};
use crate::{
    buffers::{Buffer, Random},
    clause,
    event::{Connected, Event, Message, Piece},
    fault::{Cause, Code, Fault},
    mqtt::{
        Invalid, QoS,
        decode::{Header, Reply},
        packet::{Auth, Kind, Suback},
        property::Properties,
        session::{Delivery, Handled, Incoming, Phase, Place, Settled, Span, reason_string},
        topic::TopicName,
    },
    rung::Rung,
    trace::Name,
};

/// Something for the application, as places in the buffers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// A packet that is an event.
    Packet(Span),
    /// A message and what is here of its payload.
    Message(Incoming, Span),
    /// A piece of a message: where it lies, its offset in the payload, the payload's length.
    Piece {
        bytes: Span,
        offset: u32,
        payload_len: u32,
    },
    Settled(Settled),
    /// The end of the attempt, which `Client::ending` tells.
    End,
}

/// How an HTTP server begins.
const HTTP: &[u8] = b"HTTP";

/// What looking for a packet came to.
enum Next {
    /// More bytes have to come.
    Need,
    /// A packet was handled and the application need not know.
    Done,
    Found(Found),
    /// The attempt has ended with what the packet said.
    Ended,
}

impl<B: Buffer, R: Random> Client<B, R> {
    /// Lets go of what the last event borrowed, and acknowledges it.
    #[inline]
    pub(super) fn let_go(&mut self) {
        if let Some(lent) = self.lent
            && self.found.is_none()
        {
            self.lent = None;
            self.let_go_of(lent);
        }
    }

    fn let_go_of(&mut self, lent: Lent) {
        self.path.rx.consume(lent.bytes);
        if let Some((qos, packet_id)) = lent.ack {
            let (session, mut wire, _, _) = self.split();
            if let Err(fault) = session.acknowledge(qos, packet_id, &mut wire) {
                self.fail(fault.into());
            }
        }
    }

    /// Works off received bytes and what is due to be sent, until there is something for the application, or the attempt
    /// ends.
    pub(super) fn advance(&mut self) {
        while !self.paused {
            if self.path.is_upgrading() && !self.climb() {
                break;
            }
            let (_, mut wire, _, _) = self.split();
            // Whatever comes may want an answer. Without room for one, reading waits until bytes have left.
            if !wire.reserve_control() {
                break;
            }
            match self.next() {
                Ok(Next::Found(found)) => {
                    self.found = Some(found);
                    return;
                }
                Ok(Next::Done) => {}
                Ok(Next::Need) => {
                    if !self.unframe() {
                        break;
                    }
                }
                Ok(Next::Ended) => return,
                Err(cause) => return self.fail(cause.into()),
            }
        }
        if self.ending.is_some() {
            return;
        }
        let (session, mut wire, store, aliases) = self.split();
        if let Some(settled) = session.send_due(&mut wire, store, aliases) {
            self.found = Some(Found::Settled(settled));
            return;
        }
        if let Some(fault) = self.stream_end
            && !self.paused
        {
            self.fail(self.path.ended_by(fault));
        }
    }

    fn next(&mut self) -> Result<Next, Cause> {
        if let Some(pieces) = self.pieces {
            return self.next_piece(pieces);
        }
        let bytes = self.path.rx.mqtt(&self.buffers.rx);
        let header = match Header::decode(bytes, self.session.version) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(Next::Need),
            Err(_) if self.may_be_foreign(bytes) => return Ok(Next::Need),
            Err(invalid) => return Err(self.not_mqtt(invalid)),
        };
        let available = bytes.len();
        let whole = header.packet_len();
        if whole > self.session.own_packet_maximum() as usize {
            return Err(too_large(Code::PacketTooLarge, whole).clause(clause!("[MQTT-3.1.2-24]")));
        }
        let framed = self.path.is_framed();
        if available < whole && self.path.rx.reserve(&mut self.buffers.rx, whole, framed) {
            return Ok(Next::Need);
        }
        if header.kind == Kind::Publish {
            return self.next_message(&header, available);
        }
        if available < whole {
            return Err(too_large(Code::BufferTooSmall, whole));
        }
        self.next_packet(&header)
    }

    /// Whether an answer that is no MQTT begins like one of another protocol, and more of it would tell.
    fn may_be_foreign(&self, bytes: &[u8]) -> bool {
        self.session.phase == Phase::Connecting
            && (matches!(bytes, [0x15 | 0x16])
                || (bytes.len() < HTTP.len() && HTTP.starts_with(bytes)))
    }

    /// The fault for bytes that can't begin a packet.
    fn not_mqtt(&self, invalid: Invalid) -> Cause {
        let bytes = self.path.rx.mqtt(&self.buffers.rx);
        if self.session.phase == Phase::Connecting {
            if matches!(bytes, [0x15 | 0x16, 0x03, ..]) {
                return Cause::new(Code::PeerSpeaksTls);
            }
            if bytes.starts_with(HTTP) {
                return Cause::new(Code::PeerSpeaksHttp);
            }
        }
        invalid.into()
    }

    fn next_packet(&mut self, header: &Header) -> Result<Next, Cause> {
        let at = self.path.rx.start();
        let len = header.packet_len();
        // Field by field, because the packet borrows the receive buffer while the session works on the others.
        let bytes = self.path.rx.mqtt(&self.buffers.rx);
        let Some(body) = bytes.get(usize::from(header.len)..len) else {
            return Ok(Next::Need);
        };
        let packet = Reply::decode(header.kind, body, self.session.version)?;
        self.traces
            .received(self.now, Rung::Mqtt, Name::packet(header.kind), len);
        let mut wire = crate::path::Wire {
            framed: self.path.is_framed(),
            tx: &mut self.path.tx,
            buffer: &mut self.buffers.tx,
            random: &mut self.random,
            traces: &mut self.traces,
            now: self.now,
        };
        let handled = match self
            .session
            .packet(&packet, &mut wire, &mut self.buffers.store)
        {
            Ok(handled) => handled,
            Err(cause) => {
                let mut fault = Fault::from(cause);
                if matches!(cause.code, Code::ConnectRefused | Code::ServerDisconnected) {
                    fault = fault.detail(reason_string(&packet.properties));
                }
                self.fail(fault);
                return Ok(Next::Ended);
            }
        };
        if header.kind == Kind::Connack {
            self.traces.reached(self.now, Rung::Mqtt);
            self.path.expect_nothing();
        }
        match handled {
            Handled::Report => {
                self.lent = Some(Lent {
                    bytes: len,
                    ack: None,
                    noted: None,
                });
                Ok(Next::Found(Found::Packet(Span::new(at, len))))
            }
            Handled::Settled(settled) => {
                self.path.rx.consume(len);
                Ok(Next::Found(Found::Settled(settled)))
            }
            Handled::Done => {
                self.path.rx.consume(len);
                Ok(Next::Done)
            }
        }
    }

    /// A PUBLISH that is here as a whole, or one that never will be because the buffer is too small.
    fn next_message(&mut self, header: &Header, available: usize) -> Result<Next, Cause> {
        let at = self.path.rx.start();
        let bytes = self.path.rx.mqtt(&self.buffers.rx);
        let head = self.session.publish_head(
            header,
            bytes,
            at,
            &self.buffers.store,
            &mut self.buffers.aliases,
        )?;
        let Some((incoming, head_len)) = head else {
            let framed = self.path.is_framed();
            if self.path.rx.is_full_of_mqtt(&self.buffers.rx, framed) {
                return Err(too_large(Code::BufferTooSmall, header.packet_len()));
            }
            return Ok(Next::Need);
        };
        self.traces.received(
            self.now,
            Rung::Mqtt,
            Name::packet(Kind::Publish),
            header.packet_len(),
        );
        let here = available.min(header.packet_len()).saturating_sub(head_len);
        let payload = Span::new(at.saturating_add(head_len), here);
        if here < incoming.delivery.payload_len as usize || incoming.delivery.repeated {
            return Ok(self.first_piece(incoming, head_len, payload, here));
        }
        self.session
            .delivered(&incoming.delivery, &mut self.buffers.store)?;
        self.lend(&incoming.delivery, header.packet_len(), true);
        Ok(Next::Found(Found::Message(incoming, payload)))
    }

    fn lend(&mut self, delivery: &Delivery, bytes: usize, last: bool) {
        let acknowledge = last && self.session.acknowledges(delivery);
        let ack = delivery
            .packet_id
            .filter(|_| acknowledge)
            .map(|id| (delivery.qos, id));
        let noted = delivery
            .packet_id
            .filter(|_| last && delivery.qos == QoS::ExactlyOnce && !delivery.repeated);
        self.lent = Some(Lent { bytes, ack, noted });
    }

    fn first_piece(
        &mut self,
        incoming: Incoming,
        head_len: usize,
        payload: Span,
        here: usize,
    ) -> Next {
        let delivery = incoming.delivery;
        if delivery.repeated {
            self.path.rx.consume(head_len);
            self.pieces = Some(Pieces {
                delivery,
                offset: 0,
            });
            return Next::Done;
        }
        let offset = u32::try_from(here).unwrap_or(u32::MAX);
        self.pieces = Some(Pieces { delivery, offset });
        self.lend(&delivery, head_len.saturating_add(here), false);
        Next::Found(Found::Message(incoming, payload))
    }

    fn next_piece(&mut self, pieces: Pieces) -> Result<Next, Cause> {
        let Pieces { delivery, offset } = pieces;
        let left = delivery.payload_len.saturating_sub(offset) as usize;
        let here = self.path.rx.mqtt(&self.buffers.rx).len().min(left);
        if here == 0 && left > 0 {
            return Ok(Next::Need);
        }
        let last = here == left;
        let end = offset.saturating_add(u32::try_from(here).unwrap_or(u32::MAX));
        self.pieces = (!last).then_some(Pieces {
            delivery,
            offset: end,
        });
        if last {
            self.session.delivered(&delivery, &mut self.buffers.store)?;
        }
        let bytes = Span::new(self.path.rx.start(), here);
        self.lend(&delivery, here, last);
        if delivery.repeated {
            self.let_go();
            return Ok(Next::Done);
        }
        let payload_len = delivery.payload_len;
        Ok(Next::Found(Found::Piece {
            bytes,
            offset,
            payload_len,
        }))
    }

    /// The event for what was found.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn event(&self, found: Found) -> Event<'_> {
        let rx = self.buffers.rx.bytes();
        match found {
            Found::Settled(which) => settled(which),
            // The end borrows nothing and is handed out before it comes here.
            Found::End => Event::Disconnected,
            Found::Piece {
                bytes,
                offset,
                payload_len,
            } => Event::Piece(Piece {
                offset: offset as usize,
                bytes: bytes.of(rx),
                payload_len: payload_len as usize,
            }),
            Found::Message(incoming, payload) => Event::Message(Message {
                topic: TopicName::checked(match incoming.topic {
                    Place::Rx(span) => span.of(rx),
                    Place::Aliases(span) => span.of(self.buffers.aliases.bytes()),
                }),
                payload: payload.of(rx),
                payload_len: incoming.delivery.payload_len as usize,
                qos: incoming.delivery.qos,
                retain: incoming.retain,
                dup: incoming.dup,
                packet_id: incoming.delivery.packet_id,
                properties: Properties::checked(incoming.properties.of(rx)),
            }),
            Found::Packet(span) => self.packet_event(span.of(rx)),
        }
    }

    /// A packet that was taken in already.
    fn decoded<'b>(&self, bytes: &'b [u8]) -> Option<Reply<'b>> {
        let version = self.session.version;
        let header = Header::decode(bytes, version).ok()??;
        let body = bytes.get(usize::from(header.len)..)?;
        Reply::decode(header.kind, body, version).ok()
    }

    #[cfg_attr(target_os = "none", inline(never))]
    fn packet_event<'b>(&self, bytes: &'b [u8]) -> Event<'b> {
        let Some(reply) = self.decoded(bytes) else {
            // The same bytes were decoded a moment ago.
            return Event::Disconnected;
        };
        let Reply {
            packet_id,
            reason,
            properties,
            codes,
            ..
        } = reply;
        let suback = Suback {
            packet_id,
            properties,
            codes,
        };
        match reply.kind {
            Kind::Connack => Event::Connected(Connected {
                session_present: reply.session_present,
                limits: self.session.limits,
                properties,
            }),
            Kind::Suback => Event::Subscribed(suback),
            Kind::Unsuback => Event::Unsubscribed(suback),
            // No other packet is an event.
            _ => Event::Auth(Auth { reason, properties }),
        }
    }
}

fn too_large(code: Code, len: usize) -> Cause {
    Cause::numbered(code, u32::try_from(len).unwrap_or(u32::MAX))
}
