//! The TLS of a schedule, decided before it runs.

use towpath_proto::tls::{Renegotiation, Version};
use towpath_sim::{Asks, Refused, Rng, Security, ToyProfile, ToyTerms};

/// The TLS of each connection.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    /// Of the first connections. Some of them can't succeed.
    pub(crate) first: Vec<Security>,
    /// Of the others, which succeed.
    pub(crate) then: Security,
}

impl Tls {
    /// The same for every connection.
    pub(crate) const fn all(then: Security) -> Self {
        Self {
            first: Vec::new(),
            then,
        }
    }

    pub(crate) fn of(&self, number: usize) -> &Security {
        self.first.get(number).unwrap_or(&self.then)
    }

    pub(crate) fn random(rng: &mut Rng) -> Self {
        let count = rng.pick(&[0, 0, 1, 2]);
        let first = (0..count).map(|_| worse(good(rng), rng)).collect();
        Self {
            first,
            then: good(rng),
        }
    }
}

/// Both sides at `version`, and when the server asks for a certificate.
pub(crate) fn security(version: Version, asks: Asks) -> Security {
    let tls13 = version == Version::Tls13;
    Security {
        profile: ToyProfile {
            version,
            // Records of 64 bytes: more places to cut at.
            record: 64,
            post_handshake_auth: tls13,
            ..ToyProfile::default()
        },
        terms: ToyTerms {
            version,
            record: 200,
            tickets: 1,
            ..ToyTerms::default()
        },
        renegotiation: Renegotiation::OnceUntilConnack,
        asks,
    }
}

const ASKS: [Asks; 4] = [
    Asks::Never,
    Asks::BeforeAnswer,
    Asks::BeforeAnswer,
    Asks::AfterAnswer,
];

/// A connection that succeeds, a refused renegotiation included.
fn good(rng: &mut Rng) -> Security {
    let version = rng.pick(&[Version::Tls12, Version::Tls12, Version::Tls13]);
    let mut security = security(version, rng.pick(&ASKS));
    let record = rng.pick(&[40, 200, 1 << 14]);
    security.terms.record = record;
    security.terms.asks = rng.chance(30);
    security.terms.resumes = rng.chance(30);
    security.terms.tickets = rng.pick(&[0, 1, 2]);
    security.profile.record = rng.pick(&[20, 300, 1 << 14]);
    // Room for one record, for a little more, for many.
    security.profile.rx = record + 29 + rng.pick(&[1, 100, 2000]);
    security.profile.tx = rng.pick(&[40, 300, 18 << 10]);
    security.profile.tells = rng.chance(50);
    if rng.chance(30) {
        security.profile.session = b"earlier".to_vec();
    }
    if rng.chance(20) {
        security.renegotiation = Renegotiation::Never;
    }
    security
}

/// A connection that one side ends, in the handshake or at the renegotiation.
fn worse(mut security: Security, rng: &mut Rng) -> Security {
    let Security {
        profile,
        terms,
        renegotiation,
        asks,
    } = &mut security;
    terms.refused = rng.pick(&[Refused::Alerts(40), Refused::Closes]);
    match rng.below(5) {
        0 => *renegotiation = Renegotiation::Never,
        1 => terms.secure_renegotiation = false,
        2 => terms.changes_certificate = true,
        3 => {
            profile.identity = false;
            terms.requires = true;
            terms.asks = rng.chance(50);
        }
        _ => terms.refuses = Some(rng.pick(&[40, 70, 80])),
    }
    if *asks == Asks::Never {
        *asks = Asks::BeforeAnswer;
    }
    security
}
