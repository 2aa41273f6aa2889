//! The device's certificate in its files: a request for a new one, and its installation, which a crash can't leave halfway.
//!
//! Takes in what DPS issued, and a key; gives out two files that fit each other. A new pair is written beside the old one
//! first (`.new`), then each file takes its place by being renamed. What a crash leaves in between, [`mend`] brings to its
//! end at the next start. The old pair stays as `.old`.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use towpath_proto::tls::{Identity, is_key_uri};
use towpath_tls_openssl::certificate;
use zeroize::Zeroizing;

pub use towpath_tls_openssl::certificate::{Curve, Facts, facts, new_key_and_csr};

use crate::{Code, Error, Fault, Rung};

/// The most certificates in an issued chain.
const CHAIN: usize = 10;

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The certificate and those that signed it, PEM.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What [`mend`] found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mended {
    /// Nothing was left over.
    Nothing,
    /// An installation that a crash had interrupted is complete now.
    Installed,
    /// What was left over was not complete, and is gone. The old pair counts.
    Dropped,
}

/// The certificates in what DPS issued, as PEM: a JSON array of base64 text, or one such text; each DER, or PEM.
///
/// # Errors
/// [`Error::Config`] with what is wrong with it.
pub fn issued_chain(issued: &[u8]) -> Result<Vec<u8>, Error> {
    let wrong = |why: &str| Error::Config {
        why: format!("the certificate that DPS issued can't be read: {why}"),
    };
    let text = std::str::from_utf8(issued).map_err(|_| wrong("it is not UTF-8"))?;
    let texts = texts(text.trim()).ok_or_else(|| wrong("it is no array of texts"))?;
    let mut list = Vec::new();
    let mut pem = Vec::new();
    for text in texts {
        if text.contains("-----BEGIN CERTIFICATE-----") {
            pem.extend_from_slice(text.as_bytes());
            pem.push(b'\n');
            continue;
        }
        let plain: String = text
            .chars()
            .filter(|one| !one.is_ascii_whitespace())
            .collect();
        list.push(certificate::from_base64(&plain).ok_or_else(|| wrong("it is not base64"))?);
    }
    if list.len() > CHAIN {
        return Err(wrong("there are too many certificates"));
    }
    pem.extend_from_slice(&certificate::to_pem(&list)?);
    // That there is one, and that it can be read.
    facts(&pem)?;
    Ok(pem)
}

/// The texts of a JSON array, or the one that is there without one.
fn texts(json: &str) -> Option<Vec<String>> {
    let mut rest = json;
    let inside = rest
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let many = inside.is_some();
    rest = inside.unwrap_or(rest).trim();
    let mut list = Vec::new();
    while !rest.is_empty() {
        rest = rest.strip_prefix('"')?;
        let mut text = String::new();
        let mut characters = rest.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => text.push(match characters.next()?.1 {
                    'u' => unicode(&mut characters)?,
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other @ ('/' | '"' | '\\') => other,
                    // What needs another escape is neither base64 nor PEM.
                    _ => return None,
                }),
                (_, other) => text.push(other),
            }
        };
        list.push(text);
        rest = rest.get(end..)?.strip_prefix('"')?.trim_start();
        match rest.strip_prefix(',') {
            Some(next) if many => rest = next.trim_start(),
            Some(_) => return None,
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(list).filter(|list| !list.is_empty())
}

/// The character behind `\u`, of ASCII; others are neither in base64 nor in PEM.
fn unicode(characters: &mut std::str::CharIndices<'_>) -> Option<char> {
    let mut code = 0;
    for _ in 0..4 {
        code = code * 16 + characters.next()?.1.to_digit(16)?;
    }
    char::from_u32(code).filter(char::is_ascii)
}

/// Puts a new certificate and its key in the place of the old ones. Both files are for their owner only. Where it fails,
/// the old pair counts still, or [`mend`] completes it.
///
/// # Errors
/// [`Error::Path`] with [`Code::TlsMaterial`] if the two don't fit each other, and
/// [`Error::Config`] with the file that can't be written, or if both are to be the same file. Then nothing was written.
pub fn install(chain: &[u8], key: &[u8], paths: &Paths) -> Result<(), Error> {
    if is_key_uri(key) || !fit(chain, key, None)? {
        let fault = Fault::new(Rung::Tls, Code::TlsMaterial);
        return Err(fault
            .detail(b"the new key does not fit its certificate")
            .into());
    }
    let paths = paths.followed();
    if paths.cert == paths.key {
        return Err(Error::Config {
            why: format!(
                "{} holds both the certificate and its key, and one would take the place of the other: give each a \
                 file of its own (cert and key in [tls])",
                paths.cert.display()
            ),
        });
    }
    write_whole(&beside(&paths.key, ".new"), key)?;
    write_whole(&beside(&paths.cert, ".new"), chain)?;
    for path in [&paths.key, &paths.cert] {
        keep_old(path)?;
    }
    take_place(&paths.key)?;
    take_place(&paths.cert)
}

/// Completes an installation that a crash interrupted, or clears away what is left of it. To be called before the files
/// are read, by the one process that renews them. `password` is that of the old key.
///
/// # Errors
/// [`Error::Config`] with the file that can't be written, [`Error::File`] with one that can't be read.
pub fn mend(paths: &Paths, password: Option<&[u8]>) -> Result<Mended, Error> {
    let paths = paths.followed();
    if paths.cert == paths.key {
        // `install` refuses them, so that nothing can be left over.
        return Ok(Mended::Nothing);
    }
    let (new_key, new_cert) = (beside(&paths.key, ".new"), beside(&paths.cert, ".new"));
    let (has_key, has_cert) = (is_there(&new_key)?, is_there(&new_cert)?);
    let whole = match (has_key, has_cert) {
        (false, false) => return Ok(Mended::Nothing),
        (true, true) => fit_files(&new_cert, &new_key, None)?,
        // The key has its place already.
        (false, true) => fit_files(&new_cert, &paths.key, None)?,
        // The certificate has, as the disk had it; or the writing of the pair had only begun.
        (true, false) => fit_files(&paths.cert, &new_key, password)?,
    };
    if whole {
        if has_key {
            take_place(&paths.key)?;
        }
        if has_cert {
            take_place(&paths.cert)?;
        }
        return Ok(Mended::Installed);
    }
    for path in [new_key, new_cert] {
        if is_there(&path)? {
            fs::remove_file(&path).map_err(|error| unwritable(&path, &error))?;
        }
    }
    Ok(Mended::Dropped)
}

impl Paths {
    /// The files themselves, where the paths are links: a rename puts a file in the place of the link.
    fn followed(&self) -> Self {
        let follow = |path: &Path| {
            let real = fs::canonicalize(path).or_else(|error| {
                // A file that is not there yet lies in a folder that is.
                let name = path.file_name().ok_or(error)?;
                Ok::<_, io::Error>(fs::canonicalize(folder_of(path))?.join(name))
            });
            real.unwrap_or_else(|_| path.to_owned())
        };
        Self {
            cert: follow(&self.cert),
            key: follow(&self.key),
        }
    }
}

fn fit(chain: &[u8], key: &[u8], password: Option<&[u8]>) -> Result<bool, Fault> {
    certificate::fits(&Identity {
        chain,
        key,
        password,
    })
}

/// Whether two files fit each other; one that holds neither certificate nor key fits nothing.
fn fit_files(chain: &Path, key: &Path, password: Option<&[u8]>) -> Result<bool, Error> {
    let read = |path: &Path| match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|error| Error::file(path, &error)),
    };
    let (chain, key) = (read(chain)?, Zeroizing::new(read(key)?));
    Ok(fit(&chain, &key, password).unwrap_or(false))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::Config {
        why: format!("cannot write {}: {error}", path.display()),
    }
}

fn is_there(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(|error| Error::file(path, &error))
}

/// Writes a file that is either there as a whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let part = beside(path, ".part");
    let write = || {
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        sync_folder(path)
    };
    write().map_err(|error| unwritable(path, &error))
}

/// Keeps a copy of what is there as `.old`.
fn keep_old(path: &Path) -> Result<(), Error> {
    match fs::read(path) {
        Ok(bytes) => write_whole(&beside(path, ".old"), &Zeroizing::new(bytes)),
        // The first certificate of this device.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::file(path, &error)),
    }
}

/// Puts `.new` in the place of the file.
fn take_place(path: &Path) -> Result<(), Error> {
    fs::rename(beside(path, ".new"), path)
        .and_then(|()| sync_folder(path))
        .map_err(|error| unwritable(path, &error))
}

/// A rename is on the disk once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
#[path = "certificate/tests.rs"]
mod tests;
