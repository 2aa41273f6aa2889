//! Fields of real hellos and chains.

use openssl::{nid::Nid, ssl::SslVersion};
use towpath_proto::tls::{Fact, Hello, PublicKey, Seen, Side};

use crate::{
    streams::{Identity, Setup, ec, ed25519, openssl, rsa},
    tap::watch,
};

fn hellos(setup: &Setup) -> [Hello; 2] {
    let seen = watch(&openssl(setup));
    let hello = |side| {
        let of = |seen: &Seen| match seen {
            Seen::Fact(Fact::Hello { from, hello }) if *from == side => Some(*hello),
            _ => None,
        };
        seen.iter().find_map(of).expect("a hello")
    };
    [hello(Side::Client), hello(Side::Server)]
}

fn p256() -> Identity {
    ec(Nid::X9_62_PRIME256V1)
}

#[test]
fn hellos_of_tls_1_2() {
    let setup = Setup {
        alpn: true,
        ..Setup::new(SslVersion::TLS1_2, p256())
    };
    let [client, server] = hellos(&setup);
    assert_eq!((client.version, client.suite), (0x0303, 0));
    assert!(client.suites > 5);
    assert!(client.server_name && client.alpn && client.secure_renegotiation);
    assert!(!client.post_handshake_auth);
    assert_eq!((server.version, server.suites), (0x0303, 0));
    // ECDHE-ECDSA with one of the AEADs.
    assert!([0xc02b, 0xc02c, 0xcca9].contains(&server.suite));
    assert!(server.secure_renegotiation);
}

#[test]
fn hellos_of_tls_1_3() {
    let setup = Setup {
        server_name: None,
        ..Setup::new(SslVersion::TLS1_3, p256())
    };
    let [client, server] = hellos(&setup);
    assert_eq!((client.version, server.version), (0x0304, 0x0304));
    assert!(!client.server_name && !client.alpn);
    assert!((0x1301..=0x1303).contains(&server.suite));
}

#[test]
fn chains_tell_their_size_and_key() {
    for (identity, key) in [
        (rsa(2048), PublicKey::Rsa(2048)),
        (rsa(3072), PublicKey::Rsa(3072)),
        (p256(), PublicKey::Ec(256)),
        (ec(Nid::SECP384R1), PublicKey::Ec(384)),
        (ed25519(), PublicKey::Ed25519),
    ] {
        let setup = Setup {
            mutual: true,
            ..Setup::new(SslVersion::TLS1_2, identity)
        };
        let seen = watch(&openssl(&setup));
        let chains: Vec<_> = seen
            .iter()
            .filter_map(|seen| match seen {
                Seen::Fact(Fact::Chain {
                    from,
                    certificates,
                    len,
                    key,
                }) => Some((*from, *certificates, *len > 200, *key)),
                _ => None,
            })
            .collect();
        let expected = [Side::Server, Side::Client].map(|side| (side, 1, true, Some(key)));
        assert_eq!(chains, expected);
    }
}
