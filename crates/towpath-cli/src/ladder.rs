//! The ladder in words: facts about a climb come in, lines to show go out. Nothing is printed here.

pub(crate) mod net;
mod tls;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use towpath::{
    Code, Endpoint, Fault, Limits, Rung,
    proto::{Fact, Instant, Trace},
};

use self::{net::Net, tls::Tls};
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
    /// A question left.
    Asked,
    Answered,
    Unanswered,
    /// An earlier answer still holds.
    Remembered,
    /// A NAT64 prefix is known.
    Prefix,
    /// An address has its place.
    Ordered,
    /// An address is not tried.
    Dropped,
    /// An address is tried.
    Trying,
    Won,
    /// Another address was faster.
    Lost,
    Failed,
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
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Unanswered => "unanswered",
            Self::Remembered => "remembered",
            Self::Prefix => "prefix",
            Self::Ordered => "ordered",
            Self::Dropped => "dropped",
            Self::Trying => "trying",
            Self::Won => "won",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }

    const fn color(self) -> &'static str {
        match self {
            Self::Reached | Self::Done | Self::Answered | Self::Prefix | Self::Won => "\x1b[32m",
            Self::Broke => "\x1b[1;31m",
            Self::NotReached
            | Self::Asked
            | Self::Remembered
            | Self::Ordered
            | Self::Trying
            | Self::Lost => "\x1b[2m",
            Self::Ready => "\x1b[1;32m",
            Self::Refused | Self::Alert | Self::Unanswered | Self::Dropped | Self::Failed => {
                "\x1b[33m"
            }
        }
    }
}

/// One line of the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    name: &'static str,
    state: State,
    took: Option<Duration>,
    /// When it was seen, since the beginning of the attempt.
    at: Option<Duration>,
    /// Whether it is a part of what happens on its rung, whose own line will have the sum.
    part: bool,
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
            at: None,
            part: false,
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

    /// Whether this is a part of what happens on its rung, whose own line will have the sum.
    pub(crate) const fn is_part(&self) -> bool {
        self.part
    }

    /// The same line, seen so long after the beginning of the attempt.
    const fn at(mut self, at: Option<Duration>) -> Self {
        self.at = at;
        self
    }

    /// The line for people, without its end. The time of a part is that since the beginning.
    pub(crate) fn text(&self, color: bool) -> String {
        let (on, off) = if color {
            (self.state.color(), "\x1b[0m")
        } else {
            ("", "")
        };
        let took = if self.part { self.at } else { self.took };
        let took = took.map_or_else(String::new, millis);
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
        for (name, span) in [("at_ms", self.at), ("ms", self.took)] {
            if let Some(span) = span {
                object = object.raw(name, format_args!("{:.3}", span.as_secs_f64() * 1e3));
            }
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
pub(crate) fn millis(took: Duration) -> String {
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
    /// The host that is looked for: the endpoint's, or the proxy's.
    host: String,
    rungs: Vec<(Rung, Step)>,
    net: Net,
    tls: Tls,
    began: Option<Instant>,
    failed: Option<Instant>,
}

impl Ladder {
    /// `proxy` is the host of the proxy in between, if there is one.
    pub(crate) fn new(endpoint: Endpoint, proxy: Option<&str>) -> Self {
        let host = proxy.unwrap_or(&endpoint.host).to_owned();
        let named = host.parse::<IpAddr>().is_err();
        let framed = endpoint.scheme.is_framed();
        let rungs = [
            (Rung::Dns, named),
            // Whether there is a translator on the way turns out.
            (Rung::Nat64, true),
            (Rung::Tcp, true),
            (Rung::Proxy, proxy.is_some()),
            (Rung::Tls, endpoint.scheme.is_secured()),
            (Rung::Upgrade, framed),
            (Rung::Ws, framed),
            (Rung::Mqtt, true),
        ];
        Self {
            endpoint,
            host,
            rungs: rungs
                .into_iter()
                .filter(|(_, needed)| *needed)
                .map(|(rung, _)| (rung, Step::default()))
                .collect(),
            net: Net::default(),
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
        if trace.fact == Fact::Failed {
            self.failed = Some(trace.at);
        } else if self.begins(trace) {
            self.begin(trace.at);
        }
        match trace.fact {
            Fact::Tls(fact) => {
                let line = self.tls.fact(trace.at, fact);
                return line.map(|line| line.at(self.since_beginning(Some(trace.at))));
            }
            Fact::Net(fact) => {
                let at = self.since_beginning(Some(trace.at)).unwrap_or_default();
                return Some(self.net.fact(at, trace.rung, &fact));
            }
            _ => {}
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
        if trace.fact != Fact::Reached || matches!(trace.rung, Rung::Ws | Rung::Mqtt) {
            return None;
        }
        let step = *step;
        let line = self.reached(trace.rung, &step, peer);
        Some(line.at(self.since_beginning(step.reached)))
    }

    fn since_beginning(&self, at: Option<Instant>) -> Option<Duration> {
        let times = at.zip(self.began);
        times.map(|(at, began)| at.since(began))
    }

    /// Whether this is the first that is seen of an attempt. What TLS says last may come behind the end.
    fn begins(&self, trace: &Trace) -> bool {
        match trace.fact {
            Fact::Started if trace.rung <= Rung::Tcp => {
                self.began.is_none() || self.failed.is_some()
            }
            Fact::Net(_) => {
                self.began.is_none() || self.failed.is_some_and(|failed| trace.at > failed)
            }
            _ => false,
        }
    }

    fn begin(&mut self, at: Instant) {
        self.began = Some(at);
        self.failed = None;
        self.net = Net::default();
        self.tls = Tls::default();
        for (_, step) in &mut self.rungs {
            *step = Step::default();
        }
    }

    /// The line of a rung that is reached.
    fn reached(&self, rung: Rung, step: &Step, peer: Option<SocketAddr>) -> Line {
        let took = step.took();
        let line = |what, more: Vec<String>| {
            let line = Line::new(rung.name(), State::Reached, took, what);
            more.into_iter().fold(line, Line::and)
        };
        match rung {
            Rung::Tls => self.tls.reached(took),
            Rung::Dns => line(self.host.clone(), self.net.answers()),
            Rung::Nat64 => {
                let (what, more) = self.net.translation();
                line(what, more)
            }
            Rung::Tcp => {
                let mut what = peer.map_or_else(String::new, |peer| peer.to_string());
                if let Some(behind) = peer.and_then(|peer| self.net.behind(peer.ip())) {
                    what.push_str(&format!(" ({behind})"));
                }
                line(what, self.net.attempts())
            }
            Rung::Proxy => line(
                format!("opened {}:{}", self.endpoint.host, self.endpoint.port),
                Vec::new(),
            ),
            _ => {
                let answer = step.received.unwrap_or("answer");
                line(format!("{} -> {answer}", self.request()), Vec::new())
            }
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

    /// The server accepted the connection: the line of MQTT, where nothing more is known.
    #[cfg(feature = "device")]
    pub(crate) fn accepted(&self) -> Option<Line> {
        let (_, step) = self.rungs.iter().find(|(rung, _)| *rung == Rung::Mqtt)?;
        let what = "CONNECT -> CONNACK".to_owned();
        let line = Line::new(Rung::Mqtt.name(), State::Reached, step.took(), what);
        Some(line.at(self.since_beginning(step.reached)))
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
        let total = self.since_beginning(step.reached);
        vec![
            Line::new(
                Rung::Mqtt.name(),
                State::Reached,
                step.took(),
                "CONNECT -> CONNACK".to_owned(),
            )
            .at(total),
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
        // What breaks below the first rung has no beginning of its own.
        let below = self.began.filter(|_| fault.rung < Rung::Tcp);
        let since = step.reached.or(step.started).or(below);
        let took = since
            .zip(self.failed)
            .map(|(since, failed)| failed.since(since));
        let what = self.last_words(fault, &step);
        let line = Line::new(fault.rung.name(), State::Broke, took, what)
            .at(self.since_beginning(self.failed));
        let mut lines = self.unfinished(fault.rung);
        lines.push(self.evidence(fault.rung).into_iter().fold(line, Line::and));
        let beyond = self
            .rungs
            .iter()
            .filter(|(rung, step)| *rung > fault.rung && step.reached.is_none())
            // WebSocket is reached with the upgrade and has no line of its own unless it breaks; and nobody knows
            // whether the path would have had a translator.
            .filter(|(rung, _)| !matches!(rung, Rung::Ws | Rung::Nat64));
        lines.extend(
            beyond.map(|(rung, _)| Line::new(rung.name(), State::NotReached, None, String::new())),
        );
        lines
    }

    /// What was seen on the rung that broke, below its line.
    fn evidence(&self, rung: Rung) -> Vec<String> {
        match rung {
            Rung::Address | Rung::Dns => self.net.answers(),
            Rung::Nat64 if self.net.attempts().is_empty() => self.net.translation().1,
            Rung::Nat64 | Rung::Tcp => self.net.attempts(),
            _ => Vec::new(),
        }
    }

    /// The names were looked for, and what broke is beyond that.
    fn unfinished(&self, broke: Rung) -> Vec<Line> {
        let asked = |(rung, step): &&(Rung, Step)| {
            *rung == Rung::Dns && *rung < broke && step.started.is_some() && step.reached.is_none()
        };
        let asked = self.rungs.iter().find(asked);
        asked
            .map(|_| {
                let line = Line::new("dns", State::Done, None, self.host.clone());
                self.net.answers().into_iter().fold(line, Line::and)
            })
            .into_iter()
            .collect()
    }

    fn last_words(&self, fault: &Fault, step: &Step) -> String {
        match fault.rung {
            Rung::Address | Rung::Dns => self.host.clone(),
            Rung::Nat64 => fault.detail.as_str().to_owned(),
            Rung::Proxy => format!("asked for {}:{}", self.endpoint.host, self.endpoint.port),
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

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
