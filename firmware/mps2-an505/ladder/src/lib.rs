//! The climb in words, as the command `towpath` has them on a host: facts come in, lines go out on the console.
//!
//! A [`Ladder`] stands around the clock of the application, where the facts come by. Times are those of the board's tick,
//! whole milliseconds.
#![no_std]

mod frames;
#[cfg(feature = "net")]
mod net;
#[cfg(feature = "tls")]
mod tls;

use core::{cell::RefCell, fmt, time::Duration};

use mps2_an505::say;
use towpath::{
    Fault, Rung,
    embedded::Timer,
    proto::{Fact, Instant, Trace},
};

/// Where the path leads, which says what its rungs are.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// The server's name or address. Empty: another line names it.
    pub host: &'static str,
    /// Its port.
    pub port: u16,
    /// Whether there is TLS.
    pub secured: bool,
    /// The target of the upgrade, where there is one.
    pub target: Option<&'static str>,
}

impl Way {
    /// Whether this path has that rung. Whether one has a translator turns out.
    fn has(&self, rung: Rung) -> bool {
        match rung {
            Rung::Tcp | Rung::Mqtt => true,
            Rung::Tls => self.secured,
            Rung::Upgrade => self.target.is_some(),
            _ => false,
        }
    }
}

/// What is known of a rung in the attempt under way.
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

const RUNGS: usize = Rung::Hub as usize + 1;

struct Seen {
    began: Option<Instant>,
    failed: Option<Instant>,
    steps: [Step; RUNGS],
    #[cfg(feature = "tls")]
    tls: tls::Tls,
}

impl Seen {
    const NOTHING: Self = Self {
        began: None,
        failed: None,
        steps: [Step {
            started: None,
            reached: None,
            sent: None,
            received: None,
        }; RUNGS],
        #[cfg(feature = "tls")]
        tls: tls::Tls::NOTHING,
    };

    fn step(&mut self, rung: Rung) -> Option<&mut Step> {
        self.steps.get_mut(rung as usize)
    }

    fn since(&self, at: Instant) -> Option<Duration> {
        self.began.map(|began| at.since(began))
    }
}

/// The clock of an application, which tells the climb as it comes by.
pub struct Ladder<T> {
    timer: T,
    way: Way,
    seen: RefCell<Seen>,
}

impl<T: Timer> Ladder<T> {
    /// Around this clock, for paths that lead there.
    pub const fn new(timer: T, way: Way) -> Self {
        Self {
            timer,
            way,
            seen: RefCell::new(Seen::NOTHING),
        }
    }

    /// The server accepted the connection: the last two lines.
    pub fn connected(&self, session_present: bool, keep_alive: u16) {
        if frames::connected(session_present, keep_alive) {
            return;
        }
        let seen = self.seen.borrow();
        let step = seen.steps.get(Rung::Mqtt as usize).copied();
        let step = step.unwrap_or_default();
        let took = step.took();
        line(
            Rung::Mqtt.name(),
            "reached",
            took,
            format_args!("CONNECT -> CONNACK"),
        );
        let total = step.reached.and_then(|at| seen.since(at));
        let session = if session_present { "kept" } else { "new" };
        let what = format_args!("session {session}, keep alive {keep_alive} s");
        line("path", "ready", total, what);
    }

    /// Something beyond the ladder was done: a subscription, a message.
    pub fn done(&self, name: &str, took: Option<Duration>, what: fmt::Arguments<'_>) {
        line(name, "done", took, what);
    }

    /// The attempt or the connection ended with this fault: the rung that broke, those beyond it, and the fault.
    pub fn broke(&self, fault: &Fault) {
        if frames::fault(fault) {
            return;
        }
        let seen = &mut *self.seen.borrow_mut();
        let now = self.timer.now();
        let step = seen.step(fault.rung).map_or_else(Step::default, |s| *s);
        let since = step.reached.or(step.started).or(seen.began);
        let took = since.map(|since| seen.failed.unwrap_or(now).since(since));
        let name = fault.rung.name();
        #[cfg(feature = "tls")]
        let (sent, received) = match fault.rung {
            Rung::Tls => seen.tls.last_words(),
            _ => (step.sent, step.received),
        };
        #[cfg(not(feature = "tls"))]
        let (sent, received) = (step.sent, step.received);
        let (sent, received) = (sent.unwrap_or("nothing"), received.unwrap_or("nothing"));
        if fault.rung > Rung::Tcp {
            let what = format_args!("last sent {sent}, last received {received}");
            line(name, "broke", took, what);
        } else {
            line(name, "broke", took, format_args!("{}", self.way.host));
        }
        for rung in [Rung::Tcp, Rung::Tls, Rung::Upgrade, Rung::Mqtt] {
            let reached = seen.step(rung).is_some_and(|step| step.reached.is_some());
            if rung > fault.rung && self.way.has(rung) && !reached {
                line(rung.name(), "not reached", None, format_args!(""));
            }
        }
        // The next fact begins another attempt.
        seen.began = None;
        say!("{fault}");
    }

    fn fact(&self, trace: &Trace) {
        let seen = &mut *self.seen.borrow_mut();
        match trace.fact {
            Fact::Failed => {
                seen.failed = Some(trace.at);
                return;
            }
            // What TLS says last may come behind the end.
            Fact::Tls(_) => {}
            _ if seen.began.is_none() => {
                *seen = Seen::NOTHING;
                seen.began = Some(trace.at);
            }
            _ => {}
        }
        match trace.fact {
            #[cfg(feature = "tls")]
            Fact::Tls(fact) => return seen.tls.fact(trace.at, fact),
            #[cfg(feature = "net")]
            Fact::Net(fact) => return net::fact(trace.rung, seen.since(trace.at), &fact),
            _ => {}
        }
        let Some(step) = seen.step(trace.rung) else {
            return;
        };
        match trace.fact {
            Fact::Started => step.started = Some(trace.at),
            Fact::Reached => {
                step.reached = Some(trace.at);
                let step = *step;
                #[cfg(feature = "tls")]
                if trace.rung == Rung::Tls {
                    return seen.tls.reached(step.took());
                }
                self.reached(trace.rung, &step);
            }
            Fact::Sent(name, _) => step.sent = Some(name),
            Fact::Received(name, _) => step.received = Some(name),
            _ => {}
        }
    }

    /// The line of a rung that is reached.
    fn reached(&self, rung: Rung, step: &Step) {
        let (name, took) = (rung.name(), step.took());
        match rung {
            // The line of MQTT waits for what CONNACK says; that of Ws goes without saying.
            Rung::Ws | Rung::Mqtt => {}
            Rung::Upgrade => {
                let target = self.way.target.unwrap_or_default();
                // A query may hold a signature.
                let target = target.split('?').next().unwrap_or_default();
                let answer = step.received.unwrap_or("answer");
                let blank = if target.is_empty() { "" } else { " " };
                line(
                    name,
                    "reached",
                    took,
                    format_args!("GET{blank}{target} -> {answer}"),
                );
            }
            Rung::Tcp => {
                let Way { host, port, .. } = self.way;
                if host.is_empty() {
                    return line(name, "reached", took, format_args!(""));
                }
                line(name, "reached", took, format_args!("{host}:{port}"));
            }
            _ => line(name, "reached", took, format_args!("{}", self.way.host)),
        }
    }
}

impl<T: Timer> Timer for Ladder<T> {
    fn now(&self) -> Instant {
        self.timer.now()
    }

    async fn sleep_until(&self, at: Instant) {
        self.timer.sleep_until(at).await;
    }

    fn trace(&self, trace: Trace) {
        if frames::fact(&trace) {
            return;
        }
        self.fact(&trace);
    }
}

/// One line: the rung, how it ended, how long it took, and what there is to say.
fn line(name: &str, state: &str, took: Option<Duration>, what: fmt::Arguments<'_>) {
    // To print 128 bits takes code of its own.
    match took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)) {
        Some(took) => say!("  {name:<9} {state:<11} {took:>6} ms  {what}"),
        None => say!("  {name:<9} {state:<11}            {what}"),
    }
}
