//! What a profile sets: versions, suites, groups, signature algorithms, names, fragments; and what is refused before
//! the first packet.

use std::sync::{Arc, Mutex};

use openssl::ssl::{NameType, SslContext, SslVersion};
use towpath_proto::{
    Code, Fault, Rung,
    tls::{Profile, Roots, Tls as _, Version, Versions},
};
use towpath_tls_openssl::{Context, capabilities};

use crate::{TLS12, TLS13, World, authority::Wish, connect, peer, peer::Server};

/// A connection with this profile, after the handshake.
fn open(profile: &Profile<'_>, context: &SslContext) -> (towpath_tls_openssl::Connection, Server) {
    let mut client = connect(profile).unwrap();
    let mut server = Server::new(context);
    peer::meet(&mut client, &mut server).unwrap();
    (client, server)
}

#[test]
fn suites_go_by_their_iana_names_and_say_which_version_is_meant() {
    let world = World::new();
    let rsa = world.root.sign(Wish {
        rsa: Some(2048),
        ..Wish::default()
    });
    let context = peer::context(&rsa, &[], None).build();
    let cases: [(&[&str], u16, Version); 5] = [
        (
            &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
            0xc02f,
            Version::Tls12,
        ),
        (
            &[
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            ],
            0xcca8,
            Version::Tls12,
        ),
        (&["TLS_RSA_WITH_AES_128_GCM_SHA256"], 0x009c, Version::Tls12),
        (&["TLS_CHACHA20_POLY1305_SHA256"], 0x1303, Version::Tls13),
        (
            &[
                "TLS_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ],
            0x1301,
            Version::Tls13,
        ),
    ];
    for (suites, suite, version) in cases {
        world.profile(|profile| {
            let (client, _) = open(&Profile { suites, ..profile }, &context);
            let agreed = client.agreed().unwrap();
            assert_eq!((agreed.suite, agreed.version), (suite, version));
        });
    }
}

fn refusal(profile: &Profile<'_>) -> Fault {
    let fault = Context::new(profile).unwrap_err();
    assert_eq!(fault.rung, Rung::Tls);
    assert!(openssl::error::ErrorStack::get().errors().is_empty());
    fault
}

#[test]
fn names_that_openssl_does_not_know_are_named() {
    let world = World::new();
    world.profile(|profile| {
        let unknown = |profile: Profile<'_>, said: &str| {
            let fault = refusal(&profile);
            assert_eq!(fault.code, Code::TlsProfile, "{fault}");
            assert_eq!(fault.detail.as_str(), said);
        };
        for name in ["TLS_FOO", "", "ECDHE-RSA-AES128-GCM-SHA256", "TLS_\0"] {
            let said = format!("unknown suite {}", name.replace('\0', "?"));
            let suites = &[name];
            unknown(Profile { suites, ..profile }, &said);
        }
        for name in ["secp111", "", "P-256:P-384"] {
            let groups = &[name];
            unknown(
                Profile { groups, ..profile },
                &format!("unknown group {name}"),
            );
        }
        for name in ["foo_sha1", "", "ed25519:ed448"] {
            let signature_algorithms = &[name];
            let said = format!("unknown signature algorithm {name}");
            unknown(
                Profile {
                    signature_algorithms,
                    ..profile
                },
                &said,
            );
        }
        for server in [".", "a b", "*", "a\0b", "ex\u{e4}mple", "https://x"] {
            let fault = refusal(&Profile { server, ..profile });
            assert_eq!(fault.code, Code::TlsMaterial);
            assert!(fault.detail.as_str().starts_with("no host name: "));
            let fault = refusal(&Profile {
                server_name: Some("a b"),
                ..profile
            });
            assert_eq!(fault.detail.as_str(), "no host name: a b");
        }
    });
}

#[test]
fn what_can_not_be_honoured_is_refused_before_the_first_packet() {
    let world = World::new();
    let usage = |profile: Profile<'_>| {
        let fault = refusal(&profile);
        assert_eq!(fault.code, Code::TlsProfile, "{fault}");
        assert!(!fault.detail.is_empty());
        fault.detail
    };
    world.profile(|profile| {
        let wrong = Versions {
            min: Version::Tls13,
            max: Version::Tls12,
        };
        usage(Profile {
            versions: Some(wrong),
            ..profile
        });
        let said = usage(Profile {
            versions: Some(TLS13),
            suites: &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
            ..profile
        });
        assert_eq!(said.as_str(), "no suite named for TLS 1.3");
        let said = usage(Profile {
            versions: Some(TLS12),
            suites: &["TLS_AES_128_GCM_SHA256"],
            ..profile
        });
        assert_eq!(said.as_str(), "no suite named for TLS 1.2");
        for suite in [
            "TLS_ECDH_anon_WITH_AES_128_CBC_SHA",
            "TLS_RSA_WITH_NULL_SHA256",
            "TLS_PSK_WITH_AES_128_GCM_SHA256",
        ] {
            let suites = &[suite];
            usage(Profile { suites, ..profile });
        }
        let max_fragment = Some(1000);
        usage(Profile {
            max_fragment,
            ..profile
        });
        let server = "";
        usage(Profile { server, ..profile });
        let roots = Roots::Given(&[]);
        usage(Profile { roots, ..profile });
        let alpn = &[""];
        usage(Profile { alpn, ..profile });
        let handshake_buffer = Some(capabilities().handshake_buffer + 1);
        usage(Profile {
            handshake_buffer,
            ..profile
        });
    });
}

#[test]
fn groups_and_signature_algorithms_go_by_their_iana_names() {
    let world = World::new();
    for group in [
        "secp256r1",
        "secp384r1",
        "secp521r1",
        "x25519",
        "x448",
        "ffdhe2048",
        "brainpoolP256r1",
    ] {
        world.profile(|profile| {
            let groups = &[group];
            assert!(
                Context::new(&Profile { groups, ..profile }).is_ok(),
                "{group}"
            );
        });
    }
    // With ECDSA the group of the certificate's key has to be among them in TLS 1.2.
    let rsa = world.root.sign(Wish {
        rsa: Some(2048),
        ..Wish::default()
    });
    for (group, theirs) in [
        ("secp384r1", "P-384"),
        ("secp256r1", "P-256"),
        ("x25519", "X25519"),
    ] {
        for versions in [TLS12, TLS13] {
            let mut server = peer::context(&rsa, &[], None);
            server.set_groups_list(theirs).unwrap();
            let server = server.build();
            world.profile(|profile| {
                // Without the exchange by RSA, which needs no group.
                let with = |groups| Profile {
                    groups,
                    versions: Some(versions),
                    suites: &[
                        "TLS_AES_128_GCM_SHA256",
                        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                    ],
                    ..profile
                };
                let groups = [group];
                let (client, _) = open(&with(&groups), &server);
                assert!(client.agreed().is_some());
                let other = crate::fault(&with(&["secp521r1"]), &server);
                assert_eq!(other.code, Code::NoCommonSuite);
            });
        }
    }
    for name in [
        "ecdsa_secp256r1_sha256",
        "ecdsa_secp384r1_sha384",
        "ed25519",
        "rsa_pss_rsae_sha256",
        "rsa_pss_pss_sha256",
        "rsa_pkcs1_sha256",
    ] {
        world.profile(|profile| {
            let signature_algorithms = &[name];
            let context = Context::new(&Profile {
                signature_algorithms,
                ..profile
            });
            assert!(context.is_ok(), "{name}");
        });
    }
    // The server's key is P-256: it can't sign with RSA.
    let fault = world.profile(|profile| {
        let profile = Profile {
            signature_algorithms: &["rsa_pkcs1_sha256", "rsa_pss_rsae_sha256"],
            ..profile
        };
        crate::fault(&profile, &world.context(None))
    });
    assert_eq!(fault.code, Code::NoCommonSuite);
}

/// The name that a server was told.
fn told(profile: &Profile<'_>, world: &World) -> Option<String> {
    let seen = Arc::new(Mutex::new(None));
    let mut builder = peer::context(&world.server, &[], None);
    let copy = Arc::clone(&seen);
    builder.set_servername_callback(move |ssl, _| {
        *copy.lock().unwrap() = ssl.servername(NameType::HOST_NAME).map(str::to_owned);
        Ok(())
    });
    let mut client = connect(profile).unwrap();
    let mut server = Server::new(&builder.build());
    drop(peer::meet(&mut client, &mut server));
    seen.lock().unwrap().take()
}

#[test]
fn the_server_is_told_its_name_but_never_an_address() {
    let world = World::new();
    let server = world.root.sign(Wish {
        address: Some("127.0.0.1"),
        ..Wish::default()
    });
    let world = World { server, ..world };
    world.profile(|profile| {
        assert_eq!(told(&profile, &world).as_deref(), Some("localhost"));
        let dotted = Profile {
            server: "localhost.",
            ..profile
        };
        assert_eq!(told(&dotted, &world).as_deref(), Some("localhost"));
        let address = Profile {
            server: "127.0.0.1",
            ..profile
        };
        assert_eq!(told(&address, &world), None);
        let named = Profile {
            server_name: Some("front.test"),
            ..address
        };
        assert_eq!(told(&named, &world).as_deref(), Some("front.test"));
        for none in ["", "::1", "[::1]"] {
            let server_name = Some(none);
            assert_eq!(
                told(
                    &Profile {
                        server_name,
                        ..profile
                    },
                    &world
                ),
                None
            );
        }
        // It is the address that is verified.
        let (client, _) = open(&named, &world.context(None));
        assert!(client.agreed().is_some());
    });
}

#[test]
fn application_protocols_are_agreed() {
    let world = World::new();
    let mut builder = peer::context(&world.server, &[], None);
    builder.set_alpn_select_callback(|_, offered| {
        openssl::ssl::select_next_proto(b"\x04mqtt", offered).ok_or(openssl::ssl::AlpnError::NOACK)
    });
    let context = builder.build();
    world.profile(|profile| {
        let alpn: &[&str] = &["x-amzn-mqtt-ca", "mqtt"];
        let (client, server) = open(&Profile { alpn, ..profile }, &context);
        assert!(client.agreed().unwrap().alpn);
        assert_eq!(
            server.stream.ssl().selected_alpn_protocol(),
            Some(&b"mqtt"[..])
        );
        let alpn: &[&str] = &["other"];
        let (client, _) = open(&Profile { alpn, ..profile }, &context);
        assert!(!client.agreed().unwrap().alpn);
        let (client, _) = open(&profile, &context);
        assert!(!client.agreed().unwrap().alpn);
        let long = "x".repeat(255);
        let many = vec![&*long; 300];
        let fault = refusal(&Profile {
            alpn: &many,
            ..profile
        });
        assert_eq!(fault.code, Code::TlsMaterial);
    });
}

/// The longest record in this stream, bytes of ciphertext.
fn longest(mut records: &[u8]) -> usize {
    let mut longest = 0;
    while let [_, _, _, high, low, rest @ ..] = records {
        let len = usize::from(*high) << 8 | usize::from(*low);
        longest = longest.max(len);
        records = &rest[len..];
    }
    longest
}

#[test]
fn a_maximum_fragment_length_holds_both_ways() {
    let world = World::new();
    for (versions, version) in [(TLS12, SslVersion::TLS1_2), (TLS13, SslVersion::TLS1_3)] {
        for len in [512_u16, 1024, 2048, 4096] {
            world.profile(|profile| {
                let profile = Profile {
                    versions: Some(versions),
                    max_fragment: Some(len),
                    ..profile
                };
                let (mut client, mut server) = open(&profile, &world.context(Some(version)));
                let len = usize::from(len);
                server.send(&[1; 10_000]);
                let came = longest(&server.stream.get_ref().outgoing);
                assert!((len..len + 40).contains(&came), "{len} {came}");
                assert_eq!(peer::meet(&mut client, &mut server).unwrap().len(), 10_000);
                assert_eq!(client.write(&[1; 10_000]), Ok(10_000));
                let left = longest(client.sendable());
                assert!((len..len + 40).contains(&left), "{len} {left}");
            });
        }
    }
}

#[test]
fn the_whole_default_offer_is_safe() {
    let world = World::new();
    let mut client = world.profile(|profile| connect(&profile).unwrap());
    assert_eq!(client.handshake(), Ok(false));
    let hello = client.sendable();
    // Head of the record and of the message, version, random, session id.
    let suites_at = 5 + 4 + 2 + 32;
    let id = usize::from(hello[suites_at]);
    let (len, rest) = hello[suites_at + 1 + id..].split_at(2);
    let len = usize::from(len[0]) << 8 | usize::from(len[1]);
    let offered: Vec<u16> = rest[..len]
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    assert!(offered.contains(&0x1301) && offered.contains(&0xc02f));
    // NULL, anonymous, RC4, 3DES, export.
    for bad in [
        0x0001, 0x0002, 0x0034, 0x0005, 0x000a, 0xc018, 0xc012, 0x0003,
    ] {
        assert!(!offered.contains(&bad), "{bad:04x}");
    }
}
