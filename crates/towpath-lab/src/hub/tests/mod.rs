//! A hub on a clock that stands still, with connections that are none.

mod admit;
mod devicebound;
mod method;
mod open;
mod refusals;
mod telemetry;
mod twin;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{X509, X509Builder, X509NameBuilder, extension::BasicConstraints},
};

use super::{Admitted, C2d, Down, Feature, Hello, Hub, Name, Refused};
use crate::{
    Error,
    certificate::ClientCertificate,
    clock::{Clock, Time},
    config,
    connection::{Connection, Connections, Listener},
    fault::{Faults, Setting},
    key::Key,
    log::{Code, Log},
    sas,
    shared::Means,
    store::Store,
};

/// 2026-11-18T12:53:20Z
const NOW: Time = Time::from_millis(1_795_006_400_000);
const HOST: &str = "hub.example";
const HOUR: i64 = 3_600_000;

/// A hub with what a test needs around it.
struct Bench {
    hub: Hub,
    clock: Arc<Clock>,
    connections: Connections,
    /// The CA of the lab's devices.
    ca: Issued,
}

/// A certificate with its key.
#[derive(Clone)]
struct Issued {
    certificate: X509,
    key: PKey<Private>,
}

/// Makes a certificate; without an issuer it signs itself. Valid from an hour before [`NOW`] for `hours`.
fn issue(common_name: &str, by: Option<&Issued>, ca: bool, hours: i64) -> Issued {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("P-256");
    let key = EcKey::generate(&group)
        .and_then(PKey::from_ec_key)
        .expect("a key");
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)
        .expect("a name");
    let name = name.build();
    let at = |millis| Asn1Time::from_unix(NOW.plus(millis).as_secs()).expect("a time");
    let mut builder = X509Builder::new().expect("a builder");
    let serial = BigNum::from_u32(7).and_then(|serial| serial.to_asn1_integer());
    let build = || -> Result<X509, openssl::error::ErrorStack> {
        builder.set_version(2)?;
        builder.set_serial_number(&*serial?)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(by.map_or(&*name, |by| by.certificate.subject_name()))?;
        builder.set_pubkey(&key)?;
        builder.set_not_before(&at(-HOUR))?;
        builder.set_not_after(&at((hours - 1) * HOUR))?;
        if ca {
            builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        }
        builder.sign(by.map_or(&key, |by| &by.key), MessageDigest::sha256())?;
        Ok(builder.build())
    };
    Issued {
        certificate: build().expect("a certificate"),
        key,
    }
}

impl Issued {
    fn shown(&self) -> ClientCertificate {
        ClientCertificate {
            leaf: self.certificate.clone(),
            chain: Vec::new(),
        }
    }
}

/// A folder that is deleted with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("towpath-lab-hub-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn store(&self) -> Store {
        Store::open(&self.file("lab.redb")).expect("a store")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is declared in most tests: `dev1` with a module `mod1`, both with keys.
fn config() -> config::Hub {
    config::Hub {
        host: HOST.into(),
        devices: vec![config::Device {
            id: "dev1".into(),
            modules: vec![config::Module {
                id: "mod1".into(),
                ..config::Module::default()
            }],
            ..config::Device::default()
        }],
        ..config::Hub::default()
    }
}

/// A CA for the lab's devices, one for all tests.
fn ca() -> Issued {
    static CA: std::sync::OnceLock<Issued> = std::sync::OnceLock::new();
    CA.get_or_init(|| issue("Lab Device CA", None, true, 24 * 365))
        .clone()
}

impl Bench {
    fn new(config: &config::Hub) -> Self {
        Self::with(config, Store::ephemeral()).expect("a hub")
    }

    fn with(config: &config::Hub, store: Store) -> Result<Self, Error> {
        let clock = Arc::new(Clock::manual(NOW));
        let log = Arc::new(Log::new());
        let means = Means {
            faults: Faults::new(Arc::clone(&log), Arc::clone(&clock)),
            clock: Arc::clone(&clock),
            store: Arc::new(store),
            log,
        };
        let ca = ca();
        Ok(Self {
            hub: Hub::with_ca(config, &ca.certificate, &means)?,
            clock,
            connections: Connections::default(),
            ca,
        })
    }

    fn fault(&self, setting: &str) -> u64 {
        let setting: Setting = setting.parse().expect("a fault");
        self.hub.means.faults.switch_on(setting).expect("a fault")
    }

    fn connection(&self, listener: Listener) -> Arc<Connection> {
        let peer = "192.0.2.1:50000".parse().expect("an address");
        self.connections.open(listener, peer, NOW)
    }

    fn key(&self, name: &Name) -> Key {
        self.hub.primary_key(name).expect("a key")
    }

    /// A token of a device or module that is good for so many milliseconds.
    fn token(&self, name: &Name, good_for: i64) -> String {
        sas::sign(
            &name.resource(HOST),
            &self.key(name),
            self.clock.now().plus(good_for),
            None,
        )
    }

    /// CONNECT of a client that does everything right but for what `change` makes of it.
    fn connect(
        &self,
        listener: Listener,
        hello: &Hello<'_>,
    ) -> (Arc<Connection>, Result<Admitted, Refused>) {
        let connection = self.connection(listener);
        let admitted = self.hub.admit(hello, &connection);
        (connection, admitted)
    }

    /// A device with keys comes in.
    fn enter(&self, id: &str, clean: bool) -> (Arc<Connection>, Admitted) {
        let token = self.token(&Name::device(id), HOUR);
        let user_name = format!("{HOST}/{id}/?api-version=2021-04-12");
        let hello = Hello {
            client_id: id,
            user_name: Some(&user_name),
            password: Some(token.as_bytes()),
            clean,
            will: None,
            certificate: None,
        };
        let (connection, admitted) = self.connect(Listener::Mqtts, &hello);
        (connection, admitted.expect("it may come in"))
    }

    /// The codes of the log's records so far.
    fn told(&self, code: Code) -> Vec<String> {
        let records = self.hub.means.log.since(0);
        let records = records.iter().filter(|record| record.code == code);
        records.map(|record| record.text.clone()).collect()
    }

    fn subscribe(&self, id: &str, connection: &Connection, feature: Feature) -> u8 {
        let granted = self
            .hub
            .subscribe(&Name::device(id), connection, feature, 1);
        granted.expect("it may subscribe")
    }
}

/// A message of this text.
fn message(text: &str) -> C2d {
    C2d {
        payload: Bytes::copy_from_slice(text.as_bytes()),
        ..C2d::default()
    }
}

/// What the hub has for a connection by now.
fn down(admitted: &mut Admitted) -> Vec<Down> {
    std::iter::from_fn(|| admitted.down.try_recv().ok()).collect()
}

/// The payloads and numbers of messages.
fn messages(down: &[Down]) -> Vec<(String, Option<u64>)> {
    let one = |down: &Down| match down {
        Down::Publish {
            payload, settles, ..
        } => Some((String::from_utf8_lossy(payload).into_owned(), *settles)),
        Down::Close { .. } => None,
    };
    down.iter().filter_map(one).collect()
}
