//! One attempt: everything that the path, the TLS rung and CONNECT need to know.

use core::fmt::{self, Write};

use towpath_proto::{
    Code, Fault, Rung,
    mqtt::{
        QoS,
        packet::{Connect, Will},
        property::Properties,
        topic::TopicName,
    },
};

use super::{Device, SCRATCH, beyond, route::Target, token::Token};
use crate::{
    Entry, Names, Now, Proof, Transport,
    names::{registration_resource, registration_user_name},
    sas,
    scratch::Scratch,
};

/// Where MQTT is behind HTTPS, at the hub and at DPS.
const WEBSOCKET: &str = "/$iothub/websocket";

/// The same, for who shows no certificate: the hub does not ask for one by renegotiation then.
const WEBSOCKET_WITHOUT_CERTIFICATE: &str = "/$iothub/websocket?iothub-no-client-cert=true";

/// How to climb. It lends from the scratch memory.
#[derive(Clone, Copy)]
pub struct Attempt<'s> {
    /// Whom to.
    pub target: Target,
    /// The host to dial, to ask for by SNI, and to verify.
    pub host: &'s str,
    /// The TCP port.
    pub port: u16,
    /// With or without WebSocket.
    pub transport: Transport,
    /// Path and query of the upgrade, where the transport has one. Its subprotocol is `mqtt`.
    pub path: &'static str,
    /// Whether TLS shows the device's certificate.
    pub shows_certificate: bool,
    /// The MQTT client identifier.
    pub client_id: &'s str,
    /// The MQTT user name.
    pub user_name: &'s str,
    /// The token; none with a certificate.
    pub password: Option<&'s str>,
    /// Seconds.
    pub keep_alive: u16,
    /// DPS keeps no session; the hub keeps messages for the device in it.
    pub clean_session: bool,
    /// Whether packets may follow CONNECT before it is answered.
    pub pipeline: bool,
    /// What is published when the device vanishes.
    pub will: Option<Will<'s>>,
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the password.
        f.debug_struct("Attempt")
            .field("target", &self.target)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("transport", &self.transport)
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

impl<'s> Attempt<'s> {
    /// CONNECT of MQTT 3.1.1.
    #[must_use]
    pub fn connect(&self) -> Connect<'s> {
        Connect {
            version: towpath_proto::mqtt::Version::V311,
            clean_start: self.clean_session,
            keep_alive: self.keep_alive,
            client_id: self.client_id,
            will: self.will,
            user_name: Some(self.user_name),
            password: self.password.map(str::as_bytes),
            properties: Properties::NONE,
        }
    }
}

impl<const WINDOW: usize> Device<'_, WINDOW> {
    /// How to make the attempt that [`Step::Climb`](super::Step::Climb) asked for.
    ///
    /// # Errors
    /// [`Code::BufferTooSmall`] if names and properties are too long for the scratch memory, [`Code::ClockUnset`] if
    /// the clock has stopped being set.
    pub fn attempt<'s>(
        &mut self,
        now: Now,
        random: &mut impl towpath_proto::Random,
        scratch: &'s mut [u8; SCRATCH],
    ) -> Result<Attempt<'s>, Fault> {
        let target = self.target();
        self.clock = beyond(now);
        let token = self.issue(now, random)?;
        if target == Target::Hub {
            self.token = token;
        }
        let expires = token.map(|token| token.expires);
        let mut pieces = Pieces(scratch);
        let attempt = match (target, self.settings.entry) {
            (
                Target::Dps,
                Entry::Dps {
                    host,
                    scope,
                    registration_id,
                    ..
                },
            ) => self.to_dps(host, scope, registration_id, expires, &mut pieces),
            _ => self.to_hub(expires, &mut pieces),
        };
        if target == Target::Hub && attempt.is_ok() {
            self.fresh = false;
        }
        attempt.map_err(|fmt::Error| {
            Fault::new(Rung::Hub, Code::BufferTooSmall)
                .number(u32::try_from(SCRATCH).unwrap_or(u32::MAX))
        })
    }

    fn issue(
        &self,
        now: Now,
        random: &mut impl towpath_proto::Random,
    ) -> Result<Option<Token>, Fault> {
        let Proof::Key(_) = self.settings.proof else {
            return Ok(None);
        };
        let unix = now
            .unix
            .ok_or_else(|| Fault::new(Rung::Hub, Code::ClockUnset))?;
        let life = self.settings.token_life;
        Ok(Some(Token::issue(now, unix, life, random)))
    }

    fn to_dps<'s>(
        &self,
        host: &str,
        scope: &str,
        registration_id: &str,
        expires: Option<u64>,
        pieces: &mut Pieces<'s>,
    ) -> Result<Attempt<'s>, fmt::Error> {
        let user_name = registration_user_name(scope, registration_id, self.settings.product);
        let password = self.password(expires, pieces, |key, expires, out| {
            let resource = registration_resource(scope, registration_id);
            sas::write(out, resource, key, expires, Some("registration"))
        })?;
        Ok(Attempt {
            host: pieces.take(host)?,
            client_id: pieces.take(registration_id)?,
            user_name: pieces.take(user_name)?,
            password,
            clean_session: true,
            will: None,
            ..self.common(Target::Dps)
        })
    }

    fn to_hub<'s>(
        &self,
        expires: Option<u64>,
        pieces: &mut Pieces<'s>,
    ) -> Result<Attempt<'s>, fmt::Error> {
        let names = self.names().ok_or(fmt::Error)?;
        let password = self.password(expires, pieces, |key, expires, out| {
            sas::write(out, names.resource(), key, expires, None)
        })?;
        let user_name = names.user_name(self.settings.model_id, self.settings.product);
        Ok(Attempt {
            host: pieces.take(self.settings.gateway.unwrap_or(names.hub))?,
            client_id: pieces.take(names.client_id())?,
            user_name: pieces.take(user_name)?,
            password,
            clean_session: false,
            will: self.will(&names, pieces)?,
            ..self.common(Target::Hub)
        })
    }

    /// What both have in common; the names are still to be filled in.
    fn common<'s>(&self, target: Target) -> Attempt<'s> {
        let shows_certificate = matches!(self.settings.proof, Proof::Certificate);
        let transport = self.route.transport;
        Attempt {
            target,
            host: "",
            port: match transport {
                Transport::Mqtts => self.settings.ports.mqtts,
                Transport::Wss => self.settings.ports.https,
            },
            transport,
            path: if target == Target::Hub && !shows_certificate {
                WEBSOCKET_WITHOUT_CERTIFICATE
            } else {
                WEBSOCKET
            },
            shows_certificate,
            client_id: "",
            user_name: "",
            password: None,
            keep_alive: self.settings.keep_alive,
            clean_session: false,
            pipeline: self.settings.pipeline && !self.route.alone,
            will: None,
        }
    }

    fn password<'s>(
        &self,
        expires: Option<u64>,
        pieces: &mut Pieces<'s>,
        write: impl FnOnce(&crate::Key, u64, &mut Scratch<'s>) -> fmt::Result,
    ) -> Result<Option<&'s str>, fmt::Error> {
        let (Proof::Key(key), Some(expires)) = (self.settings.proof, expires) else {
            return Ok(None);
        };
        pieces.write(|out| write(key, expires, out)).map(Some)
    }

    fn will<'s>(
        &self,
        names: &Names<'_>,
        pieces: &mut Pieces<'s>,
    ) -> Result<Option<Will<'s>>, fmt::Error> {
        let Some(will) = &self.settings.will else {
            return Ok(None);
        };
        let topic =
            pieces.write(|out| write!(out, "{}/messages/events/{}", names.topic(), will.bag))?;
        Ok(Some(Will {
            topic: TopicName::new(topic).map_err(|_| fmt::Error)?,
            payload: pieces.bytes(will.body)?,
            qos: will.qos.min(QoS::AtLeastOnce),
            retain: false,
            properties: Properties::NONE,
        }))
    }
}

/// Memory that is given out piece by piece.
struct Pieces<'s>(&'s mut [u8]);

impl<'s> Pieces<'s> {
    fn take(&mut self, text: impl fmt::Display) -> Result<&'s str, fmt::Error> {
        self.write(|out| write!(out, "{text}"))
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut Scratch<'s>) -> fmt::Result,
    ) -> Result<&'s str, fmt::Error> {
        let mut scratch = Scratch::new(core::mem::take(&mut self.0));
        write(&mut scratch)?;
        let (text, rest) = scratch.split();
        self.0 = rest;
        Ok(text)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<&'s [u8], fmt::Error> {
        let room = self.0.get_mut(..bytes.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(bytes);
        let (piece, rest) = core::mem::take(&mut self.0)
            .split_at_mut_checked(bytes.len())
            .ok_or(fmt::Error)?;
        self.0 = rest;
        Ok(piece)
    }
}
