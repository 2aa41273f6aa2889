//! ESP-IDF's builds: `sdkconfig`, which has all settings, and `sdkconfig.defaults`, which has those that somebody chose.
//!
//! In contrast to Zephyr nearly all of TLS is on by default, so in a file that has not all settings only what is there
//! is known.

use super::{
    DeviceProfile, MqttProfile, NetProfile, ProfileError, Set, TlsProfile,
    kconfig::span,
    settings::Settings,
    suites::{self, Parts},
};
use crate::Platform;

/// The device that this file describes. `name` names the file in what is shown, such as `sdkconfig`.
///
/// # Errors
/// The file and the line that can't be understood.
pub fn read(name: &str, bytes: &[u8]) -> Result<DeviceProfile, ProfileError> {
    let from = Settings::parse(name, bytes)?.of_tree("ESP-IDF");
    let target = from.text("CONFIG_IDF_TARGET");
    let target = target.map_or_else(String::new, |target| format!("{}, ", target.value));
    Ok(DeviceProfile {
        name: format!("{target}ESP-IDF ({name})"),
        platform: Some(Platform::EspIdf),
        tls: tls(&from)?,
        net: net(&from)?,
        mqtt: mqtt(&from)?,
    })
}

fn tls(from: &Settings) -> Result<TlsProfile, ProfileError> {
    // Newer trees also build esp-tls without Mbed TLS; then these settings mean nothing.
    if from.is_on("CONFIG_ESP_TLS_USING_WOLFSSL") {
        return Ok(TlsProfile::default());
    }
    let tls12 = from.switch("CONFIG_MBEDTLS_SSL_PROTO_TLS1_2")?;
    let tls13 = from.switch("CONFIG_MBEDTLS_SSL_PROTO_TLS1_3")?;
    let (min, max) = span(tls12.as_ref(), tls13.as_ref());
    let both = "CONFIG_MBEDTLS_SSL_MAX_CONTENT_LEN";
    let mut tls = TlsProfile {
        sockets: sockets(from)?,
        min,
        max,
        groups: groups(from),
        // Neither SNI nor the maximum fragment length has a setting there: SNI is always built in.
        alpn: from.switch("CONFIG_MBEDTLS_SSL_ALPN")?,
        renegotiation: from.switch("CONFIG_MBEDTLS_SSL_RENEGOTIATION")?,
        in_buffer: from.first_number(&["CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN", both])?,
        out_buffer: from.first_number(&["CONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN", both])?,
        sha384: from.any_of(
            &["CONFIG_MBEDTLS_SHA384_C", "CONFIG_MBEDTLS_SHA512_C"],
            "CONFIG_MBEDTLS_SHA",
        ),
        ecdsa: from.switch("CONFIG_MBEDTLS_ECDSA_C")?,
        dates: from.switch("CONFIG_MBEDTLS_HAVE_TIME_DATE")?,
        bundle: bundle(from)?,
        ..TlsProfile::default()
    };
    tls.suites = suites_of(from, &tls);
    Ok(tls)
}

/// Whether there is a TLS client in the build.
fn sockets(from: &Settings) -> Result<Option<Set<bool>>, ProfileError> {
    let off = from.given_switch("CONFIG_MBEDTLS_TLS_DISABLED")?;
    if let Some(off) = off.filter(|off| off.value) {
        return Ok(Some(off.with(false)));
    }
    let server = from.given_switch("CONFIG_MBEDTLS_TLS_SERVER_ONLY")?;
    if let Some(server) = server.filter(|server| server.value) {
        return Ok(Some(server.with(false)));
    }
    from.given_switch("CONFIG_MBEDTLS_TLS_CLIENT")
}

/// Whether the build carries roots: the bundle, unless it is an empty one.
fn bundle(from: &Settings) -> Result<Option<Set<bool>>, ProfileError> {
    let bundle = from.switch("CONFIG_MBEDTLS_CERTIFICATE_BUNDLE")?;
    let empty = from.given_switch("CONFIG_MBEDTLS_CERTIFICATE_BUNDLE_DEFAULT_NONE")?;
    let custom = from.is_on("CONFIG_MBEDTLS_CUSTOM_CERTIFICATE_BUNDLE");
    Ok(match empty.filter(|empty| empty.value && !custom) {
        Some(empty) => Some(empty.with(false)),
        None => bundle,
    })
}

fn suites_of(from: &Settings, tls: &TlsProfile) -> Option<Set<Vec<String>>> {
    let key = "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA";
    if !from.whole || !from.knows("CONFIG_MBEDTLS_KEY_EXCHANGE_") {
        return None;
    }
    let aes = from.is_on("CONFIG_MBEDTLS_AES_C");
    let parts = Parts {
        tls12: from.is_on("CONFIG_MBEDTLS_SSL_PROTO_TLS1_2"),
        tls13: from.is_on("CONFIG_MBEDTLS_SSL_PROTO_TLS1_3"),
        ecdhe_ecdsa: from.is_on("CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA"),
        ecdhe_rsa: from.is_on(key),
        dhe_rsa: from.is_on("CONFIG_MBEDTLS_KEY_EXCHANGE_DHE_RSA"),
        rsa: from.is_on("CONFIG_MBEDTLS_KEY_EXCHANGE_RSA"),
        gcm: aes && from.is_on("CONFIG_MBEDTLS_GCM_C"),
        ccm: aes && from.is_on("CONFIG_MBEDTLS_CCM_C"),
        // Older trees have no setting for it and build it in.
        cbc: aes
            && (!from.has("CONFIG_MBEDTLS_CIPHER_MODE_CBC")
                || from.is_on("CONFIG_MBEDTLS_CIPHER_MODE_CBC")),
        chacha20: from.is_on("CONFIG_MBEDTLS_CHACHAPOLY_C"),
        sha384: tls.sha384.as_ref().is_some_and(|set| set.value),
    };
    Some(from.derived(key, suites::of(&parts)))
}

fn groups(from: &Settings) -> Option<Set<Vec<String>>> {
    let known = [
        ("x25519", "CONFIG_MBEDTLS_ECP_DP_CURVE25519_ENABLED"),
        ("secp256r1", "CONFIG_MBEDTLS_ECP_DP_SECP256R1_ENABLED"),
        ("secp384r1", "CONFIG_MBEDTLS_ECP_DP_SECP384R1_ENABLED"),
        ("secp521r1", "CONFIG_MBEDTLS_ECP_DP_SECP521R1_ENABLED"),
    ];
    let on: Vec<_> = known.iter().filter(|(_, key)| from.is_on(key)).collect();
    let (_, first) = on.first().filter(|_| from.whole)?;
    let names = on.iter().map(|(name, _)| (*name).to_owned());
    Some(from.derived(first, names.collect()))
}

fn net(from: &Settings) -> Result<NetProfile, ProfileError> {
    Ok(NetProfile {
        ipv4: from.given_switch("CONFIG_LWIP_IPV4")?,
        ipv6: from.given_switch("CONFIG_LWIP_IPV6")?,
        rdnss: rdnss(from)?,
        contexts: None,
        descriptors: from.number("CONFIG_LWIP_MAX_SOCKETS")?,
        thread: from.switch("CONFIG_OPENTHREAD_ENABLED")?,
        mss: from.number("CONFIG_LWIP_TCP_MSS")?,
        // esp-mqtt over esp_transport has no proxy of any kind.
        http_proxy: from
            .knows("CONFIG_MQTT_")
            .then(|| from.derived("CONFIG_MQTT_PROTOCOL_311", false)),
        ..NetProfile::default()
    })
}

/// Whether a DNS server can be learned over IPv6: from the router or by DHCPv6.
fn rdnss(from: &Settings) -> Result<Option<Set<bool>>, ProfileError> {
    let by_dhcp = from.given_switch("CONFIG_LWIP_IPV6_DHCP6")?;
    if let Some(by_dhcp) = by_dhcp.filter(|set| set.value) {
        return Ok(Some(by_dhcp));
    }
    let servers = from.number("CONFIG_LWIP_IPV6_RDNSS_MAX_DNS_SERVERS")?;
    Ok(servers.map(|servers| servers.with(servers.value > 0)))
}

fn mqtt(from: &Settings) -> Result<MqttProfile, ProfileError> {
    // Only what the file says: newer trees have esp-mqtt, and its settings, outside.
    let buffer = from.number("CONFIG_MQTT_BUFFER_SIZE")?;
    let websocket = from.given_switch("CONFIG_MQTT_TRANSPORT_WEBSOCKET")?;
    let secured = from.given_switch("CONFIG_MQTT_TRANSPORT_WEBSOCKET_SECURE")?;
    Ok(MqttProfile {
        tls: from.given_switch("CONFIG_MQTT_TRANSPORT_SSL")?,
        websocket: match (websocket, secured) {
            (Some(websocket), Some(secured)) if websocket.value => Some(secured),
            (websocket, secured) => websocket.or(secured),
        },
        v5: from.given_switch("CONFIG_MQTT_PROTOCOL_5")?,
        keep_alive: None,
        rx_buffer: buffer.clone(),
        tx_buffer: buffer,
        http_buffer: from.number("CONFIG_WS_BUFFER_SIZE")?,
    })
}
