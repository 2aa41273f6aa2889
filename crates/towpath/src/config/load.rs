//! From settings to options. Whatever can be wrong in them is found here, before a byte is sent.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, BufRead as _, BufReader, Read},
    path::Path,
};

use towpath_proto::tls::Clock;

use super::{Config, Given, SessionFile, Setting, suites};
use crate::{
    Endpoint, Error, Options, QoS, TlsOptions, TopicName, Version,
    options::Will,
    tls::{self, Backend},
};

/// The longest password, bytes (MQTT 5 section 1.5.6).
const PASSWORD_MAX: u64 = 65_535;

/// What does not stand in a file. A file that is named for the same goes first.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The password of the user.
    pub password: Option<Vec<u8>>,
    /// The password of the key.
    pub key_password: Option<Vec<u8>>,
    /// The password for the proxy.
    pub proxy_password: Option<Vec<u8>>,
}

/// Nothing of them is shown.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// What became of a [`Config`].
#[derive(Debug)]
pub struct Loaded {
    /// For a connection.
    pub options: Options,
    /// The file to [save](SessionFile::save) after it, if there is one.
    pub session_file: Option<SessionFile>,
}

impl Config {
    /// Where the connection goes.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Url`] if the URL is missing or can't be used.
    pub fn endpoint(&self) -> Result<Endpoint, Error> {
        let Some(url) = &self.url else {
            let why = "the url is missing".to_owned();
            return Err(Error::Url { why });
        };
        Endpoint::parse(url.value()).map_err(|error| match error {
            Error::Url { why } => url.wrong(why),
            other => other,
        })
    }

    /// The back-end that is asked for, or the default; `None`: none is built in.
    #[must_use]
    pub fn backend(&self) -> Option<Backend> {
        match &self.tls.backend {
            Some(backend) => Some(*backend.value()),
            None => Backend::ALL.first().copied(),
        }
    }

    /// Whether the private key asks for a password.
    ///
    /// # Errors
    /// [`Error::File`] if the key can't be read.
    pub fn key_is_encrypted(&self) -> Result<bool, Error> {
        match &self.tls.key {
            // Whether a token wants a PIN is known when it is asked for the key.
            Some(key) if uri(key.value()).is_some() => Ok(false),
            Some(key) => bytes(key.value()).map(|bytes| is_encrypted(&bytes)),
            None => Ok(false),
        }
    }

    /// Makes options, and reads the files that they need.
    ///
    /// # Errors
    /// [`Error::Config`] with the key or flag that can't be honoured, [`Error::File`] with a file that can't be read.
    pub fn load(&self, secrets: Secrets) -> Result<Loaded, Error> {
        let endpoint = self.endpoint()?;
        let (tls, session_file) = self.tls_options(&endpoint, secrets.key_password)?;
        let mut options = Options::to(endpoint);
        if let Some(profile) = &self.profile {
            options = options.profile(*profile.value());
        }
        options = options
            .version(self.version())
            .patience(self.patience())
            .clean_start(!self.keeps_session());
        if let Some(tls) = tls {
            options = options.tls(tls);
        }
        if let Some(seconds) = &self.keepalive {
            options = options.keep_alive(*seconds.value());
        }
        if let Some(id) = &self.id {
            options = options.client_id(id.value());
        }
        if let Some(address) = &self.bind {
            options = options.bind(*address.value());
        }
        options = self.session(options)?;
        options = self.last_will(options)?;
        options = self.login(options, secrets.password)?;
        options = self.upgrade(options)?;
        let network = self.network.over(options.network_options().into_owned())?;
        if network != *options.network_options() {
            options = options.network(network);
        }
        options = self.proxy.load(options, secrets.proxy_password)?;
        Ok(Loaded {
            options,
            session_file,
        })
    }

    fn keeps_session(&self) -> bool {
        is_on(&self.keep_session)
    }

    fn session(&self, options: Options) -> Result<Options, Error> {
        if let Some(keep) = self.keep_session.as_ref().filter(|keep| *keep.value())
            && self.id.is_none()
        {
            return Err(
                keep.wrong("the server knows the session by the client identifier; give one")
            );
        }
        Ok(match &self.session_expiry {
            Some(seconds) => {
                self.needs_v5(seconds)?;
                options.session_expiry(*seconds.value())
            }
            // As with mosquitto's clients: who keeps a session means it to stay.
            None if self.keeps_session() && self.version() == Version::V5 => {
                options.session_expiry(u32::MAX)
            }
            None => options,
        })
    }

    fn needs_v5<T>(&self, setting: &Setting<T>) -> Result<(), Error> {
        if self.version() == Version::V5 {
            return Ok(());
        }
        Err(setting.wrong("this needs MQTT 5; leave it out, or do without MQTT 3.1.1"))
    }

    fn last_will(&self, options: Options) -> Result<Options, Error> {
        let will = &self.will;
        let Some(topic) = &will.topic else {
            let why = "a will needs a topic";
            given(&will.payload, why)?;
            given(&will.qos, why)?;
            given(&will.retain, why)?;
            given(&will.delay, why)?;
            return Ok(options);
        };
        TopicName::new(topic.value()).map_err(|invalid| {
            topic.wrong(format_args!(
                "topic {:?}: {}",
                topic.value(),
                invalid.clause
            ))
        })?;
        if let Some(delay) = &will.delay {
            self.needs_v5(delay)?;
        }
        Ok(options.will(Will {
            topic: topic.value().clone(),
            payload: or_default(&will.payload).into_bytes(),
            qos: will
                .qos
                .as_ref()
                .map_or(QoS::AtMostOnce, |qos| *qos.value()),
            retain: is_on(&will.retain),
            delay: or_default(&will.delay),
        }))
    }

    fn login(&self, options: Options, password: Option<Vec<u8>>) -> Result<Options, Error> {
        let Some(user) = &self.user else {
            given(&self.password_file, "a password needs a user")?;
            return Ok(options);
        };
        let password = match &self.password_file {
            Some(path) => Some(first_line_of(path.value())?),
            None => password,
        };
        Ok(match password {
            Some(password) => options.credentials(user.value(), password),
            None => options.user(user.value()),
        })
    }

    fn upgrade(&self, mut options: Options) -> Result<Options, Error> {
        let websocket = &self.websocket;
        if !options.endpoint().scheme.is_framed() {
            let why = "this has no meaning with mqtt:// and mqtts://; use ws:// or wss://";
            given(&websocket.headers, why)?;
            given(&websocket.subprotocol, why)?;
        }
        for (name, value) in websocket.headers.iter().flat_map(Setting::value) {
            options = options.header(name, value);
        }
        if let Some(names) = &websocket.subprotocol {
            // Once for a file, which is once in the life of most programs.
            options = options.subprotocols(Box::leak(names.value().clone().into_boxed_str()));
        }
        Ok(options)
    }

    fn tls_options(
        &self,
        endpoint: &Endpoint,
        key_password: Option<Vec<u8>>,
    ) -> Result<(Option<TlsOptions>, Option<SessionFile>), Error> {
        let tls = &self.tls;
        if !endpoint.scheme.is_secured() {
            let secured = if endpoint.scheme.is_framed() {
                "ws://; use wss://"
            } else {
                "mqtt://; use mqtts://"
            };
            return match tls.any() {
                Some(setting) => Err(setting.wrong(&format!("TLS has no meaning with {secured}"))),
                None => Ok((None, None)),
            };
        }
        let mut options = TlsOptions::new();
        if let Some(profile) = &self.profile {
            options = options.profile(*profile.value());
        }
        options = self.library(options)?;
        options = self.trust(options)?;
        options = self.identity(options, key_password)?;
        options = self.offer(options)?;
        let session_file = match &tls.session_file {
            Some(path) => Some(SessionFile::open(
                path.value(),
                self.session_label(endpoint)?,
            )?),
            None => None,
        };
        if let Some(file) = &session_file {
            options = options.sessions(file.sessions());
        }
        Ok((Some(options), session_file))
    }

    fn library(&self, mut options: TlsOptions) -> Result<TlsOptions, Error> {
        let tls = &self.tls;
        if let Some(backend) = &tls.backend {
            options = options.backend(*backend.value());
            if !backend.value().has_system_roots() && tls.cafile.is_none() && tls.capath.is_none() {
                return Err(backend.wrong(
                    "this back-end does not know the system's roots; name the CA to trust with cafile or capath",
                ));
            }
        }
        if let Some(path) = &tls.keylog {
            if self.backend().is_some_and(|backend| !backend.has_key_log()) {
                return Err(path.wrong("only the back-end openssl writes a key log"));
            }
            options = options.key_log(path.value());
        }
        Ok(options)
    }

    /// What the server is checked by.
    fn trust(&self, mut options: TlsOptions) -> Result<TlsOptions, Error> {
        let tls = &self.tls;
        if let Some(path) = &tls.cafile {
            options = options.ca_file(path.value())?;
        }
        if let Some(path) = &tls.capath {
            options = options.ca_path(path.value())?;
        }
        if let Some(name) = &tls.sni {
            options = options.server_name(name.value());
        }
        if let Some(tells) = &tls.tells_name {
            options = options.tells_name(*tells.value());
        }
        if is_on(&tls.unchecked_clock) {
            options = options.clock(Clock::Unchecked);
        }
        Ok(options)
    }

    /// What the server is shown.
    fn identity(
        &self,
        options: TlsOptions,
        key_password: Option<Vec<u8>>,
    ) -> Result<TlsOptions, Error> {
        let tls = &self.tls;
        let (cert, key) = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => (cert, key),
            (Some(cert), None) => {
                return Err(cert.wrong("its private key is missing; give it with key"));
            }
            (None, Some(key)) => {
                return Err(key.wrong("its certificate is missing; give it with cert"));
            }
            (None, None) => {
                given(&tls.key_password_file, "there is no key that it could open")?;
                return Ok(options);
            }
        };
        let password = match &tls.key_password_file {
            Some(path) => Some(first_line_of(path.value())?),
            None => key_password,
        };
        if let Some(uri) = uri(key.value()) {
            if self
                .backend()
                .is_some_and(|backend| !backend.has_token_keys())
            {
                return Err(key.wrong("only the back-end openssl uses keys that stay in a token"));
            }
            if uri.contains("pin-value=") {
                return Err(key.wrong(
                    "the PIN does not belong into the URI; put it into a file and name that with key_password_file \
                     (--key-password-file), or use the environment variable TOWPATH_KEY_PASSWORD",
                ));
            }
            return options.identity_in_token(cert.value(), uri, password);
        }
        let bytes = bytes(key.value())?;
        if password.is_none() && is_encrypted(&bytes) {
            return Err(key.wrong(
                "the key is encrypted and there is no password for it; put it into a file and name that with \
                 key_password_file (--key-password-file), or use the environment variable TOWPATH_KEY_PASSWORD",
            ));
        }
        options.identity_files(cert.value(), key.value(), password)
    }

    /// What is offered in the handshake.
    fn offer(&self, mut options: TlsOptions) -> Result<TlsOptions, Error> {
        let tls = &self.tls;
        let version = |given: &Given<tls::Version>| given.as_ref().map(|given| *given.value());
        let (min, max) = (version(&tls.min), version(&tls.max));
        if let (Some(setting), Some(low), Some(high)) = (&tls.min, min, max)
            && low > high
        {
            let why = format!("the lowest version, {low}, is above the highest, {high}");
            return Err(setting.wrong(why));
        }
        if min.is_some() || max.is_some() {
            // A profile's highest version stays, unless it is below what is given here.
            let kept = options
                .highest()
                .filter(|high| min.is_none_or(|low| low <= *high));
            options = options.versions(min, max.or(kept));
        }
        if let Some(names) = &tls.ciphers {
            suites::check_suites(names)?;
            options = options.suites(names.value());
        }
        if let Some(names) = &tls.groups {
            suites::check_groups(names)?;
            options = options.groups(names.value());
        }
        if let Some(names) = &tls.sigalgs {
            options = options.signature_algorithms(names.value());
        }
        if let Some(names) = &tls.alpn {
            options = options.alpn(names.value());
        }
        if let Some(bytes) = &tls.mfl {
            if !matches!(bytes.value(), 512 | 1024 | 2048 | 4096) {
                return Err(
                    bytes.wrong("this has to be 512, 1024, 2048 or 4096 (RFC 6066 section 4)")
                );
            }
            options = options.max_fragment(*bytes.value());
        }
        if let Some(renegotiation) = &tls.renegotiation {
            options = options.renegotiation(*renegotiation.value());
        }
        if let Some(offered) = &tls.post_handshake_auth {
            options = options.post_handshake_auth(*offered.value());
        }
        Ok(options)
    }

    /// What a session is good for: a server, and the rules by which it was verified. Resuming under other rules would
    /// go round them.
    fn session_label(&self, endpoint: &Endpoint) -> Result<String, Error> {
        let tls = &self.tls;
        // Other numbers in another release of Rust only mean one full handshake more.
        let mut rules = DefaultHasher::new();
        for path in [&tls.cafile, &tls.cert].into_iter().flatten() {
            bytes(path.value())?.hash(&mut rules);
        }
        tls.cafile.is_some().hash(&mut rules);
        let folder = tls.capath.as_ref().map(Setting::value);
        folder.hash(&mut rules);
        is_on(&tls.unchecked_clock).hash(&mut rules);
        let name = tls.sni.as_ref().map_or(&endpoint.host, Setting::value);
        let backend = self.backend().map_or("none", Backend::name);
        Ok(format!(
            "towpath TLS session 1, {backend}, {name} at {}:{}, rules {:016x}",
            endpoint.host,
            endpoint.port,
            rules.finish()
        ))
    }
}

fn is_on(given: &Given<bool>) -> bool {
    given.as_ref().is_some_and(|given| *given.value())
}

fn or_default<T: Clone + Default>(given: &Given<T>) -> T {
    given
        .as_ref()
        .map_or_else(T::default, |given| given.value().clone())
}

/// An error if this was given.
pub(super) fn given<T>(given: &Given<T>, why: &str) -> Result<(), Error> {
    match given {
        Some(setting) => Err(setting.wrong(why)),
        None => Ok(()),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|error| Error::file(path, &error))
}

/// The URI of a key that stays in its token, where this is no path.
fn uri(key: &Path) -> Option<&str> {
    key.to_str().filter(|text| tls::is_key_uri(text.as_bytes()))
}

/// PEM says so (RFC 7468 section 11, and the form of OpenSSL before it). In DER the key of PKCS#8 begins with its
/// version, an encrypted one with the algorithm, a sequence (RFC 5958 sections 2 and 3).
fn is_encrypted(key: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(key)
        && text.contains("-----BEGIN")
    {
        return text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || text.contains("4,ENCRYPTED");
    }
    const SEQUENCE: u8 = 0x30;
    let contents = match key {
        [SEQUENCE, length, rest @ ..] if *length < 0x80 => rest,
        [SEQUENCE, length, rest @ ..] => {
            rest.get(usize::from(*length & 0x7f)..).unwrap_or_default()
        }
        _ => return false,
    };
    contents.first() == Some(&SEQUENCE)
}

pub(super) fn first_line_of(path: &Path) -> Result<Vec<u8>, Error> {
    File::open(path)
        .and_then(first_line)
        .map_err(|error| Error::file(path, &error))
}

/// The first line without its end: how a password stands in a file or comes from standard input.
///
/// # Errors
/// That of `source`.
pub fn first_line(source: impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(source.take(PASSWORD_MAX + 2)).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        for (file, password) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\nmore\n", "secret"),
            (" s p \n", " s p "),
            ("", ""),
        ] {
            assert_eq!(first_line(file.as_bytes()).unwrap(), password.as_bytes());
        }
    }

    #[test]
    fn encrypted_keys_are_recognised_in_pem_and_der() {
        for (key, encrypted) in [
            (&b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"[..], true),
            (
                b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
                true,
            ),
            (b"-----BEGIN PRIVATE KEY-----\n", false),
            (b"\x30\x81\x9b\x30\x57", true),
            (b"\x30\x82\x04\xbd\x30\x57", true),
            (b"\x30\x82\x04\xbd\x02\x01\x00", false),
            (b"\x30\x10\x02\x01\x01", false),
            (b"\x30", false),
            (b"", false),
        ] {
            assert_eq!(is_encrypted(key), encrypted, "{key:?}");
        }
    }
}
