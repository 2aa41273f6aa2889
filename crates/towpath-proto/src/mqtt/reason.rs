//! Reason codes: the MQTT 5 set is the model, the return codes of 3.1.1 map into it.

use core::fmt;

use super::packet::Kind;

/// An MQTT 5 reason code (MQTT 5 section 2.4). Values below 0x80 mean success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ReasonCode(pub u8);

macro_rules! reasons {
    ($( $value:literal $name:ident $text:literal; )*) => {
        impl ReasonCode {
            $( #[doc = $text] pub const $name: Self = Self($value); )*

            /// The name in the specification's words, lower case.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self.0 { $( $value => $text, )* _ => "unknown reason" }
            }

            /// The name as the number of a string.
            #[cfg(feature = "defmt")]
            pub(crate) fn interned(self) -> defmt::Str {
                use crate::interned::interned;
                match self.0 { $( $value => interned!($text), )* _ => interned!("unknown reason") }
            }
        }
    };
}

reasons! {
    0x00 SUCCESS "success";
    0x01 GRANTED_QOS_1 "granted QoS 1";
    0x02 GRANTED_QOS_2 "granted QoS 2";
    0x04 DISCONNECT_WITH_WILL "disconnect with will message";
    0x10 NO_MATCHING_SUBSCRIBERS "no matching subscribers";
    0x11 NO_SUBSCRIPTION_EXISTED "no subscription existed";
    0x18 CONTINUE_AUTHENTICATION "continue authentication";
    0x19 RE_AUTHENTICATE "re-authenticate";
    0x80 UNSPECIFIED_ERROR "unspecified error";
    0x81 MALFORMED_PACKET "malformed packet";
    0x82 PROTOCOL_ERROR "protocol error";
    0x83 IMPLEMENTATION_SPECIFIC_ERROR "implementation specific error";
    0x84 UNSUPPORTED_PROTOCOL_VERSION "unsupported protocol version";
    0x85 CLIENT_IDENTIFIER_NOT_VALID "client identifier not valid";
    0x86 BAD_USER_NAME_OR_PASSWORD "bad user name or password";
    0x87 NOT_AUTHORIZED "not authorized";
    0x88 SERVER_UNAVAILABLE "server unavailable";
    0x89 SERVER_BUSY "server busy";
    0x8A BANNED "banned";
    0x8B SERVER_SHUTTING_DOWN "server shutting down";
    0x8C BAD_AUTHENTICATION_METHOD "bad authentication method";
    0x8D KEEP_ALIVE_TIMEOUT "keep alive timeout";
    0x8E SESSION_TAKEN_OVER "session taken over";
    0x8F TOPIC_FILTER_INVALID "topic filter invalid";
    0x90 TOPIC_NAME_INVALID "topic name invalid";
    0x91 PACKET_IDENTIFIER_IN_USE "packet identifier in use";
    0x92 PACKET_IDENTIFIER_NOT_FOUND "packet identifier not found";
    0x93 RECEIVE_MAXIMUM_EXCEEDED "receive maximum exceeded";
    0x94 TOPIC_ALIAS_INVALID "topic alias invalid";
    0x95 PACKET_TOO_LARGE "packet too large";
    0x96 MESSAGE_RATE_TOO_HIGH "message rate too high";
    0x97 QUOTA_EXCEEDED "quota exceeded";
    0x98 ADMINISTRATIVE_ACTION "administrative action";
    0x99 PAYLOAD_FORMAT_INVALID "payload format invalid";
    0x9A RETAIN_NOT_SUPPORTED "retain not supported";
    0x9B QOS_NOT_SUPPORTED "QoS not supported";
    0x9C USE_ANOTHER_SERVER "use another server";
    0x9D SERVER_MOVED "server moved";
    0x9E SHARED_SUBSCRIPTIONS_NOT_SUPPORTED "shared subscriptions not supported";
    0x9F CONNECTION_RATE_EXCEEDED "connection rate exceeded";
    0xA0 MAXIMUM_CONNECT_TIME "maximum connect time";
    0xA1 SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED "subscription identifiers not supported";
    0xA2 WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED "wildcard subscriptions not supported";
}

impl ReasonCode {
    /// Whether the code reports a failure (MQTT 5 section 2.4).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// Whether the code means something in a packet of this kind. A success has to be one that the packet's table
    /// names, since nothing says what another would mean. A failure is a failure by its number alone (MQTT 5 section
    /// 2.4), so one that is not in the table passes: it would be a loss to break a connection over it.
    #[must_use]
    pub(crate) const fn is_understood_in(self, kind: Kind) -> bool {
        match kind {
            // MQTT 5 section 3.15.2.1: three codes and no failure among them.
            Kind::Auth => matches!(self.0, 0x00 | 0x18 | 0x19),
            _ if self.is_error() => true,
            // Sections 3.4.2.1 and 3.5.2.1.
            Kind::Puback | Kind::Pubrec => matches!(self.0, 0x00 | 0x10),
            // Section 3.9.3: the granted QoS.
            Kind::Suback => self.0 <= 2,
            // Section 3.11.3.
            Kind::Unsuback => matches!(self.0, 0x00 | 0x11),
            // Section 3.14.2.1.
            Kind::Disconnect => matches!(self.0, 0x00 | 0x04),
            // Sections 3.2.2.2, 3.6.2.1 and 3.7.2.1.
            _ => self.0 == 0,
        }
    }

    /// The MQTT 5 code for a CONNACK return code of MQTT 3.1.1 (section 3.2.2.3), `None` for reserved values.
    #[must_use]
    pub const fn from_v311_connack(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::SUCCESS,
            1 => Self::UNSUPPORTED_PROTOCOL_VERSION,
            2 => Self::CLIENT_IDENTIFIER_NOT_VALID,
            3 => Self::SERVER_UNAVAILABLE,
            4 => Self::BAD_USER_NAME_OR_PASSWORD,
            5 => Self::NOT_AUTHORIZED,
            _ => return None,
        })
    }

    /// The CONNACK return code of MQTT 3.1.1 (section 3.2.2.3) nearest to this code.
    #[must_use]
    pub const fn to_v311_connack(self) -> u8 {
        match self {
            Self::SUCCESS => 0,
            Self::UNSUPPORTED_PROTOCOL_VERSION => 1,
            Self::CLIENT_IDENTIFIER_NOT_VALID => 2,
            Self::BAD_USER_NAME_OR_PASSWORD => 4,
            Self::NOT_AUTHORIZED | Self::BANNED | Self::BAD_AUTHENTICATION_METHOD => 5,
            _ => 3,
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} 0x{:02x}", self.text(), self.0)
    }
}
