//! Signatures outside of TLS, checked by whichever TLS library is there.

use super::Backend;

/// Checks signatures with a TLS library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signatures(Option<Backend>);

impl Default for Signatures {
    /// The first back-end that is built in; without one no signature is good.
    fn default() -> Self {
        Self(Backend::ALL.first().copied())
    }
}

impl From<Backend> for Signatures {
    fn from(backend: Backend) -> Self {
        Self(Some(backend))
    }
}

impl Signatures {
    /// Whether `signature` is that of `message` by RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3, `RS256`), where
    /// the key's modulus is `n` and its exponent `e`, both big-endian. Keys below 2048 bits sign nothing.
    #[must_use]
    pub fn rs256(self, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self.0 {
            #[cfg(feature = "openssl")]
            Some(Backend::OpenSsl) => towpath_tls_openssl::rs256(n, e, message, signature),
            #[cfg(feature = "mbed")]
            Some(Backend::Mbed) => towpath_tls_mbed::rs256(n, e, message, signature),
            // Nobody can say yes.
            _ => {
                let _ = (n, e, message, signature);
                false
            }
        }
    }
}

#[cfg(feature = "azure")]
impl towpath_azure::update::Verify for Signatures {
    fn rs256(&self, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
        (*self).rs256(n, e, message, signature)
    }
}
