//! The service at the start of the lab: what the store has of it, and what the config declares.
//!
//! The config wins: an enrolment that it declares is as it says, whatever the service API made of it; keys that it
//! leaves out are made once and kept. An enrolment that it declared before and does not any more is gone; what the API
//! made stays, and so do registrations. The config was checked before ([`Config::check`](crate::Config::check)).

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use openssl::x509::X509;

use super::{
    Dps, Kind, State,
    enrollment::{Attestation, Certificate, Declared, Enrollment, Origin},
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
        let place = format!("provisioning {}", config.host);
        let policies = hub::policies(&place, &config.policies, STANDARD, &means.store)?;
        let mut state = State::default();
        for (_, enrollment) in means.store.load::<Enrollment>(Table::Enrollment)? {
            let id = enrollment.id.to_ascii_lowercase();
            state
                .enrollments_mut(enrollment.kind)
                .insert(id, Arc::new(enrollment));
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
            declare(&mut state, kind, declared, pki.device_ca(), now, &mut batch)?;
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
    lab: &X509,
    now: Time,
    batch: &mut Batch,
) -> Result<(), Error> {
    let wanted: BTreeMap<_, _> = declared
        .iter()
        .map(|one| (one.id.to_ascii_lowercase(), one))
        .collect();
    state.enrollments_mut(kind).retain(|id, enrollment| {
        let stays = enrollment.origin == Origin::Service || wanted.contains_key(id);
        if !stays {
            batch.delete(Table::Enrollment, kind.key(id));
        }
        stays
    });
    for (id, config) in wanted {
        let old = state.enrollments(kind).get(&id).map(Arc::as_ref);
        let mut new = enrollment(kind, config, lab, old, now)
            .map_err(|why| wrong(&format!("{} {:?}", kind.word(), config.id), why))?;
        if old != Some(&new) {
            new.updated = now;
            new.etag = state.etag(now);
            batch.put(Table::Enrollment, kind.key(&id), &new);
            state.enrollments_mut(kind).insert(id, Arc::new(new));
        }
    }
    Ok(())
}

/// An enrolment as the config declares it; times and etag are those of `old`.
fn enrollment(
    kind: Kind,
    config: &config::Enrollment,
    lab: &X509,
    old: Option<&Enrollment>,
    now: Time,
) -> Result<Enrollment, String> {
    Ok(Enrollment {
        id: config.id.clone(),
        kind,
        origin: Origin::Config,
        enabled: !config.disabled,
        attestation: attestation(config, lab, old)?,
        device_id: config.device_id.clone(),
        hubs: config.hubs.clone(),
        allocation: config.allocation,
        reprovision: config.reprovision.unwrap_or(Reprovision::Migrate),
        tags: config.tags.clone(),
        desired: config.desired.clone(),
        payload: config.payload.clone(),
        issue: config.issue_certificates,
        edge: config.edge,
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

/// `lab` is the CA of the lab's devices.
fn attestation(
    config: &config::Enrollment,
    lab: &X509,
    old: Option<&Enrollment>,
) -> Result<Attestation, String> {
    if config.primary_certificate.is_some() || config.secondary_certificate.is_some() {
        let read = |text: &Option<String>| text.as_deref().map(declared).transpose();
        return Ok(Attestation::Certificates {
            primary: read(&config.primary_certificate)
                .map_err(|why| format!("primary_certificate: {why}"))?,
            secondary: read(&config.secondary_certificate)
                .map_err(|why| format!("secondary_certificate: {why}"))?,
        });
    }
    if !config.cas.is_empty() {
        let all = config.cas.iter().map(|path| {
            if config::is_lab_ca(path) {
                let own = Certificate::new(lab.clone());
                return own
                    .map(|own| vec![own])
                    .map_err(|error| format!("cas: {error}"));
            }
            let pem =
                fs::read(path).map_err(|error| format!("cas: {}: {error}", path.display()))?;
            authorities(&pem).map_err(|why| format!("cas: {}: {why}", path.display()))
        });
        let all: Vec<Vec<Certificate>> = all.collect::<Result<_, String>>()?;
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
    if config::is_thumbprint(text) {
        let plain: String = text.chars().filter(char::is_ascii_hexdigit).collect();
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

/// The first certificate of a PEM text.
pub(super) fn certificate(text: &[u8]) -> Result<Certificate, String> {
    let all = authorities(text)?;
    all.into_iter()
        .next()
        .ok_or_else(|| "there is no certificate in it".into())
}

/// The certificates of a PEM text.
fn authorities(text: &[u8]) -> Result<Vec<Certificate>, String> {
    let all = X509::stack_from_pem(text).map_err(|_| "it is no certificate (PEM)".to_owned())?;
    if all.is_empty() {
        return Err("there is no certificate in it (PEM)".into());
    }
    let all = all.into_iter().map(Certificate::new);
    all.collect::<Result<_, _>>()
        .map_err(|_| "it is no certificate (PEM)".to_owned())
}
