//! Certificates, suites, versions and extensions that no broker would be set up with: `openssl s_server`.

use tls::{
    Cell::{self, Connack},
    SServer, assert_cell, backends, connect, options,
    pki::{Pki, Server},
};
use towpath::{
    Code, Fault, Rung,
    tls::{Backend, Side, TlsOptions, Version},
};

backends! {
    certificates_that_are_good
    ed25519_is_for_openssl_only
    certificates_that_are_wrong
    suites
    versions
    application_protocols
    a_name_that_the_server_does_not_know
    fragments
}

const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

fn plain(backend: Backend) -> TlsOptions {
    tls::tls(&Pki::kept(), backend, None)
}

fn only(backend: Backend, version: Version) -> TlsOptions {
    plain(backend).versions(Some(version), Some(version))
}

/// One connection to a server of its own.
async fn came(server: Server, settings: &[&str], host: &str, tls: TlsOptions) -> Result<(), Fault> {
    let server = SServer::start(&Pki::kept(), server, settings);
    let url = format!("mqtts://{host}:{}", server.port());
    let mut peer = connect(options(&url, tls)).await?;
    peer.close().await;
    Ok(())
}

const fn theirs(code: Code, number: u8) -> Cell {
    Cell::Fault(Rung::Tls, code, Some((Side::Server, number)))
}

async fn certificates_that_are_good(backend: Backend) {
    let cells = [
        (Server::Rsa, "localhost"),
        (Server::Rsa4096, "localhost"),
        (Server::P256, "localhost"),
        (Server::P384, "localhost"),
        (Server::Long, "localhost"),
        (Server::Address, "127.0.0.1"),
        (Server::Address, "[::1]"),
    ];
    for (server, host) in cells {
        for version in VERSIONS {
            let came = came(server, &[], host, only(backend, version)).await;
            assert_cell(&format!("{server:?}, {host}, {version}"), &came, Connack);
        }
    }
}

/// Mbed TLS 3.6 has no Ed25519.
async fn ed25519_is_for_openssl_only(backend: Backend) {
    for version in VERSIONS {
        let came = came(Server::Ed25519, &[], "localhost", only(backend, version)).await;
        let expected = if backend == Backend::OpenSsl {
            Connack
        } else {
            theirs(Code::NoCommonSuite, 40)
        };
        assert_cell(&format!("Ed25519, {version}"), &came, expected);
    }
}

/// Refused by this side, which says why in one line and to the server by an alert.
async fn certificates_that_are_wrong(backend: Backend) {
    let cells = [
        (
            Server::LeafOnly,
            "localhost",
            Code::ServerChainIncomplete,
            "the server sent its own certificate without the one that signed it",
        ),
        (
            Server::Expired,
            "localhost",
            Code::ServerCertificateExpired,
            "the server's certificate has expired",
        ),
        (
            Server::Future,
            "localhost",
            Code::ServerCertificateFuture,
            "the server's certificate is not valid yet",
        ),
        (
            Server::WrongName,
            "localhost",
            Code::ServerCertificateName,
            "the server's certificate is for another name",
        ),
        (
            Server::Address,
            "localhost",
            Code::ServerCertificateName,
            "the server's certificate is for another name",
        ),
        (
            Server::Rsa,
            "127.0.0.1",
            Code::ServerCertificateName,
            "the server's certificate is for another name",
        ),
        (
            Server::Stranger,
            "localhost",
            Code::ServerCertificateUntrusted,
            "the server's certificate leads to no root that is trusted",
        ),
        (
            Server::Weak,
            "localhost",
            Code::ServerCertificateWeak,
            "the server's certificate uses a key or a hash that is too weak",
        ),
    ];
    for (server, host, code, text) in cells {
        for version in VERSIONS {
            let cell = format!("{server:?}, {host}, {version}");
            let settings: &[&str] = if server == Server::Weak {
                &["-cipher", "DEFAULT@SECLEVEL=0"]
            } else {
                &[]
            };
            let came = came(server, settings, host, only(backend, version)).await;
            let fault = came.expect_err(&cell);
            assert_eq!((fault.rung, fault.code), (Rung::Tls, code), "{cell}");
            let alert = fault.alert.expect(&cell);
            assert_eq!(alert.from, Side::Client, "{cell}");
            assert!(alert.fatal, "{cell}");
            let line = fault.to_string();
            assert!(
                line.starts_with(&format!("tls: {text} (")),
                "{cell}: {line}"
            );
            assert!(!line.contains('\n'), "{cell}: {line}");
        }
    }
}

async fn suites(backend: Backend) {
    let aes128 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    let cells = [
        // One suite beside those that the rest of a device uses.
        (Server::Rsa, "ECDHE-RSA-AES128-GCM-SHA256", Connack),
        (
            Server::Rsa,
            "ECDHE-RSA-AES256-GCM-SHA384",
            theirs(Code::NoCommonSuite, 40),
        ),
        // A suite for RSA, and a server with an ECDSA key.
        (Server::P256, "DEFAULT", theirs(Code::NoCommonSuite, 40)),
    ];
    for (server, list, expected) in cells {
        let tls = plain(backend)
            .suites([aes128])
            .versions(None, Some(Version::Tls12));
        let came = came(server, &["-cipher", list], "localhost", tls).await;
        assert_cell(&format!("{server:?}, {list}"), &came, expected);
    }
}

async fn versions(backend: Backend) {
    let refused = theirs(Code::NoCommonVersion, 70);
    let cells = [
        ("-tls1_3", only(backend, Version::Tls12), refused),
        ("-tls1_2", only(backend, Version::Tls13), refused),
        ("-tls1_3", plain(backend), Connack),
        ("-tls1_2", plain(backend), Connack),
        ("-tls1_1", plain(backend), theirs(Code::NoCommonVersion, 70)),
    ];
    for (setting, tls, expected) in cells {
        let came = came(Server::Rsa, &[setting], "localhost", tls).await;
        assert_cell(setting, &came, expected);
    }
}

async fn application_protocols(backend: Backend) {
    let cells: [(&[&str], &[&str], Cell); 5] = [
        (&["-alpn", "mqtt"], &["mqtt"], Connack),
        (&["-alpn", "mqtt"], &["x-amzn-mqtt-ca", "mqtt"], Connack),
        (&["-alpn", "mqtt"], &[], Connack),
        (&["-alpn", "mqtt"], &["h2"], theirs(Code::NoCommonAlpn, 120)),
        // A server that does not know the extension ignores it (RFC 7301 section 3.2).
        (&[], &["mqtt"], Connack),
    ];
    for (settings, offer, expected) in cells {
        let tls = plain(backend).alpn(offer.iter().copied());
        let came = came(Server::Rsa, settings, "localhost", tls).await;
        assert_cell(&format!("{settings:?}, {offer:?}"), &came, expected);
    }
}

async fn a_name_that_the_server_does_not_know(backend: Backend) {
    let pair = Pki::kept().server(Server::P256);
    let (chain, key) = (
        pair.chain.display().to_string(),
        pair.key.display().to_string(),
    );
    let settings = [
        "-servername",
        "elsewhere.example",
        "-servername_fatal",
        "-cert2",
        &chain,
        "-key2",
        &key,
    ];
    let came = came(Server::Rsa, &settings, "localhost", plain(backend)).await;
    assert_cell("SNI", &came, theirs(Code::UnknownServerName, 112));
}

/// The Certificate message comes in several records then.
async fn fragments(backend: Backend) {
    for len in [512, 1024, 2048, 4096] {
        for version in VERSIONS {
            let tls = only(backend, version).max_fragment(len);
            let came = came(Server::Long, &[], "localhost", tls).await;
            assert_cell(&format!("{len}, {version}"), &came, Connack);
        }
    }
}
