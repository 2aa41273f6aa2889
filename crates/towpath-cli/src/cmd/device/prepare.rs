//! From the device's file to the options of the library, the outbox, and how programs are run.

use std::{fs, path::Path, sync::Arc, time::Duration};

use towpath::{
    Options as Connecting,
    config::{
        Setting,
        device::{DeviceConfig, Full, Proof, Transport},
    },
    device::{self, Credential, Entry, Module, Options, Transports, Wants},
    outbox::{Bounds, Drop as Dropped, Outbox},
};

use super::{answer::is_json, program::Runner};
use crate::{exit::Failure, setup};

/// How much telemetry waits at most when nothing is said, bytes.
const OUTBOX: u64 = 64 << 20;

/// What a value is, or its default.
pub(in crate::cmd) fn or<T: Clone>(given: &Option<Setting<T>>, usual: T) -> T {
    given.as_ref().map_or(usual, |given| given.value().clone())
}

/// The same where there is no default.
fn text(given: &Option<Setting<String>>) -> Option<String> {
    given.as_ref().map(|given| given.value().clone())
}

/// The options of the device, and the host of its proxy. `trace`: every step of a climb is told.
pub(super) fn options(
    config: &DeviceConfig,
    wants: Wants,
    trace: bool,
) -> Result<(Options, Option<String>), Failure> {
    options_over(config, wants, |network| network.trace(trace))
}

/// The same, with what `change` makes of the options of its connections.
pub(in crate::cmd) fn options_over(
    config: &DeviceConfig,
    wants: Wants,
    change: impl FnOnce(Connecting) -> Connecting,
) -> Result<(Options, Option<String>), Failure> {
    let entry = entry(config)?;
    let credential = match config.proof()? {
        Proof::Key(key) => Credential::Key(Arc::new(key)),
        Proof::Certificate => Credential::Certificate,
    };
    let mut config = config.clone();
    let host = config.host().to_owned();
    let secrets = setup::device(&mut config.connection, &host)?;
    let network = change(config.options(secrets)?);
    let proxy = network.proxied_by().map(|proxy| proxy.host().to_owned());
    let usual = device::Ports::default();
    let mut options = Options::new(entry, credential)
        .network(network)
        .wants(wants)
        .module(text(&config.hub.module_id).map(Module))
        .gateway(text(&config.hub.gateway))
        .model_id(text(&config.model_id))
        .transports(match or(&config.transport, Transport::Auto) {
            Transport::Auto => Transports::Both,
            Transport::Mqtts => Transports::Only(device::Transport::Mqtts),
            Transport::Wss => Transports::Only(device::Transport::Wss),
        })
        .ports(device::Ports {
            mqtts: or(&config.ports.mqtts, usual.mqtts),
            https: or(&config.ports.https, usual.https),
        })
        .state(state(&config)?.map(Path::to_owned));
    let fleet = device::Fleet::default();
    options = options.fleet(device::Fleet {
        devices: or(&config.fleet.devices, fleet.devices),
        rate: or(&config.fleet.rate, fleet.rate),
    });
    if let Some(product) = text(&config.product) {
        options = options.product(product);
    }
    if let Some(seconds) = &config.connection.keepalive {
        options = options.keep_alive(*seconds.value());
    }
    if let Some(life) = &config.token_life {
        options = options.token_life(*life.value());
    }
    Ok((options, proxy))
}

fn entry(config: &DeviceConfig) -> Result<Entry, Failure> {
    let (hub, dps) = (&config.hub, &config.provisioning);
    if dps.at.is_none() {
        return Ok(Entry::Hub {
            hub: text(&hub.host).unwrap_or_default(),
            device_id: text(&hub.device_id).unwrap_or_default(),
        });
    }
    if let Some(payload) = &dps.payload
        && !is_json(payload.value().as_bytes())
    {
        return Err(payload.wrong("this is no JSON").into());
    }
    Ok(Entry::Dps {
        host: config.host().to_owned(),
        scope: text(&dps.scope).unwrap_or_default(),
        registration_id: text(&dps.registration_id).unwrap_or_default(),
        payload: text(&dps.payload).unwrap_or_default(),
    })
}

/// The folder of what is kept, made if it is not there.
fn state(config: &DeviceConfig) -> Result<Option<&Path>, Failure> {
    let Some(state) = &config.state else {
        return Ok(None);
    };
    let folder = state.value().as_path();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        // The file is right: a disk that is not mounted yet, or not writable, may be later.
        let wrong = state.wrong(format_args!("{}: {error}", folder.display()));
        Failure::Outbox(wrong.to_string())
    })?;
    Ok(Some(folder))
}

/// What happens to telemetry for which there is no room: lines of standard input wait, a sensor goes on.
pub(super) fn full(config: &DeviceConfig) -> Full {
    let usual = if config.reads_stdin() {
        Full::Wait
    } else {
        Full::Oldest
    };
    or(&config.outbox.full, usual)
}

/// The bounds of the outbox.
pub(super) fn bounds(config: &DeviceConfig) -> Bounds {
    Bounds {
        bytes: or(&config.outbox.bytes, OUTBOX),
        age: config.outbox.age.as_ref().map(|age| *age.value()),
        full: match full(config) {
            Full::Oldest => Dropped::Oldest,
            // Who waits never comes when it is full.
            Full::Newest | Full::Wait => Dropped::Newest,
        },
    }
}

/// The outbox: in the folder of state, or in memory where that is said or there is no folder.
pub(super) fn outbox(config: &DeviceConfig) -> Result<Outbox, Failure> {
    let bounds = bounds(config);
    let folder = state(config)?.filter(|_| !config.forgets());
    match folder {
        Some(folder) => Outbox::open(folder.join("outbox.redb"), bounds)
            .map_err(|error| Failure::Outbox(error.to_string())),
        None => Ok(Outbox::memory(bounds)),
    }
}

/// Whether what waits is lost with the process.
pub(super) fn forgets(config: &DeviceConfig) -> bool {
    config.forgets() || config.state.is_none()
}

/// Programs are run without the variables that hold keys.
pub(super) fn runner(config: &DeviceConfig) -> Runner {
    let dps = &config.provisioning;
    let named = [&config.hub.key.env, &dps.key.env, &dps.group_key.env];
    Runner::new(named.into_iter().filter_map(text).collect())
}

/// How long a program may take.
pub(super) fn limit(given: &Option<Setting<Duration>>) -> Duration {
    or(given, Duration::from_secs(30))
}
