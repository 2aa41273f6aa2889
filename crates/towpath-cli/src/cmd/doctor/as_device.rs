//! From the build settings of a device to the settings of a client that is like it.
//!
//! What was said on the command line or in the config file wins. What can't be imitated is told in words; the sizes of a
//! build's buffers are among it, so what does not fit into them is judged from what the server sends.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use towpath::{
    Version,
    config::{Config, Setting},
    net::{self, Families, Resolver},
    tls::{self, Backend, Renegotiation},
};
use towpath_doctor::profile::{DeviceProfile, NetProfile, Set, TlsProfile};

/// What a setting that comes from the profile is called where it is wrong.
const PROFILE: &str = "the device's profile";

/// Where systems keep their roots in one file, for a TLS library that does not know that.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The port of DNS.
const DNS: u16 = 53;

/// Makes the client like the device where nothing was said on the command line, and says in words what can't be
/// imitated.
pub(super) fn apply(profile: &DeviceProfile, config: &mut Config) -> Vec<String> {
    let mut notes = Vec::new();
    network(&profile.net, config, &mut notes);
    mqtt(profile, config);
    // The settings of a device of IoT Hub have no URL yet; it is always secured.
    let secured = config
        .endpoint()
        .map_or(true, |endpoint| endpoint.scheme.is_secured());
    if secured {
        secure(&profile.tls, config, &mut notes);
    }
    notes
}

/// Sets what nobody said.
fn fill<T>(into: &mut Option<Setting<T>>, value: Option<T>) {
    if into.is_none() {
        *into = value.map(|value| Setting::flag(PROFILE, value));
    }
}

fn is_off(setting: Option<&Set<bool>>) -> bool {
    setting.is_some_and(|setting| !setting.value)
}

fn network(profile: &NetProfile, config: &mut Config, notes: &mut Vec<String>) {
    let families = match (is_off(profile.ipv4.as_ref()), is_off(profile.ipv6.as_ref())) {
        (true, false) => Some(Families::V6),
        (false, true) => Some(Families::V4),
        _ => None,
    };
    fill(&mut config.network.families, families);
    let mss = profile.mss.as_ref();
    let mss = mss.and_then(|mss| u16::try_from(mss.value).ok());
    let mss = mss.filter(|mss| net::MSS.contains(mss));
    fill(&mut config.network.mss, mss);
    if let Some(servers) = profile
        .dns_servers
        .as_ref()
        .filter(|it| !it.value.is_empty())
    {
        resolver(servers, config, notes);
    }
}

/// The DNS servers of the build, if they are such as answer anywhere.
fn resolver(servers: &Set<Vec<String>>, config: &mut Config, notes: &mut Vec<String>) {
    let read: Option<Vec<_>> = servers.value.iter().map(|text| server(text)).collect();
    match read {
        Some(servers) if servers.iter().all(|server| is_global(server.ip())) => {
            fill(&mut config.network.resolver, Some(Resolver::Servers(servers)));
        }
        _ => notes.push(format!(
            "the build asks the DNS server {}, which need not be reachable from here: this machine's own is asked",
            servers.value.join(", ")
        )),
    }
}

/// `192.0.2.53`, `192.0.2.53:53`, `2001:db8::53`, `[2001:db8::53]:53`.
fn server(text: &str) -> Option<SocketAddr> {
    let alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS));
    alone.or_else(|_| text.parse()).ok()
}

fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            // RFC 6890: this network, behind a carrier's translator, IETF protocols, benchmarks.
            let special = first == 0
                || first == 100 && second & 0xc0 == 64
                || ip.octets().starts_with(&[192, 0, 0])
                || first == 198 && second & 0xfe == 18;
            // Multicast and what is reserved behind it.
            let no_host = first >= 224;
            let local = ip.is_private() || ip.is_loopback() || ip.is_link_local();
            !(local || special || no_host || ip.is_documentation())
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            let unique_local = first & 0xfe00 == 0xfc00;
            let link_local = first & 0xffc0 == 0xfe80;
            // What stands for an IPv4 address does so on the device's network only.
            let translated = first == 0x64;
            // RFC 3849 and RFC 9637.
            let documentation =
                first == 0x2001 && second == 0xdb8 || first == 0x3fff && second <= 0xfff;
            let local = unique_local || link_local || ip.is_loopback();
            let no_host = ip.is_multicast() || ip.is_unspecified();
            !(local || translated || documentation || no_host)
        }
    }
}

fn mqtt(profile: &DeviceProfile, config: &mut Config) {
    let v5 = is_off(profile.mqtt.v5.as_ref());
    fill(&mut config.mqtt, v5.then_some(Version::V311));
    let keep_alive = profile.mqtt.keep_alive.as_ref();
    let keep_alive = keep_alive.and_then(|set| u16::try_from(set.value).ok());
    fill(&mut config.keepalive, keep_alive);
}

fn secure(profile: &TlsProfile, config: &mut Config, notes: &mut Vec<String>) {
    backend(config, notes);
    let tls = &mut config.tls;
    fill(&mut tls.min, profile.min.as_ref().map(|min| min.value));
    fill(&mut tls.max, profile.max.as_ref().map(|max| max.value));
    order_versions(tls);
    fill(&mut tls.ciphers, suites(profile, notes));
    let groups = profile.groups.as_ref().map(|groups| groups.value.clone());
    fill(&mut tls.groups, groups.filter(|groups| !groups.is_empty()));
    fill(&mut tls.sigalgs, signatures(profile));
    if is_off(profile.server_name.as_ref()) {
        fill(&mut tls.tells_name, Some(false));
    }
    if is_off(profile.renegotiation.as_ref()) {
        fill(&mut tls.renegotiation, Some(Renegotiation::Never));
    }
    let fragment = profile.max_fragment.as_ref();
    let fragment = fragment.and_then(|set| u16::try_from(set.value).ok());
    let fragment = fragment.filter(|len| matches!(len, 512 | 1024 | 2048 | 4096));
    fill(&mut tls.mfl, fragment);
    not_imitated(profile, config, notes);
}

/// One end that the user gave and the other of the device may have no version in between: then the user's counts.
fn order_versions(tls: &mut towpath::config::Tls) {
    let (Some(min), Some(max)) = (&tls.min, &tls.max) else {
        return;
    };
    if min.value() > max.value() {
        tls.max = None;
    }
}

/// Mbed TLS is what the device has. It has to be given roots.
fn backend(config: &mut Config, notes: &mut Vec<String>) {
    let mbed = Backend::ALL.iter().find(|backend| backend.name() == "mbed");
    let Some(mbed) = mbed else {
        notes.push("this towpath is built without Mbed TLS: TLS is that of OpenSSL".to_owned());
        return;
    };
    if config.tls.backend.is_some() {
        return;
    }
    // What only OpenSSL can do was asked for.
    let tls = &config.tls;
    let in_token = tls.key.as_ref().is_some_and(|key| {
        let text = key.value().to_string_lossy();
        tls::is_key_uri(text.as_bytes())
    });
    if in_token
        || tls.keylog.is_some()
        || tls
            .post_handshake_auth
            .as_ref()
            .is_some_and(|it| *it.value())
    {
        notes.push("what was asked for needs OpenSSL, so TLS is not that of the device".to_owned());
        return;
    }
    if tls.cafile.is_none() && tls.capath.is_none() {
        let Some(bundle) = system_roots() else {
            notes.push(
                "no CA certificates are given (--cafile), so TLS is that of OpenSSL with the system's roots".to_owned(),
            );
            return;
        };
        notes.push(
            "no CA certificates are given (--cafile): the system's roots are trusted, and the device may have others"
                .to_owned(),
        );
        fill(&mut config.tls.cafile, Some(bundle));
    }
    fill(&mut config.tls.backend, Some(*mbed));
}

/// The system's roots as one file.
fn system_roots() -> Option<PathBuf> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let usual = BUNDLES.iter().map(PathBuf::from);
    named
        .into_iter()
        .chain(usual)
        .find(|path| Path::is_file(path))
}

/// The suites of the build that authenticate by a certificate: there are no others here.
fn suites(profile: &TlsProfile, notes: &mut Vec<String>) -> Option<Vec<String>> {
    let suites = profile.suites.as_ref()?;
    let by_certificate = |suite: &&String| {
        let Some((exchange, _)) = suite.split_once("_WITH_") else {
            return true;
        };
        matches!(
            exchange,
            "TLS_ECDHE_ECDSA" | "TLS_ECDHE_RSA" | "TLS_DHE_RSA" | "TLS_RSA"
        )
    };
    let kept: Vec<_> = suites
        .value
        .iter()
        .filter(by_certificate)
        .cloned()
        .collect();
    if kept.len() < suites.value.len() {
        notes.push(
            "suites of the build without a server certificate are not offered from here".to_owned(),
        );
    }
    (!kept.is_empty()).then_some(kept)
}

/// The signature algorithms that are left where the build lacks RSA, ECDSA or the long hashes; `None`: it lacks nothing.
fn signatures(profile: &TlsProfile) -> Option<Vec<String>> {
    let no_rsa = is_off(profile.rsa.as_ref());
    let no_ecdsa = is_off(profile.ecdsa.as_ref());
    let no_long = is_off(profile.sha384.as_ref());
    if !(no_rsa || no_ecdsa || no_long) || (no_rsa && no_ecdsa) {
        return None;
    }
    let all = [
        "ecdsa_secp256r1_sha256",
        "ecdsa_secp384r1_sha384",
        "rsa_pss_rsae_sha256",
        "rsa_pss_rsae_sha384",
        "rsa_pss_rsae_sha512",
        "rsa_pkcs1_sha256",
        "rsa_pkcs1_sha384",
        "rsa_pkcs1_sha512",
    ];
    let left = all.into_iter().filter(|name| {
        let long = !name.ends_with("sha256");
        !(no_rsa && name.starts_with("rsa")
            || no_ecdsa && name.starts_with("ecdsa")
            || no_long && long)
    });
    Some(left.map(str::to_owned).collect())
}

/// What stays as it is here, whatever the build has.
fn not_imitated(profile: &TlsProfile, config: &Config, notes: &mut Vec<String>) {
    let sizes = [
        ("input buffer", profile.in_buffer.as_ref()),
        ("output buffer", profile.out_buffer.as_ref()),
        ("largest number", profile.max_number.as_ref()),
        ("TLS heap", profile.heap.as_ref()),
    ];
    let known: Vec<_> = sizes
        .iter()
        .filter_map(|(name, set)| Some(format!("{name} {} bytes", set.as_ref()?.value)))
        .collect();
    if !known.is_empty() {
        notes.push(format!(
            "sizes are fixed when a TLS library is built, so they are not imitated but judged from what is seen: {}",
            known.join(", ")
        ));
    }
    if is_off(profile.alpn.as_ref()) && config.tls.alpn.is_some() {
        notes.push("the build has no ALPN, and it was asked for: it is offered".to_owned());
    }
    if is_off(profile.dates.as_ref()) {
        notes.push(
            "the build does not check the dates of certificates; here they are checked".to_owned(),
        );
    }
}

#[cfg(test)]
mod tests {
    use towpath_doctor::profile::kconfig;

    use super::*;

    fn config(url: &str) -> Config {
        let mut config = Config::default();
        config.url = Some(Setting::flag("URL", url.to_owned()));
        config
    }

    fn value<T: Clone>(setting: &Option<Setting<T>>) -> Option<T> {
        setting.as_ref().map(|setting| setting.value().clone())
    }

    const BUILD: &[u8] = b"CONFIG_NRF_SECURITY=y\n\
        CONFIG_NET_SOCKETS_SOCKOPT_TLS=y\n\
        CONFIG_NET_IPV6=y\n\
        CONFIG_DNS_SERVER1=\"2001:4860:4860::8888\"\n\
        CONFIG_MBEDTLS_SSL_PROTO_TLS1_2=y\n\
        CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED=y\n\
        CONFIG_PSA_WANT_ALG_GCM=y\n\
        CONFIG_PSA_WANT_ALG_SHA_256=y\n\
        CONFIG_PSA_WANT_ECC_SECP_R1_256=y\n\
        CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN=4096\n\
        CONFIG_MQTT_LIB=y\n\
        CONFIG_MQTT_KEEPALIVE=90\n";

    #[test]
    fn the_client_becomes_like_the_build() {
        let profile = kconfig::read("build/zephyr/.config", BUILD).expect("a build");
        let mut config = config("wss://broker.example/mqtt");
        let notes = apply(&profile, &mut config);
        assert_eq!(value(&config.network.families), Some(Families::V6));
        assert_eq!(
            value(&config.network.resolver),
            Some(Resolver::Servers(vec![
                "[2001:4860:4860::8888]:53".parse().expect("an address")
            ]))
        );
        assert_eq!(value(&config.keepalive), Some(90));
        assert_eq!(value(&config.tls.max), Some(tls::Version::Tls12));
        assert_eq!(
            value(&config.tls.ciphers),
            Some(vec!["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".to_owned()])
        );
        assert_eq!(
            value(&config.tls.groups),
            Some(vec!["secp256r1".to_owned()])
        );
        assert_eq!(value(&config.tls.tells_name), Some(false));
        assert_eq!(value(&config.tls.renegotiation), Some(Renegotiation::Never));
        assert_eq!(
            value(&config.tls.sigalgs),
            Some(vec!["ecdsa_secp256r1_sha256".to_owned()])
        );
        assert!(
            notes.iter().any(|note| note.contains("input buffer 4096")),
            "{notes:?}"
        );
    }

    #[test]
    fn what_was_said_wins() {
        let profile = kconfig::read("build/zephyr/.config", BUILD).expect("a build");
        let mut config = config("mqtts://broker.example");
        config.keepalive = Some(Setting::flag("--keepalive", 30));
        config.tls.min = Some(Setting::flag("--tls-min", tls::Version::Tls13));
        config.network.families = Some(Setting::flag("--families", Families::Any));
        apply(&profile, &mut config);
        assert_eq!(value(&config.keepalive), Some(30));
        assert_eq!(value(&config.network.families), Some(Families::Any));
        assert_eq!(value(&config.tls.min), Some(tls::Version::Tls13));
        assert_eq!(value(&config.tls.max), None);
    }

    #[test]
    fn nothing_of_tls_is_set_where_there_is_none() {
        let profile = kconfig::read("build/zephyr/.config", BUILD).expect("a build");
        let mut config = config("mqtt://broker.example");
        apply(&profile, &mut config);
        assert!(config.tls.ciphers.is_none() && config.tls.backend.is_none());
        assert!(config.load(towpath::config::Secrets::default()).is_ok());
    }

    #[test]
    fn a_server_that_only_the_device_reaches_is_not_asked_from_here() {
        let text = b"CONFIG_NETWORKING=y\nCONFIG_DNS_SERVER1=\"fd34:e64f::808:808\"\n";
        let profile = kconfig::read("prj.conf", text).expect("a build");
        let mut config = config("mqtt://broker.example");
        let notes = apply(&profile, &mut config);
        assert!(config.network.resolver.is_none());
        assert!(notes.iter().any(|note| note.contains("fd34:e64f::808:808")));
    }

    #[test]
    fn what_is_asked_from_here_is_reachable_everywhere() {
        for (text, meant) in [
            ("8.8.8.8", true),
            ("2001:4860:4860::8888", true),
            ("198.20.0.1", true),
            ("100.128.0.1", true),
            ("192.168.1.1", false),
            ("192.0.2.53", false),
            ("198.51.100.1", false),
            ("203.0.113.1", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("224.0.0.251", false),
            ("255.255.255.255", false),
            ("198.18.0.1", false),
            ("::", false),
            ("ff02::fb", false),
            ("2001:db8::53", false),
            ("64:ff9b::808:808", false),
            ("fd00::1", false),
        ] {
            let ip = text.parse().expect("an address");
            assert_eq!(is_global(ip), meant, "{text}");
        }
    }

    #[test]
    fn forms_of_servers() {
        for (text, meant) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("192.0.2.53:5353", Some("192.0.2.53:5353")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("[2001:db8::53]:5353", Some("[2001:db8::53]:5353")),
            ("dns.example", None),
        ] {
            assert_eq!(server(text), meant.and_then(|it| it.parse().ok()), "{text}");
        }
    }
}
