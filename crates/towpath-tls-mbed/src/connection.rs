//! One connection.

use core::{
    ffi::{c_int, c_void},
    fmt,
    mem::ManuallyDrop,
    ptr,
};

use mbedtls_rs_sys as sys;
use towpath_proto::{
    Buffer, Code, Fault,
    tls::{Agreed, Alert, Fact, Side, Stage, Tls, Version, alert::description},
};

use crate::{
    context::Context,
    facts::Facts,
    faults::{self, busy},
    guard::Guard,
    mem::Own,
    pipes::{Pipes, Sent, f_recv, f_send},
    session, setup,
    verify::{Check, Verdict},
};

/// TLS 1.2 as Mbed TLS numbers it.
pub(crate) const TLS12: sys::mbedtls_ssl_protocol_version =
    sys::mbedtls_ssl_protocol_version_MBEDTLS_SSL_VERSION_TLS1_2;
pub(crate) const TLS13: sys::mbedtls_ssl_protocol_version =
    sys::mbedtls_ssl_protocol_version_MBEDTLS_SSL_VERSION_TLS1_3;

/// `MBEDTLS_SSL_RENEGOTIATION_IN_PROGRESS`, which is in no public header.
pub(crate) const RENEGOTIATING: c_int = 1;
const SERVER_HELLO: c_int = sys::mbedtls_ssl_states_MBEDTLS_SSL_SERVER_HELLO as c_int;
const OVER: c_int = sys::mbedtls_ssl_states_MBEDTLS_SSL_HANDSHAKE_OVER as c_int;

/// What C keeps pointers to. It is used through pointers to its fields only, since callbacks make references to `check`
/// while Mbed TLS has `ssl`.
pub(crate) struct Inner {
    pub(crate) ssl: sys::mbedtls_ssl_context,
    pub(crate) conf: sys::mbedtls_ssl_config,
    pub(crate) check: Check,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: both are initialized, since zero is what their init functions write; freed once.
        unsafe {
            sys::mbedtls_ssl_free(&raw mut self.ssl);
            sys::mbedtls_ssl_config_free(&raw mut self.conf);
        }
    }
}

/// A TLS connection as a client, without I/O, over the caller's two buffers. They may be of any size from
/// [`MIN_BUFFER`](Self::MIN_BUFFER) on: Mbed TLS has a record of its own for each direction.
pub struct Connection<B: Buffer> {
    // Dropped by hand: on a device the guard may not be had, and then both are lost rather than freed.
    pub(crate) inner: ManuallyDrop<Own<Inner>>,
    pub(crate) context: ManuallyDrop<Context>,
    pub(crate) pipes: Pipes<B>,
    pub(crate) stage: Stage,
    pub(crate) agreed: Option<Agreed>,
    /// A session was offered.
    pub(crate) resuming: bool,
    /// There is a session that was not given to the caller yet.
    pub(crate) ticket: bool,
    pub(crate) closing: bool,
    /// How it ended.
    pub(crate) failed: Option<Fault>,
}

// SAFETY: Mbed TLS has nothing that belongs to a thread: its memory is malloc's, and all calls hold one lock.
#[cfg(feature = "std")]
unsafe impl<B: Buffer + Send> Send for Connection<B> {}

impl<B: Buffer> Connection<B> {
    /// The smallest buffer that makes sense, bytes: an alert or a short message as a record has to fit.
    pub const MIN_BUFFER: usize = 256;

    pub(crate) fn ssl(&self) -> *mut sys::mbedtls_ssl_context {
        // SAFETY: makes a pointer to a field of what lives as long as `self`, and no reference.
        unsafe { &raw mut (*self.inner.as_ptr()).ssl }
    }

    pub(crate) fn conf(&self) -> *mut sys::mbedtls_ssl_config {
        // SAFETY: as above.
        unsafe { &raw mut (*self.inner.as_ptr()).conf }
    }

    pub(crate) fn check(&self) -> *mut Check {
        // SAFETY: as above.
        unsafe { &raw mut (*self.inner.as_ptr()).check }
    }

    pub(crate) fn verdict(&self) -> *mut Verdict {
        // SAFETY: as above.
        unsafe { &raw mut (*self.check()).verdict }
    }

    /// Not to be called while Mbed TLS runs, nor kept until it does.
    fn facts(&mut self) -> &mut Facts {
        // SAFETY: only callbacks use it beside this, and none runs now.
        unsafe { &mut (*self.check()).facts }
    }

    fn has_trace(&self) -> bool {
        cfg!(feature = "trace") && self.context.shared().trace
    }

    /// Calls Mbed TLS with the pipes attached.
    pub(crate) fn call(
        &mut self,
        with: impl FnOnce(*mut sys::mbedtls_ssl_context) -> c_int,
    ) -> Result<c_int, Fault> {
        let _guard = Guard::enter().ok_or_else(busy)?;
        let ssl = self.ssl();
        self.pipes.begin();
        let pipes = (&raw mut self.pipes).cast::<c_void>();
        // SAFETY: the pipes are used by the callbacks only until `with` returns, and are detached then.
        unsafe { sys::mbedtls_ssl_set_bio(ssl, pipes, Some(f_send::<B>), Some(f_recv::<B>), None) };
        let ret = with(ssl);
        // SAFETY: as above.
        unsafe { sys::mbedtls_ssl_set_bio(ssl, ptr::null_mut(), None, None, None) };
        Ok(ret)
    }

    fn state(&self) -> c_int {
        // SAFETY: a number of this connection's own, and Mbed TLS does not run.
        unsafe { (*self.ssl()).private_state }
    }

    fn renegotiation_status(&self) -> c_int {
        // SAFETY: as above.
        unsafe { (*self.ssl()).private_renego_status }
    }

    fn version(&self) -> Version {
        // SAFETY: as above.
        let version = unsafe { (*self.ssl()).private_tls_version };
        if version == TLS13 {
            Version::Tls13
        } else {
            Version::Tls12
        }
    }

    /// Sends on what Mbed TLS could not send for want of room. True once there is nothing left.
    fn flush(&mut self) -> Result<bool, Fault> {
        // SAFETY: a number of this connection's own, and Mbed TLS does not run.
        let left = |this: &Self| unsafe { (*this.ssl()).private_out_left };
        if left(self) > 0 {
            // While something is left, this function sends that and no alert.
            // SAFETY: it is set up.
            let ret = self.call(|ssl| unsafe { sys::mbedtls_ssl_send_alert_message(ssl, 1, 0) })?;
            if ret != 0 && ret != sys::MBEDTLS_ERR_SSL_WANT_WRITE {
                return Err(self.fail(ret));
            }
        }
        Ok(left(self) == 0)
    }

    /// After a call: takes notes of how far the handshake came.
    fn observe(&mut self) {
        let state = self.state();
        self.stage.server_hello |= state > SERVER_HELLO || self.agreed.is_some();
        let full = match self.version() {
            Version::Tls12 => 2,
            Version::Tls13 => 1,
        };
        if self.agreed.is_none() || self.renegotiation_status() == RENEGOTIATING {
            self.stage.certificate_requested |= self.pipes.flight() > full;
            self.stage.certificate_sent |= self.pipes.flight() > full + 1;
        }
    }

    /// Tells the alerts that were sent, where no debug line does.
    fn tell_alert(&mut self) {
        let sent = self.pipes.take_alert();
        if self.has_trace() {
            return;
        }
        let from = Side::Client;
        let alert = match sent {
            None => return,
            Some(Sent::Clear { fatal, description }) => Alert {
                from,
                fatal,
                description,
            },
            // The one that is sent without an error: the answer to a HelloRequest.
            Some(Sent::Hidden) if self.failed.is_none() && !self.closing => Alert {
                from,
                fatal: false,
                description: description::NO_RENEGOTIATION,
            },
            Some(Sent::Hidden) => return,
        };
        // SAFETY: only callbacks use it beside this, and none runs now.
        unsafe { (*self.check()).alert_sent = Some(alert) };
        self.facts().push(Fact::Alert(alert));
    }

    /// The first handshake is complete.
    fn agree(&mut self) {
        let ssl = self.ssl();
        let version = self.version();
        // SAFETY: the handshake is over; all of these only look.
        let (suite, secure, alpn, seen) = unsafe {
            (
                sys::mbedtls_ssl_get_ciphersuite_id_from_ssl(ssl),
                (*ssl).private_secure_renegotiation != 0,
                !sys::mbedtls_ssl_get_alpn_protocol(ssl).is_null(),
                (*self.verdict()).seen,
            )
        };
        self.agreed = Some(Agreed {
            version,
            suite: u16::try_from(suite).unwrap_or(0),
            // A handshake that resumes shows no certificate.
            resumed: self.resuming && !seen,
            secure_renegotiation: secure || version == Version::Tls13,
            alpn,
            certificate_requested: self.stage.certificate_requested,
        });
        self.forget_handshake();
        // Those of TLS 1.3 come later.
        self.ticket = version == Version::Tls12;
    }

    fn forget_handshake(&mut self) {
        // SAFETY: only callbacks use it beside this, and none runs now.
        unsafe { (*self.verdict()).reset() };
    }

    /// Looks at the clock again: a connection may live long before the server asks for a renegotiation.
    fn set_clock(&mut self) -> Result<(), Fault> {
        let now = setup::now(self.context.shared().clock)?;
        // SAFETY: only callbacks use it beside this, and none runs now.
        unsafe { (*self.verdict()).now = now };
        Ok(())
    }

    /// Ends the connection with the fault for this error.
    fn fail(&mut self, ret: c_int) -> Fault {
        self.observe();
        let fault = self.fault_of(ret);
        self.failed = Some(fault);
        self.tell_alert();
        let told = faults::alert_received(&fault, ret);
        if let (Some(alert), false) = (told, self.has_trace()) {
            self.facts().push(Fact::Alert(alert));
        }
        fault
    }

    fn fault_of(&mut self, ret: c_int) -> Fault {
        if let Some(Sent::Clear {
            fatal: true,
            description,
        }) = self.pipes.peek_alert()
        {
            let alert = Some(Alert::fatal(Side::Client, description));
            // SAFETY: only callbacks use it beside this, and none runs now.
            unsafe { (*self.check()).alert_sent = alert };
        }
        // SAFETY: no callback runs now, so nobody else has the context or the check.
        let (ssl, check) = unsafe { (&*self.ssl(), &*self.check()) };
        faults::Seen {
            ssl,
            verdict: &check.verdict,
            alert_sent: check.alert_sent,
            stage: self.stage,
            open: self.agreed.is_some(),
            roots_skipped: self.context.shared().roots_skipped,
        }
        .fault(ret)
    }
}

impl<B: Buffer> Tls for Connection<B> {
    fn rx_space(&mut self) -> &mut [u8] {
        self.pipes.rx_space()
    }

    fn commit(&mut self, n: usize) {
        self.pipes.commit(n);
    }

    fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        self.pipes.both_ways()
    }

    fn sendable(&self) -> &[u8] {
        self.pipes.sendable()
    }

    fn transmitted(&mut self, n: usize) {
        self.pipes.transmitted(n);
        if self.pipes.full {
            // An error of this comes again with the next call that can tell it.
            let _ = self.flush();
        }
    }

    fn handshake(&mut self) -> Result<bool, Fault> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        if self.agreed.is_some() {
            return Ok(true);
        }
        self.set_clock()?;
        loop {
            // SAFETY: it is set up.
            let ret = self.call(|ssl| unsafe { sys::mbedtls_ssl_handshake(ssl) })?;
            match ret {
                0 => {
                    self.observe();
                    self.agree();
                    return Ok(true);
                }
                sys::MBEDTLS_ERR_SSL_WANT_READ if !self.pipes.starved => {}
                sys::MBEDTLS_ERR_SSL_WANT_READ | sys::MBEDTLS_ERR_SSL_WANT_WRITE => {
                    self.observe();
                    return Ok(false);
                }
                _ => return Err(self.fail(ret)),
            }
        }
    }

    fn read(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        if self.agreed.is_none() || space.is_empty() || !self.flush()? {
            return Ok(0);
        }
        loop {
            let before = self.renegotiation_status();
            let (to, len) = (space.as_mut_ptr(), space.len());
            // SAFETY: it is set up, and there is room for that many bytes.
            let ret = self.call(|ssl| unsafe { sys::mbedtls_ssl_read(ssl, to, len) })?;
            let after = self.renegotiation_status();
            self.observe();
            if before == RENEGOTIATING && after != RENEGOTIATING {
                self.forget_handshake();
                self.ticket = true;
            }
            match ret {
                1.. => return Ok(usize::try_from(ret).unwrap_or(0)),
                // A record without content.
                0 => {}
                sys::MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET => {
                    self.ticket = true;
                    self.facts().push(Fact::Ticket);
                }
                sys::MBEDTLS_ERR_SSL_WANT_READ if !self.pipes.starved => {}
                sys::MBEDTLS_ERR_SSL_WANT_READ | sys::MBEDTLS_ERR_SSL_WANT_WRITE => {
                    self.tell_alert();
                    return Ok(0);
                }
                _ => return Err(self.fail(ret)),
            }
        }
    }

    fn write(&mut self, plain: &[u8]) -> Result<usize, Fault> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        let ready = self.agreed.is_some() && self.state() == OVER && !self.closing;
        // Mbed TLS must not be left with half a record: it takes the next plaintext for the same then.
        if !ready || plain.is_empty() || !self.flush()? {
            return Ok(0);
        }
        let ssl = self.ssl();
        // SAFETY: the handshake is over; both only look.
        let (largest, around) = unsafe {
            (
                sys::mbedtls_ssl_get_max_out_record_payload(ssl),
                sys::mbedtls_ssl_get_record_expansion(ssl),
            )
        };
        let (Ok(largest), Ok(around)) = (usize::try_from(largest), usize::try_from(around)) else {
            return Err(self.fail(largest.min(around)));
        };
        let wanted = plain.len().min(largest);
        let room = self.pipes.tx_room(wanted.saturating_add(around));
        let n = wanted.min(room.saturating_sub(around));
        if n == 0 {
            return Ok(0);
        }
        let from = plain.as_ptr();
        // SAFETY: it is set up, and `n` is not more than there is.
        let ret = self.call(|ssl| unsafe { sys::mbedtls_ssl_write(ssl, from, n) })?;
        match usize::try_from(ret) {
            Ok(n) => Ok(n),
            Err(_) => Err(self.fail(ret)),
        }
    }

    fn allow_renegotiation(&mut self, allowed: bool) {
        let choice = if allowed {
            // The certificate is checked again, by the time that it is then.
            if self.set_clock().is_err() {
                return;
            }
            sys::MBEDTLS_SSL_RENEGOTIATION_ENABLED
        } else {
            sys::MBEDTLS_SSL_RENEGOTIATION_DISABLED
        };
        // SAFETY: the configuration is this connection's own, and no call into it runs.
        unsafe { sys::mbedtls_ssl_conf_renegotiation(self.conf(), choice as c_int) };
    }

    fn is_renegotiating(&self) -> bool {
        self.renegotiation_status() == RENEGOTIATING
    }

    fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }

    fn close(&mut self) {
        // The peer's close_notify is answered with one.
        let broken = self.failed.is_some_and(|fault| fault.code != Code::Closed);
        if broken || self.agreed.is_none() || self.closing {
            return;
        }
        if matches!(self.flush(), Ok(true)) {
            self.closing = true;
            // SAFETY: it is set up. An error means that there was no room.
            let _ = self.call(|ssl| unsafe { sys::mbedtls_ssl_close_notify(ssl) });
            self.tell_alert();
        }
    }

    fn next_fact(&mut self) -> Option<Fact> {
        self.facts().next()
    }

    fn end_of_stream(&self) -> u32 {
        faults::CONN_EOF
    }

    #[cfg(feature = "std")]
    fn server_chain(&self, keep: &mut dyn FnMut(&[u8])) {
        // SAFETY: only callbacks use it beside this, and none runs now.
        let chain = unsafe { &(*self.check()).chain };
        for certificate in chain.iter().flatten() {
            keep(certificate);
        }
    }

    fn take_session(&mut self, keep: &mut dyn FnMut(&[u8])) {
        if !self.ticket || self.agreed.is_none() || self.state() != OVER {
            return;
        }
        self.ticket = false;
        let Some(guard) = Guard::enter() else {
            return;
        };
        // SAFETY: it is set up, and the guard is held.
        let bytes = unsafe { session::save(self.ssl(), self.context.shared()) };
        // The caller may use another connection in there.
        drop(guard);
        if let Some(bytes) = bytes {
            keep(&bytes);
        }
    }
}

impl<B: Buffer> Drop for Connection<B> {
    fn drop(&mut self) {
        // While another task is inside, losing the memory is all that is left.
        let Some(guard) = Guard::enter() else {
            return;
        };
        // SAFETY: dropped here and nowhere else; the context outlives what points to it, and takes the guard itself.
        unsafe {
            ManuallyDrop::drop(&mut self.inner);
            drop(guard);
            ManuallyDrop::drop(&mut self.context);
        }
    }
}

/// Says what was agreed: everything else is secret or of no use.
impl<B: Buffer> fmt::Debug for Connection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("agreed", &self.agreed)
            .finish_non_exhaustive()
    }
}
