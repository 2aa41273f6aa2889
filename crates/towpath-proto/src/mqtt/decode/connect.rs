//! CONNECT from bytes.

use super::{properties, text};
use crate::{
    bytes::Reader,
    invalid, malformed,
    mqtt::{
        Invalid, QoS, Version,
        packet::{Connect, Will},
        property::Place,
        topic::TopicName,
    },
    protocol,
};

impl<'a> Connect<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        if reader.binary()? != b"MQTT" {
            return Err(invalid!(
                UNSUPPORTED_PROTOCOL_VERSION,
                "[MQTT-3.1.2-1] the protocol name is not MQTT"
            ));
        }
        let version = match reader.u8()? {
            4 => Version::V311,
            5 => Version::V5,
            _ => {
                return Err(invalid!(
                    UNSUPPORTED_PROTOCOL_VERSION,
                    "[MQTT-3.1.2-2] the protocol version is neither 3.1.1 nor 5"
                ));
            }
        };
        let flags = ConnectFlags::decode(reader.u8()?, version)?;
        let keep_alive = reader.u16()?;
        let properties = properties(reader, version, Place::CONNECT)?;
        let client_id = text(reader)?;
        if client_id.is_empty() && version == Version::V311 && !flags.has(ConnectFlags::CLEAN) {
            return Err(invalid!(
                CLIENT_IDENTIFIER_NOT_VALID,
                "MQTT 3.1.1 [MQTT-3.1.3-8] no client identifier and no clean session"
            ));
        }
        let will = if flags.has(ConnectFlags::WILL) {
            Some(Will::decode(reader, version, flags)?)
        } else {
            None
        };
        let user_name = if flags.has(ConnectFlags::USER) {
            Some(text(reader)?)
        } else {
            None
        };
        let password = if flags.has(ConnectFlags::PASSWORD) {
            Some(reader.binary()?)
        } else {
            None
        };
        let clean_start = flags.has(ConnectFlags::CLEAN);
        Ok(Self {
            version,
            clean_start,
            keep_alive,
            client_id,
            will,
            user_name,
            password,
            properties,
        })
    }
}

/// The flags of CONNECT (MQTT 5 section 3.1.2.3).
#[derive(Clone, Copy)]
struct ConnectFlags(u8);

impl ConnectFlags {
    const CLEAN: u8 = 0x02;
    const WILL: u8 = 0x04;
    const WILL_QOS: u8 = 0x18;
    const WILL_RETAIN: u8 = 0x20;
    const PASSWORD: u8 = 0x40;
    const USER: u8 = 0x80;

    fn decode(bits: u8, version: Version) -> Result<Self, Invalid> {
        let flags = Self(bits);
        if flags.has(1) {
            return Err(malformed!(
                "[MQTT-3.1.2-3] the reserved connect flag is set",
            ));
        }
        if !flags.has(Self::WILL) && flags.has(Self::WILL_QOS) {
            return Err(malformed!("[MQTT-3.1.2-11] will QoS without a will",));
        }
        if !flags.has(Self::WILL) && flags.has(Self::WILL_RETAIN) {
            return Err(malformed!("[MQTT-3.1.2-13] will retain without a will",));
        }
        if flags.0 & Self::WILL_QOS == Self::WILL_QOS {
            return Err(malformed!("[MQTT-3.1.2-12] the will has QoS 3"));
        }
        if version == Version::V311 && flags.has(Self::PASSWORD) && !flags.has(Self::USER) {
            return Err(malformed!(
                "MQTT 3.1.1 [MQTT-3.1.2-22] a password without a user name",
            ));
        }
        Ok(flags)
    }

    const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

impl<'a> Will<'a> {
    fn decode(
        reader: &mut Reader<'a>,
        version: Version,
        flags: ConnectFlags,
    ) -> Result<Self, Invalid> {
        let properties = properties(reader, version, Place::WILL)?;
        let topic = TopicName::from_wire(reader.binary()?)?;
        if topic.is_empty() {
            return Err(protocol!("[MQTT-4.7.3-1] the will topic is empty"));
        }
        let payload = reader.binary()?;
        let qos = QoS::from_bits((flags.0 & ConnectFlags::WILL_QOS) >> 3).unwrap_or_default();
        Ok(Self {
            topic,
            payload,
            qos,
            retain: flags.has(ConnectFlags::WILL_RETAIN),
            properties,
        })
    }
}
