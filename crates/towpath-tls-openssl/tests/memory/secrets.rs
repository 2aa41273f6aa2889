//! Keys and certificates of this side, in every form; the key log; and that no secret is shown.

use std::{fmt::Write as _, path::PathBuf};

use openssl::{
    pkey::{PKey, Private},
    rsa::Rsa,
    symm::Cipher,
};
use towpath_proto::{
    Code, Fault,
    tls::{Fact, Identity, Profile, Roots, Side, Tls as _},
};
use towpath_tls_openssl::Context;

use crate::{TLS12, TLS13, World, authority::Wish, peer, peer::Server};

const PASSWORD: &[u8] = b"correct horse battery staple";

fn with_identity(world: &World, identity: Identity<'_>) -> Result<Context, Fault> {
    let context = world.profile(|profile| {
        Context::new(&Profile {
            identity: Some(identity),
            ..profile
        })
    });
    assert!(openssl::error::ErrorStack::get().errors().is_empty());
    context
}

fn pem(tag: &str, der: &[u8]) -> Vec<u8> {
    let body = openssl::base64::encode_block(der);
    format!("-----BEGIN {tag}-----\n{body}\n-----END {tag}-----\n").into_bytes()
}

/// Every form of a key that is read without a password.
fn plain_forms(key: &PKey<Private>) -> Vec<(&'static str, Vec<u8>)> {
    let pkcs8 = key.private_key_to_pkcs8().unwrap();
    let mut forms = vec![
        ("PKCS#8 PEM", key.private_key_to_pem_pkcs8().unwrap()),
        ("PKCS#8 PEM by hand", pem("PRIVATE KEY", &pkcs8)),
        ("PKCS#8 DER", pkcs8),
    ];
    if let Ok(rsa) = key.rsa() {
        forms.push(("PKCS#1 PEM", rsa.private_key_to_pem().unwrap()));
        forms.push(("PKCS#1 DER", rsa.private_key_to_der().unwrap()));
    }
    if let Ok(ec) = key.ec_key() {
        forms.push(("SEC1 PEM", ec.private_key_to_pem().unwrap()));
        forms.push(("SEC1 DER", ec.private_key_to_der().unwrap()));
    }
    forms
}

fn encrypted_forms(key: &PKey<Private>) -> Vec<(&'static str, Vec<u8>)> {
    let cipher = Cipher::aes_256_cbc();
    let pkcs8 = key
        .private_key_to_pkcs8_passphrase(cipher, PASSWORD)
        .unwrap();
    let mut forms = vec![
        (
            "PKCS#8 PEM",
            key.private_key_to_pem_pkcs8_passphrase(cipher, PASSWORD)
                .unwrap(),
        ),
        ("PKCS#8 DER", pkcs8),
    ];
    if let Ok(ec) = key.ec_key() {
        let old = ec.private_key_to_pem_passphrase(cipher, PASSWORD).unwrap();
        assert!(old.windows(9).any(|part| part == b"ENCRYPTED"));
        forms.push(("SEC1 PEM, Proc-Type", old));
    }
    forms
}

#[test]
fn keys_are_read_in_every_form() {
    let world = World::new();
    let rsa = world.devices.sign(Wish {
        name: "rsa",
        client: true,
        rsa: Some(2048),
        ..Wish::default()
    });
    for device in [&world.device, &rsa] {
        for chain in [device.pem(), device.certificate.to_der().unwrap()] {
            for (form, key) in plain_forms(&device.key) {
                for password in [None, Some(PASSWORD)] {
                    let identity = Identity {
                        chain: &chain,
                        key: &key,
                        password,
                    };
                    let context = with_identity(&world, identity);
                    assert!(context.is_ok(), "{form}: {context:?}");
                }
            }
            for (form, key) in encrypted_forms(&device.key) {
                let of = |password| {
                    with_identity(
                        &world,
                        Identity {
                            chain: &chain,
                            key: &key,
                            password,
                        },
                    )
                };
                assert!(of(Some(PASSWORD)).is_ok(), "{form}");
                let long = vec![b'x'; 5000];
                for wrong in [&b"wrong"[..], b"", &long] {
                    check(of(Some(wrong)), "the password of the client's key is wrong");
                }
                check(of(None), "the client's key is encrypted; no password");
            }
        }
    }
}

fn check(context: Result<Context, Fault>, said: &str) {
    let fault = context.unwrap_err();
    assert_eq!(fault.code, Code::TlsMaterial);
    assert_eq!(fault.detail.as_str(), said);
}

#[test]
fn what_can_not_be_used_is_named() {
    let world = World::new();
    let other = world.devices.device("other");
    let (chain, key) = (world.device.pem(), world.device.key_pem());
    let of = |chain: &[u8], key: &[u8]| {
        with_identity(
            &world,
            Identity {
                chain,
                key,
                password: None,
            },
        )
    };
    assert!(of(&chain, &key).is_ok());
    let misfit = "the client's key does not fit its certificate";
    check(of(&chain, &other.key_pem()), misfit);
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    check(of(&chain, &rsa.private_key_to_pem_pkcs8().unwrap()), misfit);
    // The leaf comes first.
    let wrong_way = [world.devices.pem(), chain.clone()].concat();
    check(of(&wrong_way, &key), misfit);
    for bad in [
        &b""[..],
        b"\x30\x00",
        b"-----BEGIN X-----",
        &key,
        b"\x30\x82",
    ] {
        check(of(bad, &key), "client certificate: no certificate in it");
    }
    let public = world.device.key.public_key_to_pem().unwrap();
    for bad in [
        &b""[..],
        b"\x30",
        b"\x30\xff",
        b"\x30\x03\x30\x01",
        &public,
        &chain,
    ] {
        let fault = of(&chain, bad).unwrap_err();
        assert_eq!(fault.code, Code::TlsMaterial);
    }
    check(of(&chain, &public), "no client key that can be read");
    let good = world.root.pem();
    for bad in [&b""[..], b"no certificate", &key] {
        let fault = Context::new(&Profile {
            roots: Roots::Given(&[&good, bad]),
            server: "localhost",
            ..Profile::default()
        });
        check(fault, "root 2: no certificate in it");
    }
    let weak = world.devices.sign(Wish {
        client: true,
        rsa: Some(1024),
        ..Wish::default()
    });
    check(
        of(&weak.pem(), &weak.key_pem()),
        "client certificate: ee key too small",
    );
}

#[test]
fn roots_in_der_and_the_whole_client_chain() {
    let world = World::new();
    let middle = world.devices.sign(Wish {
        name: "Middle",
        authority: true,
        ..Wish::default()
    });
    let device = middle.device("dev002");
    let chain = [device.pem(), middle.pem()].concat();
    let root = world.root.certificate.to_der().unwrap();
    let context = Context::new(&Profile {
        roots: Roots::Given(&[&root]),
        identity: Some(Identity {
            chain: &chain,
            key: &device.key_pem(),
            password: None,
        }),
        server: "localhost",
        ..Profile::default()
    })
    .unwrap();
    let mut builder = peer::context(&world.server, &[], Some(&world.devices));
    builder.set_verify(
        openssl::ssl::SslVerifyMode::PEER | openssl::ssl::SslVerifyMode::FAIL_IF_NO_PEER_CERT,
    );
    let mut client = context.connect(None).unwrap();
    let mut server = Server::new(&builder.build());
    peer::meet(&mut client, &mut server).unwrap();
    assert_eq!(server.client().as_deref(), Some("dev002"));
    let mut shown = None;
    while let Some(fact) = client.next_fact() {
        if let Fact::Chain {
            from: Side::Client,
            certificates,
            ..
        } = fact
        {
            shown = Some(certificates);
        }
    }
    assert_eq!(shown, Some(2));
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("towpath-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn the_key_log_has_the_secrets_and_is_for_the_owner_only() {
    let world = World::new();
    let folder = Folder::new("keylog");
    let path = folder.0.join("keys");
    for versions in [TLS12, TLS13] {
        let context = world.profile(|profile| {
            let versions = Some(versions);
            Context::with_key_log(
                &Profile {
                    versions,
                    ..profile
                },
                &path,
            )
            .unwrap()
        });
        let mut client = context.connect(None).unwrap();
        peer::meet(&mut client, &mut Server::new(&world.context(None))).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let count = |label: &str| text.lines().filter(|line| line.starts_with(label)).count();
    assert_eq!(count("CLIENT_RANDOM "), 1);
    assert_eq!(count("CLIENT_TRAFFIC_SECRET_0 "), 1);
    assert_eq!(count("SERVER_TRAFFIC_SECRET_0 "), 1);
    assert!(text.ends_with('\n'));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let fault = world
        .profile(|profile| Context::with_key_log(&profile, &folder.0))
        .unwrap_err();
    assert_eq!(fault.code, Code::Io);
    assert!(fault.number != 0);
}

/// Nothing of these may be in a text, whole or in hexadecimal or as a list of bytes.
fn assert_hidden(text: &str, secrets: &[&[u8]]) {
    for secret in secrets {
        for part in secret.windows(12) {
            let hex = part.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
            let list = format!("{part:?}");
            let list = list.trim_matches(['[', ']']);
            let plain = String::from_utf8_lossy(part);
            for shape in [&hex, list, &*plain] {
                assert!(!text.contains(shape), "{text}");
            }
        }
    }
}

#[test]
fn no_secret_is_shown() {
    let world = World::new();
    let key = world
        .device
        .key
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), PASSWORD)
        .unwrap();
    let raw = world.device.key.ec_key().unwrap().private_key().to_vec();
    let chain = world.device.pem();
    let identity = |password| Identity {
        chain: &chain,
        key: &key,
        password: Some(password),
    };
    let wrong = with_identity(&world, identity(&PASSWORD[1..])).unwrap_err();
    let mut text = format!("{wrong} {wrong:?}");
    let context = with_identity(&world, identity(PASSWORD)).unwrap();
    let _ = write!(text, "{context:?} {:?}", identity(PASSWORD));
    let mut client = context.connect(None).unwrap();
    let mut server = Server::new(&world.context(None));
    let _ = write!(text, "{client:?}");
    peer::meet(&mut client, &mut server).unwrap();
    let plain = b"a plaintext that is long enough";
    assert_eq!(client.write(plain), Ok(plain.len()));
    let _ = write!(text, "{client:?}");
    let mut session = Vec::new();
    server.send(plain);
    peer::meet(&mut client, &mut server).unwrap();
    client.take_session(&mut |bytes| session = bytes.to_vec());
    assert!(!session.is_empty());
    while let Some(fact) = client.next_fact() {
        let _ = write!(text, "{fact:?}");
    }
    let _ = write!(text, "{client:?} {context:?}");
    assert!(text.contains("Connection") && text.contains("Context"));
    assert_hidden(&text, &[PASSWORD, &key, &raw, plain, &session]);
}

#[test]
fn a_context_can_be_shared_and_a_connection_can_be_sent() {
    fn shared<T: Send + Sync + std::fmt::Debug>() {}
    fn sent<T: Send + std::fmt::Debug>() {}
    shared::<Context>();
    sent::<towpath_tls_openssl::Connection>();
    let world = World::new();
    let server = world.context(None);
    let context = world.profile(|profile| Context::new(&profile).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let mut client = context.connect(None).unwrap();
                    peer::meet(&mut client, &mut Server::new(&server)).unwrap();
                    assert!(client.agreed().is_some());
                }
            });
        }
    });
}
