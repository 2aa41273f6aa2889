//! A symmetric key: base64 in files and JSON, never shown by `Debug`.

use std::fmt;

use openssl::{base64, memcmp, pkey::PKey, rand::rand_bytes, sign::Signer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A symmetric key as devices, enrolments and policies have it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// A new random key of 32 bytes.
    ///
    /// # Panics
    /// If the machine has no random numbers, without which nothing here is safe.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = vec![0; 32];
        rand_bytes(&mut bytes).expect("random numbers");
        Self(bytes)
    }

    /// Reads base64 text. The service takes keys of 16 to 64 bytes; this takes 1 to 256.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = base64::decode_block(text.trim()).ok()?;
        (1..=256).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The key as base64 text, for those who may see it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        base64::encode_block(&self.0)
    }

    /// HMAC-SHA256 of `text` (RFC 2104).
    ///
    /// # Panics
    /// If OpenSSL has no HMAC-SHA256, without which nobody can be told from anybody.
    #[must_use]
    pub fn hmac(&self, text: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        let signed = PKey::hmac(&self.0).and_then(|key| {
            let mut signer = Signer::new(openssl::hash::MessageDigest::sha256(), &key)?;
            signer.update(text)?;
            signer.sign(&mut out)
        });
        assert_eq!(
            signed.expect("HMAC-SHA256"),
            out.len(),
            "a whole HMAC-SHA256"
        );
        out
    }

    /// Whether `mac` is the HMAC-SHA256 of `text`, in a time that tells nothing.
    #[must_use]
    pub fn verifies(&self, text: &[u8], mac: &[u8]) -> bool {
        mac.len() == 32 && memcmp::eq(&self.hmac(text), mac)
    }

    /// The device's key in a group enrolment: HMAC-SHA256 of the registration id under the group's key.
    #[must_use]
    pub fn derive(&self, registration_id: &str) -> Self {
        Self(self.hmac(registration_id.as_bytes()).to_vec())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_base64(&text)
            .ok_or_else(|| serde::de::Error::custom("a key is base64 text of 1 to 256 bytes"))
    }
}
