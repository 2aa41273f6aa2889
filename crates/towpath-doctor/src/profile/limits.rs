//! What a build's buffers and numbers can't take of what a server sends. These sizes are fixed when a TLS library is
//! built, so another library can't imitate them: they are judged from what was seen.
//!
//! Takes in a profile and sizes, gives out the setting that is too small.

use super::{Set, TlsProfile};

/// The length of the head of a handshake message, bytes (RFC 5246 section 7.4).
const MESSAGE_HEAD: u32 = 4;

/// A setting that is too small for what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooSmall {
    /// The setting as it is, in its own unit: bytes.
    pub setting: Set<u32>,
    /// What it has to be at least, bytes.
    pub needs: u32,
}

impl TlsProfile {
    /// The input buffer, if a Certificate message of this many bytes (its body, without the head) does not fit. Mbed TLS
    /// puts a handshake message together there whatever fragment length was agreed on.
    #[must_use]
    pub fn too_small_for_chain(&self, message: u32) -> Option<TooSmall> {
        let needs = message.saturating_add(MESSAGE_HEAD);
        too_small(self.in_buffer.as_ref(), needs)
    }

    /// The input buffer, if a record with this many bytes of plaintext does not fit.
    #[must_use]
    pub fn too_small_for_record(&self, plaintext: u32) -> Option<TooSmall> {
        too_small(self.in_buffer.as_ref(), plaintext)
    }

    /// The largest number, if RSA with this many bits does not fit.
    #[must_use]
    pub fn too_small_for_rsa(&self, bits: u32) -> Option<TooSmall> {
        too_small(self.max_number.as_ref(), bits.div_ceil(8))
    }

    /// The output buffer, if the device's own Certificate message of this many bytes (its body) does not fit.
    #[must_use]
    pub fn too_small_for_own_chain(&self, message: u32) -> Option<TooSmall> {
        let needs = message.saturating_add(MESSAGE_HEAD);
        too_small(self.out_buffer.as_ref(), needs)
    }
}

/// The body of a Certificate message of TLS 1.2 with certificates of these lengths in DER, bytes (RFC 5246 section
/// 7.4.2).
#[must_use]
pub fn certificate_message(lengths: impl IntoIterator<Item = usize>) -> u32 {
    let body = lengths.into_iter().fold(3_usize, |sum, len| {
        sum.saturating_add(len).saturating_add(3)
    });
    u32::try_from(body).unwrap_or(u32::MAX)
}

fn too_small(setting: Option<&Set<u32>>, needs: u32) -> Option<TooSmall> {
    let setting = setting?;
    (setting.value < needs).then(|| TooSmall {
        setting: setting.clone(),
        needs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(in_buffer: u32, max_number: u32) -> TlsProfile {
        let set = |value| {
            Some(Set {
                value,
                key: String::new(),
                at: String::new(),
            })
        };
        TlsProfile {
            in_buffer: set(in_buffer),
            max_number: set(max_number),
            ..TlsProfile::default()
        }
    }

    #[test]
    fn what_fits_to_the_byte_fits() {
        let tls = of(2464, 512);
        assert_eq!(tls.too_small_for_chain(2460), None);
        assert_eq!(tls.too_small_for_chain(2461).map(|x| x.needs), Some(2465));
        assert_eq!(tls.too_small_for_rsa(4096), None);
        assert_eq!(tls.too_small_for_rsa(4097).map(|x| x.needs), Some(513));
        assert_eq!(tls.too_small_for_record(2464), None);
        assert!(tls.too_small_for_record(2465).is_some());
    }

    #[test]
    fn what_is_not_known_is_not_too_small() {
        let tls = TlsProfile::default();
        assert_eq!(tls.too_small_for_chain(u32::MAX), None);
        assert_eq!(tls.too_small_for_rsa(u32::MAX), None);
        assert_eq!(tls.too_small_for_own_chain(1), None);
    }

    #[test]
    fn a_certificate_message_has_three_bytes_of_length_each() {
        assert_eq!(certificate_message([]), 3);
        assert_eq!(certificate_message([1000, 1200]), 3 + 1003 + 1203);
    }
}
