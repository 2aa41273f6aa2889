//! Settings of a device's build, certificates and logins: no panic whatever is in the files, and a profile that is
//! written comes back as it was.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use towpath_doctor::{
    evidence::{Scheme, Service, Target},
    lint::{self, Material},
    profile::{DeviceProfile, file, kconfig, sdkconfig},
};

fuzz_target!(|input: &[u8]| {
    let Some(([kind, seconds @ ..], bytes)) = input.split_first_chunk::<5>() else {
        return;
    };
    let read = match kind % 5 {
        0 => kconfig::read(".config", bytes),
        1 => kconfig::read("prj.conf", bytes),
        2 => sdkconfig::read("sdkconfig", bytes),
        3 => file::read("device-profile.toml", bytes),
        _ => Ok(DeviceProfile::default()),
    };
    let clock = UNIX_EPOCH + Duration::from_secs(u32::from_le_bytes(*seconds).into());
    match read {
        Ok(device) => {
            for scheme in [Scheme::Mqtt, Scheme::Mqtts, Scheme::Ws, Scheme::Wss] {
                look(scheme, *kind, &device, bytes, clock);
            }
            comes_back(&device);
        }
        Err(error) => assert!(error.to_string().len() < 1000, "too much is quoted"),
    }
});

/// What is written of a profile can be read, and is written the same again but for the places.
fn comes_back(device: &DeviceProfile) {
    let written = file::write(device);
    let again = file::read("device-profile.toml", written.as_bytes()).expect("just written");
    assert_eq!(values(&file::write(&again)), values(&written));
}

/// The text without comments; a value of several lines has none.
fn values(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines
        .map(|line| line.split("  # ").next().unwrap_or(line))
        .collect()
}

/// The same bytes as every file and as the login.
fn look(
    scheme: Scheme,
    kind: u8,
    device: &DeviceProfile,
    bytes: &[u8],
    clock: std::time::SystemTime,
) {
    let text = String::from_utf8_lossy(bytes);
    let service = match kind / 5 % 3 {
        0 => Service::Broker,
        1 => Service::Hub,
        _ => Service::Provisioning,
    };
    let target = Target {
        scheme,
        host: "plant.azure-devices.net".to_owned(),
        port: 443,
        path: String::new(),
        proxy: Some("http://proxy.example:3128".to_owned()),
        service,
        mqtt5: kind & 1 == 0,
        client_id: Some(text.clone().into_owned()),
        user: Some(text.clone().into_owned()),
        password: true,
        token_made: kind & 2 == 0,
        client_certificate: true,
    };
    let material = Material {
        roots: Some(bytes),
        chain: Some(bytes),
        key: Some(bytes),
        server_chain: Some(bytes),
        password: Some(bytes),
        registration_id: Some(&text),
        nat64_prefix: Some(&text),
        only_ipv6: true,
        keep_alive: Some(1800),
        qos: Some(2),
        ..Material::default()
    };
    let found = lint::lint(&target, Some(device), material, clock);
    assert!(found.len() < 40);
}
