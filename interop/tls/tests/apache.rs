//! Apache httpd before mosquitto, as the front end of a hub: {OpenSSL, Mbed TLS} x 5 profiles x 4 client certificates.
//!
//! Alerts are those of the server: 40 `handshake_failure`, 45 `certificate_expired`, 48 `unknown_ca`, 70
//! `protocol_version`, 116 `certificate_required`. Mbed TLS has no post-handshake authentication, therefore it stays at
//! TLS 1.2 with a certificate, and against TLS 1.3 without one it sees HTTP 403.

use mqtt::wait_for;
use tls::{
    Cell::{self, Connack},
    apache::{Apache, PATH, Profile},
    assert_cell, backends, connect, exchange, options,
    pki::{Client, Pki},
};
use towpath::{
    Code, Rung,
    tls::{Backend, Renegotiation, Side},
};

backends! {
    v12_require v12_optional v12_first v13 both
    a_profile_that_never_renegotiates
}

/// What the four certificates come to: good, none, of another CA, expired.
struct Row {
    good: Cell,
    none: Cell,
    other_ca: Cell,
    expired: Cell,
}

const fn alert(code: Code, number: u8) -> Cell {
    Cell::Fault(Rung::Tls, code, Some((Side::Server, number)))
}

const UNTRUSTED: Cell = alert(Code::ClientCertificateUntrusted, 48);
const EXPIRED: Cell = alert(Code::ClientCertificateExpired, 45);
const MISSING_12: Cell = alert(Code::ClientCertificateMissing, 40);
const MISSING_13: Cell = alert(Code::ClientCertificateMissing, 116);
const NO_VERSION: Cell = alert(Code::NoCommonVersion, 70);
const FORBIDDEN: Cell = Cell::Fault(Rung::Upgrade, Code::Forbidden, None);

async fn v12_require(backend: Backend) {
    let row = Row {
        good: Connack,
        none: MISSING_12,
        other_ca: UNTRUSTED,
        expired: EXPIRED,
    };
    run(backend, Profile::V12Require, row).await;
}

async fn v12_optional(backend: Backend) {
    let row = Row {
        good: Connack,
        none: Connack,
        other_ca: UNTRUSTED,
        expired: EXPIRED,
    };
    run(backend, Profile::V12Optional, row).await;
}

async fn v12_first(backend: Backend) {
    let row = Row {
        good: Connack,
        none: MISSING_12,
        other_ca: UNTRUSTED,
        expired: EXPIRED,
    };
    run(backend, Profile::V12First, row).await;
}

async fn v13(backend: Backend) {
    let row = match backend {
        Backend::Mbed => Row {
            good: NO_VERSION,
            none: FORBIDDEN,
            other_ca: NO_VERSION,
            expired: NO_VERSION,
        },
        _ => Row {
            good: Connack,
            none: MISSING_13,
            other_ca: UNTRUSTED,
            expired: EXPIRED,
        },
    };
    run(backend, Profile::V13, row).await;
}

async fn both(backend: Backend) {
    let row = Row {
        good: Connack,
        none: if backend == Backend::Mbed {
            FORBIDDEN
        } else {
            MISSING_13
        },
        other_ca: UNTRUSTED,
        expired: EXPIRED,
    };
    run(backend, Profile::Both, row).await;
}

async fn run(backend: Backend, profile: Profile, row: Row) {
    let pki = Pki::kept();
    let apache = Apache::start(&pki, profile);
    let cells = [
        ("good", Some(Client::Good), row.good),
        ("none", None, row.none),
        ("of another CA", Some(Client::OtherCa), row.other_ca),
        ("expired", Some(Client::Expired), row.expired),
    ];
    for (name, client, expected) in cells {
        let cell = format!("{backend:?}, {profile:?}, certificate {name}");
        let mut came = connect(options(&url(), tls::tls(&pki, backend, client))).await;
        assert_cell(&cell, &came, expected);
        if let Ok(peer) = &mut came {
            exchange(peer).await;
            peer.close().await;
        }
    }
    let renegotiates = matches!(profile, Profile::V12Require | Profile::V12Optional);
    let asked = apache.log().contains("AH02226: Awaiting re-negotiation");
    let stays = backend == Backend::Mbed && profile == Profile::Both;
    assert_eq!(asked, renegotiates || stays, "{backend:?}, {profile:?}");
}

/// What the profile does not allow is refused, and the fault says so.
async fn a_profile_that_never_renegotiates(backend: Backend) {
    let pki = Pki::kept();
    let apache = Apache::start(&pki, Profile::V12Require);
    let never = tls::tls(&pki, backend, None).renegotiation(Renegotiation::Never);
    let came = connect(options(&url(), never)).await;
    let expected = alert(Code::RenegotiationOff, 40);
    assert_cell("refused", &came, expected);
    wait_for("the refusal in Apache's log", || {
        apache.log().contains("no renegotiation")
    })
    .await;
}

fn url() -> String {
    format!("wss://localhost{PATH}")
}
