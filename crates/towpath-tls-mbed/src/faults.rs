//! From numbers of Mbed TLS to faults.

use core::{ffi::c_int, fmt::Write as _};

use mbedtls_rs_sys as sys;
use towpath_proto::{
    Code, Fault, Rung,
    text::Text,
    tls::{Alert, Side, Stage, alert::description, fault_of_alert},
};

use crate::{connection::RENEGOTIATING, verify::Verdict};

/// The number by which Mbed TLS calls the end of the stream.
pub(crate) const CONN_EOF: u32 = 0x7280;

/// A negative error as it is spoken of: `-0x7780` is 0x7780.
pub(crate) const fn number_of(ret: c_int) -> u32 {
    ret.unsigned_abs()
}

pub(crate) fn internal(what: &str) -> Fault {
    Fault::new(Rung::Tls, Code::TlsInternal).detail(what.as_bytes())
}

pub(crate) fn no_memory() -> Fault {
    internal("out of memory").number(number_of(sys::MBEDTLS_ERR_SSL_ALLOC_FAILED))
}

/// Another task is inside Mbed TLS; see [`Guard`](crate::guard::Guard).
pub(crate) fn busy() -> Fault {
    internal("another task is inside Mbed TLS")
}

/// Whether memory ran out, by the numbers of the parts that allocate. A high part and a low part may be added up.
pub(crate) const fn is_memory(ret: c_int) -> bool {
    let (high, low) = (number_of(ret) & 0xff80, number_of(ret) & 0x7f);
    matches!(
        high,
        0x7f00 | 0x2880 | 0x3f80 | 0x5180 | 0x6180 | 0x4d80 | 0x1180
    ) || (low == 0x10 && high != 0)
        || ret == sys::MBEDTLS_ERR_MPI_ALLOC_FAILED
}

/// The fault for a certificate or key of this side.
pub(crate) fn of_material(ret: c_int) -> Fault {
    let code = if is_memory(ret) {
        Code::TlsInternal
    } else if is_number_too_large(ret) {
        Code::TlsNumberTooLarge
    } else {
        Code::TlsMaterial
    };
    Fault::new(Rung::Tls, code)
}

/// Mbed TLS refuses an RSA key beyond `MBEDTLS_MPI_MAX_SIZE` as an invalid public key.
pub(crate) const fn is_number_too_large(ret: c_int) -> bool {
    ret == sys::MBEDTLS_ERR_PK_INVALID_PUBKEY
}

/// What a fault is made of, besides the error.
pub(crate) struct Seen<'a> {
    pub(crate) ssl: &'a sys::mbedtls_ssl_context,
    pub(crate) verdict: &'a Verdict,
    /// The last alert that this side sent, if it is known.
    pub(crate) alert_sent: Option<Alert>,
    pub(crate) stage: Stage,
    /// The first handshake is complete.
    pub(crate) open: bool,
    pub(crate) roots_skipped: c_int,
}

/// The alert of the server that came with this error, for those who were not told of it otherwise.
pub(crate) fn alert_received(fault: &Fault, ret: c_int) -> Option<Alert> {
    let received = matches!(
        ret,
        sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE | sys::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY
    );
    fault.alert.filter(|_| received)
}

impl Seen<'_> {
    pub(crate) fn fault(&self, ret: c_int) -> Fault {
        let renegotiating = self.ssl.private_renego_status == RENEGOTIATING;
        let fault = match ret {
            sys::MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE => return self.of_alert(ret),
            sys::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY => {
                let code = if self.open {
                    Code::Closed
                } else {
                    Code::TlsClosed
                };
                return Fault::new(Rung::Tls, code).alert(Alert {
                    from: Side::Server,
                    fatal: false,
                    description: description::CLOSE_NOTIFY,
                });
            }
            sys::MBEDTLS_ERR_X509_CERT_VERIFY_FAILED => return self.of_certificate(ret),
            sys::MBEDTLS_ERR_SSL_BAD_CERTIFICATE if renegotiating && !self.verdict.seen => {
                Fault::new(Rung::Tls, Code::RenegotiationIdentity)
                    .alert(Alert::fatal(Side::Client, description::ACCESS_DENIED))
            }
            sys::MBEDTLS_ERR_SSL_BAD_CERTIFICATE => return self.of_certificate(ret),
            sys::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE if renegotiating => {
                return self.with_alert(Fault::new(Rung::Tls, Code::RenegotiationInsecure));
            }
            sys::MBEDTLS_ERR_SSL_INVALID_RECORD if !self.stage.server_hello => {
                return Fault::new(Rung::Tls, Code::PeerNotTls);
            }
            _ if self.too_large(ret) => self.of_large(),
            _ if is_memory(ret) => no_memory(),
            _ => Fault::new(Rung::Tls, code_of(ret)),
        };
        self.with_alert(fault.number(number_of(ret)))
    }

    fn with_alert(&self, fault: Fault) -> Fault {
        Fault {
            alert: fault
                .alert
                .or_else(|| self.alert_sent.filter(|alert| alert.fatal)),
            ..fault
        }
    }

    /// The alert lies where Mbed TLS decrypted it.
    fn of_alert(&self, ret: c_int) -> Fault {
        let message = self.ssl.private_in_msg;
        if message.is_null() {
            return Fault::new(Rung::Tls, Code::TlsAlert).number(number_of(ret));
        }
        // SAFETY: Mbed TLS gives this error for an alert of two bytes only, and has not read on since.
        let description = unsafe { *message.add(1) };
        fault_of_alert(Alert::fatal(Side::Server, description), self.stage).number(number_of(ret))
    }

    /// Whether a record or a handshake message is larger than the buffer for it.
    fn too_large(&self, ret: c_int) -> bool {
        let message = self.ssl.private_in_hslen > BUFFER && !self.open;
        match ret {
            sys::MBEDTLS_ERR_SSL_BAD_INPUT_DATA => true,
            sys::MBEDTLS_ERR_SSL_INVALID_RECORD => self.record() > BUFFER,
            CORRUPTION_DETECTED => message,
            _ => false,
        }
    }

    /// The length that the head of the record says.
    fn record(&self) -> usize {
        let len = self.ssl.private_in_len;
        if len.is_null() {
            return 0;
        }
        // SAFETY: it points to the two bytes of the length in the input buffer.
        let bytes = unsafe { [*len, *len.add(1)] };
        usize::from(u16::from_be_bytes(bytes))
    }

    fn of_large(&self) -> Fault {
        // The message, once a part of it came; else the record that it is in.
        let came = self.ssl.private_badmac_seen_or_in_hsfraglen > 0;
        let (what, len) = if came {
            ("message", self.ssl.private_in_hslen)
        } else {
            ("record", self.record())
        };
        let mut text = Text::EMPTY;
        let _ = write!(text, "{what} of {len} bytes, buffer of {BUFFER}");
        Fault {
            detail: text,
            ..Fault::new(Rung::Tls, Code::TlsMessageTooLarge)
        }
    }

    fn of_certificate(&self, ret: c_int) -> Fault {
        let mut flags = self.verdict.flags;
        // SAFETY: null, or the session of the handshake that failed, which is freed with the connection.
        if let Some(session) = unsafe { self.ssl.private_session_negotiate.as_ref() }
            && self.verdict.seen
        {
            flags |= session.private_verify_result;
        }
        let code = code_of_flags(flags, self.verdict.alone);
        let mut text = Text::EMPTY;
        let skipped = self.roots_skipped;
        let _ = write!(text, "verification flags 0x{flags:x}");
        if skipped > 0 {
            let _ = write!(text, ", {skipped} roots unreadable");
        }
        let fault = Fault {
            detail: text,
            ..Fault::new(Rung::Tls, code).number(number_of(ret))
        };
        let fault = self.with_alert(fault);
        if fault.alert.is_some() {
            return fault;
        }
        fault.alert(Alert::fatal(Side::Client, alert_of_flags(flags)))
    }
}

/// `MBEDTLS_ERR_ERROR_CORRUPTION_DETECTED`, which is in no header that is bound.
const CORRUPTION_DETECTED: c_int = -0x6e;

/// The size of Mbed TLS's input buffer.
const BUFFER: usize = sys::MBEDTLS_SSL_IN_CONTENT_LEN as usize;

/// Several may be wrong at once. What is not trusted may say anything else, so that comes first.
fn code_of_flags(flags: u32, alone: bool) -> Code {
    use sys as x;
    let has = |flag| flags & flag != 0;
    if has(x::MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        if alone {
            Code::ServerChainIncomplete
        } else {
            Code::ServerCertificateUntrusted
        }
    } else if has(x::MBEDTLS_X509_BADCERT_EXPIRED) {
        Code::ServerCertificateExpired
    } else if has(x::MBEDTLS_X509_BADCERT_FUTURE) {
        Code::ServerCertificateFuture
    } else if has(WEAK) {
        Code::ServerCertificateWeak
    } else if has(x::MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        Code::ServerCertificateName
    } else {
        Code::ServerCertificateBad
    }
}

const WEAK: u32 = sys::MBEDTLS_X509_BADCERT_BAD_KEY
    | sys::MBEDTLS_X509_BADCERT_BAD_MD
    | sys::MBEDTLS_X509_BADCERT_BAD_PK;

/// The alert that Mbed TLS chooses for these flags, for where it went out encrypted (`mbedtls_ssl_verify_certificate`).
fn alert_of_flags(flags: u32) -> u8 {
    use sys as x;
    let has = |flag| flags & flag != 0;
    if has(x::MBEDTLS_X509_BADCERT_OTHER) {
        description::ACCESS_DENIED
    } else if has(x::MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        description::BAD_CERTIFICATE
    } else if has(x::MBEDTLS_X509_BADCERT_KEY_USAGE
        | x::MBEDTLS_X509_BADCERT_EXT_KEY_USAGE
        | x::MBEDTLS_X509_BADCERT_BAD_PK
        | x::MBEDTLS_X509_BADCERT_BAD_KEY)
    {
        description::UNSUPPORTED_CERTIFICATE
    } else if has(x::MBEDTLS_X509_BADCERT_EXPIRED) {
        description::CERTIFICATE_EXPIRED
    } else if has(x::MBEDTLS_X509_BADCERT_REVOKED) {
        description::CERTIFICATE_REVOKED
    } else if has(x::MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        description::UNKNOWN_CA
    } else {
        description::CERTIFICATE_UNKNOWN
    }
}

/// For errors that need nothing else to be looked at.
const fn code_of(ret: c_int) -> Code {
    use sys as x;
    match ret {
        x::MBEDTLS_ERR_SSL_INVALID_RECORD
        | x::MBEDTLS_ERR_SSL_INVALID_MAC
        | x::MBEDTLS_ERR_SSL_DECODE_ERROR
        | x::MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER
        | x::MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE
        | x::MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION => Code::TlsRecord,
        x::MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION => Code::NoCommonVersion,
        x::MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE => Code::NoCommonSuite,
        x::MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL => Code::NoCommonAlpn,
        _ if is_number_too_large(ret) => Code::TlsNumberTooLarge,
        // The parts for certificates and for keys.
        _ => match number_of(ret) & 0xff80 {
            0x2080..=0x2a00 | 0x3880..=0x3f80 => Code::ServerCertificateBad,
            _ => Code::TlsInternal,
        },
    }
}
