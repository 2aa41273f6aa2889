//! Lines of towpath's own traces, as defmt decodes them: `RUNG STATE ... at SECONDS s`. In goes the text of an entry; out
//! come a [`Seen`] and what it says.

use std::time::Duration;

use towpath_proto::Rung;

use super::fact::{Says, Step};

/// A trace taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::explain) struct Seen<'a> {
    pub(in crate::explain) rung: Rung,
    /// The first word behind the rung.
    pub(in crate::explain) state: &'a str,
    /// What is behind that.
    pub(in crate::explain) what: &'a str,
    /// Since the clock of the device began.
    pub(in crate::explain) at: Duration,
}

/// All of them.
pub(in crate::explain) const RUNGS: [Rung; 11] = [
    Rung::Link,
    Rung::Address,
    Rung::Dns,
    Rung::Nat64,
    Rung::Tcp,
    Rung::Proxy,
    Rung::Tls,
    Rung::Upgrade,
    Rung::Ws,
    Rung::Mqtt,
    Rung::Hub,
];

/// The first words of what can be seen.
const STATES: [&str; 26] = [
    "started",
    "reached",
    "failed",
    "sent",
    "received",
    "client",
    "server",
    "alert",
    "asked",
    "renegotiating",
    "done",
    "refused",
    "agreed",
    "round",
    "ticket",
    "answered",
    "unanswered",
    "remembered",
    "prefix",
    "dropped",
    "ordered",
    "trying",
    "won",
    "lost",
    "hello",
    "showed",
];

impl<'a> Seen<'a> {
    /// `None` if it is no trace.
    pub(in crate::explain) fn of(text: &'a str) -> Option<Self> {
        let (rest, at) = text.trim().strip_suffix(" s")?.rsplit_once(" at ")?;
        let (name, rest) = rest.split_once(' ')?;
        let rung = RUNGS.into_iter().find(|rung| rung.name() == name)?;
        let (state, what) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Self {
            rung,
            state: STATES.contains(&state).then_some(state)?,
            what,
            at: seconds(at)?,
        })
    }

    /// What it says about the climb.
    pub(super) fn says(&self) -> Option<Says> {
        let step = match (self.rung, self.state) {
            (Rung::Dns, "started" | "asked") => Step::DnsAsked,
            (Rung::Dns, "reached") => Step::DnsDone,
            (Rung::Tcp, "started" | "trying") => Step::Connecting,
            (Rung::Tcp, "reached") => Step::TcpOpen,
            (Rung::Tls, "asked" | "renegotiating") => Step::Renegotiating,
            (Rung::Tls, "reached" | "done") => Step::Secured,
            (Rung::Tls, "client" | "server") => return self.handshake(),
            (Rung::Tls, "alert") => return self.alert(),
            (Rung::Upgrade, "sent") => Step::Requested,
            (Rung::Upgrade, "received") => Step::Answering,
            (Rung::Upgrade, "reached") => Step::Upgraded,
            (Rung::Mqtt, "sent") if self.what.starts_with("CONNECT,") => Step::ConnectSent,
            (Rung::Mqtt, "reached") => Step::Accepted,
            (Rung::Mqtt, "received")
                if ["SUBACK,", "PUBACK,", "PUBCOMP,"]
                    .iter()
                    .any(|name| self.what.starts_with(name)) =>
            {
                Step::Working
            }
            _ => return None,
        };
        Some(Says::Step(step))
    }

    fn handshake(&self) -> Option<Says> {
        let message = self.what.strip_prefix("sent ")?.split(',').next()?;
        let step = match (self.state, message) {
            ("client", "ClientHello") => Step::ClientHello,
            ("client", "Certificate") => Step::ClientCertificate,
            ("server", "ServerHello") => Step::ServerHello,
            ("server", "Certificate") => Step::ServerCertificate,
            ("server", "CertificateRequest") => Step::CertificateAsked,
            _ => return None,
        };
        Some(Says::Step(step))
    }

    /// `server sent alert 40 handshake_failure`; a warning ends nothing.
    fn alert(&self) -> Option<Says> {
        let (from, rest) = self.what.split_once(" sent alert ")?;
        let number = rest.split(' ').next()?.parse().ok()?;
        Some(Says::Alert(number, from == "server"))
    }
}

/// Seconds with up to six decimals.
pub(in crate::explain) fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() > 12 || fraction.len() > 6 {
        return None;
    }
    let micros = format!("{fraction:0<6}").parse().ok()?;
    Some(Duration::from_secs(whole.parse().ok()?) + Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_told_from_other_lines() {
        let seen = Seen::of("mqtt sent CONNECT, 45 B at 1.234567 s").unwrap();
        assert_eq!(seen.rung, Rung::Mqtt);
        assert_eq!((seen.state, seen.what), ("sent", "CONNECT, 45 B"));
        assert_eq!(seen.at, Duration::from_micros(1_234_567));
        assert_eq!(seen.says(), Some(Says::Step(Step::ConnectSent)));
        for line in [
            "mqtt connected at 1.5 s",
            "tcp reached",
            "tcp reached at noon s",
            "tcp reached at 1 s",
            "socket reached at 1.5 s",
            "",
        ] {
            assert_eq!(Seen::of(line), None, "{line}");
        }
    }
}
