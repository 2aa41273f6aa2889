//! The lab of towpath in a namespace: a hub and a provisioning service with one enrolment of each kind.

use std::{net::IpAddr, sync::Arc};

use mqtt::Folder;
use net::Namespace;
use tokio::runtime::{Builder, Runtime};
use towpath_lab::{
    Config, Lab,
    config::{BehindProxy, Enrollment, Hub, Listen, Provisioning},
};

use crate::{
    GROUP_KEY, Proof,
    credential::{device_key, own_certificate},
};

/// The hub's name.
pub(crate) const HUB: &str = "hub.cloud.example";
/// The provisioning service's name.
pub(crate) const DPS: &str = "dps.cloud.example";

/// The running cloud. Ends with this value.
#[derive(Debug)]
pub struct Cloud {
    lab: Option<Arc<Lab>>,
    runtime: Option<Runtime>,
    folder: Folder,
}

impl Cloud {
    /// Starts it in a namespace, at this address, for devices with these registration IDs. With a front end of somebody
    /// else's it listens without TLS at this port, and believes what that says about the client's certificate.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(
        namespace: &Namespace,
        address: IpAddr,
        devices: &[(Proof, String)],
        front: Option<u16>,
    ) -> Self {
        let folder = Folder::new("cloud");
        let mut enrollments = Vec::new();
        for (proof, id) in devices {
            let mut enrollment = Enrollment {
                id: id.clone(),
                ..Enrollment::default()
            };
            match proof {
                Proof::Sas => enrollment.primary_key = Some(device_key()),
                Proof::X509 => {
                    own_certificate(folder.path(), id, &[]);
                    let file = folder.file(&format!("{id}.pem"));
                    enrollment.primary_certificate = Some(file.display().to_string());
                }
                Proof::GroupKey | Proof::X509Group => continue,
            }
            enrollments.push(enrollment);
        }
        let config = Config {
            listen: Listen {
                address,
                page: None,
                behind_proxy: front.map(|_| BehindProxy {
                    trusted: vec![address],
                    certificate_header: "X-Client-Cert".into(),
                }),
                https: front.unwrap_or(443),
                ..Listen::default()
            },
            hubs: vec![Hub {
                host: HUB.into(),
                ..Hub::default()
            }],
            provisioning: Some(Provisioning {
                host: DPS.into(),
                enrollments,
                groups: groups(),
                ..Provisioning::default()
            }),
            ..Config::for_tests()
        };
        let (lab, runtime) = namespace.run(move || {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime");
            let lab = runtime.block_on(Lab::start(config)).expect("a lab");
            (lab, runtime)
        });
        Self {
            lab: Some(Arc::new(lab)),
            runtime: Some(runtime),
            folder,
        }
    }

    /// The lab, for what its back-end says to devices.
    ///
    /// # Panics
    /// Never before it is dropped.
    #[must_use]
    pub fn lab(&self) -> Arc<Lab> {
        Arc::clone(self.lab.as_ref().expect("there until drop"))
    }

    /// The certificate and key of a device, PEM.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn certificate(&self, proof: Proof, id: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        match proof {
            Proof::Sas | Proof::GroupKey => None,
            Proof::X509 => {
                let read = |end: &str| std::fs::read(self.folder.file(&format!("{id}.{end}")));
                Some((read("pem").expect("made"), read("key").expect("made")))
            }
            Proof::X509Group => {
                let made = self.lab().device_certificate(id).expect("a certificate");
                Some((made.chain.into(), made.key.into()))
            }
        }
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

fn groups() -> Vec<Enrollment> {
    let keys = Enrollment {
        id: "by-key".into(),
        primary_key: towpath_lab::Key::from_base64(GROUP_KEY),
        ..Enrollment::default()
    };
    let certificates = Enrollment {
        id: "by-ca".into(),
        cas: vec!["lab".into()],
        ..Enrollment::default()
    };
    vec![keys, certificates]
}
