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

/// A rule of MQTT that packets can break, with what to say of it.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The reason code that a DISCONNECT for it carries.
    pub reason: reason::ReasonCode,
    /// The clause that was broken. Without the feature `texts` its number alone.
    pub clause: &'static str,
}

impl Rule {
    /// A rule by its clause.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(reason: reason::ReasonCode, clause: &'static str) -> Self {
        Self { reason, clause }
    }
}

/// Why received bytes are not a packet that is allowed: the [`Rule`] that they break.
///
/// A pointer, so that a result which is nearly always good costs a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid(&'static Rule);

impl Invalid {
    /// What breaks `rule`.
    #[must_use]
    pub const fn new(rule: &'static Rule) -> Self {
        Self(rule)
    }
}

impl core::ops::Deref for Invalid {
    type Target = Rule;

    fn deref(&self) -> &Rule {
        self.0
    }
}

/// [`Invalid`] for a malformed packet (MQTT 5 section 4.13), by the clause it breaks.
#[macro_export]
macro_rules! malformed {
    ($clause:expr $(,)?) => {
        $crate::invalid!(MALFORMED_PACKET, $clause)
    };
}

/// [`Invalid`] for a protocol error (MQTT 5 section 4.13), by the clause it breaks.
#[macro_export]
macro_rules! protocol {
    ($clause:expr $(,)?) => {
        $crate::invalid!(PROTOCOL_ERROR, $clause)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! invalid {
    ($reason:ident, $clause:expr $(,)?) => {{
        const RULE: &$crate::mqtt::Rule = &$crate::mqtt::Rule::new(
            $crate::mqtt::reason::ReasonCode::$reason,
            $crate::clause!($clause),
        );
        $crate::mqtt::Invalid::new(RULE)
    }};
}

/// A clause as this build keeps it: as a whole with the feature `texts`, else its number alone, copied so that the text
/// behind it is left out of the program.
#[doc(hidden)]
#[macro_export]
macro_rules! clause {
    ($clause:expr) => {{
        const BYTES: [u8; $crate::mqtt::cited($clause)] = $crate::mqtt::first_bytes($clause);
        const CLAUSE: &str = match core::str::from_utf8(&BYTES) {
            Ok(clause) => clause,
            Err(_) => "",
        };
        CLAUSE
    }};
}

/// How much of a clause is kept.
#[doc(hidden)]
#[must_use]
pub const fn cited(clause: &str) -> usize {
    if cfg!(feature = "texts") {
        return clause.len();
    }
    // The number is the words in front that begin with a digit, a bracket or the document's name.
    let mut rest = clause.as_bytes();
    let mut end = 0;
    while let [b'[' | b'0'..=b'9' | b'M' | b'R', ..] = rest {
        while let [first, after @ ..] = rest {
            if *first == b' ' {
                break;
            }
            rest = after;
        }
        end = clause.len() - rest.len();
        let [b' ', after @ ..] = rest else { break };
        rest = after;
    }
    // What has no number is told in words.
    if end == 0 { clause.len() } else { end }
}

/// The first bytes of a text.
#[doc(hidden)]
#[must_use]
pub const fn first_bytes<const N: usize>(text: &str) -> [u8; N] {
    let (mut bytes, mut rest) = ([0; N], text.as_bytes());
    let mut room: &mut [u8] = &mut bytes;
    while let ([to, room_after @ ..], [from, after @ ..]) = (room, rest) {
        *to = *from;
        (room, rest) = (room_after, after);
    }
    bytes
}

impl From<crate::bytes::Short> for Invalid {
    fn from(_: crate::bytes::Short) -> Self {
        malformed!("MQTT 5 2.1.4 remaining length is too short for the fields")
    }
}
