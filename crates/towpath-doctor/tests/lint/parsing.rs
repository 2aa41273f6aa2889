//! Files of settings: what of them becomes a profile, what is wrong with them, and that nothing in them can hurt.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use towpath_doctor::{
    Platform,
    lint::{self, Material},
    profile::{DeviceProfile, Set, file, kconfig, sdkconfig},
};
use towpath_proto::tls::Version;

use super::{
    builds::{self, esp, ncs, prj, profile, thread},
    target,
};

fn value<T: Clone>(set: &Option<Set<T>>) -> Option<T> {
    set.as_ref().map(|set| set.value.clone())
}

#[test]
fn a_build_of_ncs() {
    let device = ncs(&[]).expect("a build");
    assert_eq!(
        device.name,
        "nrf7002dk_nrf5340_cpuapp, NCS (build/zephyr/.config)"
    );
    assert_eq!(device.platform, Some(Platform::Zephyr));
    let tls = &device.tls;
    assert_eq!(value(&tls.min), Some(Version::Tls12));
    assert_eq!(value(&tls.max), Some(Version::Tls12));
    assert_eq!(value(&tls.server_name), Some(true));
    assert_eq!(value(&tls.renegotiation), Some(true));
    assert_eq!(value(&tls.max_number), Some(512));
    assert_eq!(value(&tls.in_buffer), Some(16384));
    assert_eq!(value(&tls.max_fragment), None);
    assert_eq!(
        value(&tls.groups),
        Some(vec!["secp256r1".to_owned(), "secp384r1".to_owned()])
    );
    let suites = value(&tls.suites).expect("suites");
    assert!(suites.contains(&"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned()));
    assert!(!suites.iter().any(|suite| suite.starts_with("TLS_RSA_")));
    assert_eq!(value(&device.mqtt.v5), Some(false));
    assert_eq!(value(&device.mqtt.tx_buffer), Some(2048));
    let renegotiation = tls.renegotiation.as_ref().expect("known");
    assert_eq!(
        renegotiation.to_string(),
        "build/zephyr/.config line 41: CONFIG_MBEDTLS_SSL_RENEGOTIATION=y"
    );
}

#[test]
fn a_build_of_zephyr_names_sni_otherwise() {
    let device = thread(&[]).expect("a build");
    assert_eq!(device.name, "nrf52840dk, Zephyr (build/zephyr/.config)");
    let name = device.tls.server_name.expect("known");
    assert_eq!(name.key, "CONFIG_MBEDTLS_SERVER_NAME_INDICATION");
    assert_eq!(value(&device.tls.in_buffer), Some(8192));
    assert_eq!(value(&device.tls.renegotiation), Some(false));
    assert_eq!(
        value(&device.tls.suites).expect("suites"),
        [
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
        ]
    );
    assert_eq!(value(&device.net.thread), Some(true));
}

#[test]
fn zephyr_asks_for_the_fragments_that_fit() {
    let asks = ("CONFIG_NET_SOCKETS_TLS_SET_MAX_FRAGMENT_LENGTH", "y");
    let device = thread(&[asks, ("CONFIG_MBEDTLS_SSL_MAX_CONTENT_LEN", "3000")]);
    assert_eq!(
        value(&device.expect("a build").tls.max_fragment),
        Some(2048)
    );
    let device = thread(&[asks, ("CONFIG_MBEDTLS_SSL_MAX_CONTENT_LEN", "16384")]);
    assert_eq!(value(&device.expect("a build").tls.max_fragment), None);
}

#[test]
fn suites_that_are_named_one_by_one() {
    let device = thread(&[(
        "CONFIG_MBEDTLS_CIPHERSUITE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "y",
    )]);
    assert_eq!(
        value(&device.expect("a build").tls.suites).expect("suites"),
        ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    );
    let device = ncs(&[(
        "CONFIG_MBEDTLS_SSL_CIPHERSUITES",
        "\"MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"",
    )]);
    assert_eq!(
        value(&device.expect("a build").tls.suites).expect("suites"),
        ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]
    );
}

#[test]
fn a_build_of_esp_idf() {
    let device = esp(&[]).expect("a build");
    assert_eq!(device.name, "esp32c6, ESP-IDF (sdkconfig)");
    assert_eq!(value(&device.tls.out_buffer), Some(4096));
    assert_eq!(value(&device.tls.bundle), Some(true));
    assert_eq!(value(&device.tls.dates), Some(false));
    assert_eq!(value(&device.net.rdnss), Some(true));
    assert_eq!(value(&device.mqtt.websocket), Some(true));
    let suites = value(&device.tls.suites).expect("suites");
    assert!(suites.contains(&"TLS_RSA_WITH_AES_128_CBC_SHA256".to_owned()));
    assert!(suites.contains(&"TLS_ECDHE_ECDSA_WITH_AES_128_CCM".to_owned()));
}

#[test]
fn what_a_part_of_the_settings_leaves_out_is_not_known() {
    let device = prj(builds::SECURE_WEBSOCKET_PRJ).expect("settings");
    assert_eq!(value(&device.net.tcp), None);
    assert_eq!(value(&device.tls.sockets), None);
    assert_eq!(value(&device.mqtt.websocket), Some(true));
    assert_eq!(value(&device.net.descriptors), Some(32));
    let renegotiation = device.tls.renegotiation.expect("assumed");
    assert!(renegotiation.is_assumed());
    assert_eq!(
        renegotiation.to_string(),
        "default of NCS, not set in prj.conf: CONFIG_MBEDTLS_SSL_RENEGOTIATION=n"
    );
}

#[test]
fn a_profile_comes_back_as_it_was_written() {
    for device in [
        ncs(&[]),
        thread(&[]),
        esp(&[]),
        prj(builds::THREAD_PRJ),
        profile(builds::PROFILE),
    ] {
        let device = device.expect("a device");
        let written = file::write(&device);
        let again = file::read("device-profile.toml", written.as_bytes());
        let again = again.unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(values(&again), values(&device), "{written}");
    }
}

/// All values without their places.
fn values(device: &DeviceProfile) -> String {
    let mut device = device.clone();
    let text = file::write(&device);
    let without: Vec<_> = text
        .lines()
        .map(|line| line.split("  # ").next().unwrap_or(line))
        .collect();
    device.name.clear();
    without.join("\n")
}

#[test]
fn mistakes_in_a_profile_are_told_with_line_and_key() {
    for (text, said) in [
        (
            "[tls]\ninbuffer = 3\n",
            "p.toml:2: tls.inbuffer: this key is not known; is it in_buffer?",
        ),
        (
            "in_buffer = 3\n",
            "p.toml:1: in_buffer: this key belongs into [tls]",
        ),
        (
            "[tls]\nname = \"x\"\n",
            "p.toml:2: tls.name: this key belongs to the top of the file, before the first [table]",
        ),
        (
            "[tls]\n\nmin = \"1.1\"\n",
            "p.toml:3: tls.min: this has to be \"1.2\" or \"1.3\"",
        ),
        (
            "[tls]\nin_buffer = -1\n",
            "p.toml:2: tls.in_buffer: this has to be a number from 0 to 4294967295",
        ),
        (
            "[tls]\nciphers = [\"ECDHE-RSA-AES128-GCM-SHA256\"]\n",
            "p.toml:2: tls.ciphers: \"ECDHE-RSA-AES128-GCM-SHA256\" is not the name in the IANA registry; write it as \
             TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        (
            "[network]\ntcp = \"yes\"\n",
            "p.toml:2: network.tcp: this has to be true or false",
        ),
    ] {
        let error = file::read("p.toml", text.as_bytes()).expect_err("a mistake");
        assert_eq!(error.to_string(), said);
    }
    let error = file::read("p.toml", b"[tls\n").expect_err("no TOML");
    assert!(error.to_string().starts_with("p.toml:1: this is no TOML"));
}

#[test]
fn mistakes_in_a_build_are_told_with_line_and_key() {
    let error = kconfig::read("prj.conf", b"CONFIG_NET_TCP=yes\n").expect_err("a mistake");
    assert_eq!(
        error.to_string(),
        "prj.conf:1: CONFIG_NET_TCP: this has to be y or n, and it is \"yes\""
    );
    let text = b"CONFIG_A=y\nCONFIG_MBEDTLS_MPI_MAX_SIZE=many\n";
    let error = kconfig::read("prj.conf", text).expect_err("a mistake");
    assert_eq!(
        error.to_string(),
        "prj.conf:2: CONFIG_MBEDTLS_MPI_MAX_SIZE: this has to be a number, 0 or larger, and it is \"many\""
    );
}

/// Lines of settings, real and broken ones.
fn settings() -> impl Strategy<Value = String> {
    let keys: Vec<String> = [builds::NCS_WIFI, builds::ZEPHYR_THREAD, builds::ESP]
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.split_once('=').map(|(key, _)| key.to_owned()))
        .collect();
    let key = proptest::sample::select(keys);
    let value = prop_oneof![
        Just("y".to_owned()),
        Just("n".to_owned()),
        any::<u32>().prop_map(|number| number.to_string()),
        any::<u16>().prop_map(|number| format!("{number:#x}")),
        "\"[ -~]{0,20}\"",
        "\\PC{0,10}",
    ];
    let line = (key, value).prop_map(|(key, value)| format!("{key}={value}"));
    proptest::collection::vec(line, 0..40).prop_map(|lines| lines.join("\n"))
}

/// Reads it as everything that it could be, and looks at what comes of it.
fn read_and_look(name: &str, bytes: &[u8]) {
    let url = target("wss://plant.azure-devices.net/$iothub/websocket");
    let read = [
        kconfig::read(name, bytes),
        sdkconfig::read(name, bytes),
        file::read(name, bytes),
    ];
    for device in read.into_iter().flatten() {
        let found = lint::lint(&url, Some(&device), Material::default(), UNIX_EPOCH);
        assert!(found.len() < 30);
        let written = file::write(&device);
        let again = file::read(name, written.as_bytes()).expect("what is written can be read");
        assert_eq!(values(&again), values(&device));
    }
}

proptest! {
    #[test]
    fn no_settings_hurt(text in settings(), whole in any::<bool>()) {
        read_and_look(if whole { ".config" } else { "prj.conf" }, text.as_bytes());
    }

    #[test]
    fn no_bytes_hurt(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_and_look("sdkconfig", &bytes);
    }

    #[test]
    fn no_material_hurts(
        text in "(-----BEGIN (CERTIFICATE|EC PRIVATE KEY)-----\n)?[A-Za-z0-9+/=\n]{0,200}(-----END CERTIFICATE-----)?",
        password in "\\PC{0,60}",
        seconds in any::<u32>(),
    ) {
        let mut url = target("mqtts://plant.azure-devices.net");
        url.user = Some(password.clone());
        url.client_id = Some(text.clone());
        url.client_certificate = true;
        let material = Material {
            roots: Some(text.as_bytes()),
            chain: Some(text.as_bytes()),
            key: Some(text.as_bytes()),
            server_chain: Some(text.as_bytes()),
            password: Some(password.as_bytes()),
            nat64_prefix: Some(&password),
            ..Material::default()
        };
        let clock = UNIX_EPOCH + std::time::Duration::from_secs(u64::from(seconds));
        let found = lint::lint(&url, None, material, clock);
        prop_assert!(found.iter().all(|found| !found.evidence.is_empty()));
    }
}
