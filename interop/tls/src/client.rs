//! towpath as the client of these servers.

use std::time::Duration;

use mqtt::{Peer, Source as _};
use towpath::{
    Event, Fault, Options, QoS, Reconnect,
    tls::{Backend, TlsOptions},
    tokio::Connection,
};

use crate::pki::{Client, Pki};

/// How long one connection may take. Far above what is needed, since other tests use the same processors.
const PATIENCE: Duration = Duration::from_secs(20);

/// TLS that trusts the servers' root, with one of the clients' certificates or none.
///
/// # Panics
/// If the files can't be read.
#[must_use]
pub fn tls(pki: &Pki, backend: Backend, client: Option<Client>) -> TlsOptions {
    let tls = TlsOptions::new().backend(backend);
    let tls = tls.ca_file(pki.root()).expect("the root");
    match client {
        Some(client) => {
            let pair = pki.client(client);
            tls.identity_files(pair.chain, pair.key, None)
                .expect("a certificate and its key")
        }
        None => tls,
    }
}

/// Options for a URL, with one attempt only.
///
/// # Panics
/// If the URL is no good.
#[must_use]
pub fn options(url: &str, tls: TlsOptions) -> Options {
    let options = Options::new(url).expect("a good URL");
    options
        .tls(tls)
        .reconnect(Reconnect::Never)
        .report_settled(true)
}

/// Connects: CONNACK 0, or the one fault that there is.
///
/// # Errors
/// The fault.
///
/// # Panics
/// If neither comes, or something else comes first.
pub async fn connect(options: Options) -> Result<Peer, Fault> {
    connect_watched(options, |_| {}).await
}

/// As [`connect`], with every event up to there told.
///
/// # Errors
/// As there.
///
/// # Panics
/// As there.
pub async fn connect_watched(
    options: Options,
    mut watch: impl FnMut(&Event),
) -> Result<Peer, Fault> {
    let mut connection = Connection::new(options);
    let fault = loop {
        let event = next(&mut connection).await;
        watch(&event);
        match event {
            Event::Trace(_) => {}
            Event::Connected { .. } => return Ok(Peer::new(connection)),
            Event::Disconnected { fault, .. } => break fault,
            other => panic!("connecting came to {other:?}"),
        }
    };
    println!("{fault}");
    loop {
        let event = next(&mut connection).await;
        watch(&event);
        match event {
            Event::Trace(_) => {}
            Event::Closed => return Err(fault),
            other => panic!("{other:?} after the fault"),
        }
    }
}

async fn next(connection: &mut Connection) -> Event {
    match tokio::time::timeout(PATIENCE, connection.event()).await {
        Ok(event) => event,
        Err(_) => panic!("connecting takes too long"),
    }
}

/// Sends messages through a broker and back: one of each QoS, and one of many records.
///
/// # Panics
/// If one is lost or changed.
pub async fn exchange(peer: &mut Peer) {
    let granted = peer.subscribe("echo", QoS::ExactlyOnce).await;
    assert_eq!(granted.0, 2);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        peer.publish("echo", b"hello", qos).await;
        assert_eq!(peer.text().await, "hello", "{qos:?}");
    }
    let long = mqtt::Seeded::new(1).bytes(40_000);
    peer.publish("echo", &long, QoS::AtLeastOnce).await;
    assert!(peer.message().await.payload == long, "the long message");
}

/// Each function once for each back-end: makes tests that call `name(backend)` in a network of their own.
#[macro_export]
macro_rules! backends {
    ($($name:ident)*) => {
        mod openssl { $crate::backends!(@ OpenSsl, $($name)*); }
        mod mbed { $crate::backends!(@ Mbed, $($name)*); }
    };
    (@ $backend:ident, $($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::namespace::enter();
                super::$name(towpath::tls::Backend::$backend).await;
            }
        )*
    };
}

/// Asserts what one cell of a table came to: `Ok` with CONNACK, or rung, code and alert.
///
/// # Panics
/// If it is anything else; the cell is named.
pub fn assert_cell<T>(cell: &str, came: &Result<T, Fault>, expected: Cell) {
    let came = match came {
        Ok(_) => Cell::Connack,
        Err(fault) => Cell::Fault(
            fault.rung,
            fault.code,
            fault.alert.map(|alert| (alert.from, alert.description)),
        ),
    };
    assert_eq!(came, expected, "{cell}");
}

/// What one cell of a table comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The server accepted.
    Connack,
    /// The path broke: rung, code, and the alert that was sent, by whom.
    Fault(
        towpath::Rung,
        towpath::Code,
        Option<(towpath::tls::Side, u8)>,
    ),
}
