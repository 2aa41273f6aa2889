//! What the hub is to send: the filters, and which of them it holds.
//!
//! Takes in what is wanted, SUBACK and the beginning of connections; gives out SUBSCRIBE with what is missing (MQTT
//! 3.1.1 sections 3.8 and 3.9).

use core::ops;

use heapless::Vec;
use towpath_proto::{
    Code, Fault, Rung,
    mqtt::{
        QoS,
        packet::{PacketId, Subscription},
        reason::ReasonCode,
        session::Refusal,
        topic::TopicFilter,
    },
};

use super::topic;
use crate::{Line, Wants};

/// A set of filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filters(u8);

impl Filters {
    pub(super) const NONE: Self = Self(0);
    /// Cloud-to-device messages, or the inputs of a module.
    const MESSAGES: Self = Self(1);
    const METHODS: Self = Self(2);
    const DESIRED: Self = Self(4);
    /// Answers to requests about the twin.
    pub(super) const ANSWERS: Self = Self(8);

    /// Each by itself, in the order of a SUBSCRIBE.
    const EACH: [Self; 4] = [Self::MESSAGES, Self::METHODS, Self::DESIRED, Self::ANSWERS];

    pub(super) const fn wanted(wants: &Wants) -> Self {
        let mut all = 0;
        if wants.messages {
            all |= Self::MESSAGES.0;
        }
        if wants.methods {
            all |= Self::METHODS.0;
        }
        if wants.twin {
            all |= Self::DESIRED.0 | Self::ANSWERS.0;
        }
        Self(all)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn each(self) -> impl Iterator<Item = Self> {
        Self::EACH.into_iter().filter(move |one| self.has(*one))
    }

    /// The filter of one, and the QoS that is asked for. Messages are kept by the hub until they are acknowledged. What
    /// belongs to a connection goes with it: a call or an answer that came on the next one would find nobody.
    fn filter(self, messages: &str) -> (&str, QoS) {
        match self {
            Self::MESSAGES => (messages, QoS::AtLeastOnce),
            Self::METHODS => (topic::METHODS, QoS::AtMostOnce),
            Self::DESIRED => (topic::DESIRED, QoS::AtMostOnce),
            _ => (topic::ANSWERS, QoS::AtMostOnce),
        }
    }
}

impl ops::BitOr for Filters {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What the hub's session holds, as far as it is known.
#[derive(Debug)]
pub(super) struct Subscriptions {
    held: Filters,
    /// Not asked for again on this connection.
    refused: Filters,
    /// SUBSCRIBE packets without an answer, with their filters. The line sends them again on the next connection.
    asked: Vec<(PacketId, Filters), 4>,
}

impl Subscriptions {
    pub(super) const fn new() -> Self {
        Self {
            held: Filters::NONE,
            refused: Filters::NONE,
            asked: Vec::new(),
        }
    }

    /// A connection is being made, with a session that is new on this side or the one there was.
    pub(super) fn begin(&mut self, fresh: bool) {
        self.refused = Filters::NONE;
        if fresh {
            self.held = Filters::NONE;
            self.asked.clear();
        }
    }

    /// What the hub does not remember is not held, except for what this connection has asked for.
    pub(super) const fn connected(&mut self, session_present: bool) {
        if !session_present {
            self.held = Filters::NONE;
        }
    }

    fn asked(&self) -> Filters {
        let asked = self.asked.iter();
        asked.fold(Filters::NONE, |all, (_, filters)| all | *filters)
    }

    /// What of `wanted` is to be asked for.
    pub(super) fn missing(&self, wanted: Filters) -> Filters {
        wanted.without(self.held | self.refused | self.asked())
    }

    /// Whether the answer to what is published now will come.
    pub(super) fn covers(&self, filters: Filters) -> bool {
        (self.held | self.asked()).has(filters)
    }

    /// Asks for filters that are [`missing`](Self::missing). `messages` is the identity's own filter.
    pub(super) fn subscribe(
        &mut self,
        missing: Filters,
        messages: &str,
        line: &mut impl Line,
    ) -> Result<(), Refusal> {
        let mut list: Vec<Subscription<'_>, 4> = Vec::new();
        for one in missing.each() {
            let (filter, qos) = one.filter(messages);
            let subscription = Subscription::new(TopicFilter::new(filter)?, qos);
            // There are four filters, and a place for each.
            let _ = list.push(subscription);
        }
        if list.is_empty() {
            return Ok(());
        }
        let packet_id = line.subscribe(&list)?;
        let _ = self.asked.push((packet_id, missing));
        Ok(())
    }

    /// SUBACK: what it grants is held. The fault of the first filter that is refused.
    pub(super) fn answered(
        &mut self,
        packet_id: PacketId,
        reasons: &[ReasonCode],
    ) -> Option<Fault> {
        let index = self.asked.iter().position(|(id, _)| *id == packet_id)?;
        let (_, filters) = self.asked.remove(index);
        let mut fault = None;
        for (one, reason) in filters.each().zip(reasons) {
            if reason.is_error() {
                self.refused = self.refused | one;
                let (filter, _) = one.filter("");
                fault.get_or_insert_with(|| refused(filter, *reason));
            } else {
                self.held = self.held | one;
            }
        }
        fault
    }
}

fn refused(filter: &'static str, reason: ReasonCode) -> Fault {
    let filter = if filter.is_empty() { OWN } else { filter };
    Fault::new(Rung::Hub, Code::HubFilterRefused)
        .number(u32::from(reason.0))
        .clause(filter)
}

/// How a fault names the filter that has the device's name in it.
const OWN: &str = "devices/{device}/messages/devicebound/# or that of a module's inputs";
