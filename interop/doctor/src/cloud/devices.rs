//! Devices of the lab by their files, each with another proof of who it is.

use std::fs;

use towpath_lab::Key;

use super::{CERTIFIED, Cloud, DEVICE, DPS, ENROLLED, HOST};
use crate::{Doctor, Report};

/// The key of the device that the provisioning service knows.
const ENROLLED_KEY: &str = "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";

/// The same, as the service has it.
pub(super) fn key() -> Option<Key> {
    Key::from_base64(ENROLLED_KEY)
}

impl Cloud {
    /// What the doctor says of the file of the hub's device with this key, and these variables in its environment.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_of_key(&self, key: &str, options: &[&str], variables: &[(&str, &str)]) -> Report {
        let _ = self.file("device.key", &format!("{key}\n"));
        let text = format!(
            "state = \"state\"\n[hub]\nhost = \"{HOST}\"\ndevice_id = \"{DEVICE}\"\n\
             key_file = \"device.key\"\n[tls]\ncafile = \"root.pem\"\n"
        );
        self.doctor_of_file("device.toml", &text, options, variables)
    }

    /// What the doctor says of the file of a device with a certificate, by `mqtts` or `wss`, with these lines in its
    /// table `tls`.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_of_certificate(&self, way: &str, tls: &str, options: &[&str]) -> Report {
        let (certificate, key) = self.certificate();
        let text = format!(
            "state = \"state\"\ntransport = \"{way}\"\n[hub]\nhost = \"{HOST}\"\n\
             device_id = \"{CERTIFIED}\"\n[tls]\ncafile = \"root.pem\"\ncert = \"{certificate}\"\n\
             key = \"{key}\"\n{tls}\n"
        );
        self.doctor_of_file("certified.toml", &text, options, &[])
    }

    /// What the doctor says of the file of a device that asks the provisioning service for its hub.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_of_enrolled(&self, options: &[&str]) -> Report {
        let (_, scope) = self.lab().provisioning().expect("it has one");
        let text = format!(
            "state = \"state\"\n[provisioning]\nhost = \"{DPS}\"\nscope = \"{scope}\"\n\
             registration_id = \"{ENROLLED}\"\nkey_file = \"enrolled.key\"\n\
             [tls]\ncafile = \"root.pem\"\n"
        );
        let key = self.folder.file("enrolled.key");
        fs::write(key, format!("{ENROLLED_KEY}\n")).expect("the key");
        self.doctor_of_file("enrolled.toml", &text, options, &[])
    }

    /// What the doctor says as the device with a certificate, with the ordinary client.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_by_certificate(&self, scheme: &str, options: &[&str]) -> Report {
        let user = format!("{HOST}/{CERTIFIED}/?api-version=2021-04-12");
        self.doctor_as_certified(&user, scheme, options)
    }

    /// The same with another user name.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_as_certified(&self, user: &str, scheme: &str, options: &[&str]) -> Report {
        let (certificate, key) = self.certificate();
        let root = self.root().display().to_string();
        let url = Self::url(scheme);
        let arguments = [
            &url,
            "--mqtt",
            "3.1.1",
            "--cafile",
            &root,
            "-i",
            CERTIFIED,
            "-u",
            user,
            "--cert",
            &certificate,
            "--key",
            &key,
        ];
        Doctor::on(&self.namespace).run(&[&arguments[..], options].concat())
    }

    /// A file of the lab's clients with this text.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.file(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    fn doctor_of_file(
        &self,
        name: &str,
        text: &str,
        options: &[&str],
        variables: &[(&str, &str)],
    ) -> Report {
        let config = self.file(name, text);
        let mut doctor = Doctor::on(&self.namespace);
        for (name, value) in variables {
            doctor = doctor.variable(name, value);
        }
        doctor.run(&[&["--config", &config], options].concat())
    }

    /// The paths of the certificate and its key.
    fn certificate(&self) -> (String, String) {
        let (chain, key) = ("device.pem", "device-x509.key");
        let path = |name: &str| self.folder.file(name).display().to_string();
        if !self.folder.file(chain).exists() {
            let made = self.lab().device_certificate(CERTIFIED);
            let made = made.expect("a certificate");
            return (self.file(chain, &made.chain), self.file(key, &made.key));
        }
        (path(chain), path(key))
    }
}
