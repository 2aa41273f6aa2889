//! What the device could not have taken of what the server sent to this client, whose TLS library has more room.

use towpath_proto::tls::{Fact, Message, Side};

use super::{because_of, off};
use crate::{
    diagnosis::Found,
    evidence::{Certificate, Climb},
    profile::{DeviceProfile, TlsProfile, limits::certificate_message},
};

/// What a climb shows that this device has no room or no algorithm for. The climb itself may stand.
#[must_use]
pub fn limits(profile: &DeviceProfile, climb: &Climb) -> Vec<Found> {
    let tls = &profile.tls;
    let found = [message(tls, climb), number(tls, climb), hash(tls, climb)];
    found.into_iter().flatten().collect()
}

/// The longest handshake message of the server, and what it is called.
fn longest(climb: &Climb) -> Option<(&'static str, u32)> {
    let seen = climb.tls.iter().filter_map(|(_, fact)| match *fact {
        Fact::Handshake {
            from: Side::Server,
            message: Message::CERTIFICATE,
            len,
        }
        | Fact::Chain {
            from: Side::Server,
            len,
            ..
        } => Some(("Certificate message", len)),
        Fact::Handshake {
            from: Side::Server,
            len,
            ..
        } => Some(("handshake message", len)),
        _ => None,
    });
    // Encrypted messages of TLS 1.3 are not seen; the certificates are.
    let shown = climb.chain.iter().map(|certificate| certificate.len);
    let shown = (!climb.chain.is_empty()).then(|| certificate_message(shown));
    seen.chain(shown.map(|len| ("Certificate message", len)))
        .max_by_key(|(_, len)| *len)
}

fn message(tls: &TlsProfile, climb: &Climb) -> Option<Found> {
    let (what, len) = longest(climb)?;
    let small = tls.too_small_for_chain(len)?;
    let mut found = because_of("TP-TLS-017", &small.setting)?;
    found.cause = format!(
        "the server's {what} needs {} bytes in one piece and the build takes {}",
        small.needs, small.setting.value
    );
    found.fix = format!(
        "Raise {} to {} or more.",
        small.setting.key,
        room(small.needs)
    );
    Some(found.because(what, format!("{len} bytes")))
}

/// The next size that people set: a multiple of 1024.
const fn room(needs: u32) -> u32 {
    needs.div_ceil(1024).saturating_mul(1024)
}

fn number(tls: &TlsProfile, climb: &Climb) -> Option<Found> {
    let (certificate, bits) = climb
        .chain
        .iter()
        .filter_map(|certificate| Some((certificate, rsa_bits(certificate)?)))
        .max_by_key(|(_, bits)| *bits)?;
    let small = tls.too_small_for_rsa(bits)?;
    let tiny = small.setting.value <= 32;
    let id = if tiny { "TP-DEV-019" } else { "TP-TLS-046" };
    let mut found = because_of(id, &small.setting)?;
    found.cause = format!(
        "RSA with {bits} bits needs numbers of {} bytes and the build has {}",
        small.needs, small.setting.value
    );
    let seen = format!("{}, RSA {bits}", certificate.subject);
    Some(found.because("certificate", seen))
}

/// `RSA 4096`.
fn rsa_bits(certificate: &Certificate) -> Option<u32> {
    let bits = certificate.key.strip_prefix("RSA")?;
    bits.trim().parse().ok()
}

fn hash(tls: &TlsProfile, climb: &Climb) -> Option<Found> {
    let setting = off(tls.sha384.as_ref())?;
    let long = |certificate: &&Certificate| {
        let name = certificate.signature.to_ascii_lowercase();
        let long = name.contains("sha384") || name.contains("sha512");
        long && certificate.subject != certificate.issuer
    };
    let signed = climb.chain.iter().find(long)?;
    let found = because_of("TP-TLS-050", setting)?;
    let seen = format!("{}, {}", signed.subject, signed.signature);
    Some(found.because("certificate", seen))
}
