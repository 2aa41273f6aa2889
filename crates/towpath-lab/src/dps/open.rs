//! The service at the start of the lab: what the store has of it, and what the config declares.
//!
//! The config wins: an enrolment that it declares is as it says, whatever the service API made of it; keys that it
//! leaves out are made once and kept. An enrolment that it declared before and does not any more is gone; what the API
//! made stays, and so do registrations.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use openssl::x509::X509;

use super::{
    Dps, Kind, State, check_id,
    enrollment::{Attestation, Declared, Enrollment, Origin},
    registration::Registration,
};
use crate::{
    Error,
    clock::Time,
    config::{self, Reprovision, Right},
    hub::{self, Hub},
    key::Key,
    pki::Pki,
    shared::Means,
    store::{Batch, Table},
};

/// The policies that the service has from the start.
const STANDARD: &[(&str, &[Right])] = &[(
    "provisioningserviceowner",
    &[
        Right::RegistryRead,
        Right::RegistryWrite,
        Right::ServiceConnect,
    ],
)];

impl Dps {
    /// Reads enrolments and registrations from the store and adds what the config declares.
    pub(crate) fn open(
        config: &config::Provisioning,
        hubs: &[Arc<Hub>],
        pki: &Pki,
        means: &Means,
    ) -> Result<Self, Error> {
        if config.id_scope.is_empty() || config.id_scope.contains(['/', '&', '?']) {
            return Err(wrong("id_scope", "it is empty, or has / & ? in it"));
        }
        if !(1..=90).contains(&config.issued_days) {
            return Err(wrong(
                "issued_days",
                "an issued certificate is valid for 1 to 90 days",
            ));
        }
        let place = format!("provisioning {}", config.host);
        let policies = hub::policies(&place, &config.policies, STANDARD, &means.store)?;
        let mut state = State::default();
        for (_, enrollment) in means.store.load::<Enrollment>(Table::Enrollment)? {
            let id = enrollment.id.to_ascii_lowercase();
            state
                .enrollments_mut(enrollment.kind)
                .insert(id, enrollment);
        }
        for (id, registration) in means.store.load::<Registration>(Table::Registration)? {
            state.registrations.insert(id, registration);
        }
        let now = means.clock.now();
        let mut batch = Batch::default();
        for (kind, declared) in [
            (Kind::Individual, &config.enrollments),
            (Kind::Group, &config.groups),
        ] {
            declare(&mut state, kind, declared, hubs, now, &mut batch)?;
        }
        // The writer has it before anybody can see a key.
        drop(means.store.write(batch));
        Ok(Self {
            host: config.host.clone(),
            id_scope: config.id_scope.clone(),
            policies,
            polls: config.polls,
            retry_after_s: config.retry_after_s,
            refused_at: config.refused_at,
            allocation: config.allocation,
            issued_days: config.issued_days,
            hubs: hubs.to_vec(),
            issuer: pki.issuer(),
            means: means.clone(),
            state: Mutex::new(state),
        })
    }
}

/// Makes the enrolments of a kind what the config declares, besides those of the API.
fn declare(
    state: &mut State,
    kind: Kind,
    declared: &[config::Enrollment],
    hubs: &[Arc<Hub>],
    now: Time,
    batch: &mut Batch,
) -> Result<(), Error> {
    let mut wanted = BTreeMap::new();
    for one in declared {
        let place = format!("{} {:?}", kind.word(), one.id);
        check_id(&one.id).map_err(|why| wrong(&place, why))?;
        if let Some(host) = one.hubs.iter().find(|host| !known(hubs, host)) {
            return Err(wrong(
                &place,
                format!("hubs: there is no hub {host:?} in this lab"),
            ));
        }
        if wanted
            .insert(one.id.to_ascii_lowercase(), (place, one))
            .is_some()
        {
            return Err(wrong(
                &format!("{} {:?}", kind.word(), one.id),
                "it is declared twice",
            ));
        }
    }
    state.enrollments_mut(kind).retain(|id, enrollment| {
        let stays = enrollment.origin == Origin::Service || wanted.contains_key(id);
        if !stays {
            batch.delete(Table::Enrollment, kind.key(id));
        }
        stays
    });
    for (id, (place, config)) in wanted {
        let old = state.enrollments(kind).get(&id);
        let mut new = enrollment(kind, config, old, now).map_err(|why| wrong(&place, why))?;
        if old != Some(&new) {
            new.updated = now;
            new.etag = state.etag(now);
            batch.put(Table::Enrollment, kind.key(&id), &new);
            state.enrollments_mut(kind).insert(id, new);
        }
    }
    Ok(())
}

/// An enrolment as the config declares it; times and etag are those of `old`.
fn enrollment(
    kind: Kind,
    config: &config::Enrollment,
    old: Option<&Enrollment>,
    now: Time,
) -> Result<Enrollment, String> {
    if let Some(device) = &config.device_id {
        if kind == Kind::Group {
            return Err("device_id: it can't be the id of all devices of a group".into());
        }
        hub::registry::check_id(device).map_err(|why| format!("device_id: {why}"))?;
    }
    Ok(Enrollment {
        id: config.id.clone(),
        kind,
        origin: Origin::Config,
        enabled: !config.disabled,
        attestation: attestation(kind, config, old)?,
        device_id: config.device_id.clone(),
        hubs: config.hubs.clone(),
        allocation: config.allocation,
        reprovision: config.reprovision.unwrap_or(Reprovision::Migrate),
        tags: config.tags.clone(),
        desired: config.desired.clone(),
        payload: config.payload.clone(),
        issue: config.issue_certificates,
        edge: false,
        created: old.map_or(now, |old| old.created),
        updated: old.map_or(now, |old| old.updated),
        etag: old.map(|old| old.etag.clone()).unwrap_or_default(),
    })
}

pub(super) fn known(hubs: &[Arc<Hub>], host: &str) -> bool {
    hubs.iter().any(|hub| hub.host.eq_ignore_ascii_case(host))
}

fn wrong(place: &str, why: impl std::fmt::Display) -> Error {
    Error::Config {
        why: format!("{place}: {why}"),
    }
}

fn attestation(
    kind: Kind,
    config: &config::Enrollment,
    old: Option<&Enrollment>,
) -> Result<Attestation, String> {
    let keys = config.primary_key.is_some() || config.secondary_key.is_some();
    let certificates =
        config.primary_certificate.is_some() || config.secondary_certificate.is_some();
    let cas = !config.cas.is_empty();
    if u8::from(keys) + u8::from(certificates) + u8::from(cas) > 1 {
        return Err(
            "it can have keys, or certificates, or cas; the service takes one of them".into(),
        );
    }
    if certificates && kind == Kind::Group {
        return Err("primary_certificate is of one device; a group has cas".into());
    }
    if certificates {
        let read = |text: &Option<String>| text.as_deref().map(declared).transpose();
        return Ok(Attestation::Certificates {
            primary: read(&config.primary_certificate)
                .map_err(|why| format!("primary_certificate: {why}"))?,
            secondary: read(&config.secondary_certificate)
                .map_err(|why| format!("secondary_certificate: {why}"))?,
        });
    }
    if cas {
        let all = config.cas.iter().map(|path| {
            let pem =
                fs::read(path).map_err(|error| format!("cas: {}: {error}", path.display()))?;
            authorities(&pem).map_err(|why| format!("cas: {}: {why}", path.display()))
        });
        let all: Vec<Vec<String>> = all.collect::<Result<_, String>>()?;
        return Ok(Attestation::SigningCertificates(all.concat()));
    }
    let (primary, secondary) = match old.map(|old| &old.attestation) {
        Some(Attestation::SymmetricKey { primary, secondary }) => {
            (Some(primary.clone()), Some(secondary.clone()))
        }
        _ => (None, None),
    };
    let primary = config.primary_key.clone().or(primary);
    let secondary = config.secondary_key.clone().or(secondary);
    Ok(Attestation::SymmetricKey {
        primary: primary.unwrap_or_else(Key::random),
        secondary: secondary.unwrap_or_else(Key::random),
    })
}

/// A thumbprint, or the path of a certificate.
fn declared(text: &str) -> Result<Declared, String> {
    let plain: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    if matches!(plain.len(), 40 | 64) && plain.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(Declared::Thumbprint(plain.to_ascii_uppercase()));
    }
    let path = Path::new(text);
    let pem = fs::read(path).map_err(|error| {
        format!("{text:?} is neither a thumbprint of 40 or 64 digits nor a file: {error}")
    })?;
    certificate(&pem)
        .map(Declared::Certificate)
        .map_err(|why| format!("{}: {why}", path.display()))
}

/// The first certificate of a PEM text, as PEM.
pub(super) fn certificate(text: &[u8]) -> Result<String, String> {
    let all = authorities(text)?;
    all.into_iter()
        .next()
        .ok_or_else(|| "there is no certificate in it".into())
}

/// The certificates of a PEM text, each as PEM.
fn authorities(text: &[u8]) -> Result<Vec<String>, String> {
    let all = X509::stack_from_pem(text).map_err(|_| "it is no certificate (PEM)".to_owned())?;
    if all.is_empty() {
        return Err("there is no certificate in it (PEM)".into());
    }
    let pem = |one: &X509| String::from_utf8(one.to_pem().ok()?).ok();
    Ok(all.iter().filter_map(pem).collect())
}
