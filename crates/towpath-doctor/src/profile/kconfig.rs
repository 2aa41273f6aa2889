//! Zephyr's and NCS's builds: `build/zephyr/.config`, which has all settings, and `prj.conf`, which has those that
//! somebody chose. In the first a setting that is not there is off; in the second it is not known, but for the few
//! defaults that both trees document.
//!
//! The two trees name some things of TLS differently: `CONFIG_MBEDTLS_SSL_SERVER_NAME_INDICATION` in NCS (nrf_security),
//! `CONFIG_MBEDTLS_SERVER_NAME_INDICATION` in Zephyr. Both are understood; which tree it is decides about defaults.

use towpath_proto::tls::Version;

use super::{
    DeviceProfile, MqttProfile, NetProfile, ProfileError, Set, TlsProfile,
    settings::Settings,
    suites::{self, Parts},
};
use crate::Platform;

/// Signs of the nRF Connect SDK. Each is a setting that plain Zephyr does not have, or the start of one.
const NCS: &[&str] = &[
    "CONFIG_NCS_",
    "CONFIG_NRF_SECURITY",
    "CONFIG_NORDIC_SECURITY_BACKEND",
    "CONFIG_NRF_MODEM",
    "CONFIG_MBEDTLS_LEGACY_CRYPTO_C",
    "CONFIG_MBEDTLS_MPI_MAX_SIZE",
    "CONFIG_MBEDTLS_TLS_LIBRARY",
    "CONFIG_MBEDTLS_SSL_SERVER_NAME_INDICATION",
    "CONFIG_OPENTHREAD_NRF_SECURITY",
    "CONFIG_MQTT_HELPER",
    "CONFIG_AZURE_IOT_HUB",
    "CONFIG_AWS_IOT",
];

/// Signs that this file itself sets up the IP stack, so that what it leaves out is left at its default. The samples of
/// NCS for Wi-Fi do that in a file for the board instead.
const OWN_STACK: &[&str] = &[
    "CONFIG_NET_IPV4",
    "CONFIG_NET_IPV6",
    "CONFIG_NET_UDP",
    "CONFIG_NET_TCP",
    "CONFIG_NET_L2_OPENTHREAD",
    "CONFIG_OPENTHREAD",
    "CONFIG_DNS_RESOLVER",
];

/// The configuration headers that the settings of both trees go into. Another one is the application's own.
const HEADERS: &[&str] = &[
    "config-mbedtls.h",
    "config-tls-generic.h",
    "nrf-config.h",
    "nrf-config-user-empty.h",
];

/// The device that this file describes. `name` names the file in what is shown, such as `prj.conf`.
///
/// # Errors
/// The file and the line that can't be understood.
pub fn read(name: &str, bytes: &[u8]) -> Result<DeviceProfile, ProfileError> {
    let settings = Settings::parse(name, bytes)?;
    let ncs = NCS.iter().any(|sign| settings.knows(sign));
    let tree = if ncs { "NCS" } else { "Zephyr" };
    let build = Build {
        assumes: !settings.whole && OWN_STACK.iter().any(|key| settings.has(key)),
        offloaded: is_offloaded(&settings),
        settings: settings.of_tree(tree),
        ncs,
    };
    let board = build.settings.text("CONFIG_BOARD");
    let board = board.map_or_else(String::new, |board| format!("{}, ", board.value));
    Ok(DeviceProfile {
        name: format!("{board}{tree} ({name})"),
        platform: Some(Platform::Zephyr),
        tls: build.tls()?,
        net: build.net()?,
        mqtt: build.mqtt()?,
    })
}

/// Whether the sockets are those of a modem or of a network processor: then the settings of Zephyr's own stack say
/// nothing.
fn is_offloaded(settings: &Settings) -> bool {
    settings.any_on(&["CONFIG_NET_SOCKETS_OFFLOAD", "CONFIG_NRF_MODEM_LIB_NET_IF"])
}

struct Build {
    settings: Settings,
    ncs: bool,
    /// What is not set has its default.
    assumes: bool,
    offloaded: bool,
}

impl Build {
    /// A switch that both trees have off by default.
    fn off_by_default(&self, key: &str) -> Result<Option<Set<bool>>, ProfileError> {
        if self.assumes {
            self.settings.switch_off_by_default(key)
        } else {
            self.settings.switch(key)
        }
    }

    fn thread(&self) -> Result<Option<Set<bool>>, ProfileError> {
        if let Some(l2) = self.settings.given_switch("CONFIG_NET_L2_OPENTHREAD")? {
            return Ok(Some(l2));
        }
        self.settings.switch("CONFIG_OPENTHREAD")
    }

    fn on_thread(&self) -> bool {
        self.settings
            .any_on(&["CONFIG_NET_L2_OPENTHREAD", "CONFIG_OPENTHREAD"])
    }

    fn net(&self) -> Result<NetProfile, ProfileError> {
        let from = &self.settings;
        let mut net = NetProfile {
            thread: self.thread()?,
            http_proxy: self.http_proxy(),
            ..NetProfile::default()
        };
        if self.offloaded {
            return Ok(net);
        }
        net.tcp = self.off_by_default("CONFIG_NET_TCP")?;
        net.ipv4 = from.switch("CONFIG_NET_IPV4")?;
        net.ipv6 = from.switch("CONFIG_NET_IPV6")?;
        net.resolver = self.resolver()?;
        net.other_resolver = from.given_switch("CONFIG_OPENTHREAD_DNS_CLIENT")?;
        net.dns_servers = self.dns_servers()?;
        net.rdnss = from.switch("CONFIG_NET_IPV6_RA_RDNSS")?;
        net.dhcp = from.switch("CONFIG_NET_DHCPV4")?;
        net.contexts = from.number("CONFIG_NET_MAX_CONTEXTS")?;
        net.descriptors = from.first_number(&[
            "CONFIG_ZVFS_OPEN_MAX",
            "CONFIG_POSIX_OPEN_MAX",
            "CONFIG_POSIX_MAX_FDS",
        ])?;
        Ok(net)
    }

    /// Zephyr's resolver, where no other one answers `getaddrinfo()` in its place.
    fn resolver(&self) -> Result<Option<Set<bool>>, ProfileError> {
        let from = &self.settings;
        let replaced = from
            .on_with("CONFIG_")
            .any(|(key, _)| key.contains("DNS") && key.contains("OFFLOAD"));
        if replaced {
            return Ok(None);
        }
        self.off_by_default("CONFIG_DNS_RESOLVER")
    }

    /// The servers written into the build; an empty list where it is known that there are none.
    fn dns_servers(&self) -> Result<Option<Set<Vec<String>>>, ProfileError> {
        let from = &self.settings;
        let mut first = None;
        let mut servers = Vec::new();
        for number in 1..=5_u8 {
            if let Some(server) = from.text(&format!("CONFIG_DNS_SERVER{number}")) {
                servers.push(server.value.clone());
                first.get_or_insert(server);
            }
        }
        if let Some(first) = first {
            return Ok(Some(first.with(servers)));
        }
        let listed = from.switch("CONFIG_DNS_SERVER_IP_ADDRESSES")?;
        Ok(listed
            .filter(|listed| !listed.value)
            .map(|listed| listed.with(servers)))
    }

    /// Zephyr's MQTT library knows SOCKS5, and no proxy of HTTP.
    fn http_proxy(&self) -> Option<Set<bool>> {
        let from = &self.settings;
        from.is_on("CONFIG_MQTT_LIB")
            .then(|| from.derived("CONFIG_MQTT_LIB", false))
    }

    fn mqtt(&self) -> Result<MqttProfile, ProfileError> {
        let from = &self.settings;
        // Another MQTT library has settings of its own.
        if from.whole && !from.is_on("CONFIG_MQTT_LIB") {
            return Ok(MqttProfile::default());
        }
        let helper = from.knows("CONFIG_MQTT_HELPER")
            || from.knows("CONFIG_AZURE_IOT_HUB")
            || from.knows("CONFIG_AWS_IOT");
        let buffer = from.number("CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE")?;
        let switch = |key| match from.is_on("CONFIG_MQTT_LIB") && !helper {
            true => self.off_by_default(key),
            false => from.switch(key),
        };
        Ok(MqttProfile {
            tls: switch("CONFIG_MQTT_LIB_TLS")?,
            websocket: switch("CONFIG_MQTT_LIB_WEBSOCKET")?,
            v5: from.switch("CONFIG_MQTT_VERSION_5_0")?,
            keep_alive: from.number("CONFIG_MQTT_KEEPALIVE")?,
            rx_buffer: buffer.clone(),
            tx_buffer: buffer,
            http_buffer: None,
        })
    }

    fn tls(&self) -> Result<TlsProfile, ProfileError> {
        let from = &self.settings;
        if self.offloaded {
            return Ok(TlsProfile::default());
        }
        let mut tls = TlsProfile {
            sockets: self.off_by_default("CONFIG_NET_SOCKETS_SOCKOPT_TLS")?,
            contexts: from.number("CONFIG_NET_SOCKETS_TLS_MAX_CONTEXTS")?,
            ..TlsProfile::default()
        };
        let header = from.text("CONFIG_MBEDTLS_CFG_FILE");
        if header.is_some_and(|header| !HEADERS.contains(&header.value.as_str())) {
            return Ok(tls);
        }
        (tls.min, tls.max) = self.versions()?;
        tls.suites = self.suites(&tls)?;
        tls.groups = self.groups();
        tls.server_name = from.any_of(
            &[
                "CONFIG_MBEDTLS_SSL_SERVER_NAME_INDICATION",
                "CONFIG_MBEDTLS_SERVER_NAME_INDICATION",
            ],
            "CONFIG_MBEDTLS_",
        );
        tls.alpn = from.switch("CONFIG_MBEDTLS_SSL_ALPN")?;
        // nrf_security has no setting for it, and builds it in.
        if self.ncs && !from.has("CONFIG_MBEDTLS_SSL_ALPN") {
            tls.alpn = None;
        }
        tls.renegotiation = self.renegotiation()?;
        self.sizes(&mut tls)?;
        self.algorithms(&mut tls)?;
        Ok(tls)
    }

    fn versions(&self) -> Result<(Versioned, Versioned), ProfileError> {
        let from = &self.settings;
        let naming = "CONFIG_MBEDTLS_";
        let tls12 = from.any_of(
            &[
                "CONFIG_MBEDTLS_SSL_PROTO_TLS1_2",
                "CONFIG_MBEDTLS_TLS_VERSION_1_2",
            ],
            naming,
        );
        let tls13 = from.any_of(
            &[
                "CONFIG_MBEDTLS_SSL_PROTO_TLS1_3",
                "CONFIG_MBEDTLS_TLS_VERSION_1_3",
            ],
            naming,
        );
        Ok(span(tls12.as_ref(), tls13.as_ref()))
    }

    /// The suites; none where the file does not say enough to know them all.
    fn suites(&self, tls: &TlsProfile) -> Result<Option<Set<Vec<String>>>, ProfileError> {
        let from = &self.settings;
        if let Some(list) = from.text("CONFIG_MBEDTLS_SSL_CIPHERSUITES") {
            return match suites::listed(&list.value) {
                Ok(names) => Ok(Some(list.with(names))),
                Err(word) => {
                    let why = format!("{}: {word:?} is no cipher suite", list.key);
                    Err(ProfileError::of(from.file(), why))
                }
            };
        }
        let chosen: Vec<_> = from.on_with("CONFIG_MBEDTLS_CIPHERSUITE_").collect();
        if let Some((key, _)) = chosen.first() {
            let names = chosen.iter().filter_map(|(_, name)| suites::one(name));
            return Ok(Some(from.derived(key, names.collect())));
        }
        let secured = tls.sockets.as_ref().is_some_and(|sockets| sockets.value);
        if !from.whole || !secured {
            return Ok(None);
        }
        let parts = self.parts(tls);
        let exchange = parts.ecdhe_ecdsa || parts.ecdhe_rsa || parts.dhe_rsa || parts.rsa;
        let cipher = parts.gcm || parts.ccm || parts.cbc || parts.chacha20;
        let key = "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED";
        let names = suites::of(&parts);
        // Ciphers may be named as this program does not know; key exchanges are named alike in all revisions.
        let known = cipher || !(exchange || parts.tls13);
        Ok(known.then(|| from.derived(key, names)))
    }

    fn parts(&self, tls: &TlsProfile) -> Parts {
        let from = &self.settings;
        let at_most_12 = tls.max.as_ref().map(|max| max.value);
        Parts {
            tls12: tls.min.as_ref().map(|min| min.value) == Some(Version::Tls12),
            tls13: at_most_12 == Some(Version::Tls13),
            ecdhe_ecdsa: from.is_on("CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED"),
            ecdhe_rsa: from.is_on("CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED"),
            dhe_rsa: from.is_on("CONFIG_MBEDTLS_KEY_EXCHANGE_DHE_RSA_ENABLED"),
            rsa: from.is_on("CONFIG_MBEDTLS_KEY_EXCHANGE_RSA_ENABLED"),
            gcm: from.any_on(&[
                "CONFIG_PSA_WANT_ALG_GCM",
                "CONFIG_MBEDTLS_CIPHER_GCM_ENABLED",
                "CONFIG_MBEDTLS_GCM_C",
            ]),
            ccm: from.any_on(&[
                "CONFIG_PSA_WANT_ALG_CCM",
                "CONFIG_MBEDTLS_CIPHER_CCM_ENABLED",
                "CONFIG_MBEDTLS_CCM_C",
            ]),
            cbc: from.any_on(&[
                "CONFIG_PSA_WANT_ALG_CBC_NO_PADDING",
                "CONFIG_PSA_WANT_ALG_CBC_PKCS7",
                "CONFIG_MBEDTLS_CIPHER_MODE_CBC_ENABLED",
                "CONFIG_MBEDTLS_CIPHER_MODE_CBC",
            ]),
            chacha20: from.any_on(&[
                "CONFIG_PSA_WANT_ALG_CHACHA20_POLY1305",
                "CONFIG_MBEDTLS_CHACHAPOLY_AEAD_ENABLED",
                "CONFIG_MBEDTLS_CHACHAPOLY_C",
            ]),
            sha384: from.any_on(SHA384),
        }
    }

    fn groups(&self) -> Option<Set<Vec<String>>> {
        let from = &self.settings;
        let mut first = None;
        let mut names = Vec::new();
        for (name, keys) in GROUPS {
            if let Some(key) = keys.iter().find(|key| from.is_on(key)) {
                names.push((*name).to_owned());
                first.get_or_insert(*key);
            }
        }
        // In a file that has not all settings there may be more of them.
        let first = first.filter(|_| from.whole)?;
        Some(from.derived(first, names))
    }

    fn renegotiation(&self) -> Result<Option<Set<bool>>, ProfileError> {
        const OWN: &str = "CONFIG_MBEDTLS_SSL_RENEGOTIATION";
        let from = &self.settings;
        if let Some(own) = from.given_switch(OWN)? {
            return Ok(Some(own));
        }
        if self.ncs {
            let known = from.switch(OWN)?;
            let assumed = from.knows("CONFIG_MBEDTLS_");
            return Ok(known.or_else(|| assumed.then(|| from.default(OWN, false))));
        }
        // Plain Zephyr has it in a header of the application's own, or not at all.
        let header = from.is_on("CONFIG_MBEDTLS_USER_CONFIG_ENABLE")
            || from.text("CONFIG_MBEDTLS_USER_CONFIG_FILE").is_some();
        if header {
            return Ok(None);
        }
        let secured = from.is_on("CONFIG_NET_SOCKETS_SOCKOPT_TLS");
        Ok((from.whole && secured).then(|| from.derived(OWN, false)))
    }

    fn sizes(&self, tls: &mut TlsProfile) -> Result<(), ProfileError> {
        const BOTH: &str = "CONFIG_MBEDTLS_SSL_MAX_CONTENT_LEN";
        const IN: &str = "CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN";
        const OUT: &str = "CONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN";
        let from = &self.settings;
        let small = from.any_on(&[
            "CONFIG_OPENTHREAD_NRF_SECURITY",
            "CONFIG_OPENTHREAD_NRF_SECURITY_PSA",
            "CONFIG_OPENTHREAD_NRF_SECURITY_CHOICE",
            "CONFIG_OPENTHREAD_NRF_SECURITY_PSA_CHOICE",
        ]);
        let usual = |key: &str| match (self.ncs, small, self.assumes) {
            (true, true, _) if !from.whole => Some(from.default(key, 900)),
            (false, _, true) => Some(from.default(BOTH, 1500)),
            _ => None,
        };
        // nrf_security does not look at the one for both.
        let given = |key: &'static str| match self.ncs {
            true => from.number(key),
            false => from.first_number(&[key, BOTH]),
        };
        tls.in_buffer = given(IN)?.or_else(|| usual(IN));
        tls.out_buffer = given(OUT)?.or_else(|| usual(OUT));
        tls.max_fragment = self.max_fragment(tls)?;
        tls.heap = match from.is_on("CONFIG_MBEDTLS_ENABLE_HEAP") {
            true => from.number("CONFIG_MBEDTLS_HEAP_SIZE")?,
            false => None,
        };
        tls.max_number = self.max_number()?;
        Ok(())
    }

    /// What Zephyr's TLS sockets ask for: the largest that fits into both buffers, where the extension is built in.
    fn max_fragment(&self, tls: &TlsProfile) -> Result<Option<Set<u32>>, ProfileError> {
        const ASKS: &str = "CONFIG_NET_SOCKETS_TLS_SET_MAX_FRAGMENT_LENGTH";
        let from = &self.settings;
        let tls13 = tls
            .max
            .as_ref()
            .is_some_and(|max| max.value == Version::Tls13);
        let built = match self.ncs {
            true => from.is_on("CONFIG_MBEDTLS_SSL_MAX_FRAGMENT_LENGTH"),
            false => from.whole && !tls13,
        };
        if !built || !from.is_on(ASKS) {
            return Ok(None);
        }
        let (Some(incoming), Some(outgoing)) = (&tls.in_buffer, &tls.out_buffer) else {
            return Ok(None);
        };
        let room = incoming.value.min(outgoing.value);
        let fits = [4096, 2048, 1024, 512].into_iter().find(|len| *len <= room);
        Ok(fits
            .filter(|_| room < 16384)
            .map(|len| from.derived(ASKS, len)))
    }

    fn max_number(&self) -> Result<Option<Set<u32>>, ProfileError> {
        const OPTIMIZED: &str = "CONFIG_MBEDTLS_OPENTHREAD_OPTIMIZATIONS_ENABLED";
        const SIZE: &str = "CONFIG_MBEDTLS_MPI_MAX_SIZE";
        let from = &self.settings;
        if from.is_on(OPTIMIZED) && !self.ncs {
            return Ok(Some(from.derived(OPTIMIZED, 32)));
        }
        let given = from.number(SIZE)?;
        let assumed = self.ncs && !from.whole && from.knows("CONFIG_MBEDTLS_");
        Ok(given.or_else(|| assumed.then(|| from.default(SIZE, 384))))
    }

    fn algorithms(&self, tls: &mut TlsProfile) -> Result<(), ProfileError> {
        let from = &self.settings;
        // Without secure sockets what crypto there is serves something else.
        if !tls.sockets.as_ref().is_some_and(|sockets| sockets.value) && from.whole {
            return Ok(());
        }
        tls.rsa = from.any_of(RSA, "CONFIG_MBEDTLS_KEY_EXCHANGE_");
        tls.ecdsa = from.any_of(ECDSA, "CONFIG_MBEDTLS_KEY_EXCHANGE_");
        tls.sha384 = from.any_of(SHA384, "CONFIG_PSA_WANT_ALG_SHA_256");
        tls.dates = from.switch("CONFIG_MBEDTLS_HAVE_TIME_DATE")?;
        let psa = from.any_on(&[
            "CONFIG_OPENTHREAD_CRYPTO_PSA",
            "CONFIG_OPENTHREAD_NRF_SECURITY_PSA",
            "CONFIG_OPENTHREAD_NRF_SECURITY_PSA_CHOICE",
        ]);
        if self.on_thread() && psa {
            tls.legacy_crypto = from.given_switch("CONFIG_MBEDTLS_LEGACY_CRYPTO_C")?;
        }
        Ok(())
    }
}

type Versioned = Option<Set<Version>>;

/// The lowest and the highest of two versions, as far as both are known.
pub(super) fn span(tls12: Option<&Set<bool>>, tls13: Option<&Set<bool>>) -> (Versioned, Versioned) {
    let has12 = tls12.map(|set| set.value);
    let has13 = tls13.map(|set| set.value);
    let low = tls12.map(|set| set.with(Version::Tls12));
    let high = tls13.map(|set| set.with(Version::Tls13));
    match (has12, has13) {
        (Some(true), Some(true)) => (low, high),
        (Some(true), Some(false)) => (low.clone(), low),
        (Some(false), Some(true)) => (high.clone(), high),
        (Some(true), None) => (low, None),
        (None, Some(true)) => (None, high),
        _ => (None, None),
    }
}

const RSA: &[&str] = &[
    "CONFIG_MBEDTLS_RSA_C",
    "CONFIG_PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY",
    "CONFIG_PSA_WANT_ALG_RSA_PKCS1V15_SIGN",
    "CONFIG_PSA_WANT_ALG_RSA_PSS",
    "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED",
    "CONFIG_MBEDTLS_KEY_EXCHANGE_RSA_ENABLED",
    "CONFIG_MBEDTLS_KEY_EXCHANGE_DHE_RSA_ENABLED",
];

const ECDSA: &[&str] = &[
    "CONFIG_MBEDTLS_ECDSA_C",
    "CONFIG_PSA_WANT_ALG_ECDSA",
    "CONFIG_PSA_WANT_ALG_DETERMINISTIC_ECDSA",
    "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED",
];

const SHA384: &[&str] = &[
    "CONFIG_PSA_WANT_ALG_SHA_384",
    "CONFIG_MBEDTLS_SHA384",
    "CONFIG_MBEDTLS_SHA384_C",
    "CONFIG_MBEDTLS_SHA512_C",
    "CONFIG_MBEDTLS_MAC_SHA384_ENABLED",
    "CONFIG_MBEDTLS_HASH_SHA384_ENABLED",
];

/// The groups by their IANA names, with the settings that build them in.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "x25519",
        &[
            "CONFIG_PSA_WANT_ECC_MONTGOMERY_255",
            "CONFIG_MBEDTLS_ECP_DP_CURVE25519_ENABLED",
        ],
    ),
    (
        "secp256r1",
        &[
            "CONFIG_PSA_WANT_ECC_SECP_R1_256",
            "CONFIG_MBEDTLS_ECP_DP_SECP256R1_ENABLED",
        ],
    ),
    (
        "secp384r1",
        &[
            "CONFIG_PSA_WANT_ECC_SECP_R1_384",
            "CONFIG_MBEDTLS_ECP_DP_SECP384R1_ENABLED",
        ],
    ),
    (
        "secp521r1",
        &[
            "CONFIG_PSA_WANT_ECC_SECP_R1_521",
            "CONFIG_MBEDTLS_ECP_DP_SECP521R1_ENABLED",
        ],
    ),
];
