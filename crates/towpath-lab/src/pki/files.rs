//! Certificates and keys on the disk: each pair in two PEM files, the key readable for its owner only.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    x509::X509,
};

use super::make::Ca;
use crate::Error;

/// Reads `{name}.pem` and `{name}.key`. `None` if there is no certificate: the key is written first, so that a start
/// that was cut off leaves at most a key, which is made anew.
pub(super) fn read(folder: &Path, name: &str) -> Result<Option<Ca>, Error> {
    let pem = folder.join(format!("{name}.pem"));
    let text = match fs::read(&pem) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::File { path: pem, source }),
    };
    let certificate = X509::from_pem(&text).map_err(|stack| unreadable(&pem, &stack))?;
    let key = key(&folder.join(format!("{name}.key")))?;
    if !matches(&certificate, &key) {
        return Err(Error::Tls {
            why: format!(
                "{}: the key beside it belongs to another certificate; delete both to have them made anew",
                pem.display()
            ),
        });
    }
    Ok(Some(Ca { certificate, key }))
}

/// Writes the pair.
pub(super) fn write(folder: &Path, name: &str, pair: &Ca) -> Result<(), Error> {
    let key = pair.key.private_key_to_pem_pkcs8()?;
    replace(&folder.join(format!("{name}.key")), &key, 0o600)?;
    let certificate = pair.certificate.to_pem()?;
    replace(&folder.join(format!("{name}.pem")), &certificate, 0o644)
}

/// Reads a key that is not encrypted.
pub(super) fn key(path: &Path) -> Result<PKey<Private>, Error> {
    let text = fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    let mut encrypted = false;
    // Without the callback OpenSSL would ask for the passphrase on the terminal.
    let key = PKey::private_key_from_pem_callback(&text, |_| {
        encrypted = true;
        Ok(0)
    });
    key.map_err(|stack| {
        if encrypted {
            Error::Tls {
                why: format!(
                    "{}: the key is encrypted; write it without a passphrase (openssl pkey -in ... -out ...)",
                    path.display()
                ),
            }
        } else {
            unreadable(path, &stack)
        }
    })
}

/// Reads a file of certificates, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<X509>, Error> {
    let text = fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    let all = X509::stack_from_pem(&text).map_err(|stack| unreadable(path, &stack))?;
    if all.is_empty() {
        return Err(Error::Tls {
            why: format!("{}: there is no certificate in it (PEM)", path.display()),
        });
    }
    Ok(all)
}

/// Whether the key belongs to the certificate.
pub(super) fn matches(certificate: &X509, key: &PKey<Private>) -> bool {
    certificate
        .public_key()
        .is_ok_and(|public| public.public_eq(key))
}

fn unreadable(path: &Path, stack: &ErrorStack) -> Error {
    let reason = stack
        .errors()
        .last()
        .and_then(openssl::error::Error::reason)
        .unwrap_or("it is no PEM");
    Error::Tls {
        why: format!("{}: {reason}", path.display()),
    }
}

/// Replaces a file in one step, so that nobody ever sees half of it.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let wrong = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    // Besides the file, under its whole name: a key and its certificate differ in the extension only.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = create(&new, mode).map_err(wrong)?;
    file.write_all(content).map_err(wrong)?;
    file.sync_all().map_err(wrong)?;
    fs::rename(&new, path).map_err(wrong)
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    // What a start that was cut off left behind may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}
