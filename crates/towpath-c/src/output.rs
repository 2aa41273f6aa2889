//! From the core's values to what C sees.

use core::{ffi::c_char, num::NonZeroU16};

use towpath_proto::{
    Event, Instant, event,
    fault::{Blame as Side, Fault as Broken},
    mqtt::property::{Properties as List, Property as Item},
    path, rung,
    trace::{self, Trace},
};

use crate::types::{
    Auth, Blame, Bytes, Connected, Data, Fact, FactKind, Fault, Kind, Message, Outcome, Output,
    Property, Reason, Rung, Settled, Subscribed, TOWPATH_FINDING, TOWPATH_NEVER, Wait,
};

pub(crate) const EMPTY: Bytes = Bytes {
    data: core::ptr::null(),
    len: 0,
};

pub(crate) const fn bytes(bytes: &[u8]) -> Bytes {
    Bytes {
        data: bytes.as_ptr(),
        len: bytes.len(),
    }
}

/// The next whole millisecond at or after `at`: a timer that rings before the deadline would ring twice.
fn millis(at: Instant) -> u64 {
    at.as_micros().div_ceil(1000)
}

pub(crate) fn waiting(until: Option<Instant>, reason: path::Reason) -> Output {
    let ended = reason == path::Reason::Ended;
    let reason = match reason {
        path::Reason::Transport => Reason::Transport,
        path::Reason::Upgrade => Reason::Upgrade,
        path::Reason::Connack => Reason::Connack,
        path::Reason::KeepAlive => Reason::KeepAlive,
        path::Reason::PingAnswer => Reason::PingAnswer,
        path::Reason::Closing => Reason::Closing,
        path::Reason::Ended => Reason::Ended,
        _ => Reason::Idle,
    };
    let wait = Wait {
        until_ms: until.map_or(TOWPATH_NEVER, millis),
        reason,
    };
    Output {
        kind: if ended { Kind::Ended } else { Kind::Wait },
        data: Data { wait },
    }
}

pub(crate) fn transmit(sendable: &[u8]) -> Output {
    Output {
        kind: Kind::Transmit,
        data: Data {
            bytes: bytes(sendable),
        },
    }
}

pub(crate) fn fact(seen: &Trace) -> Output {
    let (kind, name, size) = match seen.fact {
        trace::Fact::Started => (FactKind::Started, "", 0),
        trace::Fact::Reached => (FactKind::Reached, "", 0),
        trace::Fact::Sent(name, size) => (FactKind::Sent, name, size),
        trace::Fact::Received(name, size) => (FactKind::Received, name, size),
        trace::Fact::Failed => (FactKind::Failed, "", 0),
        _ => (FactKind::Other, "", 0),
    };
    let fact = Fact {
        at_ms: seen.at.as_micros() / 1000,
        rung: rung_of(seen.rung),
        kind,
        name: bytes(name.as_bytes()),
        size,
    };
    Output {
        kind: Kind::Fact,
        data: Data { fact },
    }
}

/// An event, and the properties that it bears.
pub(crate) fn event<'a>(event: &Event<'a>) -> (Output, List<'a>) {
    let mut list = List::NONE;
    let (kind, data) = match event {
        Event::Connected(granted) => {
            list = granted.properties;
            let connected = connected(granted);
            (Kind::Connected, Data { connected })
        }
        Event::Message(came) => {
            list = came.properties;
            let message = message(came);
            (Kind::Message, Data { message })
        }
        Event::Piece(came) => {
            let message = piece(came);
            (Kind::Piece, Data { message })
        }
        Event::Settled { packet_id, outcome } => {
            let settled = settled(Some(*packet_id), *outcome);
            (Kind::Settled, Data { settled })
        }
        Event::Dropped(outcome) => {
            let settled = settled(None, *outcome);
            (Kind::Dropped, Data { settled })
        }
        Event::Subscribed(ack) | Event::Unsubscribed(ack) => {
            list = ack.properties;
            let subscribed = Subscribed {
                packet_id: ack.packet_id.get(),
                codes: bytes(ack.codes),
            };
            let kind = match event {
                Event::Subscribed(_) => Kind::Subscribed,
                _ => Kind::Unsubscribed,
            };
            (kind, Data { subscribed })
        }
        Event::Auth(step) => {
            list = step.properties;
            let auth = Auth {
                reason: step.reason.0,
            };
            (Kind::Auth, Data { auth })
        }
        Event::Disconnected => (Kind::Disconnected, NOTHING),
        Event::Failed(broken) => {
            let fault = fault(broken);
            (Kind::Failed, Data { fault })
        }
        _ => (Kind::Other, NOTHING),
    };
    (Output { kind, data }, list)
}

/// For kinds that say it all.
const NOTHING: Data = Data { bytes: EMPTY };

const fn connected(granted: &event::Connected<'_>) -> Connected {
    let limits = &granted.limits;
    Connected {
        session_present: granted.session_present,
        retain_available: limits.retain_available,
        maximum_qos: limits.maximum_qos as u8,
        keep_alive: limits.keep_alive,
        receive_maximum: limits.receive_maximum,
        maximum_packet_size: limits.maximum_packet_size,
        session_expiry: limits.session_expiry,
    }
}

fn message(came: &event::Message<'_>) -> Message {
    Message {
        topic: bytes(came.topic.as_bytes()),
        payload: bytes(came.payload),
        offset: 0,
        payload_len: came.payload_len,
        packet_id: came.packet_id.map_or(0, NonZeroU16::get),
        qos: came.qos as u8,
        retain: came.retain,
        dup: came.dup,
    }
}

const fn piece(came: &event::Piece<'_>) -> Message {
    Message {
        topic: EMPTY,
        payload: bytes(came.bytes),
        offset: came.offset,
        payload_len: came.payload_len,
        packet_id: 0,
        qos: 0,
        retain: false,
        dup: false,
    }
}

fn settled(packet_id: Option<NonZeroU16>, how: event::Outcome) -> Settled {
    let (outcome, reason) = match how {
        event::Outcome::Acknowledged(reason) => (Outcome::Acknowledged, reason.0),
        event::Outcome::Refused(reason) => (Outcome::Refused, reason.0),
        event::Outcome::Expired => (Outcome::Expired, 0),
        event::Outcome::Displaced => (Outcome::Displaced, 0),
        event::Outcome::NotAdmitted(reason) => (Outcome::NotAdmitted, reason.0),
    };
    Settled {
        packet_id: packet_id.map_or(0, NonZeroU16::get),
        outcome,
        reason,
    }
}

/// A fault without its words.
pub(crate) fn fault(broken: &Broken) -> Fault {
    let mut finding: [c_char; TOWPATH_FINDING] = [0; TOWPATH_FINDING];
    let room = finding.iter_mut().take(TOWPATH_FINDING - 1);
    for (to, from) in room.zip(broken.finding().bytes()) {
        *to = from.cast();
    }
    Fault {
        rung: rung_of(broken.rung),
        blame: match broken.blame {
            Side::Peer => Blame::Peer,
            Side::Local => Blame::Local,
            Side::Path => Blame::Path,
            Side::Usage => Blame::Usage,
        },
        number: broken.number,
        alert: broken
            .alert
            .map_or(-1, |alert| i16::from(alert.description)),
        code: broken.code as u16,
        finding,
    }
}

/// A byte as C's `char`, which has a sign on some targets.
trait Cast {
    fn cast(self) -> c_char;
}

impl Cast for u8 {
    fn cast(self) -> c_char {
        c_char::from_ne_bytes([self])
    }
}

const fn rung_of(rung: rung::Rung) -> Rung {
    match rung {
        rung::Rung::Address => Rung::Address,
        rung::Rung::Dns => Rung::Dns,
        rung::Rung::Nat64 => Rung::Nat64,
        rung::Rung::Tcp => Rung::Tcp,
        rung::Rung::Proxy => Rung::Proxy,
        rung::Rung::Tls => Rung::Tls,
        rung::Rung::Upgrade => Rung::Upgrade,
        rung::Rung::Ws => Rung::Ws,
        rung::Rung::Mqtt => Rung::Mqtt,
        rung::Rung::Hub => Rung::Hub,
        _ => Rung::Link,
    }
}

/// A property as C sees it.
pub(crate) fn property(item: &Item<'_>) -> Property {
    let mut property = Property {
        id: item.id(),
        number: 0,
        data: EMPTY,
        value: EMPTY,
    };
    match *item {
        Item::PayloadFormatIndicator(n)
        | Item::RequestProblemInformation(n)
        | Item::RequestResponseInformation(n)
        | Item::MaximumQoS(n)
        | Item::RetainAvailable(n)
        | Item::WildcardSubscriptionAvailable(n)
        | Item::SubscriptionIdentifierAvailable(n)
        | Item::SharedSubscriptionAvailable(n) => property.number = n.into(),
        Item::ServerKeepAlive(n)
        | Item::ReceiveMaximum(n)
        | Item::TopicAliasMaximum(n)
        | Item::TopicAlias(n) => property.number = n.into(),
        Item::MessageExpiryInterval(n)
        | Item::SessionExpiryInterval(n)
        | Item::WillDelayInterval(n)
        | Item::MaximumPacketSize(n) => property.number = n,
        Item::SubscriptionIdentifier(n) => property.number = n.0,
        Item::CorrelationData(data) | Item::AuthenticationData(data) => property.data = bytes(data),
        Item::ContentType(text)
        | Item::ResponseTopic(text)
        | Item::AssignedClientIdentifier(text)
        | Item::AuthenticationMethod(text)
        | Item::ResponseInformation(text)
        | Item::ServerReference(text)
        | Item::ReasonString(text) => property.data = bytes(text.as_bytes()),
        Item::UserProperty((name, value)) => {
            property.data = bytes(name.as_bytes());
            property.value = bytes(value.as_bytes());
        }
        _ => {}
    }
    property
}
