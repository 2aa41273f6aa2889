//! Private keys that never leave their token: a smart card or HSM by its PKCS#11 URI (RFC 7512), a key in a TPM 2.0 by
//! its handle.
//!
//! Takes in a URI and a PIN; gives out a key that signs where it is, or says what is missing. The work is OpenSSL's
//! providers': `pkcs11` (pkcs11-provider) and `tpm2` (tpm2-openssl). Where there is no provider for PKCS#11, the engine
//! of the same name (libp11) does it.

use std::{ffi::CString, sync::Once};

use openssl::{
    error::ErrorStack,
    pkey::{KeyType, PKey, Private},
    provider::Provider,
};
use towpath_proto::{Fault, tls::is_key_uri};

#[cfg(engines)]
use crate::ffi::lent;
use crate::{
    cause::{material, material_because},
    ffi::token::{self, Pin},
};

/// The kinds of URIs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pkcs11,
    Tpm,
}

impl Kind {
    /// The URI schemes are those of `pkcs11-provider` and of `tpm2-openssl`.
    fn of(uri: &[u8]) -> Option<Self> {
        let first = uri.first().filter(|_| is_key_uri(uri))?;
        Some(match first {
            b'p' | b'P' => Self::Pkcs11,
            _ => Self::Tpm,
        })
    }

    const fn provider(self) -> &'static str {
        match self {
            Self::Pkcs11 => "pkcs11",
            Self::Tpm => "tpm2",
        }
    }
}

/// The key behind a URI.
pub(crate) fn key(uri: &[u8], pin: Option<&[u8]>) -> Result<PKey<Private>, Fault> {
    let uri = uri.trim_ascii();
    let Some(kind) = Kind::of(uri) else {
        return Err(material("no client key that can be read"));
    };
    if uri.windows(10).any(|part| part == b"pin-value=") {
        return Err(material("key URI: no pin-value in it; use a file"));
    }
    let Ok(uri) = CString::new(uri) else {
        return Err(material("key URI: a NUL byte in it"));
    };
    let mut pin = Pin {
        text: pin,
        asked: 0,
    };
    let provided = load(kind.provider());
    let from_store = if provided {
        Some(token::from_store(&uri, &mut pin).and_then(|key| key.ok_or_else(ErrorStack::get)))
    } else {
        None
    };
    let found = match from_store {
        Some(found) => Some(found),
        None if kind == Kind::Pkcs11 => token::from_engine(c"pkcs11", &uri, &mut pin),
        None => None,
    };
    match found {
        Some(Ok(key)) => {
            drop(ErrorStack::get());
            match kind {
                Kind::Pkcs11 => Ok(key),
                Kind::Tpm => signing(key),
            }
        }
        Some(Err(errors)) => Err(refused(&pin, &errors)),
        None => Err(material(match kind {
            Kind::Pkcs11 => "no provider or engine pkcs11: install pkcs11-provider",
            Kind::Tpm => "no OpenSSL provider tpm2: install tpm2-openssl",
        })),
    }
}

/// A key of a TPM as TLS signs with it.
#[cfg(engines)]
fn signing(key: PKey<Private>) -> Result<PKey<Private>, Fault> {
    if !key.is_a(KeyType::EC) {
        return Err(material("the TPM's key has to be an elliptic one (EC)"));
    }
    lent::lend(key).map_err(|errors| material_because("the TPM's key", &errors))
}

/// Later libraries ask the provider of a key first.
#[cfg(not(engines))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same function for each library"
)]
fn signing(key: PKey<Private>) -> Result<PKey<Private>, Fault> {
    Ok(key)
}

fn refused(pin: &Pin<'_>, errors: &ErrorStack) -> Fault {
    match (pin.asked, pin.text) {
        (0, _) => material_because("no such key in the token", errors),
        (_, None) => material("the token asks for a PIN and there is none"),
        (1, _) => material_because("the token gives no key for this PIN", errors),
        (_, Some(_)) => material("the token does not take this PIN"),
    }
}

/// Loads a provider for as long as the program runs. False: there is none of this name.
fn load(name: &str) -> bool {
    static DEFAULT: Once = Once::new();
    // First, so that it keeps doing what both can do: only the key itself is the token's.
    DEFAULT.call_once(|| {
        if let Ok(provider) = Provider::try_load(None, "default", true) {
            std::mem::forget(provider);
        }
    });
    match Provider::try_load(None, name, true) {
        Ok(provider) => {
            // Keys of it may live as long as the program.
            std::mem::forget(provider);
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_no_key_and_no_file() {
        for (uri, provider) in [
            ("pkcs11:token=a;object=b", "pkcs11"),
            ("PKCS11:object=b", "pkcs11"),
            ("handle:0x81000001", "tpm2"),
            ("object:key.pem", "tpm2"),
        ] {
            let kind = Kind::of(uri.as_bytes());
            assert_eq!(kind.map(Kind::provider), Some(provider), "{uri}");
        }
        for other in [
            "-----BEGIN PRIVATE KEY-----",
            "\x30\x03\x02\x01",
            "keys/device.key",
            "",
            "file:/etc/key.pem",
        ] {
            assert!(Kind::of(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn a_pin_does_not_stand_in_a_uri() {
        let fault = key(b"pkcs11:token=a?pin-value=1234", None).unwrap_err();
        assert!(fault.to_string().contains("pin-value"), "{fault}");
        assert!(!fault.to_string().contains("1234"), "{fault}");
    }
}
