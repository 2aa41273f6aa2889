//! What a TLS server shows and takes, made once for each combination that the config and the faults ask for.
//!
//! Takes in a [`Manner`]; gives out OpenSSL's context for it. Any client certificate passes here: whether a device may
//! have it is up to the hub.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use openssl::{
    pkey::Id,
    ssl::{
        SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode,
        SslVerifyMode, SslVersion,
    },
};
use towpath_tls_openssl::server;

use crate::{
    Error,
    config::{self, TlsVersion},
    connection::Listener,
    pki::{Pki, Variant},
};

/// The suites that the service's documents name, for RSA certificates.
const RSA_SUITES: &str = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:\
                          ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256";

/// Their twins for ECDSA certificates.
const ECDSA_SUITES: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:\
                            ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256";

/// How many contexts are kept; faults with values of their own make new ones.
const KEPT: usize = 64;

/// How many sessions a context keeps for clients without tickets.
const SESSIONS: i32 = 2000;

/// The smallest records that OpenSSL makes on its own, bytes.
pub(super) const RECORD_MIN: u16 = 512;

/// Whether the first handshake asks for the client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Demand {
    /// No.
    Nothing,
    /// Yes, and a client may have none.
    Optional,
    /// Yes, and a client without one is refused.
    Required,
}

/// What the first handshake of a connection is like.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Manner {
    /// Sessions of one listener are none of the other.
    pub(super) listener: Listener,
    pub(super) variant: Variant,
    pub(super) min: TlsVersion,
    pub(super) max: TlsVersion,
    /// Suites of TLS 1.2; empty: those of the service.
    pub(super) suites: String,
    /// The largest record, 512 to 16384 bytes; `None`: OpenSSL's default.
    pub(super) record: Option<u16>,
    pub(super) resumption: bool,
    pub(super) demand: Demand,
    /// Without secure renegotiation (RFC 5746).
    pub(super) legacy: bool,
}

impl Manner {
    /// What the config says, without any fault.
    pub(super) fn of(listener: Listener, tls: &config::Tls) -> Self {
        Self {
            listener,
            variant: Variant::Good,
            min: tls.min,
            max: tls.max,
            suites: tls.suites.join(":"),
            record: None,
            resumption: tls.resumption,
            demand: match listener {
                Listener::Mqtts => Demand::Optional,
                Listener::Https => Demand::Nothing,
            },
            legacy: false,
        }
    }
}

/// All contexts that were asked for so far.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    made: Mutex<HashMap<Manner, Kept>>,
}

struct Kept(SslContext);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SslContext")
    }
}

impl Contexts {
    fn lock(&self) -> MutexGuard<'_, HashMap<Manner, Kept>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The context for a manner.
    ///
    /// # Errors
    /// A certificate or a suite that OpenSSL does not take.
    pub(super) fn context(&self, manner: &Manner, pki: &Pki) -> Result<SslContext, Error> {
        if let Some(Kept(context)) = self.lock().get(manner) {
            return Ok(context.clone());
        }
        let context = build(manner, pki)?;
        let mut made = self.lock();
        if made.len() >= KEPT {
            made.clear();
        }
        // Who else made it meanwhile wins: its sessions may be in use.
        let kept = made
            .entry(manner.clone())
            .or_insert_with(|| Kept(context.clone()));
        Ok(kept.0.clone())
    }
}

fn build(manner: &Manner, pki: &Pki) -> Result<SslContext, Error> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
    builder.set_mode(
        SslMode::AUTO_RETRY
            | SslMode::ENABLE_PARTIAL_WRITE
            | SslMode::ACCEPT_MOVING_WRITE_BUFFER
            | SslMode::RELEASE_BUFFERS,
    );
    // In a renegotiation that resumes the session no certificate is asked for, and a client without one passes.
    builder.set_options(
        SslOptions::NO_COMPRESSION | SslOptions::NO_SESSION_RESUMPTION_ON_RENEGOTIATION,
    );
    set_certificate(&mut builder, manner, pki)?;
    set_versions(&mut builder, manner)?;
    set_sessions(&mut builder, manner)?;
    let mode = match manner.demand {
        Demand::Nothing => SslVerifyMode::NONE,
        Demand::Optional => SslVerifyMode::PEER,
        Demand::Required => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
    };
    builder.set_verify_callback(mode, |_, _| true);
    if let Some(bytes) = manner.record {
        server::set_max_send_fragment(&mut builder, bytes);
    }
    if manner.legacy {
        server::without_secure_renegotiation(&mut builder);
    }
    Ok(builder.build())
}

fn set_certificate(
    builder: &mut SslContextBuilder,
    manner: &Manner,
    pki: &Pki,
) -> Result<(), Error> {
    let identity = pki.server(manner.variant)?;
    builder.set_certificate(&identity.leaf)?;
    builder.set_private_key(&identity.key)?;
    for above in identity.chain {
        builder.add_extra_chain_cert(above)?;
    }
    let suites = match (&*manner.suites, identity.key.id()) {
        ("", Id::EC) => ECDSA_SUITES,
        ("", _) => RSA_SUITES,
        (own, _) => own,
    };
    builder.set_cipher_list(suites).map_err(|_| Error::Tls {
        why: format!("OpenSSL knows none of the suites {suites:?}; \"openssl ciphers\" lists them"),
    })
}

fn set_versions(builder: &mut SslContextBuilder, manner: &Manner) -> Result<(), Error> {
    let number = |version| match version {
        TlsVersion::V12 => SslVersion::TLS1_2,
        TlsVersion::V13 => SslVersion::TLS1_3,
    };
    builder.set_min_proto_version(Some(number(manner.min)))?;
    builder.set_max_proto_version(Some(number(manner.max)))?;
    Ok(())
}

fn set_sessions(builder: &mut SslContextBuilder, manner: &Manner) -> Result<(), Error> {
    let name: &[u8] = match manner.listener {
        Listener::Mqtts => b"mqtts",
        Listener::Https => b"https",
    };
    builder.set_session_id_context(name)?;
    if manner.resumption {
        builder.set_session_cache_mode(SslSessionCacheMode::SERVER);
        builder.set_session_cache_size(SESSIONS);
        server::refuse_certified_tickets(builder)?;
    } else {
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_options(SslOptions::NO_TICKET);
        builder.set_num_tickets(0)?;
    }
    Ok(())
}
