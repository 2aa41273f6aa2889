//! The check of the server's certificate, as far as Mbed TLS leaves it to its user: dates, which this build of it has no
//! clock for, and a name that is not the one told to the server.

use core::{
    ffi::{c_char, c_int, c_void},
    ptr,
};

use mbedtls_rs_sys as sys;
use towpath_proto::tls::{Alert, Fact, PublicKey, Side};

use crate::{connection::TLS12, facts::Facts, lines::Lines};

/// By which time certificates are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Now {
    /// They are not looked at.
    Unchecked,
    /// Seconds since 1970 in UTC.
    Seconds(u64),
}

/// What the check found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    pub(crate) now: Now,
    /// The name to look for where Mbed TLS is not to do it; null: it does.
    pub(crate) name: *const c_char,
    /// Certificates were checked in this handshake.
    pub(crate) seen: bool,
    /// `MBEDTLS_X509_BADCERT_*` of the whole chain.
    pub(crate) flags: u32,
    /// The server sent one certificate, and somebody else signed it.
    pub(crate) alone: bool,
}

impl Verdict {
    pub(crate) const fn new(now: Now, name: *const c_char) -> Self {
        Self {
            now,
            name,
            seen: false,
            flags: 0,
            alone: false,
        }
    }

    /// A handshake is over, or begins.
    pub(crate) const fn reset(&mut self) {
        self.seen = false;
        self.flags = 0;
        self.alone = false;
    }
}

/// What [`callback`] works on.
pub(crate) struct Check {
    pub(crate) verdict: Verdict,
    pub(crate) facts: Facts,
    /// The last alert that this side sent, where a debug line told it.
    pub(crate) alert_sent: Option<Alert>,
    pub(crate) lines: Lines,
    pub(crate) ssl: *const sys::mbedtls_ssl_context,
    /// What the server showed, in DER, where somebody wants to see it.
    #[cfg(feature = "std")]
    pub(crate) chain: Option<Vec<Vec<u8>>>,
}

impl Check {
    /// Whether the certificates come in clear, so that a tap sees them. A device's tap does not read them.
    fn in_clear(&self) -> bool {
        // SAFETY: it is the context whose check this is; numbers are read while Mbed TLS waits for the callback.
        let (version, status) = unsafe {
            (
                (*self.ssl).private_tls_version,
                (*self.ssl).private_renego_status,
            )
        };
        cfg!(feature = "std") && version == TLS12 && status == 0
    }
}

/// Called by Mbed TLS for each certificate of the chain, from the root down to the leaf at depth 0.
pub(crate) unsafe extern "C" fn callback(
    check: *mut c_void,
    certificate: *mut sys::mbedtls_x509_crt,
    depth: c_int,
    flags: *mut u32,
) -> c_int {
    // SAFETY: `Connection::new` gave a pointer to its check, which nobody else touches until Mbed TLS returns.
    let check = unsafe { &mut *check.cast::<Check>() };
    let in_clear = check.in_clear();
    // SAFETY: Mbed TLS gives a certificate that it parsed, and the flags for it.
    let (certificate, flags) = unsafe { (&*certificate, &mut *flags) };
    #[cfg(feature = "std")]
    if depth == 0
        && let Some(chain) = &mut check.chain
    {
        *chain = all(certificate).map(<[u8]>::to_vec).collect();
    }
    let Check { verdict, facts, .. } = check;
    if let Now::Seconds(now) = verdict.now {
        *flags |= dates(certificate, now);
    }
    if depth == 0 {
        if !verdict.name.is_null() {
            *flags &= !sys::MBEDTLS_X509_BADCERT_CN_MISMATCH;
            *flags |= mismatch(certificate, verdict.name);
        }
        let sent = Sent::of(certificate);
        verdict.alone = sent.certificates == 1 && !is_self_issued(certificate);
        if !in_clear {
            facts.push(Fact::Chain {
                from: Side::Server,
                certificates: sent.certificates,
                len: sent.len,
                key: Some(key(certificate)),
            });
        }
    }
    if !verdict.seen {
        verdict.flags = 0;
    }
    verdict.seen = true;
    verdict.flags |= *flags;
    0
}

/// Whether a certificate that was checked before has not run out since.
pub(crate) fn is_valid_at(certificate: &sys::mbedtls_x509_crt, now: Now) -> bool {
    match now {
        Now::Unchecked => true,
        Now::Seconds(now) => dates(certificate, now) == 0,
    }
}

fn dates(certificate: &sys::mbedtls_x509_crt, now: u64) -> u32 {
    let from = seconds(&certificate.valid_from);
    let to = seconds(&certificate.valid_to);
    let mut flags = 0;
    // A date that is none is no permission.
    if from.is_none_or(|from| now < from) {
        flags |= sys::MBEDTLS_X509_BADCERT_FUTURE;
    }
    if to.is_none_or(|to| now > to) {
        flags |= sys::MBEDTLS_X509_BADCERT_EXPIRED;
    }
    flags
}

/// Seconds since 1970; 0 for anything before.
fn seconds(time: &sys::mbedtls_x509_time) -> Option<u64> {
    let field = |value: c_int, from: c_int, to: c_int| {
        (from..=to).contains(&value).then_some(i64::from(value))
    };
    let year = field(time.year, 1, 9999)?;
    let month = field(time.mon, 1, 12)?;
    let day = field(time.day, 1, 31)?;
    let hour = field(time.hour, 0, 23)?;
    let minute = field(time.min, 0, 59)?;
    let second = field(time.sec, 0, 60)?;
    // Years that begin with March end with the day that leap years add.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(u64::try_from(seconds).unwrap_or(0))
}

/// `MBEDTLS_X509_BADCERT_CN_MISMATCH` unless the certificate is for this name or address.
fn mismatch(certificate: &sys::mbedtls_x509_crt, name: *const c_char) -> u32 {
    // Mbed TLS has no function for the name alone. The leaf without those behind it has no issuer to be looked for and
    // no signature to be checked, so the name is all that is left.
    let mut leaf = *certificate;
    leaf.next = ptr::null_mut();
    let mut flags = 0;
    // SAFETY: the copy shares what the original points to, and is only read. The name ends with a zero.
    let ret = unsafe {
        sys::mbedtls_x509_crt_verify_with_profile(
            &raw mut leaf,
            ptr::null_mut(),
            ptr::null_mut(),
            &raw const sys::mbedtls_x509_crt_profile_default,
            name,
            &raw mut flags,
            None,
            ptr::null_mut(),
        )
    };
    // Without a root it can't succeed; any other error means that the name was not looked at.
    if ret == sys::MBEDTLS_ERR_X509_CERT_VERIFY_FAILED {
        flags & sys::MBEDTLS_X509_BADCERT_CN_MISMATCH
    } else {
        sys::MBEDTLS_X509_BADCERT_CN_MISMATCH
    }
}

/// What the server sent, as a Certificate message of TLS 1.2 has it.
struct Sent {
    certificates: u8,
    len: u32,
}

impl Sent {
    fn of(leaf: &sys::mbedtls_x509_crt) -> Self {
        let mut sent = Self {
            certificates: 0,
            len: 3,
        };
        for certificate in all(leaf) {
            let len = u32::try_from(certificate.len()).unwrap_or(u32::MAX);
            sent.certificates = sent.certificates.saturating_add(1);
            sent.len = sent.len.saturating_add(3).saturating_add(len);
        }
        sent
    }
}

/// The certificates of a list in DER, the leaf first.
fn all(leaf: &sys::mbedtls_x509_crt) -> impl Iterator<Item = &[u8]> {
    let mut next = Some(leaf);
    core::iter::from_fn(move || {
        let certificate = next?;
        // SAFETY: the list ends with null, and each is a certificate that Mbed TLS parsed or an empty one; it lives as
        // long as the leaf.
        next = unsafe { certificate.next.as_ref() };
        Some(bytes(&certificate.raw))
    })
}

fn is_self_issued(certificate: &sys::mbedtls_x509_crt) -> bool {
    bytes(&certificate.issuer_raw) == bytes(&certificate.subject_raw)
}

fn bytes(buffer: &sys::mbedtls_x509_buf) -> &[u8] {
    if buffer.p.is_null() {
        return &[];
    }
    // SAFETY: Mbed TLS keeps that many bytes there as long as the certificate lives.
    unsafe { core::slice::from_raw_parts(buffer.p, buffer.len) }
}

fn key(certificate: &sys::mbedtls_x509_crt) -> PublicKey {
    let key = &raw const certificate.pk;
    // SAFETY: the key was parsed with the certificate, or is an empty one, which both functions take.
    let (kind, bits) = unsafe {
        (
            sys::mbedtls_pk_get_type(key),
            sys::mbedtls_pk_get_bitlen(key),
        )
    };
    let bits = u16::try_from(bits).unwrap_or(u16::MAX);
    match kind {
        sys::mbedtls_pk_type_t_MBEDTLS_PK_RSA => PublicKey::Rsa(bits),
        sys::mbedtls_pk_type_t_MBEDTLS_PK_ECKEY | sys::mbedtls_pk_type_t_MBEDTLS_PK_ECKEY_DH => {
            PublicKey::Ec(bits)
        }
        _ => PublicKey::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(year: c_int, mon: c_int, day: c_int, hour: c_int) -> sys::mbedtls_x509_time {
        sys::mbedtls_x509_time {
            year,
            mon,
            day,
            hour,
            min: 0,
            sec: 0,
        }
    }

    #[test]
    fn dates_become_seconds() {
        assert_eq!(seconds(&time(1970, 1, 1, 0)), Some(0));
        assert_eq!(seconds(&time(1970, 1, 2, 1)), Some(25 * 3600));
        assert_eq!(seconds(&time(2000, 2, 29, 0)), Some(951_782_400));
        assert_eq!(seconds(&time(2000, 3, 1, 0)), Some(951_868_800));
        assert_eq!(seconds(&time(2026, 11, 22, 12)), Some(1_795_348_800));
        assert_eq!(seconds(&time(9999, 12, 31, 23)), Some(253_402_297_200));
        assert_eq!(seconds(&time(1950, 1, 1, 0)), Some(0));
        assert_eq!(seconds(&time(2026, 13, 1, 0)), None);
        assert_eq!(seconds(&time(2026, 0, 1, 0)), None);
    }

    #[test]
    fn validity_has_two_ends() {
        let certificate = sys::mbedtls_x509_crt {
            valid_from: time(2026, 1, 1, 0),
            valid_to: time(2026, 1, 2, 0),
            ..sys::mbedtls_x509_crt::default()
        };
        let start = seconds(&certificate.valid_from).unwrap();
        assert_eq!(
            dates(&certificate, start - 1),
            sys::MBEDTLS_X509_BADCERT_FUTURE
        );
        assert_eq!(dates(&certificate, start), 0);
        assert_eq!(dates(&certificate, start + 86400), 0);
        assert_eq!(
            dates(&certificate, start + 86401),
            sys::MBEDTLS_X509_BADCERT_EXPIRED
        );
    }
}
