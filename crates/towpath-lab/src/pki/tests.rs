use openssl::{
    nid::Nid,
    ssl::{Ssl, SslAcceptor, SslConnector, SslMethod, SslVerifyMode},
    stack::Stack,
    x509::{
        X509, X509PurposeId, X509Req, X509StoreContext,
        store::X509StoreBuilder,
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};

use super::*;
use crate::certificate::{ClientCertificate, common_name};

fn now() -> Time {
    crate::clock::Clock::system().now()
}

fn ephemeral() -> Pki {
    Pki::open(None, &Config::for_tests(), now()).expect("certificates")
}

/// A folder that is gone with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("towpath-pki-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a strict client says of what a server shows, by the machine's clock.
fn verify(pki: &Pki, identity: &Identity, host: &str) -> Result<(), String> {
    let mut store = X509StoreBuilder::new().expect("a store");
    let root = X509::from_pem(pki.root_pem().as_bytes()).expect("a root");
    store.add_cert(root).expect("a root");
    let mut parameters = X509VerifyParam::new().expect("parameters");
    parameters
        .set_flags(X509VerifyFlags::X509_STRICT | X509VerifyFlags::CHECK_SS_SIGNATURE)
        .expect("flags");
    parameters
        .set_purpose(X509PurposeId::SSL_SERVER)
        .expect("a purpose");
    match host.parse() {
        Ok(address) => parameters.set_ip(address),
        Err(_) => parameters.set_host(host),
    }
    .expect("a name");
    store.set_param(&parameters).expect("parameters");
    let mut chain = Stack::new().expect("a stack");
    for above in &identity.chain {
        chain.push(above.clone()).expect("a chain");
    }
    let mut context = X509StoreContext::new().expect("a context");
    context
        .init(&store.build(), &identity.leaf, &chain, |context| {
            Ok(if context.verify_cert()? {
                Ok(())
            } else {
                Err(context.error().error_string().to_owned())
            })
        })
        .expect("a verdict")
}

#[test]
fn a_strict_client_takes_the_good_ones_and_refuses_the_bad_ones() {
    let pki = ephemeral();
    let verdicts = [
        (Variant::Good, None),
        (Variant::Sha384, None),
        (Variant::Large, None),
        (Variant::Ecdsa, None),
        (Variant::Expired, Some("certificate has expired")),
        (Variant::NotYet, Some("certificate is not yet valid")),
        (Variant::WrongName, Some("hostname mismatch")),
        (
            Variant::UnknownRoot,
            Some("self-signed certificate in certificate chain"),
        ),
        (Variant::SelfSigned, Some("self-signed certificate")),
        (
            Variant::NoChain,
            Some("unable to get local issuer certificate"),
        ),
    ];
    for (variant, wrong) in verdicts {
        let identity = pki.server(variant).expect("a certificate");
        let verdict = verify(&pki, &identity, "localhost");
        assert_eq!(verdict.err().as_deref(), wrong, "{variant:?}");
        assert!(files::matches(&identity.leaf, &identity.key), "{variant:?}");
        let again = pki.server(variant).expect("a certificate");
        assert_eq!(identity.leaf.to_der().ok(), again.leaf.to_der().ok());
    }
    let good = pki.server(Variant::Good).expect("a certificate");
    for name in ["my-hub.azure-devices.net", "127.0.0.1", "::1"] {
        assert_eq!(verify(&pki, &good, name), Ok(()), "{name}");
    }
    assert!(verify(&pki, &good, "a.b.azure-devices.net").is_err());
}

#[test]
fn sizes_and_signatures_are_what_the_variants_promise() {
    let pki = ephemeral();
    let size = |variant| {
        let identity = pki.server(variant).expect("a certificate");
        let all = identity.chain.iter().chain([&identity.leaf]);
        all.map(|one| one.to_der().map_or(0, |der| der.len() + 3))
            .sum::<usize>()
    };
    assert!(
        (5001..9000).contains(&size(Variant::Large)),
        "{}",
        size(Variant::Large)
    );
    assert!(size(Variant::Good) < 3000, "{}", size(Variant::Good));
    let sha384 = pki.server(Variant::Sha384).expect("a certificate");
    for one in sha384.chain.iter().chain([&sha384.leaf]) {
        let algorithm = one.signature_algorithm().object().nid();
        assert_eq!(algorithm, Nid::SHA384WITHRSAENCRYPTION);
    }
    let ecdsa = pki.server(Variant::Ecdsa).expect("a certificate");
    assert_eq!(
        ecdsa.leaf.signature_algorithm().object().nid(),
        Nid::ECDSA_WITH_SHA256
    );
}

#[test]
fn a_folder_keeps_them_and_the_names_make_the_leaf_new() {
    let folder = Folder::new("kept");
    let mut config = Config::for_tests();
    let open = |config: &Config| Pki::open(Some(&folder.0), config, now()).expect("certificates");
    let first = open(&config);
    let second = open(&config);
    assert_eq!(first.root_pem(), second.root_pem());
    let der = |pki: &Pki| pki.server(Variant::Good).expect("one").leaf.to_der().ok();
    assert_eq!(der(&first), der(&second));
    assert_eq!(
        first.device_ca().to_der().ok(),
        second.device_ca().to_der().ok()
    );
    config.tls.names.push("lab.example".into());
    let third = open(&config);
    assert_eq!(first.root_pem(), third.root_pem());
    let good = third.server(Variant::Good).expect("one");
    assert_eq!(verify(&third, &good, "lab.example"), Ok(()));
    // Near its end, and beyond: the leaf is made anew below the same root.
    let later = now().plus((SERVER_DAYS - 3) * 86_400_000);
    let fourth = Pki::open(Some(&folder.0), &config, later).expect("certificates");
    assert_eq!(first.root_pem(), fourth.root_pem());
    assert_ne!(der(&third), der(&fourth));
    // The intermediate too, which has the same key and another name then: the leaf goes with it.
    let open_later = |days| {
        let late = now().plus(days * 86_400_000);
        Pki::open(Some(&folder.0), &config, late).expect("certificates")
    };
    let fifth = open_later(CA_DAYS - SERVER_DAYS - 5);
    let sixth = open_later(CA_DAYS - SERVER_DAYS + 5);
    let chain = |pki: &Pki| pki.server(Variant::Good).expect("one").chain.pop();
    assert_ne!(
        chain(&fifth).and_then(|one| one.to_der().ok()),
        chain(&sixth).and_then(|one| one.to_der().ok())
    );
    assert_eq!(first.root_pem(), sixth.root_pem());
    let good = sixth.server(Variant::Good).expect("one");
    assert_eq!(verify(&sixth, &good, "lab.example"), Ok(()));
    #[cfg(unix)]
    for name in ["root", "issuing", "server", "device-ca", "device-issuing"] {
        use std::os::unix::fs::PermissionsExt as _;
        let key = folder.0.join("certs").join(format!("{name}.key"));
        let mode = std::fs::metadata(&key).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_start_that_was_cut_off_is_mended_and_a_wrong_key_is_named() {
    let folder = Folder::new("cut");
    let config = Config::for_tests();
    let open = || Pki::open(Some(&folder.0), &config, now());
    let root = open().expect("certificates").root_pem();
    let certs = folder.0.join("certs");
    std::fs::remove_file(certs.join("server.pem")).expect("removed");
    std::fs::remove_file(certs.join("issuing.pem")).expect("removed");
    std::fs::write(certs.join("issuing.new"), "half").expect("written");
    let pki = open().expect("certificates");
    assert_eq!(pki.root_pem(), root);
    let good = pki.server(Variant::Good).expect("one");
    assert_eq!(verify(&pki, &good, "localhost"), Ok(()));
    std::fs::copy(certs.join("server.key"), certs.join("root.key")).expect("copied");
    let why = open().expect_err("the wrong key").to_string();
    assert!(
        why.contains("root.pem") && why.contains("delete both"),
        "{why}"
    );
    std::fs::write(certs.join("root.key"), "nonsense").expect("written");
    let why = open().expect_err("no key").to_string();
    assert!(why.contains("root.key"), "{why}");
}

/// A kill between the two files leaves the new key beside the old certificate: they have to fit.
#[test]
fn a_ca_that_is_renewed_keeps_its_key() {
    let folder = Folder::new("renewed");
    let config = Config::for_tests();
    let open = |days: i64| Pki::open(Some(&folder.0), &config, now().plus(days * 86_400_000));
    let file = |name: &str| std::fs::read(folder.0.join("certs").join(name)).expect("a file");
    drop(open(0).expect("certificates"));
    for name in ["device-issuing", "issuing"] {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        let before = (file(&key), file(&pem));
        drop(open(6_900).expect("certificates"));
        assert_eq!(file(&key), before.0, "{name}");
        if name == "device-issuing" {
            assert_ne!(file(&pem), before.1, "{name}");
        }
    }
}

#[test]
fn an_own_certificate_is_shown_and_its_faults_are_named() {
    let folder = Folder::new("own");
    let lab = ephemeral();
    let good = lab.server(Variant::Good).expect("one");
    let mut pem = good.leaf.to_pem().expect("pem");
    pem.extend(good.chain.iter().flat_map(|one| one.to_pem().expect("pem")));
    let path = |name: &str| folder.0.join(name);
    std::fs::write(path("cert.pem"), &pem).expect("written");
    let key = good.key.private_key_to_pem_pkcs8().expect("pem");
    std::fs::write(path("key.pem"), &key).expect("written");
    let mut config = Config::for_tests();
    config.tls.cert = Some(path("cert.pem"));
    config.tls.key = Some(path("key.pem"));
    let open = |config: &Config, now| Pki::open(None, config, now);
    let own = open(&config, now()).expect("certificates");
    assert_eq!(own.warnings(), &[] as &[String]);
    let shown = own.server(Variant::Good).expect("one");
    assert_eq!(shown.leaf.to_der().ok(), good.leaf.to_der().ok());
    assert_eq!(shown.chain.len(), 1);

    if let Some(hub) = config.hubs.first_mut() {
        hub.host = "other.example".into();
    }
    let late = now().plus((SERVER_DAYS + 2) * 86_400_000);
    let warnings = open(&config, late).expect("certificates").warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().any(|text| text.contains("expired")));
    assert!(warnings.iter().any(|text| text.contains("other.example")));

    let wrong = |content: &[u8]| {
        std::fs::write(path("key.pem"), content).expect("written");
        open(&config, now()).expect_err("wrong").to_string()
    };
    let other = make::p256().and_then(|key| key.private_key_to_pem_pkcs8());
    let why = wrong(&other.expect("pem"));
    assert!(why.contains("does not belong"), "{why}");
    let cipher = openssl::symm::Cipher::aes_128_cbc();
    let locked = good
        .key
        .private_key_to_pem_pkcs8_passphrase(cipher, b"secret");
    let why = wrong(&locked.expect("pem"));
    assert!(why.contains("encrypted"), "{why}");
    let why = wrong(b"");
    assert!(why.contains("key.pem"), "{why}");
    config.tls.key = None;
    let why = open(&config, now()).expect_err("alone").to_string();
    assert!(why.contains("tls.key"), "{why}");
}

#[test]
fn devices_have_certificates_of_their_ca() {
    let pki = ephemeral();
    let device = pki.device("meter-1", now()).expect("a certificate");
    assert_eq!(common_name(&device.leaf).as_deref(), Some("meter-1"));
    let shown = |leaf: &X509, chain: &[X509]| ClientCertificate {
        leaf: leaf.clone(),
        chain: chain.to_vec(),
    };
    let roots = [pki.device_ca().clone()];
    assert_eq!(shown(&device.leaf, &[]).verify(&roots, now()), Ok(()));

    let key = make::p256().expect("a key");
    let mut request = X509Req::builder().expect("a request");
    request.set_pubkey(&key).expect("a key");
    let name = make::name("meter-2").expect("a name");
    request.set_subject_name(&name).expect("a name");
    request.sign(&key, MessageDigest::sha256()).expect("signed");
    let issued = pki
        .issuer()
        .issue(&request.build(), 30, now())
        .expect("a certificate");
    let [leaf, above, root] = issued.as_slice() else {
        panic!("{} certificates", issued.len());
    };
    assert_eq!(root.to_der().ok(), roots[0].to_der().ok());
    let whole = shown(leaf, std::slice::from_ref(above));
    assert_eq!(whole.verify(&roots, now()), Ok(()));
    assert!(shown(leaf, &[]).verify(&roots, now()).is_err());
    let late = now().plus(31 * 86_400_000);
    assert!(whole.verify(&roots, late).is_err());
    assert!(files::matches(leaf, &key));
}

#[test]
fn names_that_no_certificate_can_have_are_refused() {
    let mut config = Config::for_tests();
    config.tls.names.push("a,IP:1.2.3.4".into());
    let why = Pki::open(None, &config, now()).expect_err("a bad name");
    assert!(why.to_string().contains("no host name"), "{why}");
}

/// The whole handshake, as a client that was given the root does it.
#[test]
fn a_handshake_with_the_good_one() {
    use std::os::unix::net::UnixStream;
    let pki = ephemeral();
    let good = pki.server(Variant::Good).expect("one");
    let mut acceptor =
        SslAcceptor::mozilla_intermediate(SslMethod::tls_server()).expect("a server");
    acceptor.set_certificate(&good.leaf).expect("a leaf");
    for above in &good.chain {
        acceptor
            .add_extra_chain_cert(above.clone())
            .expect("a chain");
    }
    acceptor.set_private_key(&good.key).expect("a key");
    let acceptor = acceptor.build();
    let (client, server) = UnixStream::pair().expect("sockets");
    let served = std::thread::spawn(move || acceptor.accept(server).is_ok());
    let mut connector = SslConnector::builder(SslMethod::tls_client()).expect("a client");
    connector.set_verify(SslVerifyMode::PEER);
    let root = X509::from_pem(pki.root_pem().as_bytes()).expect("a root");
    connector.cert_store_mut().add_cert(root).expect("a root");
    let mut ssl: Ssl = connector
        .build()
        .configure()
        .and_then(|configured| configured.into_ssl("my-hub.azure-devices.net"))
        .expect("a client");
    ssl.set_connect_state();
    assert!(ssl.connect(client).is_ok());
    assert!(served.join().expect("the server ended"));
}
