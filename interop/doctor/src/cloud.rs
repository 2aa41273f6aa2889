//! `towpath lab` in a namespace of its own: a hub with a device, and faults on switches.

mod devices;

use std::{fs, path::PathBuf, time::Duration};

use mqtt::Folder;
use net::{Namespace, Outcome, towpath_with};
use tokio::runtime::{Builder, Runtime};
use towpath_lab::{
    Config, Lab,
    config::{Enrollment, Provisioning},
};

use crate::{Doctor, Report};

/// The device that the hub knows.
pub const DEVICE: &str = "meter";
/// The device that it knows by a certificate.
pub const CERTIFIED: &str = "meter-x509";
/// The device that its provisioning service knows.
const ENROLLED: &str = "meter-dps";
/// The provisioning service.
const DPS: &str = "dps.lab.example";
/// The hub. A name of its own: `localhost` is an address of each family for towpath, and the lab listens on one.
const HOST: &str = "hub.lab.example";

/// A lab on 8883 and 443 of its namespace, where the doctor runs too. Ends with this value.
#[derive(Debug)]
pub struct Cloud {
    lab: Option<Lab>,
    runtime: Option<Runtime>,
    folder: Folder,
    /// Where both are.
    pub namespace: Namespace,
}

impl Cloud {
    /// Starts it with a device of each kind.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let mut config = Config::ready_made().device(DEVICE).x509_device(CERTIFIED);
        for hub in &mut config.hubs {
            hub.host = HOST.into();
        }
        config.provisioning = Some(Provisioning {
            host: DPS.into(),
            enrollments: vec![Enrollment {
                id: ENROLLED.into(),
                primary_key: devices::key(),
                ..Enrollment::default()
            }],
            ..Provisioning::default()
        });
        Self::with(config)
    }

    /// The same with another config.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with(config: Config) -> Self {
        let namespace = Namespace::new("cloud");
        let hosts = config.hubs.iter().map(|hub| hub.host.as_str());
        let services = config.provisioning.iter().map(|dps| dps.host.as_str());
        let hosts = hosts.chain(services);
        let hosts = hosts.map(|host| format!("127.0.0.1 {host}\n"));
        namespace.hosts(&hosts.collect::<String>());
        let (lab, runtime) = namespace.run(move || {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            let lab = runtime.block_on(Lab::start(config)).expect("a lab");
            (lab, runtime)
        });
        let folder = Folder::new("cloud");
        fs::write(folder.file("root.pem"), lab.root_pem()).expect("the root");
        Self {
            lab: Some(lab),
            runtime: Some(runtime),
            folder,
            namespace,
        }
    }

    /// The lab, for its log and its switches.
    ///
    /// # Panics
    /// Never before it is dropped.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        self.lab.as_ref().expect("there until drop")
    }

    /// The root certificate.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.file("root.pem")
    }

    /// The URL of the hub with this scheme.
    #[must_use]
    pub fn url(scheme: &str) -> String {
        let path = if scheme == "wss" {
            "/$iothub/websocket"
        } else {
            ""
        };
        format!("{scheme}://{HOST}{path}")
    }

    /// With these faults on, and off again afterwards.
    ///
    /// # Panics
    /// If there is no such fault.
    pub fn faulty<T>(&self, faults: &[&str], run: impl FnOnce(&Self) -> T) -> T {
        for fault in faults {
            let setting = fault.parse().expect(fault);
            self.lab().faults().switch_on(setting).expect(fault);
        }
        let said = run(self);
        self.lab().faults().clear();
        said
    }

    /// What the doctor says of the hub, as its device with a token of an hour and the version that hubs speak.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor(&self, scheme: &str, options: &[&str]) -> Report {
        self.doctor_as(&Self::user(), scheme, options)
    }

    /// The same with another user name.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_as(&self, user: &str, scheme: &str, options: &[&str]) -> Report {
        let url = Self::url(scheme);
        let arguments = self.login(&url, user);
        let arguments = arguments.iter().map(String::as_str);
        let arguments: Vec<&str> = arguments.chain(options.iter().copied()).collect();
        Doctor::on(&self.namespace)
            .variable("TOWPATH_PASSWORD", &self.token())
            .run(&arguments)
    }

    /// What the doctor says as the hub's device of another URL.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_at(&self, url: &str) -> Report {
        let arguments = self.login(url, &Self::user());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Doctor::on(&self.namespace)
            .variable("TOWPATH_PASSWORD", &self.token())
            .run(&arguments)
    }

    /// Runs `towpath` as the hub's device: a command, and the rest of its words behind URL and login; with `--json`.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Outcome {
        let (command, rest) = words.split_first().expect("a command");
        let (topic, rest) = rest.split_first().expect("a topic");
        let mut login = self.login(&Self::url("mqtts"), &Self::user()).into_iter();
        let url = login.next().expect("a URL");
        let login: Vec<String> = login.collect();
        let login = login.iter().map(String::as_str);
        let begin = [*command, &url, *topic].into_iter();
        let words = begin.chain(login).chain(rest.iter().copied());
        let words: Vec<&str> = words.chain(["--json"]).collect();
        towpath_with(
            &self.namespace,
            &[("TOWPATH_PASSWORD", &self.token())],
            &words,
        )
    }

    fn user() -> String {
        format!("{HOST}/{DEVICE}/?api-version=2021-04-12")
    }

    fn token(&self) -> String {
        let hour = Duration::from_secs(3600);
        self.lab().device_token(HOST, DEVICE, hour).expect("a key")
    }

    /// URL and login of the device, with the version that hubs speak.
    fn login(&self, url: &str, user: &str) -> Vec<String> {
        let root = self.root().display().to_string();
        let words = [
            url, "--mqtt", "3.1.1", "--cafile", &root, "-i", DEVICE, "-u", user,
        ];
        words.map(str::to_owned).to_vec()
    }

    /// What the doctor says of this device's file, with these lines before its tables.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_of_device(&self, options: &[&str]) -> Report {
        self.doctor_of_device_with(options, &[])
    }

    /// The same with these variables in its environment.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_of_device_with(&self, options: &[&str], variables: &[(&str, &str)]) -> Report {
        let strings = self.lab().connection_strings();
        let mut keys = strings.iter().filter_map(|(_, string)| {
            let (_, key) = string.split_once(&format!("DeviceId={DEVICE};SharedAccessKey="))?;
            Some(key)
        });
        let key = keys.next().expect("its key");
        self.doctor_of_key(key, options, variables)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.lab = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
