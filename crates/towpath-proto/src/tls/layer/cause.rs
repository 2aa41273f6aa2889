//! The cause behind the end of an attempt, where TLS knows better than the rung on which it showed.

use super::Layer;
use crate::{
    fault::{Code, Fault},
    rung::Rung,
    text::Text,
    tls::{Alert, Message, Side, Tls, Version, alert::description},
};

/// How an attempt can end without a word about the cause.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The byte stream was cut.
    Cut,
    /// Time ran out.
    Late,
    /// The server said an alert that stands for several causes.
    Alert,
}

impl End {
    const fn of(code: Code) -> Option<Self> {
        Some(match code {
            Code::Closed | Code::Reset => Self::Cut,
            Code::UpgradeTimeout
            | Code::ConnackTimeout
            | Code::PingTimeout
            | Code::HttpTimeout
            | Code::TlsTimeout => Self::Late,
            Code::TlsAlert | Code::ClientCertificateMissing | Code::ClientCertificateRefused => {
                Self::Alert
            }
            _ => return None,
        })
    }
}

impl<T: Tls> Layer<T> {
    /// The cause behind a fault of the attempt, where TLS knows better.
    #[must_use]
    pub fn explain(&self, fault: Fault) -> Fault {
        let Some(end) = End::of(fault.code) else {
            return self.explain_forbidden(fault);
        };
        if let Some(code) = self.refused {
            let said = fault.alert.unwrap_or(Alert {
                from: Side::Client,
                fatal: false,
                description: description::NO_RENEGOTIATION,
            });
            return self.last_words(code, end).alert(said);
        }
        let (open, renegotiating) = (self.open, self.renegotiating);
        match end {
            End::Late if renegotiating => self
                .last_words(Code::RenegotiationTimeout, end)
                .number(fault.number),
            End::Late if !open => self.last_words(Code::TlsTimeout, end).number(fault.number),
            End::Cut if renegotiating => self.last_words(Code::RenegotiationClosed, end),
            End::Cut if !open => self.last_words(Code::TlsClosed, end),
            End::Cut if self.certificate_requested && !self.answered => {
                self.last_words(Code::ClientCertificateUnanswered, end)
            }
            _ => fault,
        }
    }

    /// A server that wanted the certificate after the GET, and could not ask for it, answers 403.
    fn explain_forbidden(&self, fault: Fault) -> Fault {
        if fault.code != Code::Forbidden {
            return fault;
        }
        if let Some(code) = self.refused_ever {
            return Fault::new(Rung::Tls, code).detail(b"then HTTP 403");
        }
        let tls13 = self
            .tls
            .agreed()
            .is_some_and(|agreed| agreed.version == Version::Tls13);
        let unasked = self.has_identity && !self.certificate_requested;
        if tls13 && unasked {
            return Fault {
                code: Code::PostHandshakeMissing,
                ..fault
            };
        }
        fault
    }

    /// A fault of this rung with what was said last.
    fn last_words(&self, code: Code, end: End) -> Fault {
        let mut said = Text::EMPTY;
        let [client, server] = self
            .last
            .map(|message| message.map_or("nothing", Message::name));
        for part in ["last sent ", client, ", received ", server] {
            said.append(part.as_bytes());
        }
        let mut fault = Fault::new(Rung::Tls, code);
        fault.detail = said;
        if end == End::Cut {
            fault.number(self.tls.end_of_stream())
        } else {
            fault
        }
    }
}
