//! The hub's process: starts a lab, puts what its devices need into a folder, and ends with standard input.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::Path,
};

use towpath_lab::{
    Config, Key, Lab,
    config::{Device, Enrollment, Hub, Listen, Provisioning},
};

/// The hub's name; the SDKs dial 8883 and 443 of it.
pub const HUB: &str = "bench.azure-devices.net";
/// The provisioning service's name.
pub const DPS: &str = "bench.azure-devices-provisioning.net";
/// The ID scope.
pub const SCOPE: &str = "0ne00000001";
/// The key of every device that has one.
pub const KEY: &str = "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";
/// The device with a key.
pub const WITH_KEY: &str = "meter";
/// The device with a certificate.
pub const WITH_CERTIFICATE: &str = "meter-x509";
/// The devices that the provisioning service knows: each is assigned once.
pub const REGISTERED: usize = 64;

/// The name of a device that the provisioning service knows.
pub fn registered(number: usize) -> String {
    format!("registered-{number}")
}

/// `FOLDER ADDRESS`: `root.pem`, `x509.pem` and `x509.key` go into the folder.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let [folder, address] = arguments else {
        return Err("expected: serve FOLDER ADDRESS".into());
    };
    let folder = Path::new(folder);
    let address = address.parse().map_err(|_| "ADDRESS is no IP address")?;
    let key = Key::from_base64(KEY).ok_or("the key is no base64")?;
    let config = Config {
        listen: Listen {
            address,
            page: None,
            ..Listen::default()
        },
        hubs: vec![Hub {
            host: HUB.into(),
            devices: vec![Device {
                id: WITH_KEY.into(),
                primary_key: Some(key.clone()),
                ..Device::default()
            }],
            ..Hub::default()
        }],
        provisioning: Some(Provisioning {
            host: DPS.into(),
            id_scope: SCOPE.into(),
            enrollments: (0..REGISTERED)
                .map(|number| Enrollment {
                    id: registered(number),
                    primary_key: Some(key.clone()),
                    ..Enrollment::default()
                })
                .collect(),
            ..Provisioning::default()
        }),
        ..Config::for_tests()
    }
    .x509_device(WITH_CERTIFICATE);
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let lab = Lab::start(config).await.map_err(|e| e.to_string())?;
        let made = lab.device_certificate(WITH_CERTIFICATE);
        let made = made.map_err(|e| e.to_string())?;
        let files = [
            ("root.pem", lab.root_pem()),
            ("x509.pem", made.chain),
            ("x509.key", made.key),
        ];
        for (name, text) in files {
            fs::write(folder.join(name), text).map_err(|e| e.to_string())?;
        }
        println!("ready");
        std::io::stdout().flush().map_err(|e| e.to_string())?;
        // It runs until the other side closes its end.
        let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ = closed.await;
        lab.stop().await;
        Ok(())
    })
}
