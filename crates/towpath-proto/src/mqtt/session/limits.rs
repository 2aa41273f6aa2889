//! What the server granted in CONNACK (MQTT 5 section 3.2.2.3).

use crate::mqtt::{
    QoS,
    property::{Properties, id},
};

/// The limits of a connection. Before CONNACK, and with MQTT 3.1.1, they are the protocol's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Unacknowledged QoS 1 and 2 messages that the server takes.
    pub receive_maximum: u16,
    /// The largest packet the server takes, bytes.
    pub maximum_packet_size: u32,
    /// The highest QoS the server takes.
    pub maximum_qos: QoS,
    /// Whether the server keeps retained messages.
    pub retain_available: bool,
    /// The highest topic alias the server takes; 0: none.
    pub topic_alias_maximum: u16,
    /// The keep alive in force, seconds; 0: none.
    pub keep_alive: u16,
    /// Seconds that the session outlives the connection.
    pub session_expiry: u32,
    /// Whether wildcard subscriptions work.
    pub wildcard_subscriptions: bool,
    /// Whether subscription identifiers work.
    pub subscription_identifiers: bool,
    /// Whether shared subscriptions work.
    pub shared_subscriptions: bool,
}

impl Limits {
    /// The protocol's defaults, with what the client asked for.
    #[must_use]
    pub const fn defaults(keep_alive: u16, session_expiry: u32) -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_packet_size: u32::MAX,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            topic_alias_maximum: 0,
            keep_alive,
            session_expiry,
            wildcard_subscriptions: true,
            subscription_identifiers: true,
            shared_subscriptions: true,
        }
    }

    /// Takes over what the properties of CONNACK say.
    pub(crate) fn apply(&mut self, properties: &Properties<'_>) {
        for raw in properties.raws() {
            let (number, yes) = (raw.number, raw.number != 0);
            match raw.id {
                id::ReceiveMaximum => self.receive_maximum = number as u16,
                id::MaximumPacketSize => self.maximum_packet_size = number,
                id::MaximumQoS => {
                    self.maximum_qos = if yes {
                        QoS::AtLeastOnce
                    } else {
                        QoS::AtMostOnce
                    };
                }
                id::RetainAvailable => self.retain_available = yes,
                id::TopicAliasMaximum => self.topic_alias_maximum = number as u16,
                id::ServerKeepAlive => self.keep_alive = number as u16,
                id::SessionExpiryInterval => self.session_expiry = number,
                id::WildcardSubscriptionAvailable => self.wildcard_subscriptions = yes,
                id::SubscriptionIdentifierAvailable => self.subscription_identifiers = yes,
                id::SharedSubscriptionAvailable => self.shared_subscriptions = yes,
                _ => {}
            }
        }
    }
}
