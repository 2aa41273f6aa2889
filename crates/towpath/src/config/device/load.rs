//! From settings to what a device needs: its key, and the options of its connections. Reads the files that are named.

use std::{env, hint::black_box, str};

use towpath_azure::{Key, KeyError};

use super::{DeviceConfig, Keys, Transport, check::on};
use crate::{
    Error, Options, Version,
    config::{Given, Secrets, Setting, load::first_line_of},
};

/// How a device proves who it is.
#[derive(Debug)]
pub enum Proof {
    /// By tokens that this key signs; of a group's key the device's own is derived already.
    Key(Key),
    /// By the certificate in [`DeviceConfig::options`].
    Certificate,
}

impl DeviceConfig {
    /// The host that is dialled first: the gateway, the hub, or the provisioning service.
    #[must_use]
    pub fn host(&self) -> &str {
        if self.provisioning.at.is_some() {
            return self
                .provisioning
                .host
                .as_ref()
                .map_or(towpath_azure::dps::GLOBAL_ENDPOINT, |host| {
                    host.value().as_str()
                });
        }
        let hub = &self.hub;
        hub.gateway
            .as_ref()
            .or(hub.host.as_ref())
            .map_or("", |host| host.value().as_str())
    }

    /// The key or the certificate. Reads the key from its file or the environment.
    ///
    /// # Errors
    /// [`Error::File`] for a file that can't be read, [`Error::Config`] with the line of the key that can't be used and
    /// why.
    pub fn proof(&self) -> Result<Proof, Error> {
        let dps = &self.provisioning;
        if let Some(key) = self.hub.key.read()? {
            return Ok(Proof::Key(key));
        }
        if let Some(key) = dps.key.read()? {
            return Ok(Proof::Key(key));
        }
        let id = dps.registration_id.as_ref();
        match (dps.group_key.read()?, id) {
            (Some(group), Some(id)) => Ok(Proof::Key(group.derive(id.value()))),
            _ => Ok(Proof::Certificate),
        }
    }

    /// Options of a connection to [`host`](Self::host): profile, patience, source address, TLS, network and proxy.
    ///
    /// # Errors
    /// As [`Config::load`](crate::config::Config::load).
    pub fn options(&self, secrets: Secrets) -> Result<Options, Error> {
        let mut connection = self.connection.clone();
        let port = |given: &Given<u16>, usual| given.as_ref().map_or(usual, |port| *port.value());
        let host = self.host();
        let url = match self.transport.as_ref().map(Setting::value) {
            Some(Transport::Wss) => {
                format!(
                    "wss://{host}:{}/$iothub/websocket",
                    port(&self.ports.https, 443)
                )
            }
            _ => format!("mqtts://{host}:{}", port(&self.ports.mqtts, 8883)),
        };
        connection.url = Some(Setting::flag("host", url));
        connection.mqtt = Some(Setting::flag("mqtt", Version::V311));
        Ok(connection.load(secrets)?.options)
    }

    /// What stands in the device's certificate, if it has one.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be read, [`Error::Config`] with its line if it is no certificate.
    #[cfg(feature = "openssl")]
    pub fn certificate(&self) -> Result<Option<crate::tls::Facts>, Error> {
        let Some(path) = &self.connection.tls.cert else {
            return Ok(None);
        };
        let chain =
            std::fs::read(path.value()).map_err(|error| Error::file(path.value(), &error))?;
        towpath_tls_openssl::certificate::facts(&chain)
            .map(Some)
            .map_err(|fault| path.wrong(fault))
    }

    /// Whether telemetry that waits is kept in memory only.
    #[must_use]
    pub fn forgets(&self) -> bool {
        on(&self.outbox.memory)
    }

    /// Whether lines of standard input are sent.
    #[must_use]
    pub fn reads_stdin(&self) -> bool {
        on(&self.telemetry.from_stdin)
    }
}

impl Keys {
    /// The key, if one is named.
    fn read(&self) -> Result<Option<Key>, Error> {
        if let Some(path) = &self.file {
            let mut bytes = first_line_of(path.value())?;
            let key = key_of(&bytes).map_err(|why| path.wrong(why));
            bytes.fill(0);
            black_box(&bytes);
            return key.map(Some);
        }
        let Some(name) = &self.env else {
            return Ok(None);
        };
        let Some(value) = env::var_os(name.value()) else {
            return Err(name.wrong(format_args!(
                "the environment variable {} is not set",
                name.value()
            )));
        };
        let mut bytes = value.into_encoded_bytes();
        let key = key_of(&bytes).map_err(|why| name.wrong(why));
        bytes.fill(0);
        black_box(&bytes);
        key.map(Some)
    }
}

fn key_of(bytes: &[u8]) -> Result<Key, KeyError> {
    let text = str::from_utf8(bytes).map_err(|_| KeyError::NotBase64)?;
    Key::from_base64(text)
}
