//! The back-ends as one type.

use std::sync::OnceLock;

use towpath_proto::{
    Code, Fault, Rung,
    tls::{Agreed, Fact, Layer, Tls},
};

use super::{Backend, TlsOptions, Watch};
use crate::Endpoint;
#[cfg(feature = "mbed")]
use crate::host::Growable;

/// What connections to one endpoint share: certificates, keys and settings, read once.
#[derive(Debug)]
pub(crate) enum Context {
    #[cfg(feature = "openssl")]
    OpenSsl(towpath_tls_openssl::Context),
    #[cfg(feature = "mbed")]
    Mbed(towpath_tls_mbed::Context),
}

/// The records of an Mbed TLS connection that wait to be decrypted, and those that wait to be sent, bytes.
#[cfg(feature = "mbed")]
const MBED_BUFFERS: (usize, usize) = (18 << 10, 96 << 10);

impl Context {
    /// Reads what `options` say for `endpoint`.
    fn new(options: &TlsOptions, endpoint: &Endpoint, watch: Watch) -> Result<Self, Fault> {
        let Some(backend) = options.backend.or_else(|| Backend::ALL.first().copied()) else {
            return Err(Fault::new(Rung::Tls, Code::TlsProfile)
                .detail(b"no TLS back-end is built in: feature openssl or mbed"));
        };
        match backend {
            #[cfg(feature = "openssl")]
            Backend::OpenSsl => {
                let can = towpath_tls_openssl::capabilities();
                options
                    .with_profile(
                        endpoint,
                        watch,
                        can.post_handshake_auth,
                        can.versions,
                        |profile| match &options.key_log {
                            Some(path) => towpath_tls_openssl::Context::with_key_log(profile, path),
                            None => towpath_tls_openssl::Context::new(profile),
                        },
                    )
                    .map(Self::OpenSsl)
            }
            #[cfg(feature = "mbed")]
            Backend::Mbed => {
                if options.key_log.is_some() {
                    return Err(Fault::new(Rung::Tls, Code::TlsProfile)
                        .detail(b"no key log in this back-end"));
                }
                let can = towpath_tls_mbed::capabilities();
                options
                    .with_profile(
                        endpoint,
                        watch,
                        can.post_handshake_auth,
                        can.versions,
                        towpath_tls_mbed::Context::new,
                    )
                    .map(Self::Mbed)
            }
        }
    }

    /// A connection that is about to begin.
    pub(crate) fn connect(
        &self,
        options: &TlsOptions,
        endpoint: &Endpoint,
        watch: Watch,
    ) -> Result<Box<Layer<Engine>>, Fault> {
        let session = options.sessions.bytes();
        let engine = match self {
            #[cfg(feature = "openssl")]
            Self::OpenSsl(context) => Engine::OpenSsl(context.connect(session.as_deref())?),
            #[cfg(feature = "mbed")]
            Self::Mbed(context) => {
                let (rx, tx) = MBED_BUFFERS;
                Engine::Mbed(context.connect(
                    Growable::new(rx),
                    Growable::new(tx),
                    session.as_deref(),
                )?)
            }
        };
        Ok(Box::new(Layer::with(
            engine,
            options.renegotiation_to(endpoint),
            options.has_identity(),
            watch.trace,
        )))
    }
}

/// The context, made when it is first needed. A copy of the options makes its own, because it may be changed before.
#[derive(Debug, Default)]
pub(crate) struct Prepared(OnceLock<Result<Context, Fault>>);

impl Clone for Prepared {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Prepared {
    pub(crate) fn context(
        &self,
        options: &TlsOptions,
        endpoint: &Endpoint,
        watch: Watch,
    ) -> Result<&Context, Fault> {
        self.0
            .get_or_init(|| Context::new(options, endpoint, watch))
            .as_ref()
            .map_err(|fault| *fault)
    }
}

/// A connection of one of the back-ends.
#[derive(Debug)]
pub(crate) enum Engine {
    #[cfg(feature = "openssl")]
    OpenSsl(towpath_tls_openssl::Connection),
    #[cfg(feature = "mbed")]
    Mbed(towpath_tls_mbed::Connection<Growable>),
}

/// Calls a method of whichever back-end it is.
macro_rules! each {
    ($engine:expr, $tls:ident => $call:expr) => {
        match $engine {
            #[cfg(feature = "openssl")]
            Engine::OpenSsl($tls) => $call,
            #[cfg(feature = "mbed")]
            Engine::Mbed($tls) => $call,
        }
    };
}

impl Tls for Engine {
    fn rx_space(&mut self) -> &mut [u8] {
        each!(self, tls => tls.rx_space())
    }

    fn commit(&mut self, n: usize) {
        each!(self, tls => tls.commit(n));
    }

    fn sendable(&self) -> &[u8] {
        each!(self, tls => tls.sendable())
    }

    fn transmitted(&mut self, n: usize) {
        each!(self, tls => tls.transmitted(n));
    }

    fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        each!(self, tls => tls.both_ways())
    }

    fn handshake(&mut self) -> Result<bool, Fault> {
        each!(self, tls => tls.handshake())
    }

    fn read(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        each!(self, tls => tls.read(space))
    }

    fn write(&mut self, plain: &[u8]) -> Result<usize, Fault> {
        each!(self, tls => tls.write(plain))
    }

    fn allow_renegotiation(&mut self, allowed: bool) {
        each!(self, tls => tls.allow_renegotiation(allowed));
    }

    fn is_renegotiating(&self) -> bool {
        each!(self, tls => tls.is_renegotiating())
    }

    fn agreed(&self) -> Option<Agreed> {
        each!(self, tls => tls.agreed())
    }

    fn close(&mut self) {
        each!(self, tls => tls.close());
    }

    fn next_fact(&mut self) -> Option<Fact> {
        each!(self, tls => tls.next_fact())
    }

    fn end_of_stream(&self) -> u32 {
        each!(self, tls => tls.end_of_stream())
    }

    fn server_chain(&self, keep: &mut dyn FnMut(&[u8])) {
        each!(self, tls => tls.server_chain(keep));
    }

    fn take_session(&mut self, keep: &mut dyn FnMut(&[u8])) {
        each!(self, tls => tls.take_session(keep));
    }
}
