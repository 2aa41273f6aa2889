//! The server's certificate: what is taken, and what each refusal is called.

use openssl::{hash::MessageDigest, ssl::SslVersion};
use towpath_proto::{
    Code, Fault,
    tls::{Alert, Clock, Profile, Roots, Side, Tls as _},
};

use crate::{
    World,
    authority::{Issued, Wish, now},
    connect, fault, peer,
    peer::Server,
};

/// What the world's profile says of a server with this chain, in both versions.
fn verdict(world: &World, shown: &Issued, above: &[&Issued]) -> Result<(), Fault> {
    world.profile(|profile| verdict_of(&profile, shown, above))
}

fn verdict_of(profile: &Profile<'_>, shown: &Issued, above: &[&Issued]) -> Result<(), Fault> {
    let mut faults = Vec::new();
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let context = peer::only(peer::context(shown, above, None), version).build();
        let mut client = connect(profile).unwrap();
        let mut server = Server::new(&context);
        match peer::meet(&mut client, &mut server) {
            Ok(_) => {
                assert!(client.agreed().is_some());
                faults.push(Ok(()));
            }
            Err(_) => {
                assert!(!server.open, "the alert was carried");
                faults.push(Err(fault(profile, &context)));
            }
        }
    }
    assert_eq!(faults[0], faults[1]);
    faults[0]
}

fn check(verdict: Result<(), Fault>, code: Code, number: u32, alert: u8, detail: &str) {
    let fault = verdict.unwrap_err();
    assert_eq!(fault.code, code, "{fault}");
    assert_eq!(fault.number, number, "{fault}");
    assert_eq!(fault.alert, Some(Alert::fatal(Side::Client, alert)));
    let said = fault.detail.as_str();
    assert!(said.starts_with(detail), "{said}");
}

#[test]
fn a_chain_to_the_root_is_taken() {
    let world = World::new();
    assert_eq!(verdict(&world, &world.server, &[]), Ok(()));
    let middle = world.root.sign(Wish {
        name: "Middle",
        authority: true,
        ..Wish::default()
    });
    let leaf = middle.sign(Wish::default());
    assert_eq!(verdict(&world, &leaf, &[&middle]), Ok(()));
    assert_eq!(verdict(&world, &leaf, &[&middle, &world.root]), Ok(()));
}

#[test]
fn a_leaf_alone_is_not_a_chain() {
    let world = World::new();
    let middle = world.root.sign(Wish {
        name: "Middle",
        authority: true,
        ..Wish::default()
    });
    let leaf = middle.sign(Wish::default());
    let found = verdict(&world, &leaf, &[]);
    check(
        found,
        Code::ServerChainIncomplete,
        20,
        48,
        "issuer CN=Middle",
    );
    // With the missing one as a further root it is complete.
    let (root, middle) = (world.root.pem(), middle.pem());
    let both = [root, middle].concat();
    for roots in [
        Roots::Given(&[&both]),
        Roots::Given(&[&world.root.pem(), &both]),
    ] {
        let profile = Profile {
            roots,
            server: "localhost",
            ..Profile::default()
        };
        assert_eq!(verdict_of(&profile, &leaf, &[]), Ok(()));
    }
}

#[test]
fn an_unknown_root_is_not_trusted() {
    let world = World::new();
    let rogue = Issued::root("Rogue Root");
    let leaf = rogue.sign(Wish::default());
    let found = verdict(&world, &leaf, &[&rogue]);
    check(
        found,
        Code::ServerCertificateUntrusted,
        19,
        48,
        "self-signed CN=Rogue Root",
    );
    let middle = rogue.sign(Wish {
        name: "Middle",
        authority: true,
        ..Wish::default()
    });
    let leaf = middle.sign(Wish::default());
    let found = verdict(&world, &leaf, &[&middle]);
    check(
        found,
        Code::ServerCertificateUntrusted,
        20,
        48,
        "issuer CN=Rogue Root",
    );
    let alone = Issued::alone();
    let found = verdict(&world, &alone, &[]);
    check(
        found,
        Code::ServerCertificateUntrusted,
        18,
        48,
        "self-signed CN=server",
    );
    // An intermediate alone is no root.
    let profile = Profile {
        roots: Roots::Given(&[&middle.pem()]),
        server: "localhost",
        ..Profile::default()
    };
    let found = verdict_of(&profile, &leaf, &[&middle]);
    assert_eq!(found.unwrap_err().code, Code::ServerCertificateUntrusted);
    // Nor does the system know the test's root.
    let profile = Profile {
        server: "localhost",
        ..Profile::default()
    };
    let found = verdict_of(&profile, &world.server, &[&world.root]);
    assert_eq!(found.unwrap_err().code, Code::ServerCertificateUntrusted);
}

#[test]
fn dates_are_checked() {
    let world = World::new();
    let old = world.root.sign(Wish {
        from: -10,
        until: -1,
        ..Wish::default()
    });
    let found = verdict(&world, &old, &[]);
    check(found, Code::ServerCertificateExpired, 10, 45, "until ");
    assert!(
        found
            .unwrap_err()
            .detail
            .as_str()
            .ends_with("GMT, CN=server")
    );
    let early = world.root.sign(Wish {
        from: 1,
        until: 10,
        ..Wish::default()
    });
    let found = verdict(&world, &early, &[]);
    check(found, Code::ServerCertificateFuture, 9, 42, "from ");
}

#[test]
fn the_clock_that_is_given_counts() {
    fn tomorrow() -> Option<u64> {
        u64::try_from(now() + 86_400 * 2).ok()
    }
    fn long_after() -> Option<u64> {
        Some(u64::MAX)
    }
    let world = World::new();
    let early = world.root.sign(Wish {
        from: 1,
        until: 10,
        ..Wish::default()
    });
    let old = world.root.sign(Wish {
        from: -10,
        until: -1,
        ..Wish::default()
    });
    world.profile(|profile| {
        let with = |clock| Profile { clock, ..profile };
        let ahead = with(Clock::Given(tomorrow));
        assert_eq!(verdict_of(&ahead, &early, &[]), Ok(()));
        assert_eq!(
            verdict_of(&ahead, &old, &[]).unwrap_err().code,
            Code::ServerCertificateExpired
        );
        assert_eq!(
            verdict_of(&with(Clock::Given(long_after)), &early, &[])
                .unwrap_err()
                .code,
            Code::ServerCertificateExpired
        );
        let unchecked = with(Clock::Unchecked);
        assert_eq!(verdict_of(&unchecked, &early, &[]), Ok(()));
        assert_eq!(verdict_of(&unchecked, &old, &[]), Ok(()));
        // Only the dates are left out.
        let rogue = Issued::root("Rogue").sign(Wish::default());
        assert!(verdict_of(&unchecked, &rogue, &[]).is_err());
        let unset = connect(&with(Clock::Given(|| None))).unwrap_err();
        assert_eq!(unset.code, Code::ClockUnset);
    });
}

#[test]
fn the_name_has_to_fit() {
    let world = World::new();
    let wide = world.root.sign(Wish {
        dns: &["*.example.test", "hub.test"],
        address: Some("192.0.2.7"),
        ..Wish::default()
    });
    let root = world.root.pem();
    let of = |server: &str| {
        let profile = Profile {
            roots: Roots::Given(&[&root]),
            server,
            ..Profile::default()
        };
        verdict_of(&profile, &wide, &[])
    };
    for good in [
        "hub.test",
        "HUB.test",
        "hub.test.",
        "a.example.test",
        "192.0.2.7",
    ] {
        assert_eq!(of(good), Ok(()), "{good}");
    }
    for bad in [
        "localhost",
        "example.test",
        "a.b.example.test",
        "hub.test.evil",
    ] {
        check(
            of(bad),
            Code::ServerCertificateName,
            62,
            42,
            "it bears *.example.test, hub.test, 192.0.2.7",
        );
    }
    for bad in ["192.0.2.8", "::1", "[::1]"] {
        check(of(bad), Code::ServerCertificateName, 64, 42, "it bears ");
    }
}

#[test]
fn weak_keys_and_hashes_are_refused() {
    let world = World::new();
    let short = world.root.sign(Wish {
        rsa: Some(1024),
        ..Wish::default()
    });
    let found = verdict(&world, &short, &[]);
    let detail = "RSA of 1024 bits, CN=server";
    check(found, Code::ServerCertificateWeak, 66, 42, detail);
    let middle = world.root.sign(Wish {
        name: "Middle",
        authority: true,
        hash: MessageDigest::sha1(),
        ..Wish::default()
    });
    let leaf = middle.sign(Wish::default());
    let found = verdict(&world, &leaf, &[&middle]);
    assert_eq!(found.unwrap_err().code, Code::ServerCertificateWeak);
}

#[test]
fn a_certificate_for_another_purpose_is_bad() {
    let world = World::new();
    let client = world.root.sign(Wish {
        client: true,
        ..Wish::default()
    });
    let fault = verdict(&world, &client, &[]).unwrap_err();
    assert_eq!(fault.code, Code::ServerCertificateBad, "{fault}");
    assert!(!fault.detail.is_empty());
}

#[test]
fn no_detail_is_longer_than_its_place_and_none_can_write_to_a_terminal() {
    let world = World::new();
    let rogue = Issued::root("R\u{1b}[31m\u{e9} with a name of more than fifty-six bytes, really");
    let leaf = rogue.sign(Wish::default());
    let fault = verdict(&world, &leaf, &[&rogue]).unwrap_err();
    let said = fault.detail.as_str();
    assert!(said.len() <= 56 && said.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
}
