//! Certificates and keys.
//!
//! Takes in what a profile brings, in PEM or DER; gives it to a context, or says what is wrong with it without showing
//! any of it. Nothing is asked of a person: an encrypted key without its password is an error.

use core::cell::Cell;

use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    ssl::SslContextBuilder,
    x509::{X509, store::X509StoreBuilder},
};
use towpath_proto::{
    Fault,
    tls::{Identity, Roots, is_key_uri},
};

use crate::{
    cause::{internal, material, material_because},
    token,
};

fn is_pem(bytes: &[u8]) -> bool {
    const HEAD: &[u8] = b"-----BEGIN ";
    bytes.windows(HEAD.len()).any(|part| part == HEAD)
}

/// Every certificate of PEM, or the one of DER.
fn certificates(bytes: &[u8], what: &str) -> Result<Vec<X509>, Fault> {
    let read = if is_pem(bytes) {
        X509::stack_from_pem(bytes)
    } else {
        X509::from_der(bytes).map(|one| vec![one])
    };
    match read {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(material(&format!("{what}: no certificate in it"))),
    }
}

/// Sets what a server's chain may end in.
pub(crate) fn set_roots(builder: &mut SslContextBuilder, roots: Roots<'_>) -> Result<(), Fault> {
    match roots {
        Roots::System => set_system_roots(builder),
        Roots::Given(list) => {
            let mut store = X509StoreBuilder::new().map_err(|error| internal(&error))?;
            for (number, bytes) in list.iter().enumerate() {
                let what = format!("root {}", number + 1);
                for certificate in certificates(bytes, &what)? {
                    store
                        .add_cert(certificate)
                        .map_err(|error| material_because(&what, &error))?;
                }
            }
            builder.set_cert_store(store.build());
            Ok(())
        }
    }
}

#[cfg(not(feature = "vendored"))]
fn set_system_roots(builder: &mut SslContextBuilder) -> Result<(), Fault> {
    builder
        .set_default_verify_paths()
        .map_err(|error| material_because("the system's roots", &error))
}

/// A library built from source looks for them where it would have been installed.
#[cfg(feature = "vendored")]
fn set_system_roots(builder: &mut SslContextBuilder) -> Result<(), Fault> {
    let found = openssl_probe::probe();
    let folder = found.cert_dir.first();
    if found.cert_file.is_none() && folder.is_none() {
        return Err(material("the system's roots are not found"));
    }
    builder
        .load_verify_locations(found.cert_file.as_deref(), folder.map(|folder| &**folder))
        .map_err(|error| material_because("the system's roots", &error))
}

/// Sets the client's certificate, those that signed it, and its key. Gives the certificate.
pub(crate) fn set_identity(
    builder: &mut SslContextBuilder,
    identity: &Identity<'_>,
) -> Result<X509, Fault> {
    let key = key(identity)?;
    let mut chain = certificates(identity.chain, "client certificate")?.into_iter();
    let Some(leaf) = chain.next() else {
        return Err(material("client certificate: no certificate in it"));
    };
    let fits = leaf.public_key().is_ok_and(|public| public.public_eq(&key));
    if !fits {
        return Err(material("the client's key does not fit its certificate"));
    }
    builder
        .set_certificate(&leaf)
        .map_err(|error| material_because("client certificate", &error))?;
    for certificate in chain {
        builder
            .add_extra_chain_cert(certificate)
            .map_err(|error| material_because("client chain", &error))?;
    }
    builder
        .set_private_key(&key)
        .and_then(|()| builder.check_private_key())
        .map_err(|error| material_because("client key", &error))?;
    Ok(leaf)
}

/// The first certificate of a chain.
pub(crate) fn leaf(chain: &[u8]) -> Result<X509, Fault> {
    let mut list = certificates(chain, "client certificate")?.into_iter();
    list.next()
        .ok_or_else(|| material("client certificate: no certificate in it"))
}

/// The client's key. OpenSSL keeps it; no copy of the bytes is made here.
pub(crate) fn key(identity: &Identity<'_>) -> Result<PKey<Private>, Fault> {
    if is_key_uri(identity.key) {
        return token::key(identity.key, identity.password);
    }
    let asked = Cell::new(false);
    let password = |room: &mut [u8]| -> Result<usize, ErrorStack> {
        asked.set(true);
        let given = identity.password.unwrap_or_default();
        // Without one, or with one that does not fit: no password, and then there is no key.
        match room.get_mut(..given.len()) {
            Some(place) if !given.is_empty() => {
                place.copy_from_slice(given);
                Ok(given.len())
            }
            _ => Err(ErrorStack::get()),
        }
    };
    let bytes = identity.key;
    let read = if is_pem(bytes) {
        PKey::private_key_from_pem_callback(bytes, password)
    } else if is_encrypted_der(bytes) {
        PKey::private_key_from_pkcs8_callback(bytes, password)
    } else {
        PKey::private_key_from_der(bytes)
    };
    read.map_err(|error| {
        drop(error);
        material(match (asked.get(), identity.password) {
            (true, Some(_)) => "the password of the client's key is wrong",
            (true, None) => "the client's key is encrypted; no password",
            (false, _) => "no client key that can be read",
        })
    })
}

/// Whether this is EncryptedPrivateKeyInfo (RFC 5958 section 3), whose first element is a SEQUENCE. That of the other
/// kinds of keys is a version. OpenSSL must not find out by itself: it may ask at the terminal.
fn is_encrypted_der(bytes: &[u8]) -> bool {
    let first = match bytes {
        [0x30, len, rest @ ..] if *len < 0x80 => rest.first(),
        [0x30, len, rest @ ..] => rest.get(usize::from(*len & 0x7f)),
        _ => None,
    };
    first == Some(&0x30)
}
