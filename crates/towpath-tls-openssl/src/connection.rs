//! One connection.
//!
//! Takes in records and plaintext, gives out the other of each, facts and faults, as [`Tls`] has it.

use core::fmt;

use openssl::{
    error::ErrorStack,
    ssl::{Error, ErrorCode, Ssl, SslStream, SslVersion},
};
use towpath_proto::{
    Code, Fault, Rung,
    tls::{Agreed, Fact, Tls, Version},
};

use crate::{
    cause, ffi,
    pipe::Pipe,
    session::{self, Mark},
    watch::{self, Shared},
};

/// A TLS connection of OpenSSL over memory.
pub struct Connection {
    stream: SslStream<Pipe>,
    watch: Shared,
    mark: Mark,
    agreed: Option<Agreed>,
    renegotiation: bool,
    /// What ended it. Whoever asks again gets the same.
    over: Option<Fault>,
    /// close_notify was said.
    closed: bool,
}

/// Without plaintext, keys and sessions.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("agreed", &self.agreed)
            .field("renegotiating", &self.is_renegotiating())
            .field("sendable", &self.sendable().len())
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(ssl: Ssl, watch: Shared, mark: Mark) -> Result<Self, ErrorStack> {
        Ok(Self {
            stream: SslStream::new(ssl, Pipe::new())?,
            watch,
            mark,
            agreed: None,
            renegotiation: false,
            over: None,
            closed: false,
        })
    }

    /// What a call of OpenSSL came to: `None` if records have to come first.
    fn outcome<T>(&mut self, result: Result<T, Error>) -> Result<Option<T>, Fault> {
        let error = match result {
            Ok(done) => return Ok(Some(done)),
            Err(error) => error,
        };
        // The pipe takes everything, so that only reading can have to wait.
        let waits = matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE);
        let fault = if waits {
            match self.foreign() {
                None => return Ok(None),
                Some(fault) => fault,
            }
        } else if error.code() == ErrorCode::ZERO_RETURN {
            self.goodbye()
        } else {
            let head = self.stream.get_ref().head();
            cause::fault_of(&watch::lock(&self.watch), error.ssl_error(), head)
        };
        drop(ErrorStack::get());
        self.over = Some(fault);
        Err(fault)
    }

    /// The fault of a peer that is no TLS server but said too little for OpenSSL to see that.
    fn foreign(&self) -> Option<Fault> {
        if self.agreed.is_some() || watch::lock(&self.watch).stage.server_hello {
            return None;
        }
        cause::foreign(self.stream.get_ref().head())
    }

    /// The peer said close_notify.
    fn goodbye(&self) -> Fault {
        let code = if self.agreed.is_some() {
            Code::Closed
        } else {
            Code::TlsClosed
        };
        let fault = Fault::new(Rung::Tls, code);
        match watch::lock(&self.watch).closed {
            Some(alert) => fault.alert(alert),
            None => fault,
        }
    }

    fn opened(&mut self) -> Result<(), Fault> {
        let ssl = self.stream.ssl();
        let Some(version) = ssl.version2().and_then(known) else {
            return Err(cause::profile("a TLS version below 1.2 was agreed"));
        };
        let suite = ssl
            .current_cipher()
            .map_or(0, |suite| u16::from_be_bytes(suite.protocol_id()));
        let resumed = ssl.session_reused();
        let alpn = ssl.selected_alpn_protocol().is_some();
        let peer = ssl.peer_certificate();
        if peer.is_none() {
            // No suite without a certificate is ever offered; this only makes sure of it.
            return Err(Fault::new(Rung::Tls, Code::ServerCertificateBad));
        }
        watch::lock(&self.watch).opened(peer);
        let secure = version == Version::Tls13 || ffi::is_renegotiation_secure(&mut self.stream);
        self.agreed = Some(Agreed {
            version,
            suite,
            resumed,
            secure_renegotiation: secure,
            alpn,
            certificate_requested: watch::lock(&self.watch).stage.certificate_requested,
        });
        Ok(())
    }

    /// After a renegotiation the server has to be the one it was, also if it resumed a session.
    fn check_identity(&mut self) -> Result<(), Fault> {
        let mut watch = watch::lock(&self.watch);
        if !watch.take_again() {
            return Ok(());
        }
        let peer = self.stream.ssl().peer_certificate();
        if watch.compare(peer.as_deref()) {
            return Ok(());
        }
        let fault = Fault::new(Rung::Tls, Code::RenegotiationIdentity);
        self.over = Some(fault);
        Err(fault)
    }

    fn check_over(&self) -> Result<(), Fault> {
        match self.over {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }
}

fn known(version: SslVersion) -> Option<Version> {
    match version {
        SslVersion::TLS1_2 => Some(Version::Tls12),
        SslVersion::TLS1_3 => Some(Version::Tls13),
        _ => None,
    }
}

impl Tls for Connection {
    fn rx_space(&mut self) -> &mut [u8] {
        self.stream.get_mut().space()
    }

    fn commit(&mut self, n: usize) {
        self.stream.get_mut().commit(n);
    }

    fn sendable(&self) -> &[u8] {
        self.stream.get_ref().sendable()
    }

    fn transmitted(&mut self, n: usize) {
        self.stream.get_mut().transmitted(n);
    }

    fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        self.stream.get_mut().both_ways()
    }

    fn handshake(&mut self) -> Result<bool, Fault> {
        self.check_over()?;
        if self.agreed.is_some() {
            return Ok(true);
        }
        // OpenSSL judges a call by its queue, where other users of it in this thread may have left something.
        drop(ErrorStack::get());
        let result = self.stream.do_handshake();
        if self.outcome(result)?.is_none() {
            return Ok(false);
        }
        self.opened()
            .inspect_err(|fault| self.over = Some(*fault))?;
        Ok(true)
    }

    fn read(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        self.check_over()?;
        if self.agreed.is_none() || space.is_empty() {
            return Ok(0);
        }
        // Without records and without the rest of one OpenSSL has nothing to do.
        if self.stream.get_ref().is_drained() && self.stream.ssl().pending() == 0 {
            return Ok(0);
        }
        drop(ErrorStack::get());
        let result = self.stream.ssl_read(space);
        let came = self.outcome(result)?;
        self.check_identity()?;
        if came.is_none() && watch::lock(&self.watch).take_later() {
            // A ticket makes OpenSSL take a buffer for writing, and keep it until something is written.
            ffi::free_buffers(&mut self.stream);
        }
        Ok(came.unwrap_or(0))
    }

    fn write(&mut self, plain: &[u8]) -> Result<usize, Fault> {
        self.check_over()?;
        if self.agreed.is_none() || self.closed || self.is_renegotiating() {
            return Ok(0);
        }
        drop(ErrorStack::get());
        let mut taken = 0;
        while let Some(rest) = plain.get(taken..)
            && !rest.is_empty()
            && !self.stream.get_ref().is_full()
        {
            let result = self.stream.ssl_write(rest);
            match self.outcome(result)? {
                Some(n) if n > 0 => taken += n,
                _ => break,
            }
        }
        Ok(taken)
    }

    fn allow_renegotiation(&mut self, allowed: bool) {
        if self.renegotiation != allowed {
            self.renegotiation = allowed;
            ffi::set_renegotiation(&mut self.stream, allowed);
        }
    }

    fn is_renegotiating(&self) -> bool {
        let old = self
            .agreed
            .is_some_and(|agreed| agreed.version == Version::Tls12);
        old && self.over.is_none() && !self.stream.ssl().is_init_finished()
    }

    fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }

    fn close(&mut self) {
        // The peer's close_notify is answered with one.
        let broken = self.over.is_some_and(|fault| fault.code != Code::Closed);
        if self.agreed.is_none() || broken || self.closed {
            return;
        }
        self.closed = true;
        // Inside a renegotiation OpenSSL says nothing, and the end of the stream has to do.
        drop(self.stream.shutdown());
        drop(ErrorStack::get());
    }

    fn next_fact(&mut self) -> Option<Fact> {
        watch::lock(&self.watch).next_fact()
    }

    fn server_chain(&self, keep: &mut dyn FnMut(&[u8])) {
        for certificate in watch::lock(&self.watch).server_chain() {
            keep(certificate);
        }
    }

    fn take_session(&mut self, keep: &mut dyn FnMut(&[u8])) {
        let session = watch::lock(&self.watch).take_session();
        if let Some(session) = session {
            session::give(&session, &self.mark, keep);
        }
    }
}
