//! Sessions as bytes, bound to what they were made with.
//!
//! Takes in OpenSSL's session; gives out bytes that start with a mark of the profile, and takes them back only with the
//! same mark. A resumed session verifies no certificate, so one that was made for another server, with other roots or
//! without a clock would let in what this profile refuses.

use openssl::{
    asn1::Asn1Time,
    sha::Sha256,
    ssl::{SslRef, SslSession},
};
use towpath_proto::tls::{Clock, Profile, Roots};

use crate::ffi;

/// The mark of a profile.
pub(crate) type Mark = [u8; 32];

/// The version of this format, in front of the mark.
const FORMAT: u8 = 1;

/// The mark of everything that decides who the peer may be, who this side is and what was agreed.
pub(crate) fn mark(profile: &Profile<'_>) -> Mark {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&bytes.len().to_be_bytes());
        hash.update(bytes);
    };
    part(profile.server.as_bytes());
    part(profile.server_name.unwrap_or_default().as_bytes());
    match profile.roots {
        Roots::System => part(b"system"),
        Roots::Given(list) => list.iter().for_each(|bytes| part(bytes)),
    }
    part(match profile.clock {
        Clock::System | Clock::Given(_) => b"dates",
        Clock::Unchecked => b"none",
    });
    part(profile.identity.map_or(&[][..], |identity| identity.chain));
    for list in [
        profile.suites,
        profile.groups,
        profile.signature_algorithms,
        profile.alpn,
    ] {
        part(&list.len().to_be_bytes());
        list.iter().for_each(|name| part(name.as_bytes()));
    }
    let versions = profile.versions.map_or((0, 0), |versions| {
        (versions.min.number(), versions.max.number())
    });
    part(&versions.0.to_be_bytes());
    part(&versions.1.to_be_bytes());
    part(&profile.max_fragment.unwrap_or_default().to_be_bytes());
    hash.finish()
}

/// Hands the bytes of a session to `keep`.
pub(crate) fn give(session: &SslSession, mark: &Mark, keep: &mut dyn FnMut(&[u8])) {
    let Ok(mut der) = session.to_der() else {
        return;
    };
    let mut bytes = Vec::with_capacity(1 + mark.len() + der.len());
    bytes.push(FORMAT);
    bytes.extend_from_slice(mark);
    bytes.extend_from_slice(&der);
    keep(&bytes);
    ffi::cleanse(&mut bytes);
    ffi::cleanse(&mut der);
}

/// Offers a session in the first handshake, if it is of this profile and the server's certificate in it is still valid
/// at `now`. Whatever can't be used is left out: the handshake is a full one then.
pub(crate) fn offer(ssl: &mut SslRef, bytes: &[u8], mark: &Mark, clock: Clock, now: Option<u64>) {
    let Some((&FORMAT, rest)) = bytes.split_first() else {
        return;
    };
    let Some((its, der)) = rest.split_at_checked(mark.len()) else {
        return;
    };
    if its != mark {
        return;
    }
    if let Ok(session) = SslSession::from_der(der)
        && is_current(&session, clock, now)
    {
        ffi::offer_session(ssl, &session);
    }
}

/// Whether the server's certificate has not expired since. A handshake with an expired one has to fail, and a resumed
/// one would not.
fn is_current(session: &SslSession, clock: Clock, now: Option<u64>) -> bool {
    if matches!(clock, Clock::Unchecked) {
        return true;
    }
    let now = match now {
        Some(seconds) => seconds
            .try_into()
            .map_err(|_| ())
            .and_then(|seconds| Asn1Time::from_unix(seconds).map_err(|_| ())),
        None => Asn1Time::days_from_now(0).map_err(|_| ()),
    };
    let peer = ffi::certificate_of(session);
    match (now, peer) {
        (Ok(now), Some(peer)) => *peer.not_after() > *now && *peer.not_before() <= *now,
        _ => false,
    }
}
