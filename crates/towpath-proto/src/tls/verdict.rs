//! From an alert to the cause of the end, the same for every back-end.
//!
//! Takes in the alert and how far the handshake had come; gives out a fault. One number means several things: 40 before
//! ServerHello is about suites, after a CertificateRequest it is about the certificate.

use super::{Alert, Side, alert::description};
use crate::{
    fault::{Code, Fault},
    rung::Rung,
};

/// How far a connection's handshakes had come. What was reached once stays so, also in a renegotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stage {
    /// ServerHello was received.
    pub server_hello: bool,
    /// CertificateRequest was received.
    pub certificate_requested: bool,
    /// A client certificate was sent. An empty Certificate message is none.
    pub certificate_sent: bool,
}

/// The fault that an alert which ended TLS stands for.
#[must_use]
pub fn fault_of_alert(alert: Alert, stage: Stage) -> Fault {
    let code = match alert.from {
        Side::Server => code_of_theirs(alert.description, stage),
        Side::Client => code_of_ours(alert.description),
    };
    Fault::new(Rung::Tls, code).alert(alert)
}

const fn code_of_theirs(number: u8, stage: Stage) -> Code {
    use description as d;
    match number {
        d::PROTOCOL_VERSION => Code::NoCommonVersion,
        d::UNRECOGNIZED_NAME => Code::UnknownServerName,
        d::NO_APPLICATION_PROTOCOL => Code::NoCommonAlpn,
        d::CERTIFICATE_REQUIRED => Code::ClientCertificateMissing,
        d::HANDSHAKE_FAILURE | d::INSUFFICIENT_SECURITY if !stage.server_hello => {
            Code::NoCommonSuite
        }
        // OpenSSL says 40 for what is missing, others say 42.
        d::HANDSHAKE_FAILURE | d::BAD_CERTIFICATE
            if stage.certificate_requested && !stage.certificate_sent =>
        {
            Code::ClientCertificateMissing
        }
        d::UNKNOWN_CA => Code::ClientCertificateUntrusted,
        d::CERTIFICATE_EXPIRED => Code::ClientCertificateExpired,
        d::HANDSHAKE_FAILURE
        | d::BAD_CERTIFICATE
        | d::UNSUPPORTED_CERTIFICATE
        | d::CERTIFICATE_REVOKED
        | d::CERTIFICATE_UNKNOWN
        | d::ACCESS_DENIED
        | d::DECRYPT_ERROR
            if stage.certificate_sent =>
        {
            Code::ClientCertificateRefused
        }
        _ => Code::TlsAlert,
    }
}

/// What this side found when it sent the alert. A back-end that knows more, such as the result of the verification,
/// says that instead.
const fn code_of_ours(number: u8) -> Code {
    use description as d;
    match number {
        d::PROTOCOL_VERSION => Code::NoCommonVersion,
        d::HANDSHAKE_FAILURE | d::INSUFFICIENT_SECURITY => Code::NoCommonSuite,
        d::NO_APPLICATION_PROTOCOL => Code::NoCommonAlpn,
        d::UNKNOWN_CA => Code::ServerCertificateUntrusted,
        d::CERTIFICATE_EXPIRED => Code::ServerCertificateExpired,
        d::BAD_CERTIFICATE
        | d::UNSUPPORTED_CERTIFICATE
        | d::CERTIFICATE_REVOKED
        | d::CERTIFICATE_UNKNOWN => Code::ServerCertificateBad,
        // unexpected_message, bad_record_mac, decryption_failed, record_overflow, illegal_parameter, decode_error,
        // decrypt_error, missing_extension, unsupported_extension.
        10 | 20 | 21 | 22 | 47 | 50 | 51 | 109 | 110 => Code::TlsRecord,
        _ => Code::TlsInternal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Stage = Stage {
        server_hello: false,
        certificate_requested: false,
        certificate_sent: false,
    };
    const HELLO: Stage = Stage {
        server_hello: true,
        ..START
    };
    const ASKED: Stage = Stage {
        certificate_requested: true,
        ..HELLO
    };
    const SHOWN: Stage = Stage {
        certificate_sent: true,
        ..ASKED
    };

    fn theirs(number: u8, stage: Stage) -> Code {
        fault_of_alert(Alert::fatal(Side::Server, number), stage).code
    }

    #[test]
    fn forty_means_what_the_stage_says() {
        assert_eq!(theirs(40, START), Code::NoCommonSuite);
        assert_eq!(theirs(71, START), Code::NoCommonSuite);
        assert_eq!(theirs(40, HELLO), Code::TlsAlert);
        assert_eq!(theirs(71, HELLO), Code::TlsAlert);
        assert_eq!(theirs(40, ASKED), Code::ClientCertificateMissing);
        assert_eq!(theirs(40, SHOWN), Code::ClientCertificateRefused);
    }

    #[test]
    fn certificate_alerts_are_about_the_certificate_that_was_sent() {
        for number in [42, 43, 44, 46, 49, 51] {
            assert_eq!(theirs(number, SHOWN), Code::ClientCertificateRefused);
            assert_eq!(theirs(number, HELLO), Code::TlsAlert);
        }
        assert_eq!(theirs(42, ASKED), Code::ClientCertificateMissing);
        assert_eq!(theirs(48, SHOWN), Code::ClientCertificateUntrusted);
        assert_eq!(theirs(45, SHOWN), Code::ClientCertificateExpired);
        assert_eq!(theirs(116, ASKED), Code::ClientCertificateMissing);
    }

    #[test]
    fn some_alerts_mean_one_thing() {
        for stage in [START, HELLO, ASKED, SHOWN] {
            assert_eq!(theirs(70, stage), Code::NoCommonVersion);
            assert_eq!(theirs(112, stage), Code::UnknownServerName);
            assert_eq!(theirs(120, stage), Code::NoCommonAlpn);
            assert_eq!(theirs(80, stage), Code::TlsAlert);
        }
    }

    #[test]
    fn an_alert_of_this_side_says_what_it_found() {
        let ours = |number| {
            let fault = fault_of_alert(Alert::fatal(Side::Client, number), HELLO);
            assert_eq!(fault.rung, Rung::Tls);
            assert_eq!(fault.alert, Some(Alert::fatal(Side::Client, number)));
            fault.code
        };
        assert_eq!(ours(70), Code::NoCommonVersion);
        assert_eq!(ours(48), Code::ServerCertificateUntrusted);
        assert_eq!(ours(45), Code::ServerCertificateExpired);
        assert_eq!(ours(42), Code::ServerCertificateBad);
        assert_eq!(ours(20), Code::TlsRecord);
        assert_eq!(ours(80), Code::TlsInternal);
        assert_eq!(ours(40), Code::NoCommonSuite);
    }
}
