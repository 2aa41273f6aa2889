//! The table: what is wrong, or odd and yet right, and what is to be said about it.

use openssl::hash::MessageDigest;
use towpath_doctor::evidence::Target;

use super::{
    Case, Files,
    Says::{self, Breaks, Warns},
    builds::{self, esp, ncs, prj, profile, thread},
    pki::{DAY, NOW, Wanted, below, ec, root, rsa},
    target,
};

const BROKER: &str = "mqtts://broker.example";
const SECURE_WEBSOCKET: &str = "wss://broker.example/mqtt";
const HUB: &str = "mqtts://plant.azure-devices.net";
const HUB_443: &str = "wss://plant.azure-devices.net/$iothub/websocket";
const DPS: &str = "mqtts://global.azure-devices-provisioning.net";

fn case(name: &'static str, url: &str, says: &'static [Says]) -> Case {
    Case {
        name,
        target: target(url),
        profile: None,
        files: Files::default(),
        says,
    }
}

impl Case {
    fn of(mut self, profile: Option<towpath_doctor::profile::DeviceProfile>) -> Self {
        self.profile = profile;
        self
    }

    fn with(mut self, files: Files) -> Self {
        self.target.client_certificate |= files.chain.is_some();
        self.target.password |= files.password.is_some();
        self.files = files;
        self
    }

    fn to(mut self, change: impl FnOnce(&mut Target)) -> Self {
        change(&mut self.target);
        self
    }
}

/// A login at the hub: who connects, and the token.
fn login(name: &'static str, user: &str, id: &str, token: String, says: &'static [Says]) -> Case {
    let case = case(name, HUB, says).with(Files {
        password: Some(token),
        ..Files::default()
    });
    case.to(|target| {
        target.user = Some(user.to_owned());
        target.client_id = Some(id.to_owned());
    })
}

const USER: &str = "plant.azure-devices.net/meter-4/?api-version=2021-04-12";

fn token(resource: &str, end: i64) -> String {
    format!("SharedAccessSignature sr={resource}&sig=c2VjcmV0c2VjcmV0%3D&se={end}")
}

fn good_token() -> String {
    token("plant.azure-devices.net%2Fdevices%2Fmeter-4", NOW + 3600)
}

pub(crate) fn sick() -> Vec<Case> {
    let mut all = build();
    all.extend(network());
    all.extend(tls());
    all.extend(files());
    all.extend(hub());
    all
}

fn build() -> Vec<Case> {
    vec![
        case("no-tcp", "mqtt://[fd00::1]", &[Breaks("TP-DEV-001")])
            .of(thread(&[("CONFIG_NET_TCP", "n")])),
        // Two faults of one build, as they were met: the resolver may be OpenThread's, so that is a warning.
        case(
            "thread-prj",
            "mqtt://broker.example",
            &[
                Warns("TP-DEV-002"),
                Warns("TP-DEV-001"),
                Warns("TP-DEV-020"),
            ],
        )
        .of(prj(builds::THREAD_PRJ)),
        case("no-resolver", BROKER, &[Breaks("TP-DEV-002")])
            .of(ncs(&[("CONFIG_DNS_RESOLVER", "n")])),
        case("no-dns-server", BROKER, &[Warns("TP-DEV-003")]).of(ncs(&[
            ("CONFIG_DNS_SERVER_IP_ADDRESSES", "n"),
            ("CONFIG_DNS_SERVER1", ""),
            ("CONFIG_NET_DHCPV4", "n"),
        ])),
        case("no-tls-sockets", BROKER, &[Breaks("TP-DEV-004")])
            .of(ncs(&[("CONFIG_NET_SOCKETS_SOCKOPT_TLS", "n")])),
        case("no-ipv4", "mqtt://192.0.2.7", &[Breaks("TP-DEV-005")])
            .of(ncs(&[("CONFIG_NET_IPV4", "n"), ("CONFIG_NET_IPV6", "y")])),
        case("few-descriptors", SECURE_WEBSOCKET, &[Breaks("TP-DEV-007")])
            .of(ncs(&[("CONFIG_ZVFS_OPEN_MAX", "3")])),
        case("no-roots", BROKER, &[Warns("TP-DEV-011")])
            .of(esp(&[("CONFIG_MBEDTLS_CERTIFICATE_BUNDLE", "n")])),
        case("no-suite", BROKER, &[Breaks("TP-DEV-015")]).of(ncs(&[
            ("CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED", "n"),
            ("CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED", "n"),
        ])),
        case("no-websocket", SECURE_WEBSOCKET, &[Breaks("TP-DEV-016")])
            .of(ncs(&[("CONFIG_MQTT_LIB_WEBSOCKET", "n")])),
        case("small-mqtt-buffer", HUB, &[Breaks("TP-DEV-017")])
            .of(esp(&[("CONFIG_MQTT_BUFFER_SIZE", "128")]))
            .with(Files {
                password: Some(good_token()),
                ..Files::default()
            })
            .to(|target| {
                target.user = Some(USER.to_owned());
                target.client_id = Some("meter-4".to_owned());
            }),
        case("openthread-optimizations", BROKER, &[Warns("TP-DEV-019")]).of(thread(&[(
            "CONFIG_MBEDTLS_OPENTHREAD_OPTIMIZATIONS_ENABLED",
            "y",
        )])),
        case("legacy-crypto-openthread", BROKER, &[Warns("TP-DEV-020")])
            .of(thread(&[("CONFIG_MBEDTLS_LEGACY_CRYPTO_C", "y")])),
        case("proxy-ignored", BROKER, &[Warns("TP-DEV-034")])
            .of(esp(&[]))
            .to(|target| target.proxy = Some("http://proxy.example:3128".to_owned())),
        case("few-tls-contexts", BROKER, &[Breaks("TP-DEV-037")])
            .of(ncs(&[("CONFIG_NET_SOCKETS_TLS_MAX_CONTEXTS", "0")])),
        case("small-ws-buffer", SECURE_WEBSOCKET, &[Breaks("TP-DEV-040")])
            .of(esp(&[("CONFIG_WS_BUFFER_SIZE", "128")])),
    ]
}

fn network() -> Vec<Case> {
    vec![
        case(
            "ipv4-dns-server",
            "mqtt://broker.example",
            &[Breaks("TP-DNS-011")],
        )
        .of(ncs(&[("CONFIG_NET_IPV4", "n"), ("CONFIG_NET_IPV6", "y")])),
        // OpenThread has a DNS client of its own, which the application may ask.
        case(
            "ipv4-dns-server-on-thread",
            "mqtt://broker.example",
            &[Warns("TP-DNS-011")],
        )
        .of(thread(&[("CONFIG_DNS_SERVER1", "\"8.8.8.8\"")])),
        case("no-rdnss", "mqtt://broker.example", &[Warns("TP-DNS-012")]).of(ncs(&[
            ("CONFIG_NET_IPV4", "n"),
            ("CONFIG_NET_IPV6", "y"),
            ("CONFIG_NET_DHCPV4", "n"),
            ("CONFIG_DNS_SERVER_IP_ADDRESSES", "n"),
            ("CONFIG_DNS_SERVER1", ""),
        ])),
        case(
            "private-behind-well-known",
            "mqtt://192.168.1.20",
            &[Breaks("TP-NAT64-003")],
        )
        .with(Files {
            nat64_prefix: Some("64:ff9b::/96"),
            only_ipv6: true,
            ..Files::default()
        }),
    ]
}

fn tls() -> Vec<Case> {
    let ca = root("Plant Root");
    let large = Wanted {
        key: rsa(3072),
        ..Wanted::named("Large Root")
    }
    .make();
    let server = below(&ca, "broker.example");
    let long = Wanted {
        issuer: Some(&ca),
        digest: MessageDigest::sha384(),
        ..Wanted::named("broker.example")
    }
    .make();
    let shown = |pem: Vec<u8>| Files {
        server_chain: Some(pem),
        ..Files::default()
    };
    let own = [server.pem(), ca.pem()].concat();
    let device = below(&ca, "meter-4");
    let identity = || Files {
        chain: Some(device.pem()),
        key: Some(device.key_pem()),
        ..Files::default()
    };
    vec![
        case("no-renegotiation", HUB_443, &[Warns("TP-TLS-031")])
            .of(ncs(&[("CONFIG_MBEDTLS_SSL_RENEGOTIATION", "n")]))
            .with(identity()),
        // Half of a build's settings: that renegotiation is off is the default of the tree.
        case("secure-websocket-prj", HUB_443, &[Warns("TP-TLS-031")])
            .of(prj(builds::SECURE_WEBSOCKET_PRJ))
            .with(identity()),
        case("tls13-without-pha", HUB_443, &[Warns("TP-DEV-038")])
            .of(ncs(&[
                ("CONFIG_MBEDTLS_TLS_VERSION_1_3", "y"),
                ("CONFIG_MBEDTLS_SSL_PROTO_TLS1_3", "y"),
            ]))
            .with(identity()),
        case("no-sni", HUB, &[Warns("TP-TLS-047")])
            .of(ncs(&[("CONFIG_MBEDTLS_SSL_SERVER_NAME_INDICATION", "n")])),
        case(
            "no-alpn",
            "mqtts://a1b2-ats.iot.eu-west-1.amazonaws.com:443",
            &[Breaks("TP-TLS-049")],
        )
        .of(esp(&[("CONFIG_MBEDTLS_SSL_ALPN", "n")])),
        case("no-sha384", BROKER, &[Breaks("TP-TLS-050")])
            .of(esp(&[("CONFIG_MBEDTLS_SHA512_C", "n")]))
            .with(shown(long.pem())),
        case("mpi-size", BROKER, &[Breaks("TP-TLS-046")])
            .of(ncs(&[("CONFIG_MBEDTLS_MPI_MAX_SIZE", "256")]))
            .with(Files {
                roots: Some(large.pem()),
                ..Files::default()
            }),
        // One of two roots fits, and the chain may end in that one.
        case("mpi-size-of-one", BROKER, &[Warns("TP-TLS-046")])
            .of(ncs(&[("CONFIG_MBEDTLS_MPI_MAX_SIZE", "256")]))
            .with(Files {
                roots: Some([ca.pem(), large.pem()].concat()),
                ..Files::default()
            }),
        case("in-buffer", BROKER, &[Breaks("TP-TLS-017")])
            .of(ncs(&[("CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN", "512")]))
            .with(shown([server.pem(), ca.pem()].concat())),
        case("in-buffer-of-openthread", BROKER, &[Warns("TP-TLS-017")])
            .of(ncs(&[("CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN", "900")])),
        case("ecdsa-server", BROKER, &[Breaks("TP-TLS-018")])
            .of(ncs(&[(
                "CONFIG_MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED",
                "n",
            )]))
            .with(shown(server.pem())),
        case("hub-suites", HUB, &[Warns("TP-TLS-020")]).of(profile(
            "[tls]\nciphers = [\"TLS_RSA_WITH_AES_128_CBC_SHA256\"]\n",
        )),
        case(
            "address-with-tls",
            "mqtts://192.0.2.7",
            &[Breaks("TP-TLS-052")],
        )
        .with(shown(server.pem())),
        case("out-buffer", BROKER, &[Breaks("TP-DEV-036")])
            .of(esp(&[("CONFIG_MBEDTLS_SSL_OUT_CONTENT_LEN", "512")]))
            .with(Files {
                chain: Some(own),
                key: Some(server.key_pem()),
                ..Files::default()
            }),
    ]
}

fn files() -> Vec<Case> {
    let ca = root("Plant Root");
    let middle = below(&ca, "Plant Intermediate");
    let device = below(&middle, "meter-4");
    let stranger = below(&ca, "meter-5");
    let identity = |chain: Vec<u8>, key: Vec<u8>| Files {
        chain: Some(chain),
        key: Some(key),
        ..Files::default()
    };
    let dated = |from: i64, to: i64| {
        Wanted {
            issuer: Some(&ca),
            from,
            to,
            ..Wanted::named("meter-4")
        }
        .make()
    };
    let past = dated(NOW - 400 * DAY, NOW - 2 * DAY);
    let soon = dated(NOW - 400 * DAY, NOW + 5 * DAY);
    let early = dated(NOW + DAY, NOW + 400 * DAY);
    let cut: Vec<_> = ca.pem().into_iter().take(200).collect();
    let old = root("Baltimore CyberTrust Root");
    vec![
        case("roots-truncated", BROKER, &[Breaks("TP-DEV-012")]).with(Files {
            roots: Some(cut),
            ..Files::default()
        }),
        case("roots-empty", BROKER, &[Breaks("TP-DEV-012")]).with(Files {
            roots: Some(b"\n".to_vec()),
            ..Files::default()
        }),
        case("chain-empty", BROKER, &[Breaks("TP-DEV-027")])
            .with(identity(Vec::new(), device.key_pem())),
        case("key-is-certificate", BROKER, &[Breaks("TP-DEV-027")])
            .with(identity(device.pem(), device.pem())),
        case("key-mismatch", BROKER, &[Breaks("TP-DEV-028")])
            .with(identity(stranger.pem(), device.key_pem())),
        case("key-mismatch-of-rsa", BROKER, &[Breaks("TP-DEV-028")]).with(identity(
            stranger.pem(),
            rsa(2048)
                .rsa()
                .and_then(|key| key.private_key_to_pem())
                .expect("a key"),
        )),
        // The form of the key hides its public part; the TLS library has told.
        case("key-mismatch-told", BROKER, &[Breaks("TP-DEV-028")]).with(Files {
            key_matches: Some(false),
            ..identity(stranger.pem(), b"pkcs11:object=meter".to_vec())
        }),
        case("client-expired", BROKER, &[Warns("TP-DEV-031")])
            .with(identity(past.pem(), past.key_pem())),
        case("client-ends-soon", BROKER, &[Warns("TP-DEV-031")])
            .with(identity(soon.pem(), soon.key_pem())),
        case("client-not-yet", BROKER, &[Warns("TP-DEV-031")])
            .with(identity(early.pem(), early.key_pem())),
        case(
            "chain-order",
            BROKER,
            &[Breaks("TP-DEV-028"), Warns("TP-DEV-032")],
        )
        .with(identity(
            [middle.pem(), device.pem()].concat(),
            device.key_pem(),
        )),
        case("chain-incomplete", BROKER, &[Warns("TP-DEV-032")]).with(identity(
            [device.pem(), ca.pem()].concat(),
            device.key_pem(),
        )),
        case("cafile-no-root", BROKER, &[Breaks("TP-TLS-054")]).with(Files {
            roots: Some(middle.pem()),
            wants_self_signed: true,
            ..Files::default()
        }),
        case("root-baltimore", HUB, &[Breaks("TP-TLS-053")]).with(Files {
            roots: Some(old.pem()),
            ..Files::default()
        }),
    ]
}

fn hub() -> Vec<Case> {
    let ca = root("Plant Root");
    let device = below(&ca, "meter-4");
    vec![
        login(
            "hub-username",
            "plant.azure-devices.net",
            "meter-4",
            good_token(),
            &[Breaks("TP-HUB-023")],
        ),
        login(
            "hub-username-placeholder",
            "plant.azure-devices.net/{device-id}/?api-version=2021-04-12",
            "meter-4",
            good_token(),
            &[Breaks("TP-HUB-023")],
        ),
        login(
            "hub-client-id",
            USER,
            "meter-5",
            good_token(),
            &[Breaks("TP-HUB-023")],
        ),
        login(
            "hub-case",
            USER,
            "Meter-4",
            good_token(),
            &[Breaks("TP-HUB-023")],
        ),
        login(
            "hub-token-brackets",
            USER,
            "meter-4",
            format!("<{}>", good_token()),
            &[Breaks("TP-HUB-023")],
        ),
        login(
            "hub-token-scope",
            USER,
            "meter-4",
            token("plant.azure-devices.net%2Fdevices%2Fmeter-5", NOW + 3600),
            &[Breaks("TP-HUB-023")],
        ),
        login(
            "hub-token-is-key",
            USER,
            "meter-4",
            "c2VjcmV0c2VjcmV0".to_owned(),
            &[Breaks("TP-HUB-023")],
        ),
        login(
            "sas-expired",
            USER,
            "meter-4",
            token("plant.azure-devices.net/devices/meter-4", NOW - DAY),
            &[Breaks("TP-HUB-004")],
        ),
        case("hub-qos2", HUB, &[Warns("TP-HUB-025")]).with(Files {
            qos: Some(2),
            ..Files::default()
        }),
        case("hub-keep-alive", HUB, &[Warns("TP-MQTT-023")]).with(Files {
            keep_alive: Some(3600),
            ..Files::default()
        }),
        case("dps-common-name", DPS, &[Breaks("TP-DPS-016")]).with(Files {
            chain: Some(device.pem()),
            key: Some(device.key_pem()),
            registration_id: Some("meter-5"),
            ..Files::default()
        }),
    ]
}

pub(crate) fn healthy() -> Vec<Case> {
    let ca = root("Plant Root");
    let middle = below(&ca, "Plant Intermediate");
    let device = below(&middle, "meter-4");
    let server = below(&ca, "broker.example");
    let large = Wanted {
        key: rsa(3072),
        ..Wanted::named("Large Root")
    }
    .make();
    let by_address = Wanted {
        issuer: Some(&ca),
        address: Some("192.0.2.7".parse().expect("an address")),
        key: ec(),
        ..Wanted::named("gateway")
    }
    .make();
    let everything = || Files {
        roots: Some([ca.pem(), large.pem()].concat()),
        chain: Some([device.pem(), middle.pem(), ca.pem()].concat()),
        key: Some(device.key_pem()),
        server_chain: Some([server.pem(), ca.pem()].concat()),
        wants_self_signed: true,
        ..Files::default()
    };
    let none = &[];
    vec![
        case("nothing known", "mqtt://broker.example", none),
        case("a hub by name only", HUB, none),
        case("NCS over Wi-Fi", SECURE_WEBSOCKET, none)
            .of(ncs(&[]))
            .with(everything()),
        case("NCS at a hub with a certificate", HUB_443, none)
            .of(ncs(&[]))
            .with(everything()),
        case("Zephyr on Thread", BROKER, none)
            .of(thread(&[]))
            .with(Files {
                server_chain: Some([server.pem(), ca.pem()].concat()),
                ..Files::default()
            }),
        case("ESP-IDF", SECURE_WEBSOCKET, none)
            .of(esp(&[]))
            .with(everything()),
        case("ESP-IDF at a hub", HUB, none).of(esp(&[])),
        case("a profile", SECURE_WEBSOCKET, none).of(profile(builds::PROFILE)),
        case("sockets of a modem", BROKER, none).of(ncs(&[
            ("CONFIG_NET_SOCKETS_OFFLOAD", "y"),
            ("CONFIG_NET_TCP", "n"),
            ("CONFIG_DNS_RESOLVER", "n"),
            ("CONFIG_NET_SOCKETS_SOCKOPT_TLS", "n"),
        ])),
        case("an overlay alone", SECURE_WEBSOCKET, none)
            .of(prj("CONFIG_MQTT_KEEPALIVE=30\nCONFIG_LOG=y\n")),
        case("no renegotiation at a broker", SECURE_WEBSOCKET, none)
            .of(ncs(&[("CONFIG_MBEDTLS_SSL_RENEGOTIATION", "n")]))
            .with(everything()),
        case("no TLS is asked for", "mqtt://broker.example", none).of(ncs(&[
            ("CONFIG_NET_SOCKETS_SOCKOPT_TLS", "n"),
            ("CONFIG_MQTT_LIB_TLS", "n"),
        ])),
        case("no resolver is needed", "mqtts://192.0.2.7", none)
            .of(ncs(&[("CONFIG_DNS_RESOLVER", "n")]))
            .with(Files {
                server_chain: Some(by_address.pem()),
                ..Files::default()
            }),
        case(
            "a private address with a prefix of one's own",
            "mqtt://192.168.1.20",
            none,
        )
        .with(Files {
            nat64_prefix: Some("fd64:1:2:3:4:5::/96"),
            only_ipv6: true,
            ..Files::default()
        }),
        case("a prefix that is not used", "mqtt://192.168.1.20", none).with(Files {
            nat64_prefix: Some("64:ff9b::/96"),
            ..Files::default()
        }),
        login("a token", USER, "meter-4", good_token(), none),
        login(
            "a token that ended within the hub's tolerance",
            USER,
            "meter-4",
            token("plant.azure-devices.net%2fdevices%2fmeter-4", NOW - 100),
            none,
        ),
        login(
            "a token of a policy, for the whole hub",
            USER,
            "meter-4",
            format!(
                "{}&skn=device",
                token("plant.azure-devices.net", NOW + 3600)
            ),
            none,
        ),
        login(
            "an old form of the user name",
            "plant.azure-devices.net/meter-4/api-version=2016-11-14",
            "meter-4",
            good_token(),
            none,
        ),
        login(
            "a module",
            "plant.azure-devices.net/meter-4/pump/?api-version=2021-04-12",
            "meter-4/pump",
            good_token(),
            none,
        ),
        case("a registration id in other letters", DPS, none)
            .with(Files {
                chain: Some([device.pem(), middle.pem()].concat()),
                key: Some(device.key_pem()),
                registration_id: Some("METER-4"),
                ..Files::default()
            })
            .to(|target| {
                target.user =
                    Some("0ne00000001/registrations/METER-4/api-version=2019-03-31".to_owned());
                target.client_id = Some("METER-4".to_owned());
            }),
        case("a key in the form of SEC 1", BROKER, none).with(Files {
            chain: Some(device.pem()),
            key: Some(
                device
                    .key
                    .ec_key()
                    .and_then(|key| key.private_key_to_pem())
                    .expect("a key"),
            ),
            ..Files::default()
        }),
        case("a key whose password is not known here", BROKER, none).with(Files {
            chain: Some(device.pem()),
            key: Some(
                device
                    .key
                    .private_key_to_pem_pkcs8_passphrase(
                        openssl::symm::Cipher::aes_256_cbc(),
                        b"c2VjcmV0",
                    )
                    .expect("a key"),
            ),
            ..Files::default()
        }),
        case("files in DER", BROKER, none).with(Files {
            roots: Some(ca.certificate.to_der().expect("a certificate")),
            chain: Some(device.certificate.to_der().expect("a certificate")),
            key: Some(device.key.private_key_to_der().expect("a key")),
            wants_self_signed: true,
            ..Files::default()
        }),
    ]
}
