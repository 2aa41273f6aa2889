//! From tables to a [`DeviceConfig`]: what each key has to be.

use super::{
    Desired, DeviceConfig, Fleet, Format, Full, Hub, KNOWN, Keys, Method, Outbox, Ports,
    Provisioning, Renewal, Reported, Telemetry, Transport, Update, UpdateKind,
};
use crate::{
    Error, Profile,
    config::{Config, Given, Network, Proxy, Tls, table::Table},
};

/// Keys of a connection that a device decides itself.
const NOT_HERE: &[(&str, &str)] = &[
    (
        "url",
        "a device finds its server by [hub] host or by [provisioning]; transport says how",
    ),
    (
        "id",
        "the client identifier is the device's; give it with device_id in [hub], or registration_id in [provisioning]",
    ),
    ("user", USER),
    ("password_file", USER),
    ("mqtt", "IoT Hub speaks MQTT 3.1.1; leave this out"),
    (
        "keep_session",
        "the session is always kept, so that nothing is lost; leave this out",
    ),
    (
        "session_expiry",
        "the hub decides how long it keeps a session; leave this out",
    ),
    (
        "will",
        "this has no meaning for `towpath device`; leave it out",
    ),
    ("websocket", "the hub decides this; leave it out"),
    ("key_file", WHERE_KEYS_GO),
    ("key_env", WHERE_KEYS_GO),
    ("key", NO_KEYS_HERE),
];

const USER: &str = "user name and password are made from the device's key; name that with key_file in [hub] or [provisioning]";
const WHERE_KEYS_GO: &str = "this key belongs into [hub] or [provisioning]";
const NO_KEYS_HERE: &str = "a device's key does not belong into this file, which is copied and shown to others. Put it \
                            into a file of its own and name that with key_file, or name an environment variable with \
                            key_env";

/// Names under which people write a key down.
const KEYS_IN_THE_OPEN: &[(&str, &str)] = &[
    ("key", NO_KEYS_HERE),
    ("primary_key", NO_KEYS_HERE),
    ("symmetric_key", NO_KEYS_HERE),
    ("shared_access_key", NO_KEYS_HERE),
    ("SharedAccessKey", NO_KEYS_HERE),
    ("connection_string", NO_KEYS_HERE),
    ("group_key", NO_KEYS_HERE),
];

const SESSION_FILE: &[(&str, &str)] = &[(
    "session_file",
    "TLS sessions are kept in the folder of state; leave this out",
)];

impl DeviceConfig {
    pub(super) fn read(root: &Table<'_, '_>) -> Result<Self, Error> {
        root.refuse(NOT_HERE)?;
        root.refuse(KEYS_IN_THE_OPEN)?;
        root.check(KNOWN)?;
        let transports = [
            ("auto", Transport::Auto),
            ("mqtts", Transport::Mqtts),
            ("wss", Transport::Wss),
        ];
        Ok(Self {
            connection: connection(root)?,
            state: root.path("state")?,
            transport: root.choice("transport", &transports)?,
            ports: Ports::read(&root.below("ports", "ports.")?)?,
            token_life: root.seconds("token_life")?,
            fleet: Fleet::read(&root.below("fleet", "fleet.")?)?,
            model_id: root.text("model_id")?,
            product: root.text("product")?,
            hub: Hub::read(&root.below("hub", "hub.")?)?,
            provisioning: Provisioning::read(&root.below("provisioning", "provisioning.")?)?,
            outbox: Outbox::read(&root.below("outbox", "outbox.")?)?,
            telemetry: Telemetry::read(&root.below("telemetry", "telemetry.")?)?,
            methods: methods(&root.below("methods", "methods.")?)?,
            desired: Desired::read(&root.below("desired", "desired.")?)?,
            reported: Reported::read(&root.below("reported", "reported.")?)?,
            update: Update::read(&root.below("update", "update.")?)?,
            renewal: Renewal::read(&root.below("renewal", "renewal.")?)?,
        })
    }
}

/// What every connection has.
fn connection(root: &Table<'_, '_>) -> Result<Config, Error> {
    let tls = root.below("tls", "tls.")?;
    tls.refuse(SESSION_FILE)?;
    Ok(Config {
        profile: root.choice("profile", &[(Profile::Thread.name(), Profile::Thread)])?,
        keepalive: root.number("keepalive", "a number of seconds from 0 to 1177")?,
        timeout: root.seconds("timeout")?,
        bind: root.address("bind")?,
        tls: Tls::read(&tls)?,
        network: Network::read(&root.below("network", "network.")?)?,
        proxy: Proxy::read(&root.below("proxy", "proxy.")?)?,
        ..Config::default()
    })
}

impl Ports {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        Ok(Self {
            mqtts: table.number("mqtts", PORT)?,
            https: table.number("https", PORT)?,
        })
    }
}

const PORT: &str = "a port from 1 to 65535";

impl Fleet {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        Ok(Self {
            devices: table.number("devices", "a number of devices")?,
            rate: table.number("rate", "a number of connections per second")?,
        })
    }
}

impl Hub {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.refuse(KEYS_IN_THE_OPEN)?;
        table.check(KNOWN)?;
        Ok(Self {
            at: table.at(),
            host: table.text("host")?,
            device_id: table.text("device_id")?,
            module_id: table.text("module_id")?,
            gateway: table.text("gateway")?,
            key: Keys {
                file: table.path("key_file")?,
                env: table.text("key_env")?,
            },
        })
    }
}

impl Provisioning {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.refuse(KEYS_IN_THE_OPEN)?;
        table.check(KNOWN)?;
        Ok(Self {
            at: table.at(),
            scope: table.text("scope")?,
            registration_id: table.text("registration_id")?,
            host: table.text("host")?,
            payload: table.text("payload")?,
            key: Keys {
                file: table.path("key_file")?,
                env: table.text("key_env")?,
            },
            group_key: Keys {
                file: table.path("group_key_file")?,
                env: table.text("group_key_env")?,
            },
        })
    }
}

impl Outbox {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        let full = [
            ("wait", Full::Wait),
            ("oldest", Full::Oldest),
            ("newest", Full::Newest),
        ];
        Ok(Self {
            bytes: table.number("bytes", "a number of bytes")?,
            age: table.seconds("age")?,
            full: table.choice("full", &full)?,
            memory: table.switch("memory")?,
        })
    }
}

impl Telemetry {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        let formats = [("json", Format::Json), ("text", Format::Text)];
        Ok(Self {
            at: table.at(),
            from_stdin: table.choice("from", &[("stdin", true), ("none", false)])?,
            run: table.program("run")?,
            every: table.seconds("every")?,
            timeout: table.seconds("timeout")?,
            format: table.choice("format", &formats)?,
            content_type: table.text("content_type")?,
            content_encoding: table.text("content_encoding")?,
            properties: table.pairs("properties")?,
        })
    }
}

fn methods(table: &Table<'_, '_>) -> Result<Vec<(String, Method)>, Error> {
    let mut methods = Vec::new();
    for (name, table) in table.each("methods.NAME.")? {
        table.check(KNOWN)?;
        let Some(run) = table.program("run")? else {
            return Err(missing(
                &table.at(),
                "run is missing: the program that answers, as in run = [\"program\"]",
            ));
        };
        let method = Method {
            run: run.value().clone(),
            timeout: table.seconds("timeout")?,
        };
        methods.push((name, method));
    }
    Ok(methods)
}

impl Desired {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        Ok(Self {
            file: table.path("file")?,
            run: table.program("run")?,
            timeout: table.seconds("timeout")?,
        })
    }
}

impl Reported {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        Ok(Self {
            file: table.path("file")?,
        })
    }
}

impl Update {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        let kinds = [("adu", UpdateKind::Adu), ("fota", UpdateKind::Fota)];
        Ok(Self {
            at: table.at(),
            kind: table.choice("kind", &kinds)?,
            slot: table.path("slot")?,
            version: table.text("version")?,
            version_file: table.path("version_file")?,
            manufacturer: table.text("manufacturer")?,
            model: table.text("model")?,
            provider: table.text("provider")?,
            name: table.text("name")?,
            handlers: table.texts("handlers")?,
            roots: table.path("roots")?,
            limit: table.number("limit", "a number of bytes")?,
            downgrade: table.switch("downgrade")?,
            apply: table.program("apply")?,
            confirm: table.program("confirm")?,
            timeout: table.seconds("timeout")?,
            restart: table.switch("restart")?,
        })
    }
}

impl Renewal {
    fn read(table: &Table<'_, '_>) -> Result<Self, Error> {
        table.check(KNOWN)?;
        Ok(Self {
            warn_days: table.number("warn_days", "a number of days")?,
            by_dps: table.switch("by_dps")?,
        })
    }
}

/// The error at the head of a table.
pub(super) fn missing(at: &Given<()>, why: &str) -> Error {
    match at {
        Some(at) => at.wrong(why),
        None => Error::Config {
            why: why.to_owned(),
        },
    }
}
