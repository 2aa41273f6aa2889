//! Configs by hand, for tests: each method adds one thing and answers the config again.

use super::{Config, Device, Enrollment, Hub, Listen, Provisioning};
use crate::fault;

impl Config {
    /// A lab for tests: free ports, nothing kept, one hub `localhost` and a provisioning service `localhost` that takes
    /// anybody whom a test declares.
    ///
    /// ```
    /// let config = towpath_lab::Config::for_tests().device("meter-1").x509_device("meter-2");
    /// assert_eq!(config.hubs[0].devices.len(), 2);
    /// ```
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            listen: Listen {
                mqtts: 0,
                https: 0,
                page: Some(0),
                ..Listen::default()
            },
            hubs: vec![Hub {
                host: "localhost".into(),
                ..Hub::default()
            }],
            provisioning: Some(Provisioning {
                host: "localhost".into(),
                ..Provisioning::default()
            }),
            ..Self::default()
        }
    }

    /// What `towpath lab` has when nothing is said: the usual ports, nothing kept, one hub `localhost` with the device
    /// `device-1`, and a provisioning service of the same name.
    #[must_use]
    pub fn ready_made() -> Self {
        Self {
            listen: Listen::default(),
            ..Self::for_tests()
        }
        .device("device-1")
    }

    /// Adds a device with keys of its own to the first hub. [`Lab::login`](crate::Lab::login) tells what it logs in
    /// with.
    #[must_use]
    pub fn device(self, id: impl Into<String>) -> Self {
        self.with(Device {
            id: id.into(),
            ..Device::default()
        })
    }

    /// Adds a device to the first hub that proves itself with a certificate of the lab's device CA.
    /// [`Lab::device_certificate`](crate::Lab::device_certificate) makes one.
    #[must_use]
    pub fn x509_device(self, id: impl Into<String>) -> Self {
        self.with(Device {
            id: id.into(),
            x509_ca: true,
            ..Device::default()
        })
    }

    /// Adds an enrolment group to the provisioning service whose devices prove themselves with certificates of the
    /// lab's device CA. [`Lab::device_certificate`](crate::Lab::device_certificate) makes one; the registration id is
    /// its common name.
    ///
    /// ```
    /// let config = towpath_lab::Config::for_tests().x509_group("plant");
    /// config.check().expect("a config without any file");
    /// ```
    #[must_use]
    pub fn x509_group(mut self, id: impl Into<String>) -> Self {
        let provisioning = self.provisioning.get_or_insert_with(|| Provisioning {
            host: "localhost".into(),
            ..Provisioning::default()
        });
        provisioning.groups.push(Enrollment {
            id: id.into(),
            cas: vec!["lab".into()],
            ..Enrollment::default()
        });
        self
    }

    /// Adds a device to the first hub, which is made if there is none.
    #[must_use]
    pub fn with(mut self, device: Device) -> Self {
        if self.hubs.is_empty() {
            self.hubs.push(Hub {
                host: "localhost".into(),
                ..Hub::default()
            });
        }
        if let Some(hub) = self.hubs.first_mut() {
            hub.devices.push(device);
        }
        self
    }

    /// Adds a fault that is on from the start.
    #[must_use]
    pub fn fault(mut self, setting: fault::Setting) -> Self {
        self.faults.push(setting);
        self
    }
}
