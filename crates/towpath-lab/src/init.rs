//! `towpath lab init`: a lab in a folder, ready to be used.
//!
//! Takes in a folder and ports; gives out the files that it wrote: a commented `lab.toml`, the state folder with
//! certificates and keys, and for a device of each kind what its client needs. The lab is really started for it, on
//! ports that are free, so that what is written is what it takes.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    Config, Error, Lab,
    lab::user_name,
    log::{Code, Record},
    pki::replace,
};

/// The config with every table and the reasons for the defaults.
const LAB: &str = include_str!("config/lab.toml");

/// The device that proves itself by a certificate.
const X509: &str = "meter-x509";
/// The device that proves itself by a key.
const SAS: &str = "meter-sas";

/// The device that asks the provisioning service for its hub, with a key.
const DPS: &str = "meter-dps";

/// How long the token of the device with a key is good for.
const TOKEN: Duration = Duration::from_secs(365 * 24 * 3600);

/// What is to be written.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where to. It is made if it is not there.
    pub folder: PathBuf,
    /// Files that are there are written over. The state folder stays as it is in any case.
    pub force: bool,
    /// The port of MQTT over TLS.
    pub mqtts: u16,
    /// The port of WebSocket and REST.
    pub https: u16,
    /// The port of the page.
    pub page: u16,
}

/// Writes a lab; gives each file with a few words on it.
///
/// # Errors
/// A file that is there already, or can't be written; whatever keeps a lab from starting.
pub async fn init(plan: &Plan) -> Result<Vec<(PathBuf, &'static str)>, Error> {
    let file = |name: &str| plan.folder.join(name);
    std::fs::create_dir_all(&plan.folder).map_err(|source| Error::File {
        path: plan.folder.clone(),
        source,
    })?;
    let names = [
        "lab.toml",
        "device.toml",
        "device.pem",
        "device.key",
        "device-sas.toml",
        "device-sas.key",
        "device-dps.toml",
        "device-dps.key",
        "mqtt-x509.toml",
        "mqtt-sas.toml",
        "mqtt-sas.token",
    ];
    if !plan.force {
        for name in names {
            refuse_to_overwrite(&file(name))?;
        }
    }
    let text = LAB
        .replace("mqtts = 8883", &format!("mqtts = {}", plan.mqtts))
        .replace("https = 443", &format!("https = {}", plan.https))
        .replace("page = 8080", &format!("page = {}", plan.page));
    let config = Config::parse(&text, file("lab.toml"))?;
    let lab = started_aside(config).await?;
    let written = write(plan, &lab, &text);
    lab.stop().await;
    written?;
    Ok(vec![
        (
            file("lab.toml"),
            "the lab: everything that can be set, with reasons",
        ),
        (
            file("state"),
            "certificates, keys, twins, messages, the event log",
        ),
        (file("state/root.pem"), "what clients trust"),
        (
            file("state/connection-strings.txt"),
            "the keys, for the service's SDKs and for devices",
        ),
        (file("device.toml"), "for towpath device: by certificate"),
        (file("device-sas.toml"), "the same by key"),
        (
            file("device-dps.toml"),
            "a device that the provisioning service sends to its hub",
        ),
        (
            file("mqtt-x509.toml"),
            "for towpath pub and sub: by certificate, over WebSocket",
        ),
        (
            file("mqtt-sas.toml"),
            "the same by a token that is good for a year, over MQTT",
        ),
    ])
}

/// Starts the lab on free ports, without a page.
async fn started_aside(mut config: Config) -> Result<Lab, Error> {
    config.listen.mqtts = 0;
    config.listen.https = 0;
    config.listen.page = None;
    Lab::start(config).await
}

fn write(plan: &Plan, lab: &Lab, text: &str) -> Result<(), Error> {
    let file = |name: &str| plan.folder.join(name);
    lab.hand_out(&file("state"))?;
    let host = lab.hubs().next().unwrap_or("localhost").to_owned();
    let certificate = lab.device_certificate(X509)?;
    replace(&file("device.pem"), certificate.chain.as_bytes(), 0o644)?;
    replace(&file("device.key"), certificate.key.as_bytes(), 0o600)?;
    write_devices(plan, lab, &host)?;
    write_mqtt(plan, lab, &host)?;
    // Last, so that it is not there when something else failed.
    replace(&file("lab.toml"), text.as_bytes(), 0o644)?;
    let told = Record::info(Code::Lab, "the lab was written");
    lab.log().add(lab.clock().now(), told);
    Ok(())
}

/// What `towpath device` takes.
fn write_devices(plan: &Plan, lab: &Lab, host: &str) -> Result<(), Error> {
    let file = |name: &str| plan.folder.join(name);
    let ports = if (plan.mqtts, plan.https) == (8883, 443) {
        String::new()
    } else {
        format!(
            "ports = {{ mqtts = {}, https = {} }}\n",
            plan.mqtts, plan.https
        )
    };
    let common = "\n[telemetry]\n\
        from = \"stdin\"               # a JSON message a line\n\n\
        [tls]\n\
        cafile = \"state/root.pem\"\n";
    let x509 = format!(
        "# A device with a certificate, by 8883 or where that is closed by 443:\n\
         #   echo '{{\"power\":21.5}}' | towpath device --config device.toml --trace\n\
         state = \"device-state\"\n{ports}\n\
         [hub]\n\
         host = \"{host}\"\n\
         device_id = \"{X509}\"\n\
         {common}\
         cert = \"device.pem\"\n\
         key = \"device.key\"\n",
    );
    replace(&file("device.toml"), x509.as_bytes(), 0o644)?;
    let key = key_of(lab, &format!("DeviceId={SAS};SharedAccessKey="))?;
    replace(&file("device-sas.key"), key.as_bytes(), 0o600)?;
    let sas = format!(
        "# A device with a key:\n\
         #   echo '{{\"power\":21.5}}' | towpath device --config device-sas.toml --trace\n\
         state = \"device-sas-state\"\n{ports}\n\
         [hub]\n\
         host = \"{host}\"\n\
         device_id = \"{SAS}\"\n\
         key_file = \"device-sas.key\"\n\
         {common}",
    );
    replace(&file("device-sas.toml"), sas.as_bytes(), 0o644)?;
    let Some((service, scope)) = lab.provisioning() else {
        return Ok(());
    };
    let key = key_of(lab, &format!("RegistrationId={DPS};SymmetricKey="))?;
    replace(&file("device-dps.key"), key.as_bytes(), 0o600)?;
    let dps = format!(
        "# A device that asks the provisioning service for its hub:\n\
         #   towpath device provision --config device-dps.toml\n\
         #   echo '{{\"power\":21.5}}' | towpath device --config device-dps.toml --trace\n\
         state = \"device-dps-state\"\n{ports}\n\
         [provisioning]\n\
         host = \"{service}\"\n\
         scope = \"{scope}\"\n\
         registration_id = \"{DPS}\"\n\
         key_file = \"device-dps.key\"\n\
         {common}",
    );
    replace(&file("device-dps.toml"), dps.as_bytes(), 0o644)
}

/// The key behind `name` in a connection string, with a line end.
fn key_of(lab: &Lab, name: &str) -> Result<String, Error> {
    let strings = lab.connection_strings();
    let mut strings = strings.iter();
    let key = strings.find_map(|(_, string)| string.split_once(name).map(|(_, key)| key));
    key.map(|key| format!("{key}\n"))
        .ok_or_else(|| Error::Config {
            why: format!("there is no key behind {name}"),
        })
}

/// What `towpath pub` and `towpath sub` take.
fn write_mqtt(plan: &Plan, lab: &Lab, host: &str) -> Result<(), Error> {
    let file = |name: &str| plan.folder.join(name);
    let token = lab
        .device_token(host, SAS, TOKEN)
        .ok_or_else(|| Error::Config {
            why: format!("the device {SAS} has no key"),
        })?;
    replace(
        &file("mqtt-sas.token"),
        format!("{token}\n").as_bytes(),
        0o600,
    )?;
    let x509 = format!(
        "# A device with a certificate, as it comes through front ends that let port 443 out only:\n\
         #   towpath pub --config mqtt-x509.toml 'devices/{X509}/messages/events/' -m 21.5 -q 1 --trace\n\
         url = \"wss://{host}{}/$iothub/websocket\"\n\
         id = \"{X509}\"\n\
         user = \"{}\"\n\
         mqtt = \"3.1.1\"\n\n\
         [tls]\n\
         cafile = \"state/root.pem\"\n\
         cert = \"device.pem\"\n\
         key = \"device.key\"\n",
        port(plan.https, 443),
        user_name(host, X509),
    );
    replace(&file("mqtt-x509.toml"), x509.as_bytes(), 0o644)?;
    let sas = format!(
        "# A device with a key: its password is a token that the key has signed.\n\
         #   towpath sub --config mqtt-sas.toml 'devices/{SAS}/messages/devicebound/#'\n\
         url = \"mqtts://{host}{}\"\n\
         id = \"{SAS}\"\n\
         user = \"{}\"\n\
         password_file = \"mqtt-sas.token\"\n\
         mqtt = \"3.1.1\"\n\n\
         [tls]\n\
         cafile = \"state/root.pem\"\n",
        port(plan.mqtts, 8883),
        user_name(host, SAS),
    );
    replace(&file("mqtt-sas.toml"), sas.as_bytes(), 0o644)
}

/// Behind the host, where it is not the scheme's own.
fn port(port: u16, usual: u16) -> String {
    if port == usual {
        String::new()
    } else {
        format!(":{port}")
    }
}

fn refuse_to_overwrite(path: &Path) -> Result<(), Error> {
    if path.exists() {
        return Err(Error::File {
            path: path.to_owned(),
            source: io::Error::new(
                io::ErrorKind::AlreadyExists,
                "this is there already; --force writes over it",
            ),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
