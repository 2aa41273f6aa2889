//! Handshakes, plaintext both ways, what is offered, and resumption.

use std::io::Write as _;

use openssl::ssl::{AlpnError, SslContextBuilder, SslVerifyMode, SslVersion};
use towpath_proto::{
    Blame, Code,
    tls::{Alert, Clock, Fact, Message, Profile, Roots, Side, Tls as _, Version, Versions},
};
use towpath_tls_mbed::{Connection, Context, capabilities};

use crate::{
    certs::{Template, ec, rsa},
    world::{Pki, TLS12, TLS13, World, only12, profile},
};

/// Both ways, and back again.
fn talk(world: &mut World) {
    world.settle().unwrap();
    let long = (0..100_000_u32).map(|i| i as u8).collect::<Vec<_>>();
    world.write(&long);
    world.settle().unwrap();
    assert_eq!(world.at_server, long);
    world.server.write_all(&long).unwrap();
    world.settle().unwrap();
    assert_eq!(world.at_client, long);
}

#[test]
fn tls_1_2() {
    let pki = Pki::new();
    let mut world = World::new(&profile(&[&pki.root_pem]), &only12(pki.builder()).build());
    talk(&mut world);
    let agreed = world.client.agreed().unwrap();
    assert_eq!(agreed.version, Version::Tls12);
    assert!(agreed.secure_renegotiation && !agreed.resumed && !agreed.alpn);
    assert_eq!(
        world
            .server
            .ssl()
            .servername(openssl::ssl::NameType::HOST_NAME),
        Some("broker.test")
    );
}

#[test]
fn tls_1_3() {
    let pki = Pki::new();
    let mut world = World::new(&profile(&[&pki.root_pem]), &pki.builder().build());
    talk(&mut world);
    let agreed = world.client.agreed().unwrap();
    assert_eq!(agreed.version, Version::Tls13);
    assert_eq!(agreed.suite >> 8, 0x13);
    assert!(world.facts.contains(&Fact::Ticket));
}

#[test]
fn byte_by_byte() {
    for versions in [TLS12, TLS13] {
        let pki = Pki::new();
        let roots = [&*pki.root_pem];
        let profile = Profile {
            versions: Some(versions),
            identity: Some(pki.identity()),
            trace: true,
            ..profile(&roots)
        };
        let server = pki.asking(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        let mut world = World::new(&profile, &server.build());
        world.chunk = 1;
        world.settle().unwrap();
        world.write(b"there");
        world.settle().unwrap();
        world.server.write_all(b"back").unwrap();
        world.settle().unwrap();
        assert_eq!(world.at_server, b"there");
        assert_eq!(world.at_client, b"back");
        assert!(world.server.ssl().peer_certificate().is_some());
    }
}

#[test]
fn small_buffers_of_fixed_size() {
    for versions in [TLS12, TLS13] {
        let pki = Pki::new();
        let roots = [&*pki.root_pem];
        let profile = Profile {
            versions: Some(versions),
            identity: Some(pki.identity()),
            ..profile(&roots)
        };
        let context = Context::new(&profile).unwrap();
        const SIZE: usize = Connection::<[u8; 256]>::MIN_BUFFER;
        let server = pki.asking(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        let client = context.connect([0; SIZE], [0; SIZE], None).unwrap();
        let mut world = World::over(client, &server.build());
        world.settle().unwrap();
        let long = vec![b'x'; 20_000];
        world.write(&long);
        world.settle().unwrap();
        assert_eq!(world.at_server, long);
        world.server.write_all(&long).unwrap();
        world.settle().unwrap();
        assert_eq!(world.at_client, long);
        assert!(context.connect([0; SIZE - 1], [0; SIZE - 1], None).is_err());
    }
}

#[test]
fn one_suite_by_its_iana_name() {
    let pki = Pki::with(Template {
        key: rsa(2048),
        ..Template::server()
    });
    let roots = [&*pki.root_pem];
    let profile = Profile {
        suites: &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
        ..profile(&roots)
    };
    let mut world = World::new(&profile, &pki.builder().build());
    world.settle().unwrap();
    let agreed = world.client.agreed().unwrap();
    assert_eq!((agreed.version, agreed.suite), (Version::Tls12, 0xc02f));
}

#[test]
fn one_suite_of_tls_1_3() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let profile = Profile {
        suites: &["TLS_CHACHA20_POLY1305_SHA256"],
        ..profile(&roots)
    };
    let mut world = World::new(&profile, &pki.builder().build());
    world.settle().unwrap();
    assert_eq!(world.client.agreed().unwrap().suite, 0x1303);
}

#[test]
fn no_common_suite() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let profile = Profile {
        suites: &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
        ..profile(&roots)
    };
    let fault = World::new(&profile, &pki.builder().build())
        .settle()
        .unwrap_err();
    assert_eq!(fault.code, Code::NoCommonSuite);
    assert_eq!(fault.number, 0x7780);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 40)));
}

#[test]
fn no_common_version() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let mut server = pki.builder();
    server
        .set_min_proto_version(Some(SslVersion::TLS1_3))
        .unwrap();
    let profile = Profile {
        versions: Some(TLS12),
        ..profile(&roots)
    };
    let fault = World::new(&profile, &server.build()).settle().unwrap_err();
    assert_eq!(fault.code, Code::NoCommonVersion);
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 70)));
}

#[test]
fn groups_and_signature_algorithms() {
    for (group, versions) in [
        ("x25519", TLS13),
        ("secp384r1", TLS13),
        ("secp384r1", TLS12),
    ] {
        let pki = Pki::new();
        let roots = [&*pki.root_pem];
        let groups = [group, "secp256r1"];
        let profile = Profile {
            versions: Some(versions),
            groups: &groups,
            signature_algorithms: &["ecdsa_secp256r1_sha256"],
            ..profile(&roots)
        };
        let mut server = pki.builder();
        server
            .set_groups_list(if group == "x25519" { "X25519" } else { "P-384" })
            .unwrap();
        World::new(&profile, &server.build()).settle().unwrap();
    }
    // A key that no algorithm fits.
    let pki = Pki::with(Template {
        key: ec(openssl::nid::Nid::SECP384R1),
        ..Template::server()
    });
    let roots = [&*pki.root_pem];
    let profile = Profile {
        versions: Some(TLS13),
        signature_algorithms: &["ecdsa_secp256r1_sha256"],
        ..profile(&roots)
    };
    let fault = World::new(&profile, &pki.builder().build())
        .settle()
        .unwrap_err();
    assert_eq!(fault.code, Code::NoCommonSuite);
}

fn choose(builder: &mut SslContextBuilder, known: &'static [u8]) {
    builder.set_alpn_select_callback(move |_, offered| {
        openssl::ssl::select_next_proto(known, offered).ok_or(AlpnError::ALERT_FATAL)
    });
}

#[test]
fn alpn() {
    for versions in [TLS12, TLS13] {
        let pki = Pki::new();
        let roots = [&*pki.root_pem];
        let profile = Profile {
            versions: Some(versions),
            alpn: &["x-unknown", "mqtt"],
            ..profile(&roots)
        };
        let mut server = pki.builder();
        choose(&mut server, b"\x04mqtt");
        let mut world = World::new(&profile, &server.build());
        world.settle().unwrap();
        assert!(world.client.agreed().unwrap().alpn);
        assert_eq!(
            world.server.ssl().selected_alpn_protocol(),
            Some(&b"mqtt"[..])
        );

        let mut server = pki.builder();
        choose(&mut server, b"\x02h2");
        let fault = World::new(&profile, &server.build()).settle().unwrap_err();
        assert_eq!(fault.code, Code::NoCommonAlpn);
        assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, 120)));
    }
}

#[test]
fn maximum_fragment_length() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    for (bytes, code) in [(512, 1), (1024, 2), (2048, 3), (4096, 4)] {
        let profile = Profile {
            versions: Some(TLS12),
            suites: &["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
            max_fragment: Some(bytes),
            ..profile(&roots)
        };
        let mut world = World::new(&profile, &pki.builder().build());
        world.settle().unwrap();
        world.server.write_all(&vec![0; 10_000]).unwrap();
        // The head of the first record: type, version, length with 24 bytes of AES-GCM.
        let wire = world
            .server
            .get_ref()
            .to_client
            .iter()
            .copied()
            .take(5)
            .collect::<Vec<_>>();
        let len = usize::from(u16::from_be_bytes([wire[3], wire[4]]));
        assert_eq!(len - 24, usize::from(bytes), "code {code}");
        world.settle().unwrap();
        assert_eq!(world.at_client.len(), 10_000);
        world.write(&[0; 10_000]);
        world.settle().unwrap();
        assert_eq!(world.at_server.len(), 10_000);
    }
}

#[test]
fn another_name_for_the_server() {
    for versions in [TLS12, TLS13] {
        let pki = Pki::new();
        let roots = [&*pki.root_pem];
        let profile = Profile {
            versions: Some(versions),
            server_name: Some("front.test"),
            ..profile(&roots)
        };
        let mut world = World::new(&profile, &pki.builder().build());
        world.settle().unwrap();
        let told = world
            .server
            .ssl()
            .servername(openssl::ssl::NameType::HOST_NAME);
        assert_eq!(told, Some("front.test"));
        // What is told is not what is looked for.
        let profile = Profile {
            server: "front.test",
            server_name: Some("broker.test"),
            ..profile
        };
        let fault = World::new(&profile, &pki.builder().build())
            .settle()
            .unwrap_err();
        assert_eq!(fault.code, Code::ServerCertificateName);
    }
}

#[test]
fn sessions_are_resumed_from_bytes() {
    for versions in [TLS12, TLS13] {
        let pki = Pki::new();
        let server = pki.builder().build();
        let roots = [&*pki.root_pem];
        let profile = Profile {
            versions: Some(versions),
            ..profile(&roots)
        };
        let context = Context::new(&profile).unwrap();
        let mut world = World::resuming(&context, &server, None);
        world.settle().unwrap();
        assert!(!world.client.agreed().unwrap().resumed);
        let mut saved = vec![];
        world
            .client
            .take_session(&mut |bytes| saved = bytes.to_vec());
        assert!(!saved.is_empty());
        world.client.take_session(&mut |_| panic!("it was given"));

        let mut again = World::resuming(&context, &server, Some(&saved));
        again.settle().unwrap();
        assert!(again.client.agreed().unwrap().resumed, "{versions:?}");
        assert!(again.server.ssl().session_reused());
        talk(&mut again);

        // What does not fit is left out.
        let other = Profile {
            server: "other.test",
            ..profile
        };
        let other = Context::new(&other).unwrap();
        // A resumed handshake verifies nothing: other roots would be gone round.
        let stranger = Pki::new();
        let strange = [&*stranger.root_pem];
        let distrusting = Context::new(&Profile {
            roots: Roots::Given(&strange),
            ..profile
        });
        let timeless = Context::new(&Profile {
            clock: Clock::Unchecked,
            ..profile
        });
        for (context, bytes) in [
            (&other, &*saved),
            (&distrusting.unwrap(), &saved),
            (&timeless.unwrap(), &saved),
            (&context, &saved[..saved.len() - 1]),
            (&context, b""),
            (&context, &[0; 400]),
        ] {
            let mut full = World::resuming(context, &server, Some(bytes));
            let _ = full.settle();
            assert!(!full.server.ssl().session_reused());
        }
        let narrow = Profile {
            versions: Some(if versions == TLS12 { TLS13 } else { TLS12 }),
            ..profile
        };
        let narrow = Context::new(&narrow).unwrap();
        let mut full = World::resuming(&narrow, &server, Some(&saved));
        full.settle().unwrap();
        assert!(!full.client.agreed().unwrap().resumed);
    }
}

#[test]
fn closing() {
    for versions in [TLS12, TLS13] {
        let pki = Pki::new();
        let roots = [&*pki.root_pem];
        let profile = Profile {
            versions: Some(versions),
            ..profile(&roots)
        };
        let mut world = World::new(&profile, &pki.builder().build());
        world.settle().unwrap();
        world.client.close();
        assert!(!world.client.sendable().is_empty());
        assert_eq!(world.client.write(b"late").unwrap(), 0);
        world.settle().unwrap();
        assert!(
            world
                .server
                .get_shutdown()
                .contains(openssl::ssl::ShutdownState::RECEIVED)
        );
        let _ = world.server.shutdown();
        let fault = world.settle().unwrap_err();
        assert_eq!((fault.code, fault.number), (Code::Closed, 0));
        assert_eq!(world.client.read(&mut [0; 8]), Err(fault));
    }
}

#[test]
fn a_peer_that_is_no_tls() {
    let pki = Pki::new();
    for said in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\x20\x02\x00\x05\x00",
        b"220 ready\r\n",
    ] {
        let mut client = Context::new(&profile(&[&pki.root_pem]))
            .unwrap()
            .connect([0; 1024], [0; 1024], None)
            .unwrap();
        assert_eq!(client.handshake(), Ok(false));
        client.rx_space()[..said.len()].copy_from_slice(said);
        client.commit(said.len());
        let fault = client.handshake().unwrap_err();
        assert_eq!((fault.code, fault.blame), (Code::PeerNotTls, Blame::Usage));
    }
}

#[test]
fn the_trace_has_every_message() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let server = pki.asking(SslVerifyMode::PEER).build();
    for (versions, theirs, ours) in [
        (
            TLS12,
            &[2, 11, 12, 13, 14, 4, 20][..],
            &[1, 11, 16, 15, 20][..],
        ),
        (TLS13, &[2, 8, 13, 11, 15, 20, 4, 4], &[1, 11, 15, 20]),
    ] {
        let profile = Profile {
            versions: Some(versions),
            identity: Some(pki.identity()),
            trace: true,
            ..profile(&roots)
        };
        let mut world = World::new(&profile, &server);
        world.settle().unwrap();
        let of = |side| {
            let messages = world.facts.iter().filter_map(move |fact| match fact {
                Fact::Handshake {
                    from,
                    message: Message(kind),
                    ..
                } if *from == side => Some(*kind),
                _ => None,
            });
            messages.collect::<Vec<_>>()
        };
        assert_eq!(of(Side::Server), theirs);
        assert_eq!(of(Side::Client), ours);
    }
}

#[test]
fn profiles_that_cannot_be() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let good = profile(&roots);
    let refused = |profile: &Profile<'_>| {
        let fault = Context::new(profile).unwrap_err();
        assert_eq!(fault.code, Code::TlsProfile);
        fault.detail.to_string()
    };
    let suites = ["TLS_RSA_WITH_NOTHING"];
    assert_eq!(
        refused(&Profile {
            suites: &suites,
            ..good
        }),
        "cipher suite unknown here: TLS_RSA_WITH_NOTHING"
    );
    assert_eq!(
        refused(&Profile {
            groups: &["x1"],
            ..good
        }),
        "group unknown here: x1"
    );
    assert_eq!(
        refused(&Profile {
            signature_algorithms: &["ed25519"],
            ..good
        }),
        "signature algorithm unknown here: ed25519"
    );
    assert_eq!(
        refused(&Profile {
            suites: &["TLS_AES_128_GCM_SHA256"],
            versions: Some(TLS12),
            ..good
        }),
        "no cipher suite for these TLS versions"
    );
    assert!(
        refused(&Profile {
            post_handshake_auth: true,
            ..good
        })
        .contains("post-handshake")
    );
    let system = Profile {
        roots: Roots::System,
        ..good
    };
    assert!(refused(&system).contains("no system roots"));
    assert_eq!(capabilities().versions, Versions::BOTH);
    assert!(capabilities().renegotiation);
}

#[test]
fn connections_of_several_threads() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let server = pki
        .asking(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT)
        .build();
    let contexts = [TLS12, TLS13].map(|versions| {
        let profile = Profile {
            versions: Some(versions),
            identity: Some(pki.identity()),
            ..profile(&roots)
        };
        Context::new(&profile).unwrap()
    });
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (context, server) = (contexts[number % 2].clone(), &server);
            scope.spawn(move || {
                for _ in 0..5 {
                    let mut world = World::resuming(&context, server, None);
                    // A connection goes to another thread in the middle of its handshake.
                    let _ = world.step();
                    world.carry();
                    world = std::thread::scope(|scope| scope.spawn(move || world).join().unwrap());
                    talk(&mut world);
                }
            });
        }
    });
    // The contexts outlive no connection that needs them.
    let mut world = World::resuming(&contexts[0], &server, None);
    drop(contexts);
    talk(&mut world);
}

#[test]
fn nothing_secret_is_shown() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let profile = Profile {
        identity: Some(pki.identity()),
        ..profile(&roots)
    };
    let context = Context::new(&profile).unwrap();
    let mut world = World::resuming(&context, &pki.builder().build(), None);
    world.settle().unwrap();
    assert_eq!(
        format!("{context:?}"),
        "Context { server: \"broker.test\", .. }"
    );
    let shown = format!("{:?}", world.client);
    assert!(
        shown.starts_with("Connection { agreed: Some(Agreed {"),
        "{shown}"
    );
    assert!(shown.ends_with("}), .. }"), "{shown}");
}
