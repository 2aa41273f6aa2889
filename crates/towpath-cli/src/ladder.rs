//! The ladder in words: facts about a climb come in, lines to show go out. Nothing is printed here.

mod tls;

use std::{net::SocketAddr, time::Duration};

use towpath::{
    Code, Endpoint, Fault, Limits, Rung,
    proto::{Fact, Instant, Trace},
};

use self::tls::Tls;
use crate::text::Object;

/// How a rung ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Reached,
    Broke,
    NotReached,
    Ready,
    Done,
    /// The peer wanted something and did not get it.
    Refused,
    /// TLS said something.
    Alert,
}

impl State {
    const fn words(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Broke => "broke",
            Self::NotReached => "not reached",
            Self::Ready => "ready",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Alert => "alert",
        }
    }

    const fn color(self) -> &'static str {
        match self {
            Self::Reached | Self::Done => "\x1b[32m",
            Self::Broke => "\x1b[1;31m",
            Self::NotReached => "\x1b[2m",
            Self::Ready => "\x1b[1;32m",
            Self::Refused | Self::Alert => "\x1b[33m",
        }
    }
}

/// One line of the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    name: &'static str,
    state: State,
    took: Option<Duration>,
    what: String,
    /// More about it, on lines of their own.
    more: Vec<String>,
    /// What only programs read: more members.
    members: Option<Object>,
}

impl Line {
    const fn new(name: &'static str, state: State, took: Option<Duration>, what: String) -> Self {
        Self {
            name,
            state,
            took,
            what,
            more: Vec::new(),
            members: None,
        }
    }

    /// A step beyond the ladder that was done: a subscription, a message.
    pub(crate) const fn done(name: &'static str, took: Option<Duration>, what: String) -> Self {
        Self::new(name, State::Done, took, what)
    }

    /// The same line with more about it.
    fn and(mut self, more: String) -> Self {
        if !more.is_empty() {
            self.more.push(more);
        }
        self
    }

    /// The same line with more for programs.
    fn with(mut self, members: Object) -> Self {
        self.members = Some(members);
        self
    }

    /// The line for people, without its end.
    pub(crate) fn text(&self, color: bool) -> String {
        let (on, off) = if color {
            (self.state.color(), "\x1b[0m")
        } else {
            ("", "")
        };
        let took = self.took.map_or_else(String::new, millis);
        let (name, state) = (self.name, self.state.words());
        let line = format!("  {name:<9} {on}{state:<11}{off} {took:>9}  {}", self.what);
        let mut text = line.trim_end().to_owned();
        for more in &self.more {
            // Under what it is about.
            text.push_str(&format!("\n{:35}{more}", ""));
        }
        text
    }

    /// The line for programs.
    pub(crate) fn json(&self) -> String {
        let mut object = Object::new()
            .text("trace", self.name)
            .text("state", self.state.words());
        if let Some(took) = self.took {
            object = object.raw("ms", format_args!("{:.3}", took.as_secs_f64() * 1e3));
        }
        let what = std::iter::once(&self.what).chain(&self.more);
        let what: Vec<_> = what.map(String::as_str).collect();
        object = object.text("what", &what.join(", "));
        match &self.members {
            Some(members) => object.join(members).end(),
            None => object.end(),
        }
    }
}

/// Milliseconds, with as many digits as matter.
fn millis(took: Duration) -> String {
    let millis = took.as_secs_f64() * 1e3;
    if millis < 10.0 {
        format!("{millis:.2} ms")
    } else if millis < 1000.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{millis:.0} ms")
    }
}

/// What is known of one rung of the current attempt.
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    started: Option<Instant>,
    reached: Option<Instant>,
    sent: Option<&'static str>,
    received: Option<&'static str>,
}

impl Step {
    fn took(&self) -> Option<Duration> {
        let times = self.started.zip(self.reached);
        times.map(|(started, reached)| reached.since(started))
    }
}

/// The rungs that this endpoint needs, and how far the current attempt is.
#[derive(Debug)]
pub(crate) struct Ladder {
    endpoint: Endpoint,
    rungs: Vec<(Rung, Step)>,
    tls: Tls,
    began: Option<Instant>,
    failed: Option<Instant>,
}

impl Ladder {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let named = endpoint.host.parse::<std::net::IpAddr>().is_err();
        let framed = endpoint.scheme.is_framed();
        let rungs = [
            (Rung::Dns, named),
            (Rung::Tcp, true),
            (Rung::Tls, endpoint.scheme.is_secured()),
            (Rung::Upgrade, framed),
            (Rung::Ws, framed),
            (Rung::Mqtt, true),
        ];
        Self {
            endpoint,
            rungs: rungs
                .into_iter()
                .filter(|(_, needed)| *needed)
                .map(|(rung, _)| (rung, Step::default()))
                .collect(),
            tls: Tls::default(),
            began: None,
            failed: None,
        }
    }

    fn step(&mut self, rung: Rung) -> Option<&mut Step> {
        self.rungs
            .iter_mut()
            .find(|(other, _)| *other == rung)
            .map(|(_, step)| step)
    }

    /// Takes in a fact. `peer` is the server's address, once there is one.
    pub(crate) fn fact(&mut self, trace: &Trace, peer: Option<SocketAddr>) -> Option<Line> {
        let lowest = self
            .rungs
            .first()
            .is_some_and(|(rung, _)| *rung == trace.rung);
        if lowest && trace.fact == Fact::Started {
            self.begin(trace.at);
        }
        if trace.fact == Fact::Failed {
            self.failed = Some(trace.at);
        }
        if let Fact::Tls(fact) = trace.fact {
            return self.tls.fact(trace.at, fact);
        }
        let step = self.step(trace.rung)?;
        match trace.fact {
            Fact::Started => step.started = Some(trace.at),
            Fact::Reached => step.reached = Some(trace.at),
            Fact::Sent(name, _) => step.sent = Some(name),
            Fact::Received(name, _) => step.received = Some(name),
            _ => {}
        }
        // The line of MQTT waits for what CONNACK says; that of Ws goes without saying.
        let told = matches!(
            trace.rung,
            Rung::Dns | Rung::Tcp | Rung::Tls | Rung::Upgrade
        );
        if trace.fact != Fact::Reached || !told {
            return None;
        }
        let step = *step;
        let what = match trace.rung {
            Rung::Tls => return Some(self.tls.reached(step.took())),
            Rung::Dns => self.endpoint.host.clone(),
            Rung::Tcp => peer.map_or_else(String::new, |peer| peer.to_string()),
            _ => format!(
                "{} -> {}",
                self.request(),
                step.received.unwrap_or("answer")
            ),
        };
        Some(reached(trace.rung, &step, what))
    }

    fn begin(&mut self, at: Instant) {
        self.began = Some(at);
        self.failed = None;
        self.tls = Tls::default();
        for (_, step) in &mut self.rungs {
            *step = Step::default();
        }
    }

    /// The request line, without a query: that may hold a signature.
    fn request(&self) -> String {
        let target = &self.endpoint.target;
        match target.split_once('?') {
            Some((path, _)) => format!("GET {path}?..."),
            None => format!("GET {target}"),
        }
    }

    /// The server accepted the connection: the last two lines.
    pub(crate) fn connected(&mut self, session_present: bool, limits: &Limits) -> Vec<Line> {
        let Some(step) = self.step(Rung::Mqtt).copied() else {
            return Vec::new();
        };
        let session = if session_present { "kept" } else { "new" };
        let keep_alive = match limits.keep_alive {
            0 => "no keep alive".to_owned(),
            seconds => format!("keep alive {seconds} s"),
        };
        let total = self
            .began
            .zip(step.reached)
            .map(|(began, reached)| reached.since(began));
        vec![
            reached(Rung::Mqtt, &step, "CONNECT -> CONNACK".to_owned()),
            Line::new(
                "path",
                State::Ready,
                total,
                format!("session {session}, {keep_alive}"),
            ),
        ]
    }

    /// The attempt or the connection ended with `fault`: the rung that broke, and those beyond it.
    pub(crate) fn broke(&self, fault: &Fault) -> Vec<Line> {
        let known = self.rungs.iter().find(|(rung, _)| *rung == fault.rung);
        let step = known.map(|(_, step)| *step).unwrap_or_default();
        let since = step.reached.or(step.started);
        let took = since
            .zip(self.failed)
            .map(|(since, failed)| failed.since(since));
        let what = self.last_words(fault, &step);
        let mut lines = vec![Line::new(fault.rung.name(), State::Broke, took, what)];
        let beyond = self
            .rungs
            .iter()
            .filter(|(rung, step)| *rung > fault.rung && step.reached.is_none())
            // WebSocket is reached with the upgrade and has no line of its own unless it breaks.
            .filter(|(rung, _)| *rung != Rung::Ws);
        lines.extend(
            beyond.map(|(rung, _)| Line::new(rung.name(), State::NotReached, None, String::new())),
        );
        lines
    }

    fn last_words(&self, fault: &Fault, step: &Step) -> String {
        match fault.rung {
            Rung::Dns => self.endpoint.host.clone(),
            Rung::Tcp => fault.detail.as_str().to_owned(),
            // Nothing was sent: the file or the setting is to blame.
            Rung::Tls if matches!(fault.code, Code::TlsProfile | Code::TlsMaterial) => {
                fault.detail.as_str().to_owned()
            }
            Rung::Tls => self.tls.last_words(),
            rung => {
                let sent = match step.sent {
                    None => "nothing".to_owned(),
                    Some(_) if rung == Rung::Upgrade => self.request(),
                    Some(name) => name.to_owned(),
                };
                format!("last sent {sent}, last received {}", received(fault, step))
            }
        }
    }
}

/// What came last, as far as it could be read.
fn received(fault: &Fault, step: &Step) -> String {
    match fault.code {
        Code::PeerSpeaksTls => "TLS".into(),
        Code::PeerSpeaksHttp => "HTTP".into(),
        Code::NotHttp | Code::HeadMalformed => "not HTTP".into(),
        Code::Malformed if step.received.is_none() => "not MQTT".into(),
        // What the number of these is, is not an HTTP status.
        Code::Reset | Code::Closed | Code::Io | Code::UpgradeTimeout | Code::HeadTooLarge => {
            step.received.unwrap_or("nothing").into()
        }
        _ if fault.rung == Rung::Upgrade && fault.number != 0 => format!("HTTP {}", fault.number),
        _ => step.received.unwrap_or("nothing").into(),
    }
}

fn reached(rung: Rung, step: &Step, what: String) -> Line {
    Line::new(rung.name(), State::Reached, step.took(), what)
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
