//! What has to be there, what excludes each other, and what is out of its range.

use std::{path::Path, time::Duration};

use towpath_proto::tls::is_key_uri;

use super::{DeviceConfig, Hub, Keys, Provisioning, Telemetry, Update, UpdateKind, read::missing};
use crate::{
    Error,
    config::{Given, Setting, load::given},
};

/// The longest keep-alive that IoT Hub honours, seconds.
const KEEP_ALIVE_MAX: u16 = 1177;

/// The shortest and the longest life of a token.
const TOKEN_LIFE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(365 * 24 * 3600);

/// The fewest bytes of an outbox: the largest message that the hub takes has to fit.
const OUTBOX_MIN: u64 = 512 * 1024;

/// The longest identifier of a device, a module or a registration.
const ID_MAX: usize = 128;

impl DeviceConfig {
    /// Finds what is wrong with settings that are each right by themselves.
    pub(super) fn check(&self, file: &Path) -> Result<(), Error> {
        match (&self.hub.at, &self.provisioning.at) {
            (None, None) => {
                return Err(Error::Config {
                    why: format!(
                        "{}: [hub] is missing, with host and device_id; or [provisioning], with scope and \
                         registration_id, for a device that asks for its hub",
                        file.display()
                    ),
                });
            }
            (Some(_), Some(at)) => {
                return Err(at.wrong(
                    "there is [hub], too: a device either knows its hub or asks for it; leave one of them out",
                ));
            }
            (Some(_), None) => self.hub.check()?,
            (None, Some(_)) => self.provisioning.check()?,
        }
        self.one_proof()?;
        self.ranges()?;
        self.telemetry.check()?;
        self.update.check()?;
        self.renewal()
    }

    /// A key or a certificate, and only one of them.
    fn one_proof(&self) -> Result<(), Error> {
        let tls = &self.connection.tls;
        if let (Some(_), None) = (&tls.cert, &tls.key) {
            given(&tls.cert, "its private key is missing; give it with key")?;
        }
        let table = self.hub.at.as_ref().or(self.provisioning.at.as_ref());
        let at = table.map(|at| at.clone().map(|()| ()));
        let (hub, dps) = (&self.hub.key, &self.provisioning.key);
        let group = &self.provisioning.group_key;
        let mut keys = [hub, dps, group]
            .into_iter()
            .flat_map(Keys::all)
            .collect::<Vec<_>>();
        let first = keys.pop();
        match (first, &tls.cert) {
            (None, None) => Err(missing(
                &at,
                "nothing says how the device proves who it is: name its key with key_file or key_env, or its \
                 certificate with cert and key in [tls]",
            )),
            (Some(_), None) if keys.is_empty() => Ok(()),
            (Some(key), None) => Err(key.wrong("there is another key; leave one of them out")),
            (Some(key), Some(_)) => Err(key.wrong(
                "there is a certificate in [tls], too: a device proves itself by one of them; leave the other out",
            )),
            (None, Some(_)) => Ok(()),
        }
    }

    fn ranges(&self) -> Result<(), Error> {
        if let Some(keepalive) = &self.connection.keepalive
            && *keepalive.value() > KEEP_ALIVE_MAX
        {
            return Err(keepalive.wrong(format_args!(
                "IoT Hub takes at most {KEEP_ALIVE_MAX} seconds"
            )));
        }
        if let Some(life) = &self.token_life
            && !TOKEN_LIFE.contains(life.value())
        {
            return Err(life.wrong("this has to be from 60 seconds to a year (31536000)"));
        }
        for port in [&self.ports.mqtts, &self.ports.https].into_iter().flatten() {
            if *port.value() == 0 {
                return Err(port.wrong("this has to be a port from 1 to 65535"));
            }
        }
        for count in [&self.fleet.devices, &self.fleet.rate]
            .into_iter()
            .flatten()
        {
            if *count.value() == 0 {
                return Err(count.wrong("this has to be above 0"));
            }
        }
        if let Some(bytes) = &self.outbox.bytes
            && *bytes.value() < OUTBOX_MIN
        {
            return Err(bytes.wrong(format_args!(
                "this has to be at least {OUTBOX_MIN}: the largest message has to fit"
            )));
        }
        Ok(())
    }

    fn renewal(&self) -> Result<(), Error> {
        let Some(by_dps) = self.renewal.by_dps.as_ref().filter(|given| *given.value()) else {
            return Ok(());
        };
        if self.provisioning.at.is_none() {
            return Err(by_dps.wrong("there is no [provisioning] that could issue a certificate"));
        }
        if self.connection.tls.cert.is_none() {
            return Err(by_dps.wrong("there is no certificate in [tls] that could be renewed"));
        }
        let tls = &self.connection.tls;
        let Some(key) = &tls.key else {
            return Ok(());
        };
        if is_key_uri(key.value().as_os_str().as_encoded_bytes()) {
            return Err(key.wrong(
                "[renewal] by_dps = true makes a new key, which a token can't be given: name a file here, or renew the \
                 certificate by other means",
            ));
        }
        if tls
            .cert
            .as_ref()
            .is_some_and(|cert| cert.value() == key.value())
        {
            return Err(key.wrong(
                "[renewal] by_dps = true needs certificate and key in files of their own, because it replaces each",
            ));
        }
        Ok(())
    }
}

impl Hub {
    fn check(&self) -> Result<(), Error> {
        let Some(host) = &self.host else {
            return Err(missing(
                &self.at,
                "host is missing: the hub's name, such as \"contoso.azure-devices.net\"",
            ));
        };
        host_name(host)?;
        if let Some(gateway) = &self.gateway {
            host_name(gateway)?;
        }
        let Some(device_id) = &self.device_id else {
            return Err(missing(&self.at, "device_id is missing"));
        };
        id(device_id, DEVICE_ID)?;
        self.module_id
            .as_ref()
            .map_or(Ok(()), |module| id(module, DEVICE_ID))
    }
}

impl Provisioning {
    fn check(&self) -> Result<(), Error> {
        let Some(scope) = &self.scope else {
            return Err(missing(
                &self.at,
                "scope is missing: the ID scope of the provisioning service, such as \"0ne00000001\"",
            ));
        };
        id(scope, REGISTRATION_ID)?;
        let Some(registration_id) = &self.registration_id else {
            return Err(missing(
                &self.at,
                "registration_id is missing; with a certificate it is the common name there",
            ));
        };
        id(registration_id, REGISTRATION_ID)?;
        if let Some(host) = &self.host {
            host_name(host)?;
        }
        match &self.payload {
            Some(payload) if !payload.value().trim_start().starts_with('{') => {
                Err(payload.wrong("this has to be a JSON object, as in payload = '{\"floor\":3}'"))
            }
            _ => Ok(()),
        }
    }
}

impl Keys {
    /// What was given.
    fn all(&self) -> impl Iterator<Item = Setting<()>> {
        let file = self.file.clone().map(|given| given.map(|_| ()));
        let env = self.env.clone().map(|given| given.map(|_| ()));
        file.into_iter().chain(env)
    }
}

impl Telemetry {
    fn check(&self) -> Result<(), Error> {
        let from_stdin = self.from_stdin.as_ref().is_some_and(|from| *from.value());
        match &self.run {
            Some(run) if from_stdin => {
                return Err(run.wrong("there is from = \"stdin\", too; leave one of them out"));
            }
            Some(run) if self.every.is_none() => {
                return Err(
                    run.wrong("every is missing: the seconds between two runs, as in every = 60")
                );
            }
            Some(_) => {}
            None => {
                let why = "this goes with run, a program whose output is sent";
                given(&self.every, why)?;
                given(&self.timeout, why)?;
            }
        }
        if self.at.is_some() && self.run.is_none() && self.from_stdin.is_none() {
            return Err(missing(
                &self.at,
                "from = \"stdin\" is missing, or run, a program whose output is sent",
            ));
        }
        let Some(properties) = &self.properties else {
            return Ok(());
        };
        match properties.value().iter().find(|(name, _)| name.is_empty()) {
            Some(_) => Err(properties.wrong("a property needs a name")),
            None => Ok(()),
        }
    }
}

impl Update {
    fn check(&self) -> Result<(), Error> {
        let Some(at) = &self.at else {
            return Ok(());
        };
        let Some(kind) = &self.kind else {
            return Err(at.wrong(
                "kind is missing: \"adu\" for Device Update for IoT Hub, \"fota\" for the jobs of NCS azure_fota",
            ));
        };
        if self.slot.is_none() {
            return Err(at.wrong("slot is missing: the file that a new image is written to"));
        }
        match (&self.version, &self.version_file) {
            (None, None) => {
                return Err(at.wrong("version is missing, of what runs now; or version_file"));
            }
            (Some(_), Some(file)) => {
                return Err(file.wrong("there is version, too; leave one of them out"));
            }
            _ => {}
        }
        if self.apply.is_none() {
            return Err(at.wrong("apply is missing: the program that installs an image"));
        }
        if *kind.value() == UpdateKind::Adu {
            for (given, name) in [
                (self.manufacturer.is_some(), "manufacturer"),
                (self.model.is_some(), "model"),
                (self.provider.is_some(), "provider"),
                (self.name.is_some(), "name"),
                (self.roots.is_some(), "roots"),
            ] {
                if !given {
                    return Err(at.wrong(format_args!(
                        "{name} is missing, which kind = \"adu\" needs"
                    )));
                }
            }
            return Ok(());
        }
        given(
            &self.roots,
            "jobs of kind \"fota\" are not signed; leave this out",
        )?;
        let why = "jobs of kind \"fota\" do not say this; leave it out";
        given(&self.provider, why)?;
        given(&self.name, why)?;
        given(&self.handlers, why)
    }
}

/// What a device or a module may be called.
const DEVICE_ID: &str = "-.%_*?!(),:=@$'";
/// What a registration may be called.
const REGISTRATION_ID: &str = "-._:";

fn id(setting: &Setting<String>, marks: &str) -> Result<(), Error> {
    let text = setting.value();
    let right = |char: char| char.is_ascii_alphanumeric() || marks.contains(char);
    if text.is_empty() || text.len() > ID_MAX {
        return Err(setting.wrong(format_args!("this has to have 1 to {ID_MAX} characters")));
    }
    match text.chars().find(|char| !right(*char)) {
        Some(char) => Err(setting.wrong(format_args!(
            "{char:?} does not belong here; there may be letters, digits and any of {marks}"
        ))),
        None => Ok(()),
    }
}

fn host_name(setting: &Setting<String>) -> Result<(), Error> {
    let text = setting.value();
    if text.contains("://") || text.contains('/') || text.contains("HostName=") {
        return Err(setting.wrong(
            "this has to be a host name alone, such as \"contoso.azure-devices.net\", without a scheme or a path",
        ));
    }
    if text.contains(':') && !text.starts_with('[') {
        return Err(setting.wrong("this has to be a host name alone; give a port with ports"));
    }
    if text.is_empty() || text.len() > ID_MAX || text.contains(char::is_whitespace) {
        return Err(setting.wrong(format_args!(
            "this has to be a host name of 1 to {ID_MAX} characters"
        )));
    }
    Ok(())
}

/// Whether a setting is on.
pub(super) fn on(given: &Given<bool>) -> bool {
    given.as_ref().is_some_and(|given| *given.value())
}
