//! A lab for these tests, and towpath as its client.

use std::time::Duration;

use towpath::{
    Event, Fault, Options, Reconnect, Version,
    tls::{Backend, TlsOptions},
    tokio::Connection,
};
use towpath_lab::{Config, Lab, config::Device};

/// How long one connection may take. Far above what is needed, since other tests use the same processors.
const PATIENCE: Duration = Duration::from_secs(30);

/// The back-ends of the client.
pub(crate) const BACKENDS: [Backend; 2] = [Backend::OpenSsl, Backend::Mbed];

/// A lab with the device `key`, which has a key, and `cert`, which has a certificate.
pub(crate) async fn lab(change: impl FnOnce(&mut Config)) -> Lab {
    let mut config = Config::for_tests();
    config.hubs[0].devices = vec![
        Device {
            id: "key".into(),
            ..Device::default()
        },
        Device {
            id: "cert".into(),
            x509_ca: true,
            ..Device::default()
        },
    ];
    change(&mut config);
    Lab::start(config).await.expect("a lab")
}

/// Which listener, and the query of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Mqtts,
    Wss,
    /// Asks not to be asked for the certificate.
    WssUnasked,
}

/// How the device proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum As {
    Key,
    Certificate,
}

/// Options for one attempt.
pub(crate) fn options(lab: &Lab, way: Way, proof: As, backend: Backend) -> Options {
    options_with(lab, way, proof, backend, |tls| tls)
}

/// The same with other TLS.
pub(crate) fn options_with(
    lab: &Lab,
    way: Way,
    proof: As,
    backend: Backend,
    change: impl FnOnce(TlsOptions) -> TlsOptions,
) -> Options {
    let url = match way {
        Way::Mqtts => lab.mqtts_url(),
        Way::Wss => lab.wss_url(),
        Way::WssUnasked => format!("{}?iothub-no-client-cert=true", lab.wss_url()),
    };
    let mut tls = TlsOptions::new().backend(backend).ca(lab.root_pem());
    let options = Options::new(&url).expect("a good URL");
    let options = match proof {
        As::Key => {
            let login = lab.login("key").expect("the device has a key");
            options
                .client_id("key")
                .credentials(login.user_name, login.password)
        }
        As::Certificate => {
            let certificate = lab.device_certificate("cert").expect("a certificate");
            tls = tls.identity(certificate.chain, certificate.key);
            options
                .client_id("cert")
                .user("localhost/cert/?api-version=2021-04-12")
        }
    };
    once(options.tls(change(tls)))
}

/// One attempt with MQTT 3.1.1.
pub(crate) fn once(options: Options) -> Options {
    options
        .version(Version::V311)
        .reconnect(Reconnect::Never)
        .report_settled(true)
        .patience(PATIENCE)
}

/// Connects and leaves again, or comes to the one fault that there is.
pub(crate) async fn attempt(options: Options) -> Result<(), Fault> {
    let mut connection = Connection::new(options);
    let mut came = Ok(());
    loop {
        let event = tokio::time::timeout(2 * PATIENCE, connection.next()).await;
        match event.expect("connecting takes too long") {
            Event::Connected { .. } => {
                // What it comes to is told by the events.
                let _ = connection.disconnect().await;
            }
            Event::Disconnected { fault, .. } => came = Err(fault),
            Event::Closed => return came,
            _ => {}
        }
    }
}
