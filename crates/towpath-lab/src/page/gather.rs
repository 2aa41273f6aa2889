//! What the pages show, copied out of the lab, so that nothing is locked while HTML is made of it.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::{
    clock::Time,
    fault::Switch,
    hub::{Authentication, Entry, Feature, Hub, NEVER, Name, Origin},
    shared::Shared,
};

/// A hub on the overview.
#[derive(Debug)]
pub(super) struct HubRow {
    pub(super) host: String,
    pub(super) devices: usize,
    pub(super) connected: usize,
}

/// A device or module in a list.
#[derive(Debug)]
pub(super) struct DeviceRow {
    pub(super) host: String,
    pub(super) name: Name,
    pub(super) enabled: bool,
    pub(super) live: Option<LiveRow>,
    /// When it was last heard of; `None`: never.
    pub(super) active: Option<Time>,
    /// How many faults are on for this one only.
    pub(super) faults: usize,
}

/// A device's connection.
#[derive(Debug)]
pub(super) struct LiveRow {
    pub(super) peer: String,
    pub(super) since: Time,
    pub(super) expires: Option<Time>,
    pub(super) model_id: Option<String>,
    pub(super) client_type: Option<String>,
    pub(super) up: u64,
    pub(super) down: u64,
}

/// Which devices are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Which {
    #[default]
    All,
    Connected,
    Away,
    Disabled,
}

/// A screenful of devices.
#[derive(Debug)]
pub(super) struct DeviceList {
    pub(super) rows: Vec<DeviceRow>,
    /// How many the filter lets through.
    pub(super) found: usize,
}

pub(super) fn hubs(lab: &Shared) -> Vec<HubRow> {
    let row = |hub: &std::sync::Arc<Hub>| {
        let counts = hub.counts();
        HubRow {
            host: hub.host.clone(),
            devices: counts.enabled + counts.disabled,
            connected: counts.connected,
        }
    };
    lab.hubs.iter().map(row).collect()
}

/// The devices whose id has `text` in it, from the `skip`th on.
pub(super) fn devices(
    lab: &Shared,
    text: &str,
    which: Which,
    skip: usize,
    top: usize,
) -> DeviceList {
    let on = lab.means.faults.on();
    let mut list = DeviceList {
        rows: Vec::new(),
        found: 0,
    };
    let text = text.trim().to_lowercase();
    for hub in &lab.hubs {
        let state = hub.lock();
        for (name, entry) in &state.entries {
            if !(which.takes(entry) && contains(name, &text)) {
                continue;
            }
            list.found += 1;
            if list.found > skip && list.rows.len() < top {
                list.rows.push(row(hub, name, entry, &on));
            }
        }
    }
    list
}

impl Which {
    fn takes(self, entry: &Entry) -> bool {
        match self {
            Self::All => true,
            Self::Connected => entry.live.is_some(),
            Self::Away => entry.live.is_none() && entry.identity.enabled,
            Self::Disabled => !entry.identity.enabled,
        }
    }
}

fn contains(name: &Name, text: &str) -> bool {
    text.is_empty() || name.to_string().to_lowercase().contains(text)
}

fn row(hub: &Hub, name: &Name, entry: &Entry, on: &[Switch]) -> DeviceRow {
    let written = name.to_string();
    DeviceRow {
        host: hub.host.clone(),
        name: name.clone(),
        enabled: entry.identity.enabled,
        live: live(entry),
        active: known(entry.identity.last_activity),
        faults: on
            .iter()
            .filter(|switch| switch.setting.device.as_deref() == Some(&written))
            .count(),
    }
}

/// A time that is not the service's word for never, nor the clock's beginning.
fn known(time: Time) -> Option<Time> {
    (time > NEVER && time != Time::default()).then_some(time)
}

fn live(entry: &Entry) -> Option<LiveRow> {
    use std::sync::atomic::Ordering::Relaxed;
    entry.live.as_ref().map(|live| LiveRow {
        peer: live.connection.peer.to_string(),
        since: live.since,
        expires: live.expires,
        model_id: live.model_id.clone(),
        client_type: live.client_type.clone(),
        up: live.connection.up.load(Relaxed),
        down: live.connection.down.load(Relaxed),
    })
}

/// Everything that a device's own page shows of it.
#[derive(Debug)]
pub(super) struct DeviceView {
    pub(super) row: DeviceRow,
    /// How it proves who it is; no key.
    pub(super) proof: String,
    pub(super) status_reason: Option<String>,
    pub(super) origin: &'static str,
    pub(super) edge: bool,
    /// Messages that wait for it.
    pub(super) waiting: usize,
    /// What it has subscribed to.
    pub(super) subscriptions: Vec<&'static str>,
    pub(super) modules: Vec<Name>,
}

pub(super) fn device(lab: &Shared, host: &str, name: &Name) -> Option<DeviceView> {
    let hub = lab.hub(host)?;
    let on = lab.means.faults.on();
    let state = hub.lock();
    let entry = state.entries.get(name)?;
    let modules = state
        .entries
        .range(Name::device(&name.device)..)
        .map(|(name, _)| name)
        .take_while(|other| other.device == name.device)
        .filter(|other| other.module.is_some() && name.module.is_none());
    let identity = &entry.identity;
    Some(DeviceView {
        row: row(hub, name, entry, &on),
        proof: proof(&identity.authentication),
        status_reason: identity.status_reason.clone(),
        origin: match identity.origin {
            Origin::Config => "the config",
            Origin::Registry => "the registry's API",
            Origin::Provisioning => "provisioning",
        },
        edge: identity.edge,
        waiting: entry.inbox.len(),
        subscriptions: entry
            .session
            .subscriptions
            .keys()
            .map(|feature| words(*feature))
            .collect(),
        modules: modules.cloned().collect(),
    })
}

const fn words(feature: Feature) -> &'static str {
    match feature {
        Feature::CloudToDevice => "cloud-to-device",
        Feature::Methods => "methods",
        Feature::TwinAnswers => "twin answers",
        Feature::DesiredChanges => "desired changes",
        Feature::Inputs => "inputs",
    }
}

fn proof(authentication: &Authentication) -> String {
    match authentication {
        Authentication::Sas { .. } => "SAS, two symmetric keys".into(),
        Authentication::SelfSigned { primary, secondary } => {
            let mut prints = primary.iter().chain(secondary).map(String::as_str);
            match (prints.next(), prints.next()) {
                (Some(one), Some(two)) => format!("X.509 by thumbprint {one} or {two}"),
                (Some(one), None) => format!("X.509 by thumbprint {one}"),
                _ => "X.509 by thumbprint, none is registered".into(),
            }
        }
        Authentication::CertificateAuthority => "X.509, issued by a CA of the hub".into(),
    }
}

/// A twin as the page shows it.
#[derive(Debug, Default)]
pub(super) struct TwinView {
    pub(super) etag: String,
    pub(super) desired: Json,
    pub(super) desired_version: u64,
    pub(super) reported: Json,
    pub(super) reported_version: u64,
    pub(super) tags: Json,
}

pub(super) fn twin(lab: &Shared, host: &str, name: &Name) -> Option<TwinView> {
    let mut twin = lab.hub(host)?.twin_json(name)?;
    let mut section = |pointer: &str| {
        let mut json = twin
            .pointer_mut(pointer)
            .map(Json::take)
            .unwrap_or_default();
        let version = json.get("$version").and_then(Json::as_u64).unwrap_or(0);
        if let Json::Object(map) = &mut json {
            map.retain(|key, _| !key.starts_with('$'));
        }
        (json, version)
    };
    let (desired, desired_version) = section("/properties/desired");
    let (reported, reported_version) = section("/properties/reported");
    let (tags, _) = section("/tags");
    Some(TwinView {
        etag: twin
            .get("etag")
            .and_then(Json::as_str)
            .unwrap_or_default()
            .to_owned(),
        desired,
        desired_version,
        reported,
        reported_version,
        tags,
    })
}

/// The hosts that a fault can be limited to.
pub(super) fn hosts(lab: &Shared) -> BTreeSet<String> {
    let hubs = lab.hubs.iter().map(|hub| hub.host.clone());
    hubs.chain(lab.dps.iter().map(|dps| dps.host.clone()))
        .collect()
}
