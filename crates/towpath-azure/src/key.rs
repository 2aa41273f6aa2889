//! Symmetric keys: what signs tokens, and what the key of a device in an enrolment group is derived with.
//!
//! Takes in the Base64 text that portals and tools show; gives out signatures and derived keys. The key itself is not
//! shown, and is wiped when it goes.

use core::fmt;

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroize as _;

/// The longest key in bytes.
const LONGEST: usize = 64;

/// A symmetric key of up to 64 bytes, wiped when it is dropped.
pub struct Key {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Key {
    /// Reads the Base64 text of a key; blanks and line ends around it are dropped.
    ///
    /// # Errors
    /// What the text is instead.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.contains("SharedAccessKey=") {
            return Err(KeyError::ConnectionString);
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        {
            return Err(KeyError::NotBase64);
        }
        if !text.len().is_multiple_of(4) {
            return Err(KeyError::Cut);
        }
        let mut key = Self {
            bytes: [0; LONGEST],
            len: 0,
        };
        match Base64::decode(text, &mut key.bytes).map(<[u8]>::len) {
            Ok(len) => key.len = len,
            Err(base64ct::Error::InvalidLength) => return Err(KeyError::TooLong),
            Err(base64ct::Error::InvalidEncoding) => return Err(KeyError::NotBase64),
        }
        Ok(key)
    }

    /// The key of a device in an enrolment group, where `self` is the group's: signed with it is the registration ID
    /// in lower case, as DPS does not tell cases apart.
    #[must_use]
    pub fn derive(&self, registration_id: &str) -> Self {
        let mut mac = self.mac();
        for byte in registration_id.bytes() {
            mac.update(&[byte.to_ascii_lowercase()]);
        }
        let mut derived = Self {
            bytes: [0; LONGEST],
            len: 32,
        };
        let mut bytes = mac.finalize().into_bytes();
        for (to, from) in derived.bytes.iter_mut().zip(&bytes) {
            *to = *from;
        }
        bytes.as_mut_slice().zeroize();
        derived
    }

    /// The HMAC-SHA256 of `parts`, one behind the other.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// What signs text that is written to it piece by piece.
    pub(crate) fn signing(&self) -> Signing {
        Signing(self.mac())
    }

    fn mac(&self) -> Hmac<Sha256> {
        let bytes = self.bytes.get(..self.len).unwrap_or(&self.bytes);
        match Hmac::<Sha256>::new_from_slice(bytes) {
            Ok(mac) => mac,
            // A key of any length is taken; this is the type's way to say so.
            Err(hmac::digest::InvalidLength) => Hmac::<Sha256>::new(&Default::default()),
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// A signature in the making.
pub(crate) struct Signing(Hmac<Sha256>);

impl Signing {
    pub(crate) fn signature(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

impl fmt::Write for Signing {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no text.
    Empty,
    /// It is a connection string.
    ConnectionString,
    /// It has characters that Base64 does not have, or they are in the wrong places.
    NotBase64,
    /// It ends too early: Base64 comes in fours.
    Cut,
    /// It stands for more than 64 bytes.
    TooLong,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the key is empty. Give the Base64 text of the primary or secondary key",
            Self::ConnectionString => {
                "this is a connection string, not a key. Give only what follows SharedAccessKey="
            }
            Self::NotBase64 => {
                "the key is not Base64. Give the primary or secondary key as the portal shows it"
            }
            Self::Cut => {
                "the key has lost characters: Base64 comes in fours. Often it is the = at its end"
            }
            Self::TooLong => {
                "the key has more than 64 bytes, and Azure has no such keys. Copy it anew"
            }
        })
    }
}

impl core::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{format, string::ToString as _};

    use proptest::prelude::*;

    use super::*;

    const GROUP: &str =
        "G3vn0IZH9oK3d4wsxFpWBtd2KUrtjI+39dZVRf26To8w9OX0LaFV9yZ93ELXY7voqHEUsNhnb9bt717UP87KxA==";

    #[test]
    fn the_keys_of_devices_in_a_group() {
        let group = Key::from_base64(GROUP).unwrap();
        for (registration_id, derived) in [
            (
                "contoso-simdevice",
                "prIvMivIPDAqwBH6aCT4P8raQxEulx32+eNjQpp5/bM=",
            ),
            (
                "Contoso-SimDevice",
                "prIvMivIPDAqwBH6aCT4P8raQxEulx32+eNjQpp5/bM=",
            ),
            (
                "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6",
                "09thrQowuRcRE10Qxj6yfV1kk1xbAp8ZMUGOl8EvBLE=",
            ),
        ] {
            let derived = Key::from_base64(derived).unwrap();
            let ours = group.derive(registration_id);
            assert_eq!(
                ours.sign(&[b"a", b"b"]),
                derived.sign(&[b"ab"]),
                "{registration_id}"
            );
        }
    }

    /// RFC 4231, test case 2: the Base64 of "Jefe".
    #[test]
    fn signatures_are_hmac_sha256() {
        let key = Key::from_base64("SmVmZQ==\r\n").unwrap();
        let signature = key.sign(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(signature[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert_eq!(signature[28..], [0x64, 0xec, 0x38, 0x43]);
    }

    #[test]
    fn what_is_not_a_key_is_named() {
        let long = "QUFB".repeat(22);
        for (text, error) in [
            ("", KeyError::Empty),
            (" \n", KeyError::Empty),
            (
                "HostName=h;DeviceId=d;SharedAccessKey=SmVmZQ==",
                KeyError::ConnectionString,
            ),
            ("SmVmZQ", KeyError::Cut),
            ("SmVmZQ=", KeyError::Cut),
            ("SmVm ZQ==", KeyError::NotBase64),
            ("SmVm-_==", KeyError::NotBase64),
            ("SmVm=ZQ=", KeyError::NotBase64),
            ("====", KeyError::NotBase64),
            ("<key>", KeyError::NotBase64),
            (&long, KeyError::TooLong),
        ] {
            assert_eq!(Key::from_base64(text).unwrap_err(), error, "{text:?}");
            assert!(!error.to_string().contains("SmV"));
        }
        assert!(
            Key::from_base64(&format!("{}QQ==", "QUFB".repeat(21))).is_ok(),
            "64 bytes"
        );
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", Key::from_base64(GROUP).unwrap()), "Key");
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_or_not(text: std::string::String, noise in "[A-Za-z0-9+/=]{0,100}") {
            let _ = Key::from_base64(&text);
            if let Ok(key) = Key::from_base64(&noise) {
                prop_assert!(key.len <= LONGEST && key.len > 0);
            }
        }
    }
}
