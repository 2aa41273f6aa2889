//! MQTT 3.1.1 and 5: packets, their bytes, and the session that outlives connections.
//!
//! The MQTT 5 packet is the model; a 3.1.1 packet is the same with empty properties and fewer reason codes.
//! How they differ in bytes is known to [`encode`] and [`decode`] alone; the session asks for the [`Version`] only to
//! refuse what 3.1.1 can't say, and for what 3.1.1 does without.

pub mod decode;
pub mod encode;
pub mod packet;
pub mod property;
pub mod reason;
pub mod session;
pub mod topic;

/// The protocol version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5, protocol level 5.
    #[default]
    V5,
}

impl Version {
    /// The protocol level byte of CONNECT (MQTT 5 section 3.1.2.2).
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}

/// How often a message may arrive (MQTT 5 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum QoS {
    /// QoS 0: at most once.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: at least once.
    AtLeastOnce = 1,
    /// QoS 2: exactly once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The QoS of a two-bit field, `None` for the reserved value 3.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::AtMostOnce,
            1 => Self::AtLeastOnce,
            2 => Self::ExactlyOnce,
            _ => return None,
        })
    }
}

/// Why received bytes are not a packet that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid {
    /// The reason code that a DISCONNECT for it carries.
    pub reason: reason::ReasonCode,
    /// The clause that was broken.
    pub clause: &'static str,
}

impl Invalid {
    /// A malformed packet (MQTT 5 section 4.13).
    #[must_use]
    pub const fn malformed(clause: &'static str) -> Self {
        Self {
            reason: reason::ReasonCode::MALFORMED_PACKET,
            clause,
        }
    }

    /// A protocol error (MQTT 5 section 4.13).
    #[must_use]
    pub const fn protocol(clause: &'static str) -> Self {
        Self {
            reason: reason::ReasonCode::PROTOCOL_ERROR,
            clause,
        }
    }
}

impl From<crate::bytes::Short> for Invalid {
    fn from(_: crate::bytes::Short) -> Self {
        Self::malformed("MQTT 5 2.1.4 remaining length is too short for the fields")
    }
}
