//! What all connections of one profile share.
//!
//! Takes in a profile, reads its certificates, keys and names once, and refuses what can't be honoured before a packet
//! is sent; gives out connections.

use core::fmt;
use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    net::IpAddr,
    path::Path,
};

use openssl::{
    error::ErrorStack,
    ssl::{
        Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode,
        SslVerifyMode, SslVersion,
    },
    x509::verify::{X509CheckFlags, X509VerifyFlags},
};
use towpath_proto::{
    Code, Fault, Rung,
    tls::{Clock, Profile, Version, Versions},
};

use crate::{
    Connection, capabilities,
    cause::{internal, material, profile as refused},
    ffi, material as keys, names,
    session::{self, Mark},
    watch,
};

/// Holds at least this security level of OpenSSL: 112 bits, so RSA from 2048 bits on.
const SECURITY_LEVEL: u32 = 2;

/// The last second that a certificate can name (RFC 5280 section 4.1.2.5), since 1970.
const END_OF_TIME: u64 = 253_402_300_799;

/// The most that a list of application protocols has, bytes: an extension's length is 16 bits wide, and so is that of
/// the list in it.
const ALPN_MAX: usize = 0xffff - 2;

/// What connections to one server with one profile are made from. Read-only, and to be shared between threads.
pub struct Context {
    ssl: SslContext,
    server: String,
    /// What to tell the server as its name (SNI).
    server_name: Option<String>,
    clock: Clock,
    versions: Versions,
    mark: Mark,
    /// Whether connections keep what the server showed.
    keep_chain: bool,
}

/// Without certificates, keys and sessions.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("server", &self.server)
            .field("server_name", &self.server_name)
            .field("clock", &self.clock)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Reads everything in the profile. [`Profile::session`] is not looked at here: [`connect`](Self::connect) takes
    /// one for each connection.
    ///
    /// # Errors
    /// [`Code::TlsProfile`] for what this back-end can't honour, and [`Code::TlsMaterial`] for a certificate, key or
    /// name that can't be used; the detail names it.
    pub fn new(profile: &Profile<'_>) -> Result<Self, Fault> {
        Self::build(profile, None)
    }

    /// As [`new`](Self::new), and appends the secrets of every connection to this file, in the format of
    /// `SSLKEYLOGFILE`, by which Wireshark can decrypt what was captured. Who reads the file reads the connections: it
    /// is made readable for its owner only.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Code::Io`] if the file can't be opened.
    pub fn with_key_log(profile: &Profile<'_>, path: &Path) -> Result<Self, Fault> {
        let file = open_key_log(path).map_err(|error| {
            let number = error.raw_os_error().unwrap_or_default().unsigned_abs();
            Fault::new(Rung::Tls, Code::Io)
                .number(number)
                .detail(b"the key log can't be opened")
        })?;
        Self::build(profile, Some(file))
    }

    fn build(profile: &Profile<'_>, key_log: Option<File>) -> Result<Self, Fault> {
        profile.check(&capabilities())?;
        let mut builder =
            SslContextBuilder::new(SslMethod::tls_client()).map_err(|error| internal(&error))?;
        prepare(&mut builder);
        let versions =
            names::set_suites(&mut builder, profile, profile.versions_of(&capabilities()))?;
        set_versions(&mut builder, versions).map_err(|error| internal(&error))?;
        names::set_groups(&mut builder, profile.groups)?;
        names::set_signatures(&mut builder, profile.signature_algorithms)?;
        let server = set_server(&mut builder, profile)?;
        keys::set_roots(&mut builder, profile.roots)?;
        if let Some(identity) = &profile.identity {
            keys::set_identity(&mut builder, identity)?;
        }
        set_extensions(&mut builder, profile)?;
        if let Some(file) = key_log {
            builder.set_keylog_callback(move |_, line| {
                // One write, so that lines of several processes don't mix. A full disk is no reason to fail.
                let _ = (&file).write_all(format!("{line}\n").as_bytes());
            });
        }
        // What was tried in vain above, such as DER that was none.
        drop(ErrorStack::get());
        Ok(Self {
            ssl: builder.build(),
            server,
            server_name: server_name(profile)?,
            clock: profile.clock,
            versions,
            mark: session::mark(profile),
            keep_chain: profile.keep_chain,
        })
    }

    /// A new connection. Its ClientHello is sendable after the first [`handshake`](towpath_proto::tls::Tls::handshake).
    ///
    /// `session` is one that [`take_session`](towpath_proto::tls::Tls::take_session) gave, of this process or another.
    /// If it can't be used (it is of another profile, broken, or its certificate has expired) the handshake is a full
    /// one.
    ///
    /// # Errors
    /// [`Code::ClockUnset`] while a clock that the profile gave has no time; [`Code::TlsInternal`] without memory.
    pub fn connect(&self, session: Option<&[u8]>) -> Result<Connection, Fault> {
        let now = match self.clock {
            Clock::Given(clock) => match clock() {
                Some(seconds) => Some(seconds),
                None => return Err(Fault::new(Rung::Tls, Code::ClockUnset)),
            },
            Clock::System | Clock::Unchecked => None,
        };
        self.start(session, now).map_err(|error| internal(&error))
    }

    fn start(&self, session: Option<&[u8]>, now: Option<u64>) -> Result<Connection, ErrorStack> {
        let mut ssl = Ssl::new(&self.ssl)?;
        let watch = watch::shared(self.keep_chain);
        ssl.set_ex_data(watch::index()?, watch.clone());
        if let Some(name) = &self.server_name {
            ssl.set_hostname(name)?;
        }
        if let Some(seconds) = now {
            let seconds = seconds.min(END_OF_TIME);
            // Where this doesn't fit, 2038 is as far as the system's own clock goes.
            ssl.param_mut()
                .set_time(seconds.try_into().unwrap_or_else(|_| i32::MAX.into()));
        }
        if let Some(bytes) = session {
            session::offer(&mut ssl, bytes, &self.mark, self.clock, now);
            drop(ErrorStack::get());
        }
        ssl.set_connect_state();
        Connection::new(ssl, watch, self.mark)
    }
}

fn open_key_log(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What holds for every profile.
fn prepare(builder: &mut SslContextBuilder) {
    builder.set_mode(
        SslMode::AUTO_RETRY
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS,
    );
    builder.set_options(SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION);
    let level = ffi::security_level(builder);
    builder.set_security_level(level.max(SECURITY_LEVEL));
    builder.set_verify_callback(SslVerifyMode::PEER, watch::verify);
    builder.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
    builder.set_new_session_callback(|ssl, session| watch::session(ssl, session));
    ffi::watch_messages(builder);
}

fn set_versions(builder: &mut SslContextBuilder, versions: Versions) -> Result<(), ErrorStack> {
    let number = |version| match version {
        Version::Tls12 => SslVersion::TLS1_2,
        Version::Tls13 => SslVersion::TLS1_3,
    };
    builder.set_min_proto_version(Some(number(versions.min)))?;
    builder.set_max_proto_version(Some(number(versions.max)))
}

/// Sets the name or address that the server's certificate has to bear, and by which time it has to be valid.
fn set_server(builder: &mut SslContextBuilder, profile: &Profile<'_>) -> Result<String, Fault> {
    let server = trimmed(profile.server);
    let param = builder.verify_param_mut();
    let set = match server.parse::<IpAddr>() {
        Ok(address) => param.set_ip(address),
        Err(_) if is_host(server) => {
            param.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
            param.set_host(server)
        }
        Err(_) => return Err(material(&format!("no host name: {server}"))),
    };
    set.map_err(|_| material(&format!("no host name: {server}")))?;
    if matches!(profile.clock, Clock::Unchecked) {
        param
            .set_flags(X509VerifyFlags::NO_CHECK_TIME)
            .map_err(|error| internal(&error))?;
    }
    Ok(server.to_owned())
}

/// The name to tell the server. An address is never told, and an empty name means none.
fn server_name(profile: &Profile<'_>) -> Result<Option<String>, Fault> {
    let name = trimmed(profile.server_name.unwrap_or(profile.server));
    if name.is_empty() || name.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    if !is_host(name) {
        return Err(material(&format!("no host name: {name}")));
    }
    Ok(Some(name.to_owned()))
}

/// A name without the dot of the root (RFC 6066 section 3), an IPv6 address without brackets.
fn trimmed(name: &str) -> &str {
    name.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or_else(|| name.strip_suffix('.').unwrap_or(name))
}

/// Whether OpenSSL may see this as a name. An empty one would switch the check off.
fn is_host(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

fn set_extensions(builder: &mut SslContextBuilder, profile: &Profile<'_>) -> Result<(), Fault> {
    if !profile.alpn.is_empty() {
        let mut wire = Vec::new();
        for name in profile.alpn {
            // `Profile::check` saw that there are 1 to 255 bytes.
            wire.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            wire.extend_from_slice(name.as_bytes());
        }
        // OpenSSL sees only in the handshake that it does not fit the extension.
        if wire.len() > ALPN_MAX || builder.set_alpn_protos(&wire).is_err() {
            return Err(material("the list of ALPN names is too long"));
        }
    }
    if let Some(len) = profile.max_fragment {
        let code = match len {
            512 => 1,
            1024 => 2,
            2048 => 3,
            _ => 4,
        };
        if !ffi::offer_max_fragment(builder, code) {
            return Err(refused("no maximum fragment length in this OpenSSL"));
        }
    }
    if profile.ticketless {
        builder.set_options(SslOptions::NO_TICKET);
    }
    if profile.post_handshake_auth {
        ffi::offer_post_handshake_auth(builder);
    }
    Ok(())
}
