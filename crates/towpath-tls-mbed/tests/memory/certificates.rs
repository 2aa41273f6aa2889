//! Wrong certificates, each with its own fault, and those of the client.

use openssl::{hash::MessageDigest, nid::Nid, ssl::SslVerifyMode, symm::Cipher};
use towpath_proto::{
    Code, Fault,
    tls::{Alert, Clock, Identity, Profile, Roots, Side, Tls as _},
};
use towpath_tls_mbed::Context;

use crate::{
    certs::{NOW, Signed, Template, ec, rsa},
    world::{Pki, TLS12, TLS13, World, builder, profile},
};

const DAY: i64 = 86_400;

/// The same in both versions, with and without the library's own account: the first fault, and that the alert left.
fn refused(profile: &Profile<'_>, server: &Signed, chain: &[&Signed], alert: u8) -> Fault {
    let mut faults = vec![];
    for (versions, trace) in [(TLS12, false), (TLS12, true), (TLS13, false), (TLS13, true)] {
        let profile = Profile {
            versions: Some(versions),
            trace,
            ..*profile
        };
        let mut world = World::new(&profile, &builder(server, chain).build());
        let fault = world.settle().unwrap_err();
        assert!(!world.accepted);
        assert!(world.server_error.is_some(), "the server was told");
        assert_eq!(
            fault.alert,
            Some(Alert::fatal(Side::Client, alert)),
            "{versions:?} {trace}"
        );
        faults.push(fault);
    }
    assert!(
        faults.windows(2).all(|pair| pair[0] == pair[1]),
        "{faults:?}"
    );
    faults[0]
}

#[test]
fn an_unknown_root() {
    let (pki, other) = (Pki::new(), Pki::new());
    let roots = [&*other.root_pem];
    let fault = refused(&profile(&roots), &pki.server, &[&pki.root], 48);
    assert_eq!(
        (fault.code, fault.number),
        (Code::ServerCertificateUntrusted, 0x2700)
    );
    assert_eq!(fault.detail.as_str(), "verification flags 0x8");
}

#[test]
fn a_leaf_that_signed_itself() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let alone = Template::server().sign(None);
    let fault = refused(&profile(&roots), &alone, &[], 48);
    assert_eq!(fault.code, Code::ServerCertificateUntrusted);
}

#[test]
fn a_chain_without_its_middle() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let middle = Template::ca("Middle").sign(Some(&pki.root));
    let leaf = Template::server().sign(Some(&middle));
    let fault = refused(&profile(&roots), &leaf, &[], 48);
    assert_eq!(fault.code, Code::ServerChainIncomplete);
    World::new(&profile(&roots), &builder(&leaf, &[&middle]).build())
        .settle()
        .unwrap();
    // The middle one given as a root is as good.
    let middle = middle.pem();
    World::new(&profile(&[&middle]), &builder(&leaf, &[]).build())
        .settle()
        .unwrap();
}

#[test]
fn dates() {
    let pki = Pki::with(Template {
        from: NOW - 10 * DAY,
        to: NOW - 1,
        ..Template::server()
    });
    let roots = [&*pki.root_pem];
    let good = profile(&roots);
    let fault = refused(&good, &pki.server, &[], 45);
    assert_eq!(
        (fault.code, fault.number),
        (Code::ServerCertificateExpired, 0x2700)
    );
    // The clock decides, whichever it is.
    let earlier = Profile {
        clock: Clock::Given(|| Some(NOW as u64 - 2)),
        ..good
    };
    World::new(&earlier, &builder(&pki.server, &[]).build())
        .settle()
        .unwrap();
    let unchecked = Profile {
        clock: Clock::Unchecked,
        ..good
    };
    World::new(&unchecked, &builder(&pki.server, &[]).build())
        .settle()
        .unwrap();
    let unset = Profile {
        clock: Clock::Given(|| None),
        ..good
    };
    let context = Context::new(&unset).unwrap();
    let fault = context.connect([0; 512], [0; 512], None).unwrap_err();
    assert_eq!(fault.code, Code::ClockUnset);

    let later = Template {
        from: NOW + 1,
        to: NOW + DAY,
        ..Template::server()
    };
    let fault = refused(&good, &later.sign(Some(&pki.root)), &[], 46);
    assert_eq!(fault.code, Code::ServerCertificateFuture);
}

#[test]
fn dates_by_the_clock_of_the_system() {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let root = Template {
        from: now - 100 * DAY,
        to: now + 100 * DAY,
        ..Template::ca("Root")
    };
    let root = root.sign(None);
    let leaf = |from, to| {
        let template = Template {
            from,
            to,
            ..Template::server()
        };
        template.sign(Some(&root))
    };
    let pem = root.pem();
    let roots = [&*pem];
    let profile = Profile {
        clock: Clock::System,
        ..profile(&roots)
    };
    let good = leaf(now - DAY, now + DAY);
    World::new(&profile, &builder(&good, &[]).build())
        .settle()
        .unwrap();
    let fault = refused(&profile, &leaf(now - DAY, now - 60), &[], 45);
    assert_eq!(fault.code, Code::ServerCertificateExpired);
    let fault = refused(&profile, &leaf(now + 600, now + DAY), &[], 46);
    assert_eq!(fault.code, Code::ServerCertificateFuture);
}

#[test]
fn an_expired_certificate_in_the_middle_or_at_the_root() {
    let old = |template: Template| Template {
        to: NOW - 1,
        ..template
    };
    let root = Template::ca("Root").sign(None);
    let middle = old(Template::ca("Middle")).sign(Some(&root));
    let leaf = Template::server().sign(Some(&middle));
    let pem = root.pem();
    let fault = refused(&profile(&[&pem]), &leaf, &[&middle], 45);
    assert_eq!(fault.code, Code::ServerCertificateExpired);

    let root = old(Template::ca("Old root")).sign(None);
    let leaf = Template::server().sign(Some(&root));
    let pem = root.pem();
    let fault = refused(&profile(&[&pem]), &leaf, &[], 45);
    assert_eq!(fault.code, Code::ServerCertificateExpired);
}

#[test]
fn another_name() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let profile = Profile {
        server: "other.test",
        ..profile(&roots)
    };
    let fault = refused(&profile, &pki.server, &[], 42);
    assert_eq!(
        (fault.code, fault.number),
        (Code::ServerCertificateName, 0x2700)
    );
    assert_eq!(fault.detail.as_str(), "verification flags 0x4");
}

#[test]
fn names_with_wildcards_dots_and_no_alternative() {
    let root = Template::ca("Root").sign(None);
    let pem = root.pem();
    let roots = [&*pem];
    let with = |name, dns: &[&'static str]| {
        let template = Template {
            name,
            dns: dns.to_vec(),
            ..Template::server()
        };
        template.sign(Some(&root))
    };
    let connects = |server: &str, signed: &Signed| {
        let profile = Profile {
            server,
            ..profile(&roots)
        };
        World::new(&profile, &builder(signed, &[]).build())
            .settle()
            .is_ok()
    };
    let wild = with("x", &["*.hub.test"]);
    assert!(connects("a.hub.test", &wild));
    assert!(connects("A.HUB.test.", &wild));
    assert!(!connects("hub.test", &wild));
    assert!(!connects("a.b.hub.test", &wild));
    let common = with("broker.test", &[]);
    assert!(connects("broker.test", &common));
    let both = with("broker.test", &["other.test"]);
    assert!(!connects("broker.test", &both));
}

#[test]
fn addresses() {
    let pki = Pki::with(Template {
        ip: vec!["192.0.2.1", "2001:db8::1"],
        ..Template::server()
    });
    let roots = [&*pki.root_pem];
    for versions in [TLS12, TLS13] {
        for server in ["192.0.2.1", "2001:db8::1", "[2001:db8::1]", "2001:DB8:0::1"] {
            let profile = Profile {
                versions: Some(versions),
                server,
                ..profile(&roots)
            };
            let mut world = World::new(&profile, &builder(&pki.server, &[]).build());
            world.settle().unwrap();
            // RFC 6066 section 3: an address is never told.
            let told = world
                .server
                .ssl()
                .servername_raw(openssl::ssl::NameType::HOST_NAME);
            assert_eq!(told, None);
        }
    }
    for server in ["192.0.2.2", "2001:db8::2"] {
        let profile = Profile {
            server,
            ..profile(&roots)
        };
        let fault = refused(&profile, &pki.server, &[], 42);
        assert_eq!(fault.code, Code::ServerCertificateName);
    }
    // An address in the common name is none.
    let common = Template {
        name: "192.0.2.1",
        ..Template::server()
    };
    let profile = Profile {
        server: "192.0.2.1",
        ..profile(&roots)
    };
    let fault = refused(&profile, &common.sign(Some(&pki.root)), &[], 42);
    assert_eq!(fault.code, Code::ServerCertificateName);
}

#[test]
fn what_is_too_weak() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let short = Template {
        key: rsa(1024),
        ..Template::server()
    };
    let fault = refused(&profile(&roots), &short.sign(Some(&pki.root)), &[], 43);
    assert_eq!(
        (fault.code, fault.number),
        (Code::ServerCertificateWeak, 0x2700)
    );
    let hash = Template {
        digest: MessageDigest::sha1(),
        ..Template::server()
    };
    let fault = refused(&profile(&roots), &hash.sign(Some(&pki.root)), &[], 46);
    assert_eq!(fault.code, Code::ServerCertificateWeak);
}

#[test]
fn several_wrongs_at_once() {
    let (pki, other) = (Pki::new(), Pki::new());
    let roots = [&*other.root_pem];
    let old = Template {
        to: NOW - 1,
        ..Template::server()
    };
    let old = old.sign(Some(&pki.root));
    let fault = refused(&profile(&roots), &old, &[&pki.root], 45);
    assert_eq!(fault.code, Code::ServerCertificateUntrusted);
    let roots = [&*pki.root_pem];
    let profile = Profile {
        server: "other.test",
        ..profile(&roots)
    };
    let fault = refused(&profile, &old, &[], 42);
    assert_eq!(fault.code, Code::ServerCertificateExpired);
}

#[test]
fn keys_of_all_kinds() {
    for key in [rsa(2048), rsa(4096), ec(Nid::SECP384R1), ec(Nid::SECP521R1)] {
        let pki = Pki::with(Template {
            key,
            ..Template::server()
        });
        let roots = [&*pki.root_pem];
        for versions in [TLS12, TLS13] {
            let profile = Profile {
                versions: Some(versions),
                ..profile(&roots)
            };
            World::new(&profile, &builder(&pki.server, &[]).build())
                .settle()
                .unwrap();
        }
    }
}

#[test]
fn an_ed25519_server_has_no_common_algorithm() {
    let pki = Pki::with(Template {
        key: openssl::pkey::PKey::generate_ed25519().unwrap(),
        ..Template::server()
    });
    let roots = [&*pki.root_pem];
    let fault = World::new(&profile(&roots), &pki.builder().build())
        .settle()
        .unwrap_err();
    assert_eq!(fault.code, Code::NoCommonSuite);
}

/// Client certificates in the first handshake. In TLS 1.3 the server speaks after it is over.
fn client_refused(profile: &Profile<'_>, pki: &Pki) -> Fault {
    let required = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    World::new(profile, &pki.asking(required).build())
        .settle()
        .unwrap_err()
}

#[test]
fn client_certificates_that_are_refused() {
    let (pki, rogue) = (Pki::new(), Pki::new());
    let old = Template {
        to: NOW - 1,
        dns: vec![],
        ..Template::server()
    };
    let old = old.sign(Some(&pki.root));
    let (old_pem, old_key) = (old.pem(), old.key_pem());
    let old = Identity {
        chain: &old_pem,
        key: &old_key,
        password: None,
    };
    let roots = [&*pki.root_pem];
    for (versions, missing) in [(TLS12, 40), (TLS13, 116)] {
        for (identity, alert, code) in [
            (None, missing, Code::ClientCertificateMissing),
            (Some(rogue.identity()), 48, Code::ClientCertificateUntrusted),
            (Some(old), 45, Code::ClientCertificateExpired),
        ] {
            let profile = Profile {
                versions: Some(versions),
                identity,
                ..profile(&roots)
            };
            let fault = client_refused(&profile, &pki);
            assert_eq!(fault.code, code, "{versions:?}");
            assert_eq!(fault.alert, Some(Alert::fatal(Side::Server, alert)));
        }
    }
}

#[test]
fn forms_of_keys() {
    let pki = Pki::new();
    let roots = [&*pki.root_pem];
    let ec = pki.device.key.ec_key().unwrap();
    let required = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    let server = pki.asking(required).build();
    let der = pki.device.cert.to_der().unwrap();
    let cipher = Cipher::aes_256_cbc();
    let secret = pki
        .device
        .key
        .private_key_to_pem_pkcs8_passphrase(cipher, b"secret")
        .unwrap();
    for (key, password) in [
        (pki.device.key_pem(), None),
        (ec.private_key_to_pem().unwrap(), None),
        (ec.private_key_to_der().unwrap(), None),
        (pki.device.key.private_key_to_pkcs8().unwrap(), None),
        (secret.clone(), Some(&b"secret"[..])),
    ] {
        let identity = Identity {
            chain: &der,
            key: &key,
            password,
        };
        let profile = Profile {
            identity: Some(identity),
            ..profile(&roots)
        };
        World::new(&profile, &server).settle().unwrap();
    }
    let refused = |key: &[u8], password| {
        let identity = Identity {
            chain: &der,
            key,
            password,
        };
        let profile = Profile {
            identity: Some(identity),
            ..profile(&roots)
        };
        let fault = Context::new(&profile).unwrap_err();
        assert_eq!(fault.code, Code::TlsMaterial);
        fault.detail.to_string()
    };
    assert_eq!(refused(&secret, None), "the key needs a password");
    assert_eq!(
        refused(&secret, Some(b"wrong")),
        "the key's password is wrong"
    );
    assert_eq!(refused(b"-----BEGIN nonsense", None), "client key");
    let other = Pki::new().device_key;
    assert_eq!(
        refused(&other, None),
        "the key does not fit the client certificate"
    );
}

#[test]
fn roots_of_all_forms() {
    let (pki, other) = (Pki::new(), Pki::new());
    let server = pki.builder().build();
    let der = pki.root.cert.to_der().unwrap();
    let mut two = other.root_pem.clone();
    two.extend(&pki.root_pem);
    for roots in [&[&*der][..], &[&*two], &[&*other.root_pem, &*der]] {
        let profile = Profile {
            roots: Roots::Given(roots),
            ..profile(&[])
        };
        let mut world = World::new(&profile, &server);
        world.settle().unwrap();
        assert!(world.client.agreed().is_some());
    }
    let profile = Profile {
        roots: Roots::Given(&[b"nonsense"]),
        ..profile(&[])
    };
    let fault = Context::new(&profile).unwrap_err();
    assert_eq!(
        (fault.code, fault.detail.as_str()),
        (Code::TlsMaterial, "CA certificate")
    );
}
