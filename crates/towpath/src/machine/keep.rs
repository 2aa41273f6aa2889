//! Owned copies of what the core lends, and the pieces of a message put together.

use towpath_proto::{
    event::{Event as Lent, Message as LentMessage},
    mqtt::property::Property,
};

use crate::{Event, Message, ReasonCode};

#[derive(Debug)]
pub(super) enum Partial {
    Keeping(Message),
    Skipping,
}

/// An owned event, `None` if there is nothing to tell yet.
pub(super) fn keep(
    lent: Lent<'_>,
    partial: &mut Option<Box<Partial>>,
    limit: usize,
) -> Option<Event> {
    let reasons = |codes: &[u8]| codes.iter().map(|code| ReasonCode(*code)).collect();
    Some(match lent {
        Lent::Connected(connected) => Event::Connected {
            session_present: connected.session_present,
            limits: connected.limits,
        },
        Lent::Message(message) => return keep_message(&message, partial, limit),
        Lent::Piece(piece) => {
            let Some(Partial::Keeping(message)) = partial.as_deref_mut() else {
                return None;
            };
            message.payload.extend_from_slice(piece.bytes);
            if !piece.is_last() {
                return None;
            }
            let Some(Partial::Keeping(message)) = partial.take().map(|partial| *partial) else {
                return None;
            };
            Event::Message(message)
        }
        Lent::Settled { packet_id, outcome } => Event::Settled { packet_id, outcome },
        Lent::Dropped(outcome) => Event::Dropped(outcome),
        Lent::Subscribed(suback) => Event::Subscribed {
            packet_id: suback.packet_id,
            reasons: reasons(suback.codes),
        },
        Lent::Unsubscribed(unsuback) => Event::Unsubscribed {
            packet_id: unsuback.packet_id,
            reasons: reasons(unsuback.codes),
        },
        Lent::Auth(auth) => {
            let data = auth.properties.find(|p| {
                if let Property::AuthenticationData(d) = p {
                    Some(d)
                } else {
                    None
                }
            });
            Event::Auth {
                reason: auth.reason,
                data: data.unwrap_or_default().to_vec(),
            }
        }
        Lent::Disconnected => Event::Closed,
        Lent::Failed(fault) => Event::Disconnected {
            fault,
            retry_in: None,
        },
        _ => return None,
    })
}

fn keep_message(
    message: &LentMessage<'_>,
    partial: &mut Option<Box<Partial>>,
    limit: usize,
) -> Option<Event> {
    if message.is_whole() {
        return Some(Event::Message(Message::keep(message)));
    }
    if message.payload_len > limit {
        *partial = Some(Box::new(Partial::Skipping));
        let topic = message.topic.as_str().to_owned();
        return Some(Event::Oversized {
            topic,
            payload_len: message.payload_len,
        });
    }
    *partial = Some(Box::new(Partial::Keeping(Message::keep(message))));
    None
}
