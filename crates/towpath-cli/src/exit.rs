//! How a command can end: 0 done, 1 the path or the server said no, 2 wrong usage, 3 done but with a warning, 4 new
//! firmware was installed and the device is to be started anew.

use std::{fmt, io, process::ExitCode};

use towpath::{Code, Error, Fault, ReasonCode, Refusal, tls::Alert};

use crate::text::{Object, one_line, quoted};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was typed can't be done.
    Usage(String),
    /// The path broke on a rung.
    Fault(Fault),
    /// The server answered with a reason code that means no.
    Answer {
        /// The name in JSON.
        code: &'static str,
        /// What it refused, as the middle of a sentence.
        what: String,
        /// Its reason.
        reason: ReasonCode,
        /// What to try.
        remedy: &'static str,
    },
    /// The library or the server's limits do not admit the command.
    Refusal(Refusal),
    /// Not enough came in time.
    Late(String),
    /// Everything that there is to say stands on standard output: 1 a break, 3 warnings only.
    Diagnosed(u8),
    /// What was to be explained is not known.
    Unexplained(String),
    /// The lab can't start.
    #[cfg(feature = "lab")]
    Lab(String),
    /// The hub refuses what a device asks of it.
    #[cfg(feature = "device")]
    Hub(String),
    /// The outbox can't be opened or written.
    #[cfg(feature = "device")]
    Outbox(String),
    /// Everything else was done, and something was left out.
    #[cfg(feature = "device")]
    LeftOut(String),
    /// Everything was done, but it won't go on for ever: status 3.
    #[cfg(feature = "device")]
    Warning(String),
    /// New firmware was installed, and the device is to be started anew: status 4.
    #[cfg(feature = "device")]
    Restart(String),
    /// A part of this program failed.
    #[cfg(feature = "device")]
    Broken(String),
    /// What has to be there first, such as the token with the key, may be there later: as a fault, but no usage.
    #[cfg(feature = "device")]
    NotReady(Fault),
    /// A file or standard input or output failed.
    Io {
        /// Which.
        what: &'static str,
        /// How.
        error: io::Error,
    },
    /// The other end of standard output is gone: nobody wants more, which is no error.
    NobodyReads,
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Writing to standard output failed.
    pub(crate) fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::NobodyReads
        } else {
            Self::Io {
                what: "cannot write to standard output",
                error,
            }
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::NobodyReads => ExitCode::SUCCESS,
            Self::Diagnosed(status) => ExitCode::from(*status),
            Self::Usage(_) => ExitCode::from(2),
            #[cfg(feature = "device")]
            Self::Warning(_) => ExitCode::from(3),
            #[cfg(feature = "device")]
            Self::Restart(_) => ExitCode::from(4),
            // As above, but found by the TLS library: still nothing was sent.
            Self::Fault(fault) if matches!(fault.code, Code::TlsProfile | Code::TlsMaterial) => {
                ExitCode::from(2)
            }
            _ => ExitCode::FAILURE,
        }
    }

    /// One JSON object with the same members whatever failed.
    pub(crate) fn json(&self) -> String {
        let mut said = String::new();
        self.members(&mut said).join(Object::new()).end()
    }

    /// What JSON has of it. `said` holds what has to be put into words first.
    fn members<'a>(&'a self, said: &'a mut String) -> Members<'a> {
        match self {
            Self::Fault(fault) => Members::of(fault),
            #[cfg(feature = "device")]
            Self::NotReady(fault) => Members::of(fault),
            Self::Answer {
                code,
                what,
                reason,
                remedy,
            } => Members {
                number: u32::from(reason.0),
                remedy,
                detail: reason.text(),
                finding: finding_of(code, *reason),
                ..Members::plain(code, Some("mqtt"), "peer", what)
            },
            Self::Refusal(refusal) => {
                *said = refusal.to_string();
                Members::plain("NotAdmitted", Some("mqtt"), "usage", said)
            }
            Self::Io { what, error } => {
                *said = error.to_string();
                Members {
                    number: error.raw_os_error().map_or(0, i32::unsigned_abs),
                    detail: said,
                    ..Members::plain("Io", None, "local", what)
                }
            }
            Self::Usage(why) => Members::plain("Usage", None, "usage", why),
            Self::Late(why) => Members::plain("Late", Some("mqtt"), "path", why),
            Self::Unexplained(why) => Members::plain("Unexplained", None, "usage", why),
            #[cfg(feature = "lab")]
            Self::Lab(why) => Members::plain("Lab", None, "local", why),
            #[cfg(feature = "device")]
            Self::Hub(why) => Members::plain("Hub", Some("hub"), "peer", why),
            #[cfg(feature = "device")]
            Self::Outbox(why) => Members::plain("Outbox", None, "local", why),
            #[cfg(feature = "device")]
            Self::LeftOut(why) => Members::plain("LeftOut", None, "usage", why),
            #[cfg(feature = "device")]
            Self::Warning(why) => Members::plain("Warning", None, "usage", why),
            #[cfg(feature = "device")]
            Self::Restart(why) => Members::plain("Restart", None, "local", why),
            #[cfg(feature = "device")]
            Self::Broken(why) => Members::plain("Broken", None, "local", why),
            Self::NobodyReads | Self::Diagnosed(_) => Members::default(),
        }
    }
}

/// The finding behind a refused message or subscription, where the catalogue has one.
fn finding_of(code: &str, reason: ReasonCode) -> Option<&'static str> {
    match (code, reason.0) {
        (_, 0x87) => Some("TP-MQTT-026"),
        (_, 0x97) => Some("TP-MQTT-034"),
        (_, 0x9a | 0x9b | 0x9e | 0xa1 | 0xa2) => Some("TP-MQTT-028"),
        ("SubscribeRefused", _) => Some("TP-MQTT-012"),
        _ => None,
    }
}

/// What JSON says about any failure.
#[derive(Default)]
struct Members<'a> {
    rung: Option<&'static str>,
    code: &'a str,
    number: u32,
    cause: &'a str,
    remedy: &'a str,
    clause: &'a str,
    detail: &'a str,
    blame: &'a str,
    alert: Option<Alert>,
    /// The id in the catalogue.
    finding: Option<&'static str>,
}

impl<'a> Members<'a> {
    fn of(fault: &'a Fault) -> Self {
        Self {
            finding: Some(fault.finding()),
            rung: Some(fault.rung.name()),
            code: fault.code.name(),
            number: fault.number,
            cause: fault.code.cause(),
            remedy: fault.code.remedy(),
            clause: fault.clause,
            detail: fault.detail.as_str(),
            blame: fault.blame.name(),
            alert: fault.alert,
        }
    }

    /// What is told in one text.
    fn plain(code: &'a str, rung: Option<&'static str>, blame: &'a str, cause: &'a str) -> Self {
        Self {
            rung,
            code,
            cause,
            blame,
            ..Self::default()
        }
    }

    fn join(&self, object: Object) -> Object {
        let object = match self.rung {
            Some(rung) => object.text("rung", rung),
            None => object.raw("rung", "null"),
        };
        object
            .text("code", self.code)
            .raw("number", self.number)
            .text("cause", self.cause)
            .text("remedy", self.remedy)
            .text("clause", self.clause)
            .text("detail", self.detail)
            .text("blame", self.blame)
            .raw("alert", alert_json(self.alert))
            .raw(
                "finding",
                self.finding.map_or_else(|| "null".into(), quoted),
            )
    }
}

/// A TLS alert and who sent it, or `null`.
pub(crate) fn alert_json(alert: Option<Alert>) -> String {
    let Some(alert) = alert else {
        return "null".into();
    };
    Object::new()
        .text("from", alert.from.name())
        .text("level", if alert.fatal { "fatal" } else { "warning" })
        .raw("number", alert.description)
        .text("name", alert.name())
        .end()
}

/// What JSON says about a fault, as members of `object`.
pub(crate) fn fault_members(object: Object, fault: &Fault) -> Object {
    Members::of(fault).join(object)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match self {
            Self::Usage(why) | Self::Late(why) | Self::Unexplained(why) => why.clone(),
            #[cfg(feature = "lab")]
            Self::Lab(why) => why.clone(),
            #[cfg(feature = "device")]
            Self::Hub(why) => format!("hub: {why}"),
            #[cfg(feature = "device")]
            Self::Outbox(why)
            | Self::LeftOut(why)
            | Self::Warning(why)
            | Self::Restart(why)
            | Self::Broken(why) => why.clone(),
            #[cfg(feature = "device")]
            Self::NotReady(fault) => fault.to_string(),
            Self::Fault(fault) => fault.to_string(),
            Self::Answer {
                code,
                what,
                reason,
                remedy,
            } => {
                let id = finding_of(code, *reason);
                let id = id.map_or_else(String::new, |id| format!(" [{id}]"));
                format!("mqtt: {what} ({reason}). {remedy}{id}")
            }
            Self::Refusal(refusal) => format!("mqtt: {refusal}"),
            Self::Io { what, error } => format!("{what}: {error}"),
            Self::NobodyReads | Self::Diagnosed(_) => String::new(),
        };
        f.write_str(&one_line(&line))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Path(fault) => Self::Fault(fault),
            Error::Refused(Refusal::Invalid(invalid)) => Self::usage(invalid.clause),
            Error::Refused(refusal @ (Refusal::Header | Refusal::NeedsV5)) => {
                Self::usage(refusal.to_string())
            }
            Error::Refused(refusal) => Self::Refusal(refusal),
            other => Self::usage(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use towpath::Rung;

    #[test]
    fn every_failure_is_one_line_and_one_object() {
        for failure in [
            Failure::usage("two\nlines"),
            Failure::Fault(Fault::new(Rung::Tcp, Code::Refused).number(111)),
            Failure::Answer {
                code: "SubscribeRefused",
                what: "the server refused \"a\nb\"".into(),
                reason: ReasonCode::NOT_AUTHORIZED,
                remedy: "Ask.",
            },
            Failure::Refusal(Refusal::Retain),
            Failure::Late("late".into()),
            Failure::output(io::Error::other("full")),
        ] {
            assert!(!failure.to_string().contains('\n'));
            let value: serde_json::Value = serde_json::from_str(&failure.json()).unwrap();
            for member in [
                "rung", "code", "number", "cause", "remedy", "clause", "detail", "blame", "alert",
                "finding",
            ] {
                assert!(value.get(member).is_some(), "{member} in {value}");
            }
        }
    }

    #[test]
    fn an_alert_is_an_object_of_its_own() {
        use towpath::tls::Side;
        let alert = Alert::fatal(Side::Server, 40);
        let fault = Fault::new(Rung::Tls, Code::NoCommonSuite).alert(alert);
        let value: serde_json::Value = serde_json::from_str(&Failure::Fault(fault).json()).unwrap();
        assert_eq!(
            value["alert"].to_string(),
            r#"{"from":"server","level":"fatal","name":"handshake_failure","number":40}"#
        );
    }

    #[test]
    fn a_closed_pipe_is_success() {
        let failure = Failure::output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(failure.exit_code(), ExitCode::SUCCESS);
    }
}
