//! What a server sent to a client with more room than the device has.

use std::time::Duration;

use towpath_doctor::{
    evidence::{Certificate, Climb},
    lint,
    profile::DeviceProfile,
};
use towpath_proto::{
    Rung,
    tls::{Fact, Side},
};

use super::builds::{esp, ncs, thread};

fn certificate(subject: &str, issuer: &str, key: &str, signature: &str) -> Certificate {
    Certificate {
        subject: subject.to_owned(),
        issuer: issuer.to_owned(),
        names: Vec::new(),
        not_before: 0,
        not_after: i64::MAX,
        key: key.to_owned(),
        signature: signature.to_owned(),
        len: 1200,
    }
}

/// A climb that stands, with a chain of RSA 2048 below RSA 4096, signed with SHA-384.
fn climb() -> Climb {
    let mut climb = Climb::over(&[Rung::Tcp, Rung::Tls, Rung::Mqtt]);
    climb.chain = vec![
        certificate(
            "CN=broker.example",
            "CN=Issuing",
            "RSA 2048",
            "sha256WithRSAEncryption",
        ),
        certificate(
            "CN=Issuing",
            "CN=Root",
            "RSA 4096",
            "sha384WithRSAEncryption",
        ),
    ];
    let chain = Fact::Chain {
        from: Side::Server,
        certificates: 2,
        len: 2409,
        key: None,
    };
    climb.tls.push((Duration::ZERO, chain));
    climb
}

fn ids(profile: Option<DeviceProfile>) -> Vec<&'static str> {
    let profile = profile.expect("a build");
    let found = lint::limits(&profile, &climb());
    assert!(found.iter().all(|found| !found.evidence.is_empty()));
    found.iter().map(|found| found.finding.id).collect()
}

#[test]
fn what_the_device_has_room_for_is_not_mentioned() {
    assert!(ids(ncs(&[])).is_empty());
    assert!(ids(esp(&[])).is_empty());
}

#[test]
fn a_chain_that_this_client_took_may_be_too_long_for_the_device() {
    let at = |size| ncs(&[("CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN", size)]);
    assert_eq!(ids(at("2412")), ["TP-TLS-017"]);
    assert!(ids(at("2413")).is_empty());
    let found = lint::limits(&at("2048").expect("a build"), &climb());
    let [found] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(found.breaks);
    assert_eq!(
        found.fix(),
        "Raise CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN to 3072 or more."
    );
}

#[test]
fn a_key_may_be_too_large_for_the_device() {
    assert_eq!(
        ids(ncs(&[("CONFIG_MBEDTLS_MPI_MAX_SIZE", "384")])),
        ["TP-TLS-046"]
    );
    let optimized = thread(&[("CONFIG_MBEDTLS_OPENTHREAD_OPTIMIZATIONS_ENABLED", "y")]);
    assert_eq!(ids(optimized), ["TP-DEV-019"]);
}

#[test]
fn a_hash_may_not_be_in_the_build() {
    assert_eq!(
        ids(esp(&[("CONFIG_MBEDTLS_SHA512_C", "n")])),
        ["TP-TLS-050"]
    );
}
