//! From a context to a connection: the configuration that Mbed TLS wants, one for each connection, since each switches
//! renegotiation on and off by itself and has its own check of certificates.

use core::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::ManuallyDrop,
    ptr,
};

use mbedtls_rs_sys as sys;
use towpath_proto::{
    Buffer, Code, Fault, Rung,
    tls::{Clock, Fact, Message, Profile, Side, Stage, Version},
};

use crate::{
    connection::{Connection, Inner, TLS12, TLS13},
    context::{Context, Shared},
    facts::Facts,
    faults::{self, busy, internal, no_memory, number_of},
    guard::Guard,
    lines::{Lines, Said},
    mem::Own,
    pipes::Pipes,
    random, session,
    verify::{self, Check, Now, Verdict},
};

const HANDSHAKE: c_int = sys::MBEDTLS_SSL_MSG_HANDSHAKE as c_int;

impl Context {
    /// A connection that has not begun: [`handshake`](towpath_proto::tls::Tls::handshake) does.
    ///
    /// `session` is what [`take_session`](towpath_proto::tls::Tls::take_session) gave for the same server. One that does
    /// not fit this profile, or is no session, is left out; [`resumed`](towpath_proto::tls::Agreed::resumed) says whether
    /// it was taken.
    ///
    /// # Errors
    /// [`Code::ClockUnset`], or [`Code::TlsInternal`] when there is no memory.
    pub fn connect<B: Buffer>(
        &self,
        rx: B,
        tx: B,
        session: Option<&[u8]>,
    ) -> Result<Connection<B>, Fault> {
        let mut connection = self.prepare(rx, tx)?;
        let _guard = Guard::enter().ok_or_else(busy)?;
        connection.set_up()?;
        if let Some(bytes) = session {
            let ssl = connection.ssl();
            // SAFETY: the pointer is this connection's own.
            let now = unsafe { (*connection.verdict()).now };
            // SAFETY: it is set up, has not begun, and the guard is held.
            connection.resuming = unsafe { session::offer(ssl, self.shared(), now, bytes) };
        }
        Ok(connection)
    }

    fn prepare<B: Buffer>(&self, rx: B, tx: B) -> Result<Connection<B>, Fault> {
        let shared = self.shared();
        // Mbed TLS looks for the name that it tells the server; the other cases are looked at here.
        let same = shared.server_name.as_deref() == Some(&*shared.server);
        let name = if same {
            ptr::null()
        } else {
            shared.server.as_ptr().cast::<c_char>()
        };
        let now = now(shared.clock)?;
        let mut pipes = Pipes::new(rx, tx);
        if pipes.rx_space().len() < Connection::<B>::MIN_BUFFER
            || pipes.tx_room(Connection::<B>::MIN_BUFFER) < Connection::<B>::MIN_BUFFER
        {
            return Err(internal("the buffers for records are too small"));
        }
        let context = self.try_clone().ok_or_else(busy)?;
        let inner = Own::new(Inner {
            ssl: sys::mbedtls_ssl_context::default(),
            conf: sys::mbedtls_ssl_config::default(),
            check: Check {
                verdict: Verdict::new(now, name),
                facts: Facts::EMPTY,
                alert_sent: None,
                lines: Lines::default(),
                ssl: ptr::null(),
                #[cfg(feature = "std")]
                chain: shared.keep_chain.then(Vec::new),
            },
        })
        .ok_or_else(no_memory)?;
        Ok(Connection {
            inner: ManuallyDrop::new(inner),
            context: ManuallyDrop::new(context),
            pipes,
            stage: Stage::default(),
            agreed: None,
            resuming: false,
            ticket: false,
            closing: false,
            failed: None,
        })
    }
}

/// The time now, by the profile's clock.
pub(crate) fn now(clock: Clock) -> Result<Now, Fault> {
    match clock {
        Clock::Unchecked => Ok(Now::Unchecked),
        #[cfg(feature = "std")]
        Clock::System => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map(|since| Now::Seconds(since.as_secs()))
            .map_err(|_| Fault::new(Rung::Tls, Code::ClockUnset)),
        _ => {
            let profile = Profile {
                clock,
                ..Profile::default()
            };
            let seconds = profile.now()?;
            seconds
                .map(Now::Seconds)
                .ok_or_else(|| Fault::new(Rung::Tls, Code::ClockUnset))
        }
    }
}

impl<B: Buffer> Connection<B> {
    /// Fills the configuration. With the guard held.
    fn set_up(&mut self) -> Result<(), Fault> {
        let (ssl, conf, check) = (self.ssl(), self.conf(), self.check());
        let shared = self.context.as_ptr();
        // SAFETY: everything is zeroed, which is initialized, and stays where it is as long as `self`; `shared` lives as
        // long as `self.context`. `check` is not borrowed.
        let ret = unsafe {
            (*check).ssl = ssl;
            let ret = sys::mbedtls_ssl_config_defaults(
                conf,
                sys::MBEDTLS_SSL_IS_CLIENT as c_int,
                sys::MBEDTLS_SSL_TRANSPORT_STREAM as c_int,
                sys::MBEDTLS_SSL_PRESET_DEFAULT as c_int,
            );
            if ret == 0 {
                configure(conf, shared, check)
            } else {
                ret
            }
        };
        self.made(ret)?;
        // SAFETY: the configuration is complete, and the name ends with a zero; null is the choice to tell no name and
        // to check it in `verify::callback`.
        let ret = unsafe {
            let ret = sys::mbedtls_ssl_setup(ssl, conf);
            let name = (*shared).server_name.as_ref();
            let name = name.map_or(ptr::null(), |name| name.as_ptr().cast::<c_char>());
            if ret == 0 {
                sys::mbedtls_ssl_set_hostname(ssl, name)
            } else {
                ret
            }
        };
        self.made(ret)
    }

    fn made(&self, ret: c_int) -> Result<(), Fault> {
        match ret {
            0 => Ok(()),
            _ if faults::is_memory(ret) => Err(no_memory()),
            sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA if self.context.shared().max_fragment > 0 => {
                Err(Fault::new(Rung::Tls, Code::TlsProfile)
                    .detail(b"maximum fragment length above the output buffer"))
            }
            _ => Err(internal("the connection could not be set up").number(number_of(ret))),
        }
    }
}

/// Sets what the profile asks for.
///
/// # Safety
/// `conf` has its defaults, and all three live as long as connections use `conf`.
unsafe fn configure(
    conf: *mut sys::mbedtls_ssl_config,
    shared: *mut Shared,
    check: *mut Check,
) -> c_int {
    let number = |version| match version {
        Version::Tls12 => TLS12,
        Version::Tls13 => TLS13,
    };
    // SAFETY: as the caller promises; the lists end with zero or null, and lie behind `shared`.
    unsafe {
        let lists = &*shared;
        // These two are set by functions in a header, which have no symbol.
        (*conf).private_min_tls_version = number(lists.versions.min);
        (*conf).private_max_tls_version = number(lists.versions.max);
        sys::mbedtls_ssl_conf_rng(conf, Some(random::f_rng), ptr::null_mut());
        sys::mbedtls_ssl_conf_authmode(conf, sys::MBEDTLS_SSL_VERIFY_REQUIRED as c_int);
        sys::mbedtls_ssl_conf_verify(conf, Some(verify::callback), check.cast::<c_void>());
        sys::mbedtls_ssl_conf_ca_chain(conf, &raw mut (*shared).roots, ptr::null_mut());
        // Each connection switches it on by itself, and never without RFC 5746.
        sys::mbedtls_ssl_conf_renegotiation(conf, sys::MBEDTLS_SSL_RENEGOTIATION_DISABLED as c_int);
        sys::mbedtls_ssl_conf_legacy_renegotiation(
            conf,
            sys::MBEDTLS_SSL_LEGACY_NO_RENEGOTIATION as c_int,
        );
        if let Some(list) = &lists.suites {
            sys::mbedtls_ssl_conf_ciphersuites(conf, list.as_ptr());
        }
        if let Some(list) = &lists.groups {
            sys::mbedtls_ssl_conf_groups(conf, list.as_ptr());
        }
        if let Some(list) = &lists.signature_algorithms {
            sys::mbedtls_ssl_conf_sig_algs(conf, list.as_ptr());
        }
        #[cfg(feature = "tls13")]
        sys::mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
            conf,
            sys::MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED as c_int,
        );
        if lists.ticketless {
            let off = sys::MBEDTLS_SSL_SESSION_TICKETS_DISABLED as c_int;
            sys::mbedtls_ssl_conf_session_tickets(conf, off);
        }
        #[cfg(feature = "trace")]
        if lists.trace {
            sys::mbedtls_ssl_conf_dbg(conf, Some(debug), check.cast::<c_void>());
        }
        let mut ret = sys::mbedtls_ssl_conf_max_frag_len(conf, lists.max_fragment);
        if let (Some(list), 0) = (&lists.alpn, ret) {
            ret = sys::mbedtls_ssl_conf_alpn_protocols(conf, list.as_ptr().cast_mut());
        }
        if lists.has_identity && ret == 0 {
            let (chain, key) = (&raw mut (*shared).chain, &raw mut (*shared).key);
            ret = sys::mbedtls_ssl_conf_own_cert(conf, chain, key);
        }
        ret
    }
}

/// Called by Mbed TLS with each debug line; `check` is a [`Check`].
#[cfg_attr(
    not(feature = "trace"),
    expect(dead_code, reason = "no debug lines in this build")
)]
unsafe extern "C" fn debug(
    check: *mut c_void,
    _: c_int,
    _: *const c_char,
    _: c_int,
    line: *const c_char,
) {
    // SAFETY: `configure` gave this pointer; nobody else touches it until Mbed TLS returns.
    let check = unsafe { &mut *check.cast::<Check>() };
    // SAFETY: Mbed TLS gives a text with a zero behind it.
    let line = unsafe { CStr::from_ptr(line) };
    match check.lines.read(line.to_bytes()) {
        None => {}
        Some(Said::Alert(alert)) => {
            if alert.from == Side::Client {
                check.alert_sent = Some(alert);
            }
            check.facts.push(Fact::Alert(alert));
        }
        Some(Said::Received { kind, len }) => check.facts.push(Fact::Handshake {
            from: Side::Server,
            message: Message(kind),
            len,
        }),
        Some(Said::Writing) => {
            // SAFETY: numbers, and the message that is about to be sent, which has at least a head of four bytes.
            let (kind, len) = unsafe {
                let ssl = check.ssl;
                // ChangeCipherSpec takes the same way.
                if (*ssl).private_out_msgtype != HANDSHAKE {
                    return;
                }
                (*(*ssl).private_out_msg, (*ssl).private_out_msglen)
            };
            check.facts.push(Fact::Handshake {
                from: Side::Client,
                message: Message(kind),
                len: u32::try_from(len).unwrap_or(u32::MAX).saturating_sub(4),
            });
        }
    }
}
