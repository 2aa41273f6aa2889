//! What the device is told beforehand.
//!
//! | key of `device.cfg` | what it is |
//! |-|-|
//! | `dps`, `scope`, `id` | the provisioning service, the ID scope, the registration ID |
//! | `hub`, `id` | or the hub, and the device's identifier there |
//! | `address` | where to dial, whatever the name: an emulated network has no names of its own |
//! | `mqtts`, `https` | ports, if not 8883 and 443 |
//! | `transport` | `mqtts` or `wss`; both by default |
//! | `count`, `interval` | how many messages to send, and the milliseconds between them |
//! | `keep-alive` | seconds |
//! | `fleet` | how many devices may lose the hub at once: pauses fit that |
//!
//! Files beside it: `root.der`, or several roots in PEM under that name; `sas.key` (a symmetric key in base64), or `device.der` and `device.key` for a client
//! certificate.

use core::{ffi::CStr, fmt, fmt::Write as _, net::IpAddr};

use mps2_an505::settings::{file, parsed, text};
use static_cell::{ConstStaticCell, StaticCell};
use towpath::{
    Code, Fault, Rung,
    azure::{Entry, Fleet, Key, Ports, Proof, Settings, Transport, Transports},
    proto::{text::Text, tls::Identity},
};

/// The largest file of a key or certificate.
const ROOM: usize = 4096;

static ROOT: ConstStaticCell<[u8; ROOM]> = ConstStaticCell::new([0; ROOM]);
static CHAIN: ConstStaticCell<[u8; ROOM]> = ConstStaticCell::new([0; ROOM]);
static SECRET: ConstStaticCell<[u8; ROOM]> = ConstStaticCell::new([0; ROOM]);
static KEY: StaticCell<Key> = StaticCell::new();

/// Everything that was told.
pub(crate) struct Options {
    entry: Entry<'static>,
    proof: Proof<'static>,
    transports: Transports,
    ports: Ports,
    pub(crate) address: Option<IpAddr>,
    pub(crate) roots: &'static [u8],
    pub(crate) identity: Option<Identity<'static>>,
    pub(crate) count: u32,
    pub(crate) interval: u64,
    keep_alive: u16,
    fleet: Fleet,
}

fn load(name: &CStr, room: &'static ConstStaticCell<[u8; ROOM]>) -> Option<&'static [u8]> {
    file(name, room.take())
}

/// Reads settings and files. Called once.
///
/// # Panics
/// If something is missing without which there is nothing to do.
pub(crate) fn read() -> Options {
    let usual = Ports::default();
    let id = text("id").expect("device.cfg has id");
    let entry = match text("hub") {
        Some(hub) => Entry::Hub { hub, device_id: id },
        None => Entry::Dps {
            host: text("dps").unwrap_or(towpath::azure::dps::GLOBAL_ENDPOINT),
            scope: text("scope").expect("device.cfg has hub or scope"),
            registration_id: id,
            payload: "",
        },
    };
    let chain = load(c"device.der", &CHAIN);
    let secret = if chain.is_some() {
        c"device.key"
    } else {
        c"sas.key"
    };
    let secret = load(secret, &SECRET).expect("the device's key");
    let identity = chain.map(|chain| Identity {
        chain,
        key: secret,
        password: None,
    });
    let proof = match identity {
        Some(_) => Proof::Certificate,
        None => {
            let text = core::str::from_utf8(secret).unwrap_or_default();
            let key = Key::from_base64(text.trim()).expect("sas.key is a key in base64");
            Proof::Key(KEY.init(key))
        }
    };
    Options {
        entry,
        proof,
        transports: match text("transport") {
            Some("mqtts") => Transports::Only(Transport::Mqtts),
            Some("wss") => Transports::Only(Transport::Wss),
            _ => Transports::Both,
        },
        ports: Ports {
            mqtts: parsed("mqtts").unwrap_or(usual.mqtts),
            https: parsed("https").unwrap_or(usual.https),
        },
        address: parsed("address"),
        roots: load(c"root.der", &ROOT).expect("root.der, at most 4096 bytes"),
        identity,
        count: parsed("count").unwrap_or(10),
        interval: parsed("interval").unwrap_or(1000),
        keep_alive: parsed("keep-alive").unwrap_or(240),
        fleet: Fleet {
            devices: parsed("fleet").unwrap_or(Fleet::default().devices),
            ..Fleet::default()
        },
    }
}

impl Options {
    /// The same for the device's algorithm.
    pub(crate) fn device(&self) -> Settings<'static> {
        let mut settings = Settings::new(self.entry, self.proof);
        settings.product = concat!("towpath/", env!("CARGO_PKG_VERSION"));
        settings.transports = self.transports;
        settings.ports = self.ports;
        settings.keep_alive = self.keep_alive;
        settings.fleet = self.fleet;
        settings
    }
}

/// What can't be used on this side.
pub(crate) fn unusable(error: impl fmt::Display) -> Fault {
    let mut words = Text::<56>::EMPTY;
    // What does not fit is cut.
    let _ = write!(words, "{error}");
    Fault::new(Rung::Link, Code::Io).detail(words.as_str().as_bytes())
}
