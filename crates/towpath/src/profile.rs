//! Settings for a kind of network, all in one place.
//!
//! Takes in options and gives them back with what suits that network; whatever is set afterwards wins.

use std::time::Duration;

use crate::{
    Options,
    tls::{TlsOptions, Version},
};

/// A kind of network with settings of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Thread, and other radio by IEEE 802.15.4: packets travel in frames of 127 bytes, so what is not sent saves air
    /// time and battery on every hop. `interop/thread/README.md` has the frames that each setting saves.
    ///
    /// TCP acknowledgements wait for data to ride on, and a second address is tried after a second. The server may use
    /// no topic alias. TLS is 1.2, which takes fewer frames than 1.3 even though it has a round trip more, with a short
    /// ClientHello and sessions that are resumed by their identifiers, not by tickets. A server that speaks 1.3 only is
    /// reached by setting the versions afterwards.
    ///
    /// Segments and records are as long as the packet may be: shorter ones were measured to take more frames. On radio
    /// that loses frames in spite of its own repetition, [`mss`](crate::Options::mss) 428 fills five frames exactly.
    Thread,
}

impl Profile {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Thread];

    /// The name that flags and files use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
        }
    }
}

/// Between two connection attempts: the most that RFC 8305 section 5 recommends is 2 s.
const THREAD_ATTEMPT_DELAY: Duration = Duration::from_secs(1);

/// Short lists, so that a ClientHello with an ordinary name fits two frames. ChaCha20-Poly1305 adds 21 bytes to a record,
/// AES-GCM 29; the RSA suite is there so that no server is out of reach.
///
/// The last one is offered only where TLS 1.3 is switched on again.
const THREAD_SUITES: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_AES_128_GCM_SHA256",
];

/// A key share of x25519 is half as long as one of secp256r1. In TLS 1.2 the list also says which keys a certificate may
/// have, hence the other.
const THREAD_GROUPS: [&str; 2] = ["x25519", "secp256r1"];

const THREAD_SIGNATURES: [&str; 4] = [
    "ecdsa_secp256r1_sha256",
    "ecdsa_secp384r1_sha384",
    "rsa_pss_rsae_sha256",
    "rsa_pkcs1_sha256",
];

impl Options {
    /// Sets what suits a kind of network, TLS included. What is set afterwards wins; [`tls`](Self::tls) replaces all of
    /// TLS, which is why there is [`TlsOptions::profile`] too.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        match profile {
            Profile::Thread => self
                .attempt_delay(THREAD_ATTEMPT_DELAY)
                .delayed_acks(true)
                .alias_maximum(0)
                .change_tls(|tls| tls.profile(profile)),
        }
    }
}

impl TlsOptions {
    /// Sets what suits a kind of network. What is set afterwards wins.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        match profile {
            Profile::Thread => self
                .versions(None, Some(Version::Tls12))
                .suites(THREAD_SUITES)
                .groups(THREAD_GROUPS)
                .signature_algorithms(THREAD_SIGNATURES)
                .ticketless(true)
                .post_handshake_auth(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use towpath_proto::tls::Versions;

    use super::*;
    use crate::{Endpoint, tls::Watch};

    #[test]
    fn what_is_set_afterwards_wins() {
        let options = Options::new("wss://broker.example/mqtt").unwrap();
        let options = options.profile(Profile::Thread);
        let network = options.network_options();
        assert!(network.delayed_acks);
        assert_eq!(network.attempt_delay, THREAD_ATTEMPT_DELAY);
        assert_eq!(network.mss, None);
        assert_eq!(options.alias_maximum, 0);
        let options = options.clone().alias_maximum(5).mss(428);
        assert_eq!(options.alias_maximum, 5);
        let network = options.network_options();
        assert_eq!((network.mss, network.delayed_acks), (Some(428), true));
    }

    #[test]
    fn the_tls_of_thread_is_1_2_without_tickets() {
        let endpoint = Endpoint::parse("wss://broker.example/mqtt").unwrap();
        let offered = |tls: TlsOptions| {
            tls.with_profile(
                &endpoint,
                Watch::default(),
                true,
                Versions::BOTH,
                |profile| {
                    let max = profile.versions.map(|versions| versions.max);
                    (max, profile.ticketless, profile.suites.len())
                },
            )
        };
        let tls = TlsOptions::new().profile(Profile::Thread);
        assert_eq!(offered(tls.clone()), (Some(Version::Tls12), true, 4));
        let newer = tls.versions(None, Some(Version::Tls13));
        assert_eq!(offered(newer), (Some(Version::Tls13), true, 4));
    }
}
