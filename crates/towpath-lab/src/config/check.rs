//! What no type can say about a config: what contradicts, doubles or exceeds.

use std::{collections::HashSet, path::Path};

use super::{Config, Device, Enrollment, Hub, Module, Policy, Provisioning, Tls, places::Place};
use crate::{dps, hub, key::Key};

/// Where and why.
pub(super) type Wrong = (Place, String);

fn wrong<T>(place: Place, why: impl Into<String>) -> Result<T, Wrong> {
    Err((place, why.into()))
}

impl Config {
    /// The first thing that can't be.
    pub(super) fn found_wrong(&self) -> Result<(), Wrong> {
        let top = Place::default();
        self.check_listen()?;
        self.tls.check(&top.key("tls"))?;
        if self.hubs.is_empty() && self.provisioning.is_none() {
            return wrong(
                top,
                "there is no hub; write [[hub]] with host = \"localhost\"",
            );
        }
        let mut hosts = Names::new("host name");
        for (index, hub) in self.hubs.iter().enumerate() {
            let place = top.key("hub").at(index);
            hosts.take(&place.key("host"), &hub.host.to_ascii_lowercase())?;
            hub.check(&place, self.state.as_deref())?;
        }
        if let Some(dps) = &self.provisioning {
            dps.check(&top.key("provisioning"), self)?;
        }
        for (index, fault) in self.faults.iter().enumerate() {
            let place = top.key("fault").at(index);
            if let Err(error) = fault.check() {
                let known = matches!(fault.listener.as_deref(), None | Some("mqtts" | "https"));
                let key = if known { "value" } else { "listener" };
                return wrong(place.key(key), error.to_string());
            }
            if fault.times == Some(0) {
                return wrong(place.key("times"), "this has to be 1 or more");
            }
            if let Some(host) = &fault.host
                && !self.knows(host)
            {
                return wrong(
                    place.key("host"),
                    format!("{host:?} is no host of this lab"),
                );
            }
        }
        Ok(())
    }

    fn knows(&self, host: &str) -> bool {
        let mut hosts = self.hubs.iter().map(|hub| &hub.host);
        let dps = self.provisioning.as_ref().map(|dps| &dps.host);
        hosts.any(|own| own.eq_ignore_ascii_case(host))
            || dps.is_some_and(|own| own.eq_ignore_ascii_case(host))
    }

    fn check_listen(&self) -> Result<(), Wrong> {
        let listen = &self.listen;
        let place = Place::default().key("listen");
        let ports = [
            ("mqtts", Some(listen.mqtts)),
            ("https", Some(listen.https)),
            ("page", listen.page),
        ];
        let mut taken: Vec<(&str, u16)> = Vec::new();
        for (name, port) in ports {
            // Port 0 is a free one each time.
            let Some(port) = port.filter(|port| *port != 0) else {
                continue;
            };
            if let Some((other, _)) = taken.iter().find(|(_, taken)| *taken == port) {
                return wrong(place.key(name), format!("{other} has port {port} already"));
            }
            taken.push((name, port));
        }
        if listen.connections == 0 {
            return wrong(place.key("connections"), "this has to be 1 or more");
        }
        let Some(proxy) = &listen.behind_proxy else {
            return Ok(());
        };
        let place = place.key("behind_proxy");
        if proxy.trusted.is_empty() {
            return wrong(
                place.key("trusted"),
                "no address is trusted, so nobody could connect; name the proxy's",
            );
        }
        let token = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        if proxy.certificate_header.is_empty() || !proxy.certificate_header.chars().all(token) {
            return wrong(
                place.key("certificate_header"),
                "this has to be the name of a header field",
            );
        }
        Ok(())
    }
}

impl Tls {
    fn check(&self, place: &Place) -> Result<(), Wrong> {
        match (&self.cert, &self.key) {
            (Some(_), None) => {
                return wrong(
                    place.key("cert"),
                    "a certificate needs its key: name it with key",
                );
            }
            (None, Some(_)) => {
                return wrong(
                    place.key("key"),
                    "a key needs its certificate: name it with cert",
                );
            }
            _ => {}
        }
        for (name, path) in [("cert", &self.cert), ("key", &self.key)] {
            if let Some(path) = path {
                is_file(place.key(name), path)?;
            }
        }
        if self.min > self.max {
            return wrong(
                place.key("min"),
                "the oldest version is newer than the newest, max",
            );
        }
        for (index, name) in self.suites.iter().enumerate() {
            if !is_suite(name) {
                return wrong(
                    place.key("suites").at(index),
                    "OpenSSL knows no such suite of TLS 1.2; \"openssl ciphers -v\" lists their names",
                );
            }
        }
        for (index, name) in self.names.iter().enumerate() {
            is_host(
                place.key("names").at(index),
                name.strip_prefix("*.").unwrap_or(name),
            )?;
        }
        Ok(())
    }
}

/// Whether OpenSSL knows this one suite of TLS 1.2.
fn is_suite(name: &str) -> bool {
    use openssl::ssl::{SslContext, SslMethod};
    let plain = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
    let Ok(mut context) = SslContext::builder(SslMethod::tls()) else {
        return true;
    };
    name.contains(['-', '_']) && name.chars().all(plain) && context.set_cipher_list(name).is_ok()
}

impl Hub {
    fn check(&self, place: &Place, state: Option<&Path>) -> Result<(), Wrong> {
        is_host(place.key("host"), &self.host)?;
        policies(&place.key("policy"), &self.policies)?;
        for (index, path) in self.device_cas.iter().enumerate() {
            is_ca_file(place.key("device_cas").at(index), path, state)?;
        }
        let mut ids = Names::new("device id");
        for (index, device) in self.devices.iter().enumerate() {
            let place = place.key("device").at(index);
            ids.take(&place.key("id"), &device.id)?;
            device.check(&place)?;
        }
        self.check_limits(&place.key("limits"))?;
        if !(5..=86_400).contains(&self.behaviour.method_timeout_s) {
            return wrong(
                place.key("behaviour").key("method_timeout_s"),
                "this has to be 5 to 86400 seconds",
            );
        }
        if !(1..=5).contains(&self.behaviour.certificate_missing) {
            return wrong(
                place.key("behaviour").key("certificate_missing"),
                "a return code of CONNACK that refuses is 1 to 5",
            );
        }
        Ok(())
    }

    fn check_limits(&self, place: &Place) -> Result<(), Wrong> {
        let limits = &self.limits;
        let above_zero = [
            ("telemetry_bytes", limits.telemetry_bytes as u64),
            ("c2d_bytes", limits.c2d_bytes as u64),
            ("c2d_queue", limits.c2d_queue as u64),
            ("c2d_ttl_s", limits.c2d_ttl_s),
            ("c2d_lock_s", limits.c2d_lock_s),
            ("c2d_deliveries", u64::from(limits.c2d_deliveries)),
            ("method_bytes", limits.method_bytes as u64),
            ("twin_bytes", limits.twin_bytes as u64),
            ("tag_bytes", limits.tag_bytes as u64),
            ("twin_depth", limits.twin_depth as u64),
            ("subscriptions", limits.subscriptions as u64),
            ("keep_alive_cap_s", limits.keep_alive_cap_s),
            ("connect_s", limits.connect_s),
        ];
        for (key, number) in above_zero {
            if number == 0 {
                return wrong(place.key(key), "this has to be 1 or more");
            }
        }
        for (key, number) in [
            ("skew_s", limits.skew_s),
            ("token_grace_s", limits.token_grace_s),
        ] {
            if number < 0 {
                return wrong(place.key(key), "this has to be 0 or more");
            }
        }
        Ok(())
    }
}

impl Device {
    fn check(&self, place: &Place) -> Result<(), Wrong> {
        is_device_id(place.key("id"), &self.id)?;
        credentials(
            place,
            [&self.primary_key, &self.secondary_key],
            [&self.primary_thumbprint, &self.secondary_thumbprint],
            self.x509_ca,
        )?;
        let mut ids = Names::new("module id");
        for (index, module) in self.modules.iter().enumerate() {
            let place = place.key("module").at(index);
            ids.take(&place.key("id"), &module.id)?;
            module.check(&place)?;
        }
        Ok(())
    }
}

impl Module {
    fn check(&self, place: &Place) -> Result<(), Wrong> {
        is_device_id(place.key("id"), &self.id)?;
        credentials(
            place,
            [&self.primary_key, &self.secondary_key],
            [&self.primary_thumbprint, &self.secondary_thumbprint],
            self.x509_ca,
        )
    }
}

impl Provisioning {
    fn check(&self, place: &Place, lab: &Config) -> Result<(), Wrong> {
        is_host(place.key("host"), &self.host)?;
        let plain = |char: char| char.is_ascii_alphanumeric();
        if self.id_scope.is_empty() || !self.id_scope.chars().all(plain) {
            return wrong(
                place.key("id_scope"),
                "an ID scope is letters and digits, such as \"0ne00000001\"",
            );
        }
        if !(1..=90).contains(&self.issued_days) {
            return wrong(place.key("issued_days"), "this has to be 1 to 90 days");
        }
        policies(&place.key("policy"), &self.policies)?;
        for (key, list, group) in [
            ("enrollment", &self.enrollments, false),
            ("group", &self.groups, true),
        ] {
            let mut ids = Names::new(if group { "group" } else { "registration id" });
            for (index, enrollment) in list.iter().enumerate() {
                let place = place.key(key).at(index);
                ids.take(&place.key("id"), &enrollment.id.to_ascii_lowercase())?;
                enrollment.check(&place, group, lab)?;
            }
        }
        Ok(())
    }
}

impl Enrollment {
    fn check(&self, place: &Place, group: bool, lab: &Config) -> Result<(), Wrong> {
        is_registration_id(place.key("id"), &self.id)?;
        let certificates = [
            ("primary_certificate", &self.primary_certificate),
            ("secondary_certificate", &self.secondary_certificate),
        ];
        for (key, certificate) in certificates {
            let Some(certificate) = certificate else {
                continue;
            };
            if group {
                return wrong(place.key(key), "this is of one device; a group has cas");
            }
            if !is_thumbprint(certificate) {
                let path = Path::new(certificate);
                let why = "this is neither a thumbprint of 40 or 64 hexadecimal digits nor a file";
                is_file(place.key(key), path).map_err(|(place, _)| (place, why.to_owned()))?;
            }
        }
        for (index, path) in self.cas.iter().enumerate() {
            is_ca_file(place.key("cas").at(index), path, lab.state.as_deref())?;
        }
        let key = self.primary_key.is_some() || self.secondary_key.is_some();
        let certificate =
            self.primary_certificate.is_some() || self.secondary_certificate.is_some();
        if [key, certificate, !self.cas.is_empty()]
            .iter()
            .filter(|one| **one)
            .count()
            > 1
        {
            return wrong(
                place.key("id"),
                "an enrolment has either keys, or certificates, or CAs",
            );
        }
        if let Some(id) = &self.device_id {
            if group {
                return wrong(
                    place.key("device_id"),
                    "this is of one device, not of a group",
                );
            }
            is_device_id(place.key("device_id"), id)?;
        }
        for (index, host) in self.hubs.iter().enumerate() {
            if !lab
                .hubs
                .iter()
                .any(|hub| hub.host.eq_ignore_ascii_case(host))
            {
                return wrong(
                    place.key("hubs").at(index),
                    format!("{host:?} is no [[hub]] of this lab"),
                );
            }
        }
        Ok(())
    }
}

fn policies(place: &Place, policies: &[Policy]) -> Result<(), Wrong> {
    let mut names = Names::new("policy");
    for (index, policy) in policies.iter().enumerate() {
        let place = place.at(index);
        if policy.name.is_empty() || policy.name.len() > 64 {
            return wrong(place.key("name"), "a policy's name has 1 to 64 characters");
        }
        names.take(&place.key("name"), &policy.name)?;
        if policy.rights.is_empty() {
            return wrong(
                place.key("rights"),
                "a policy without rights permits nothing",
            );
        }
    }
    Ok(())
}

/// Keys, or thumbprints, or a CA.
fn credentials(
    place: &Place,
    keys: [&Option<Key>; 2],
    thumbprints: [&Option<String>; 2],
    x509_ca: bool,
) -> Result<(), Wrong> {
    let others =
        keys.iter().any(|key| key.is_some()) || thumbprints.iter().any(|one| one.is_some());
    if x509_ca && others {
        return wrong(
            place.key("x509_ca"),
            "a device has either keys, or thumbprints, or a certificate of a CA",
        );
    }
    for (key, thumbprint) in ["primary_thumbprint", "secondary_thumbprint"]
        .into_iter()
        .zip(thumbprints)
    {
        let Some(thumbprint) = thumbprint else {
            continue;
        };
        if keys.iter().any(|key| key.is_some()) {
            return wrong(place.key(key), "a device has either keys or thumbprints");
        }
        if !is_thumbprint(thumbprint) {
            return wrong(
                place.key(key),
                "a thumbprint is 40 (SHA-1) or 64 (SHA-256) hexadecimal digits",
            );
        }
    }
    Ok(())
}

/// SHA-1 or SHA-256 in hexadecimal digits, with or without colons and blanks.
pub(crate) fn is_thumbprint(text: &str) -> bool {
    let digits = text.chars().filter(|char| !matches!(char, ':' | ' '));
    let (count, hex) = digits.fold((0, true), |(count, hex), char| {
        (count + 1, hex && char.is_ascii_hexdigit())
    });
    hex && matches!(count, 40 | 64)
}

fn is_file(place: Place, path: &Path) -> Result<(), Wrong> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => wrong(place, format!("{} is no file", path.display())),
        Err(error) => wrong(place, format!("{}: {error}", path.display())),
    }
}

/// The lab's own CAs are made with the state folder: they are not there before the first start.
fn is_ca_file(place: Place, path: &Path, state: Option<&Path>) -> Result<(), Wrong> {
    if super::is_lab_ca(path) || state.is_some_and(|state| path.starts_with(state)) {
        return Ok(());
    }
    is_file(place, path)
}

fn is_host(place: Place, name: &str) -> Result<(), Wrong> {
    if name.is_empty() {
        return wrong(place, "the host name is missing");
    }
    let label = |label: &str| {
        let plain = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
        (1..=63).contains(&label.len()) && label.chars().all(plain)
    };
    let address = name.parse::<std::net::IpAddr>().is_ok();
    if !address && (name.len() > 253 || !name.split('.').all(label)) {
        return wrong(
            place,
            "this is no host name; it has letters, digits, hyphens and dots",
        );
    }
    Ok(())
}

fn is_device_id(place: Place, id: &str) -> Result<(), Wrong> {
    is_id(place, id, hub::registry::check_id)
}

fn is_registration_id(place: Place, id: &str) -> Result<(), Wrong> {
    is_id(place, id, dps::check_id)
}

fn is_id(place: Place, id: &str, check: fn(&str) -> Result<(), String>) -> Result<(), Wrong> {
    if id.is_empty() {
        return wrong(place, "the id is missing");
    }
    check(id).map_err(|why| (place, why))
}

/// Names that may be there once.
struct Names {
    what: &'static str,
    taken: HashSet<String>,
}

impl Names {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            taken: HashSet::new(),
        }
    }

    fn take(&mut self, place: &Place, name: &str) -> Result<(), Wrong> {
        if self.taken.insert(name.to_owned()) {
            return Ok(());
        }
        let what = self.what;
        wrong(place.clone(), format!("the {what} {name:?} is there twice"))
    }
}
