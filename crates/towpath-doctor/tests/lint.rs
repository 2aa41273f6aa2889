//! What is said before a packet is sent: builds and files against what they are to reach. Each case is one that the
//! catalogue names as its proof, or a healthy one that nothing is said about.

#[path = "lint/builds.rs"]
mod builds;
#[path = "lint/cases.rs"]
mod cases;
#[path = "lint/parsing.rs"]
mod parsing;
#[path = "lint/pki.rs"]
mod pki;
#[path = "lint/sizes.rs"]
mod sizes;

use std::{
    collections::BTreeSet,
    time::{Duration, UNIX_EPOCH},
};

use towpath_doctor::{
    Proof, catalogue,
    diagnosis::Found,
    evidence::{Scheme, Service, Target},
    lint::{self, Material},
    profile::DeviceProfile,
};

use self::pki::NOW;

/// What is to be said: an id, and whether it breaks the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Breaks(&'static str),
    Warns(&'static str),
}

/// A case by its name in the catalogue.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    pub(crate) profile: Option<DeviceProfile>,
    pub(crate) files: Files,
    pub(crate) says: &'static [Says],
}

/// What is brought along.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) roots: Option<Vec<u8>>,
    pub(crate) chain: Option<Vec<u8>>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) key_matches: Option<bool>,
    pub(crate) server_chain: Option<Vec<u8>>,
    pub(crate) wants_self_signed: bool,
    pub(crate) password: Option<String>,
    pub(crate) registration_id: Option<&'static str>,
    pub(crate) nat64_prefix: Option<&'static str>,
    pub(crate) only_ipv6: bool,
    pub(crate) keep_alive: Option<u16>,
    pub(crate) qos: Option<u8>,
}

impl Files {
    fn material(&self) -> Material<'_> {
        Material {
            roots: self.roots.as_deref(),
            chain: self.chain.as_deref(),
            key: self.key.as_deref(),
            key_matches: self.key_matches,
            server_chain: self.server_chain.as_deref(),
            wants_self_signed: self.wants_self_signed,
            password: self.password.as_deref().map(str::as_bytes),
            registration_id: self.registration_id,
            nat64_prefix: self.nat64_prefix,
            only_ipv6: self.only_ipv6,
            keep_alive: self.keep_alive,
            qos: self.qos,
            ..Material::default()
        }
    }
}

/// A target by its URL, such as `wss://broker.example/mqtt`.
pub(crate) fn target(url: &str) -> Target {
    let (scheme, rest) = url.split_once("://").expect("a scheme");
    let (scheme, port) = match scheme {
        "mqtt" => (Scheme::Mqtt, 1883),
        "mqtts" => (Scheme::Mqtts, 8883),
        "ws" => (Scheme::Ws, 80),
        _ => (Scheme::Wss, 443),
    };
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (host, port) = match host.rsplit_once(':') {
        Some((host, given)) if !host.contains(':') || host.ends_with(']') => {
            (host, given.parse().expect("a port"))
        }
        _ => (host, port),
    };
    let host = host.trim_matches(['[', ']']);
    let service = match host {
        host if host.ends_with(".azure-devices.net") => Service::Hub,
        host if host.ends_with(".azure-devices-provisioning.net") => Service::Provisioning,
        _ => Service::Broker,
    };
    Target {
        scheme,
        host: host.to_owned(),
        port,
        path: path.to_owned(),
        proxy: None,
        service,
        mqtt5: false,
        client_id: None,
        user: None,
        password: false,
        token_made: false,
        client_certificate: false,
    }
}

pub(crate) fn look(case: &Case) -> Vec<Found> {
    let clock = UNIX_EPOCH + Duration::from_secs(u64::try_from(NOW).expect("after 1970"));
    lint::lint(
        &case.target,
        case.profile.as_ref(),
        case.files.material(),
        clock,
    )
}

#[test]
fn each_case_is_called_what_it_is_and_nothing_else() {
    for case in cases::sick() {
        let found = look(&case);
        let said: Vec<_> = found
            .iter()
            .map(|found| match found.breaks {
                true => Says::Breaks(found.finding.id),
                false => Says::Warns(found.finding.id),
            })
            .collect();
        assert_eq!(said, case.says, "{}: {found:#?}", case.name);
        for found in &found {
            assert!(!found.evidence.is_empty(), "{}: no evidence", case.name);
            assert!(found.cause().len() < 200, "{}", found.cause());
        }
    }
}

#[test]
fn healthy_ones_are_left_alone() {
    for case in cases::healthy() {
        let found = look(&case);
        assert!(found.is_empty(), "{}: {found:#?}", case.name);
    }
}

#[test]
fn every_lint_that_the_catalogue_names_is_a_case_that_says_so() {
    let sick = cases::sick();
    let mut missing = BTreeSet::new();
    for finding in catalogue::all() {
        for proof in finding.proofs {
            let Proof::Lint(name) = proof else { continue };
            let proved = sick.iter().any(|case| {
                let says = case.says.iter().any(|says| match says {
                    Says::Breaks(id) | Says::Warns(id) => *id == finding.id,
                });
                case.name == *name && says
            });
            if !proved {
                missing.insert((finding.id, *name));
            }
        }
    }
    assert!(missing.is_empty(), "no case proves {missing:?}");
}

#[test]
fn no_secret_is_shown() {
    for case in cases::sick() {
        let shown = format!("{:?}", look(&case));
        assert!(!shown.contains("c2VjcmV0"), "{}: {shown}", case.name);
        let key = case.files.key.as_deref().unwrap_or_default();
        let key = String::from_utf8_lossy(key);
        for line in key.lines().filter(|line| line.len() > 32) {
            assert!(!shown.contains(line), "{}", case.name);
        }
    }
}
