//! One broken climb with everything beside it, as the rules and the planner look at it.

use towpath_proto::{Code, Fault, Rung, tls::Version};

use crate::{
    evidence::{Climb, Evidence, Scheme, Service, Settings, Target},
    probe::{Change, Probe},
};

/// A climb that broke, its fault, and what was asked beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) climb: &'a Climb,
    pub(crate) fault: Fault,
}

impl<'a> Case<'a> {
    /// None: nothing was climbed, or nothing broke.
    pub(crate) fn of(evidence: &'a Evidence) -> Option<Self> {
        let climb = evidence.climb.as_ref()?;
        let fault = climb.fault?;
        Some(Self {
            evidence,
            climb,
            fault,
        })
    }

    pub(crate) const fn target(&self) -> &'a Target {
        &self.evidence.target
    }

    pub(crate) const fn settings(&self) -> &'a Settings {
        &self.evidence.settings
    }

    pub(crate) const fn is_proxied(&self) -> bool {
        self.evidence.target.proxy.is_some()
    }

    /// A hub or a provisioning service, not just any broker.
    pub(crate) fn is_cloud(&self) -> bool {
        self.target().service != Service::Broker
    }

    /// The attempt with this change, if it was made.
    pub(crate) fn with(&self, wanted: &Change) -> Option<&'a Climb> {
        let mut probes = self.evidence.probes.iter();
        let same = |probe: &Probe| matches!(probe, Probe::Climb { change, .. } if change == wanted);
        probes.find_map(|(probe, climb)| same(probe).then_some(climb))
    }

    /// What became of this question, if it was asked.
    pub(crate) fn answer(&self, wanted: &Probe) -> Option<&'a Climb> {
        let mut probes = self.evidence.probes.iter();
        probes.find_map(|(probe, climb)| (probe == wanted).then_some(climb))
    }

    /// Whether the attempt with this change came as far as `rung`.
    pub(crate) fn works(&self, change: &Change, rung: Rung) -> bool {
        self.with(change).is_some_and(|climb| climb.reached(rung))
    }

    /// Another transport or port of the same host that answered at TCP.
    pub(crate) fn other_port_open(&self) -> Option<(Scheme, u16)> {
        let target = self.target();
        self.evidence.probes.iter().find_map(|(probe, climb)| {
            let Probe::Climb {
                change: Change::Transport(scheme, port),
                ..
            } = probe
            else {
                return None;
            };
            (*port != target.port && climb.reached(Rung::Tcp)).then_some((*scheme, *port))
        })
    }

    /// How far this side's clock is from `Date` of an answer, seconds; more than zero: the clock is ahead.
    pub(crate) fn clock_ahead(&self) -> Option<i64> {
        let own = super::words::seconds(self.evidence.clock);
        let dated = |climb: &Climb| climb.http.as_ref().and_then(|head| head.date);
        let mut asked = self.evidence.probes.iter();
        let date = asked
            .find_map(|(probe, climb)| match probe {
                Probe::Date | Probe::Rest => dated(climb),
                Probe::Climb { .. } | Probe::Linger { .. } => None,
            })
            .or_else(|| dated(self.climb))?;
        Some(own.saturating_sub(date))
    }

    /// How a connection ended that said nothing beyond this rung: with a fault where the server closed by itself, with
    /// none where it waited; `None`: it was not asked, or did not come so far.
    pub(crate) fn silence(&self, on: Rung) -> Option<Option<Fault>> {
        let climb = self.answer(&Probe::Linger { on })?;
        // A reset can be there before the connection was seen to be open.
        let cut = climb.fault.is_some_and(|fault| {
            fault.rung == on && matches!(fault.code, Code::Closed | Code::Reset)
        });
        (cut || climb.reached(on)).then_some(climb.fault)
    }

    /// The server closes a connection by itself on which nothing was said beyond this rung.
    pub(crate) fn closes_alone(&self, on: Rung) -> Option<Fault> {
        self.silence(on).flatten()
    }

    /// Whether the server refused who this client says it is.
    pub(crate) fn is_refused_login(&self) -> bool {
        let number = self.fault.number;
        match self.fault.code {
            Code::HubUnauthorized
            | Code::DpsUnauthorized
            | Code::DpsNotFound
            | Code::DpsDisabled
            | Code::Unauthorized
            | Code::ProxyAuthFailed
            | Code::ProxyAuthRequired
            | Code::ProxyAuthScheme
            | Code::SocksAuthFailed
            | Code::SocksMethod
            | Code::KeyUnreadable => true,
            // What CONNACK says of identity: id, user, password, rights, banned, method.
            Code::ConnectRefused => matches!(number, 2 | 4 | 5 | 0x85 | 0x86 | 0x87 | 0x8a | 0x8c),
            _ => false,
        }
    }
}

/// What this side's TLS is narrowed to, by the command line or by the profile of a device.
impl Case<'_> {
    /// The lowest version.
    pub(crate) fn tls_min(&self) -> Version {
        let profile = self.evidence.profile.as_ref();
        let profile = profile.and_then(|profile| profile.tls.min.as_ref());
        let chosen = self
            .settings()
            .tls_min
            .or_else(|| profile.map(|set| set.value));
        chosen.unwrap_or(Version::Tls12)
    }

    /// The highest version.
    pub(crate) fn tls_max(&self) -> Version {
        let profile = self.evidence.profile.as_ref();
        let profile = profile.and_then(|profile| profile.tls.max.as_ref());
        let chosen = self
            .settings()
            .tls_max
            .or_else(|| profile.map(|set| set.value));
        chosen.unwrap_or(Version::Tls13)
    }

    /// Whether fewer versions, suites or groups are offered than the back-end has.
    pub(crate) fn is_narrowed(&self) -> bool {
        let settings = self.settings();
        self.evidence.profile.is_some()
            || settings.groups_chosen
            || !settings.suites.is_empty()
            || self.tls_min() != Version::Tls12
            || self.tls_max() != Version::Tls13
    }

    /// Whether servers with an RSA key, and with an ECDSA key, can be talked to by the suites that are offered. Where
    /// nothing is known, they can.
    pub(crate) fn key_types(&self) -> (bool, bool) {
        let profile = self.evidence.profile.as_ref().map(|profile| &profile.tls);
        let of_profile = profile.and_then(|tls| tls.suites.as_ref());
        let suites = match (self.settings().suites.as_slice(), of_profile) {
            ([], Some(set)) => set.value.as_slice(),
            (chosen, _) => chosen,
        };
        // Suites of TLS 1.3 say nothing about keys.
        let tls13 = self.tls_max() == Version::Tls13;
        let open = |suite: &String| tls13 && !suite.contains("_WITH_");
        let neutral = suites.is_empty() || suites.iter().any(open);
        let with = |key: &str| neutral || suites.iter().any(|suite| suite.contains(key));
        let built = |set: Option<&crate::profile::Set<bool>>| set.is_none_or(|set| set.value);
        (
            with("RSA_WITH_") && built(profile.and_then(|tls| tls.rsa.as_ref())),
            with("ECDSA_WITH_") && built(profile.and_then(|tls| tls.ecdsa.as_ref())),
        )
    }
}
