//! From OpenSSL's errors to a fault.
//!
//! Takes in what the verification found, what a [`Watch`] saw and OpenSSL's own error; gives out
//! one fault, with the words that a person needs to find the certificate or the setting.

use core::fmt::Write as _;

use openssl::{
    error::ErrorStack,
    nid::Nid,
    pkey::Id,
    x509::{X509NameRef, X509Ref, X509StoreContextRef, X509VerifyResult},
};
use towpath_proto::{
    Code, Fault, Rung,
    text::Text,
    tls::{Alert, fault_of_alert},
};

use crate::watch::Watch;

/// `SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED` of `sslerr.h`: the server does not speak RFC 5746.
const NO_SECURE_RENEGOTIATION: i32 = 338;

/// What the verification of the server's chain found.
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    code: Code,
    number: u32,
    detail: Text<56>,
}

/// Results of `x509_vfy.h`.
mod result {
    pub(super) const NO_ISSUER: i32 = 2;
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const EXPIRED: i32 = 10;
    pub(super) const SELF_SIGNED: i32 = 18;
    pub(super) const SELF_SIGNED_IN_CHAIN: i32 = 19;
    pub(super) const NO_LOCAL_ISSUER: i32 = 20;
    pub(super) const NO_LEAF_SIGNATURE: i32 = 21;
    pub(super) const UNTRUSTED: i32 = 27;
    pub(super) const REJECTED: i32 = 28;
    pub(super) const OTHER_NAME: i32 = 62;
    pub(super) const OTHER_ADDRESS: i32 = 64;
    pub(super) const WEAK_LEAF: i32 = 66;
    pub(super) const WEAK_CA: i32 = 67;
    pub(super) const WEAK_HASH: i32 = 68;
}

impl Refusal {
    /// What this step of the verification says. `shown`: how many certificates the server sent.
    pub(crate) fn of(store: &X509StoreContextRef, shown: usize) -> Self {
        let found = store.error();
        let number = found.as_raw();
        let code = code_of(number, shown, store.error_depth());
        let detail = store
            .current_cert()
            .map_or(Text::EMPTY, |certificate| detail_of(found, certificate));
        Self {
            code,
            number: number.unsigned_abs(),
            detail,
        }
    }

    fn fault(&self) -> Fault {
        Fault {
            detail: self.detail,
            ..Fault::new(Rung::Tls, self.code).number(self.number)
        }
    }
}

const fn code_of(number: i32, shown: usize, depth: u32) -> Code {
    use result as r;
    match number {
        r::EXPIRED => Code::ServerCertificateExpired,
        r::NOT_YET_VALID => Code::ServerCertificateFuture,
        r::OTHER_NAME | r::OTHER_ADDRESS => Code::ServerCertificateName,
        r::NO_LOCAL_ISSUER | r::NO_LEAF_SIGNATURE if shown == 1 && depth == 0 => {
            Code::ServerChainIncomplete
        }
        r::NO_ISSUER
        | r::SELF_SIGNED
        | r::SELF_SIGNED_IN_CHAIN
        | r::NO_LOCAL_ISSUER
        | r::NO_LEAF_SIGNATURE
        | r::UNTRUSTED
        | r::REJECTED => Code::ServerCertificateUntrusted,
        r::WEAK_LEAF | r::WEAK_CA | r::WEAK_HASH => Code::ServerCertificateWeak,
        _ => Code::ServerCertificateBad,
    }
}

/// The words that lead to the certificate. Writing to a [`Text`] can't fail.
fn detail_of(found: X509VerifyResult, certificate: &X509Ref) -> Text<56> {
    use result as r;
    let mut said = Text::EMPTY;
    let subject = || name(certificate.subject_name());
    let _ = match found.as_raw() {
        r::EXPIRED => write!(said, "until {}, {}", certificate.not_after(), subject()),
        r::NOT_YET_VALID => write!(said, "from {}, {}", certificate.not_before(), subject()),
        r::OTHER_NAME | r::OTHER_ADDRESS => write!(said, "it bears {}", names(certificate)),
        r::SELF_SIGNED | r::SELF_SIGNED_IN_CHAIN => write!(said, "self-signed {}", subject()),
        r::NO_ISSUER | r::NO_LOCAL_ISSUER | r::NO_LEAF_SIGNATURE | r::UNTRUSTED => {
            write!(said, "issuer {}", name(certificate.issuer_name()))
        }
        r::WEAK_LEAF | r::WEAK_CA => write!(said, "{}, {}", key(certificate), subject()),
        _ => write!(said, "{}, {}", found.error_string(), subject()),
    };
    said
}

/// `CN=...`, or what else a name has.
fn name(name: &X509NameRef) -> String {
    for (nid, head) in [
        (Nid::COMMONNAME, "CN"),
        (Nid::ORGANIZATIONALUNITNAME, "OU"),
        (Nid::ORGANIZATIONNAME, "O"),
    ] {
        // OpenSSL counts from the most general name down.
        if let Some(entry) = name.entries_by_nid(nid).last()
            && let Ok(text) = entry.data().to_string()
        {
            return format!("{head}={text}");
        }
    }
    "without a name".to_owned()
}

/// The names and addresses that a certificate is for.
fn names(certificate: &X509Ref) -> String {
    let mut list = Vec::new();
    for alternative in certificate.subject_alt_names().iter().flatten() {
        if let Some(name) = alternative.dnsname() {
            list.push(name.to_owned());
        } else if let Some(address) = alternative.ipaddress() {
            list.push(address_of(address));
        }
    }
    if list.is_empty() {
        // Without any of those OpenSSL looks at the common name.
        return name(certificate.subject_name());
    }
    list.join(", ")
}

fn address_of(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        std::net::Ipv4Addr::from(four).to_string()
    } else if let Ok(sixteen) = <[u8; 16]>::try_from(bytes) {
        std::net::Ipv6Addr::from(sixteen).to_string()
    } else {
        "a broken address".to_owned()
    }
}

fn key(certificate: &X509Ref) -> String {
    certificate.public_key().map_or_else(
        |_| "unknown key".to_owned(),
        |key| {
            let kind = match key.id() {
                Id::RSA | Id::RSA_PSS => "RSA",
                Id::EC => "EC",
                _ => "key",
            };
            format!("{kind} of {} bits", key.bits())
        },
    )
}

/// The fault behind an error of OpenSSL, and nothing of it stays behind in OpenSSL's queue. `head`: the first bytes
/// that came from the peer.
pub(crate) fn fault_of(watch: &Watch, errors: Option<&ErrorStack>, head: &[u8]) -> Fault {
    if watch.impostor {
        return told(
            Fault::new(Rung::Tls, Code::RenegotiationIdentity),
            watch.alert,
        );
    }
    if let Some(refused) = &watch.refused {
        return told(refused.fault(), watch.alert);
    }
    if !watch.stage.server_hello
        && let Some(fault) = foreign(head)
    {
        return fault;
    }
    let reason = errors
        .and_then(|errors| errors.errors().iter().find_map(|error| error.reason()))
        .unwrap_or_default();
    if let Some(alert) = watch.alert {
        let insecure = errors.is_some_and(|errors| {
            errors
                .errors()
                .iter()
                .any(|error| error.reason_code() == NO_SECURE_RENEGOTIATION)
        });
        if insecure {
            let fault = Fault::new(Rung::Tls, Code::RenegotiationInsecure);
            return fault
                .alert(alert)
                .clause("RFC 5746")
                .detail(b"no renegotiation_info in ServerHello");
        }
        let fault = fault_of_alert(alert, watch.stage);
        return match alert.from {
            // The alert says it all, and OpenSSL's text only repeats it.
            towpath_proto::tls::Side::Server => fault,
            towpath_proto::tls::Side::Client => fault.detail(reason.as_bytes()),
        };
    }
    Fault::new(Rung::Tls, Code::TlsInternal).detail(reason.as_bytes())
}

fn told(fault: Fault, alert: Option<Alert>) -> Fault {
    match alert {
        Some(alert) => fault.alert(alert),
        None => fault,
    }
}

/// The fault of a peer whose first bytes are no TLS record.
pub(crate) fn foreign(head: &[u8]) -> Option<Fault> {
    let tls = match head {
        [] => true,
        [kind] => (20..=24).contains(kind),
        [kind, major, ..] => (20..=24).contains(kind) && *major == 3,
    };
    if tls {
        return None;
    }
    let mut said: Text<56> = Text::EMPTY;
    let line = head
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    let readable = line.len() > 3 && line.iter().all(|byte| matches!(byte, b' '..=b'~'));
    // Writing to a Text can't fail.
    if readable {
        let _ = write!(said, "it says {}", String::from_utf8_lossy(line));
    } else {
        let _ = said.write_str("first bytes");
        for byte in head.iter().take(8) {
            let _ = write!(said, " {byte:02x}");
        }
    }
    Some(Fault {
        detail: said,
        ..Fault::new(Rung::Tls, Code::PeerNotTls)
    })
}

/// A fault of what this side brings along, and nothing of the error stays behind in OpenSSL's queue.
pub(crate) fn material(what: &str) -> Fault {
    drop(ErrorStack::get());
    Fault::new(Rung::Tls, Code::TlsMaterial).detail(what.as_bytes())
}

/// As [`material`], with OpenSSL's reason.
pub(crate) fn material_because(what: &str, errors: &ErrorStack) -> Fault {
    let reason = errors
        .errors()
        .iter()
        .rev()
        .find_map(|error| error.reason());
    match reason {
        Some(reason) => material(&format!("{what}: {reason}")),
        None => material(what),
    }
}

/// A fault of OpenSSL itself, such as no memory.
pub(crate) fn internal(errors: &ErrorStack) -> Fault {
    let reason = errors.errors().iter().find_map(|error| error.reason());
    Fault::new(Rung::Tls, Code::TlsInternal).detail(reason.unwrap_or_default().as_bytes())
}

/// A setting that this back-end can't honour.
pub(crate) fn profile(what: &str) -> Fault {
    Fault::new(Rung::Tls, Code::TlsProfile).detail(what.as_bytes())
}
