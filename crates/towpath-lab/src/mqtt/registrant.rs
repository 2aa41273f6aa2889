//! A client of the provisioning service: one filter, and requests that are answered one after the other.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use towpath_proto::mqtt::{
    QoS, Version,
    packet::{Packet, PacketId, Publish, Suback, Subscribe},
    property::Properties,
};

use super::{
    conversation::{End, Line},
    guest::{acknowledge, common, message, too_many, unsuback},
    input::Frame,
    output::Reply,
};
use crate::{
    connection::Connection,
    dps::{Answer, Registrant},
    fault::Kind,
    hub::topic::shortened,
    log::{Code, Record},
    shared::Shared,
    store::Durable,
};

/// The largest body of a registration.
pub(super) const BODY_MAX: usize = 64 << 10;

/// The one filter that there is.
const ANSWERS: &str = "$dps/registrations/res/#";

/// A registrant that is in.
pub(super) struct Registration {
    registrant: Arc<Registrant>,
    /// It has subscribed to the answers.
    subscribed: bool,
    /// What the service has not been asked yet.
    request: Option<Request>,
    /// It has been asked.
    asked: bool,
}

/// Something for the service.
pub(super) struct Request {
    registrant: Arc<Registrant>,
    connection: Arc<Connection>,
    topic: String,
    payload: Bytes,
    packet_id: Option<PacketId>,
}

/// What the service says.
pub(super) struct Answered {
    packet_id: Option<PacketId>,
    answer: Result<Option<Answer>, String>,
}

impl Request {
    /// Asks the service.
    pub(super) async fn put(self, lab: &Shared) -> Answered {
        let answer = match &lab.dps {
            Some(dps) => {
                dps.request(
                    &self.registrant,
                    &self.topic,
                    &self.payload,
                    &self.connection,
                )
                .await
            }
            None => Err("there is no provisioning service".into()),
        };
        Answered {
            packet_id: self.packet_id,
            answer,
        }
    }
}

impl Registration {
    pub(super) fn new(registrant: Registrant) -> Self {
        Self {
            registrant: Arc::new(registrant),
            subscribed: false,
            request: None,
            asked: false,
        }
    }

    /// Whether a request is at work.
    pub(super) const fn is_busy(&self) -> bool {
        self.request.is_some() || self.asked
    }

    /// What the service is to be asked.
    pub(super) fn request(&mut self) -> Option<Request> {
        let request = self.request.take()?;
        self.asked = true;
        Some(request)
    }

    pub(super) fn take(&mut self, line: &mut Line, frame: &Frame<'_>) {
        match Packet::decode_body(&frame.header, frame.body, Version::V311) {
            Err(invalid) => line.end(End::invalid(invalid)),
            Ok(Packet::Publish(publish)) => self.publish(line, &publish),
            Ok(Packet::Subscribe(subscribe)) => self.subscribe(line, &subscribe),
            Ok(Packet::Unsubscribe(unsubscribe)) => {
                if unsubscribe.iter().any(|filter| filter.as_str() == ANSWERS) {
                    self.subscribed = false;
                }
                unsuback(line, unsubscribe.packet_id);
            }
            Ok(other) => common(line, &other),
        }
    }

    fn publish(&mut self, line: &mut Line, publish: &Publish<'_>) {
        line.connection.up.fetch_add(1, Ordering::Relaxed);
        if publish.qos == QoS::ExactlyOnce {
            let text = "a PUBLISH of QoS 2 came; the service takes QoS 0 and 1 and closes";
            line.end(End::new(Code::ArgumentInvalid, text));
            return;
        }
        self.request = Some(Request {
            registrant: Arc::clone(&self.registrant),
            connection: Arc::clone(&line.connection),
            topic: publish.topic.as_str().to_owned(),
            payload: Bytes::copy_from_slice(publish.payload),
            packet_id: publish.packet_id,
        });
    }

    /// The service has answered: what it promises is on the disk.
    pub(super) fn answered(&mut self, line: &mut Line, answered: Answered) {
        self.asked = false;
        let answer = match answered.answer {
            Ok(answer) => answer,
            Err(why) => {
                line.end(End::new(Code::ArgumentInvalid, why));
                return;
            }
        };
        acknowledge(line, answered.packet_id, Durable::DONE, None);
        let Some(answer) = answer else { return };
        if !self.subscribed {
            let text = format!("an answer is lost: the client has not subscribed to {ANSWERS}");
            line.tell(Record::warn(Code::Provisioning, text));
            return;
        }
        if let Some(bytes) = message(&answer.topic, &answer.payload) {
            line.connection.down.fetch_add(1, Ordering::Relaxed);
            line.output.reply(Reply::Packet(bytes), Durable::DONE, None);
        }
    }

    fn subscribe(&mut self, line: &mut Line, subscribe: &Subscribe<'_>) {
        if too_many(line, subscribe.iter().count()) {
            return;
        }
        let mut codes = Vec::new();
        for wanted in subscribe.iter() {
            let filter = wanted.filter.as_str();
            if line.strike(Kind::SubackRefused).is_some() {
                codes.push(0x80);
            } else if filter == ANSWERS {
                self.subscribed = true;
                codes.push((wanted.qos as u8).min(1));
            } else {
                let text = format!(
                    "the filter {} is none of the service's: there is {ANSWERS} only",
                    shortened(filter)
                );
                line.tell(Record::warn(Code::ArgumentInvalid, text));
                codes.push(0x80);
            }
        }
        line.output.put(&Packet::Suback(Suback {
            packet_id: subscribe.packet_id,
            properties: Properties::NONE,
            codes: &codes,
        }));
    }
}
