//! The ladder of a device, drawn as the command draws its own. In go the lines of its log; out come lines to show, where
//! there is something to show.

use std::{net::Ipv6Addr, time::Duration};

use towpath_proto::{Rung, tls::suite_name};

use super::log::{Entry, RUNGS as RUNG, Seen, seconds};

/// What is known of a rung in the attempt under way.
#[derive(Debug, Clone, Default)]
struct Step {
    started: Option<Duration>,
    sent: String,
    received: String,
}

/// A ladder that grows with the log.
#[derive(Debug, Default)]
pub struct Climb {
    began: Option<Duration>,
    failed: bool,
    steps: [Step; RUNGS],
    /// The address that is tried, and then that of the connection.
    address: String,
    /// What TLS agreed on.
    agreed: String,
}

const RUNGS: usize = Rung::Hub as usize + 1;

impl Climb {
    /// Takes a line of the log and gives that of the ladder, or the line itself without its time if it is none of it. Facts
    /// that only lead up to a later line have none.
    #[must_use]
    pub fn line(&mut self, line: &str) -> Option<String> {
        let entry = Entry::of(line);
        let Some(seen) = Seen::of(entry.text) else {
            return Some(self.told(without_time(entry.text)));
        };
        self.begin(&seen);
        let what = short(seen.what);
        let step = self.steps.get_mut(seen.rung as usize)?;
        let took = step
            .started
            .and_then(|started| seen.at.checked_sub(started));
        let since = self.began.and_then(|began| seen.at.checked_sub(began));
        let named = |what: &str| what.split(',').next().unwrap_or_default().to_owned();
        match (seen.rung, seen.state) {
            (_, "started") => step.started = Some(seen.at),
            (_, "sent") => step.sent = named(&what),
            (_, "received") => step.received = named(&what),
            (Rung::Tls, "client") => step.sent = said(&what),
            (Rung::Tls, "server") => step.received = said(&what),
            (Rung::Tls, "agreed") => self.agreed = suite(&what),
            (Rung::Tls, "round" | "ticket" | "renegotiating" | "hello" | "showed") => {}
            // That of WebSocket goes without saying.
            (Rung::Ws, "reached") => {}
            (rung, "reached") => {
                let step = step.clone();
                return Some(drawn(rung, "reached", took, &self.reached(rung, &step)));
            }
            (rung, "failed") if what.is_empty() => {
                self.failed = true;
                let what = broken(rung, step, &self.address);
                return Some(drawn(rung, "broke", took, &what));
            }
            (Rung::Tls, state) => return Some(drawn(Rung::Tls, state, None, &what)),
            (rung, state) => {
                if matches!(state, "trying" | "won") {
                    self.address = named(&what);
                }
                return Some(drawn(rung, state, since, &what));
            }
        }
        None
    }

    /// A line that is no fact; where it is a fault that no fact told, the rung that broke stands before it.
    fn told(&mut self, text: &str) -> String {
        let of_fault = || {
            let (name, rest) = text.split_once(": ")?;
            let is_fault = rest.ends_with(']') && rest.contains(" [TP-");
            RUNG.into_iter()
                .find(|rung| is_fault && rung.name() == name)
        };
        let Some(rung) = of_fault() else {
            return text.to_owned();
        };
        if std::mem::replace(&mut self.failed, true) {
            return text.to_owned();
        }
        let step = self.steps.get(rung as usize).cloned().unwrap_or_default();
        let what = broken(rung, &step, &self.address);
        format!("{}\n{text}", drawn(rung, "broke", None, &what))
    }

    /// An attempt begins below TCP, or with it.
    fn begin(&mut self, seen: &Seen<'_>) {
        let first = seen.rung <= Rung::Tcp && seen.state != "failed";
        if first && (self.began.is_none() || self.failed) {
            *self = Self {
                began: Some(seen.at),
                ..Self::default()
            };
        }
    }

    fn reached(&self, rung: Rung, step: &Step) -> String {
        match rung {
            Rung::Tcp => self.address.clone(),
            Rung::Tls => self.agreed.clone(),
            Rung::Upgrade | Rung::Mqtt if !step.sent.is_empty() => {
                format!("{} -> {}", step.sent, step.received)
            }
            _ => String::new(),
        }
    }
}

/// Without the time of a frame that has no level.
fn without_time(text: &str) -> &str {
    match text.split_once(' ') {
        Some((time, rest)) if seconds(time).is_some() => rest,
        _ => text,
    }
}

/// What was said last on the rung that broke.
fn broken(rung: Rung, step: &Step, address: &str) -> String {
    let last = |name: &str| {
        if name.is_empty() {
            "nothing".to_owned()
        } else {
            name.to_owned()
        }
    };
    match rung {
        Rung::Tcp => address.to_owned(),
        rung if rung < Rung::Tcp => String::new(),
        _ => format!(
            "last sent {}, last received {}",
            last(&step.sent),
            last(&step.received)
        ),
    }
}

fn drawn(rung: Rung, state: &str, took: Option<Duration>, what: &str) -> String {
    let took = took.map_or_else(String::new, |took| {
        let millis = took.as_secs_f64() * 1e3;
        let digits = if millis < 1000.0 { 1 } else { 0 };
        format!("{millis:.digits$} ms")
    });
    let line = format!("  {:<9} {state:<11} {took:>9}  {what}", rung.name());
    line.trim_end().to_owned()
}

/// The name of a handshake message behind `sent `.
fn said(what: &str) -> String {
    let message = what.strip_prefix("sent ").unwrap_or(what);
    message.split(',').next().unwrap_or_default().to_owned()
}

/// The number of a suite as its name.
fn suite(what: &str) -> String {
    let named = || {
        let (version, rest) = what.split_once(" suite 0x")?;
        let (number, rest) = rest.split_at_checked(4)?;
        let name = suite_name(u16::from_str_radix(number, 16).ok()?)?;
        let short = name.strip_prefix("TLS_").unwrap_or(name);
        Some(format!("{version} {short}{rest}"))
    };
    named().unwrap_or_else(|| what.to_owned())
}

/// IPv6 addresses, which frames spell out, as people write them.
fn short(what: &str) -> String {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == ':';
    let mut out = String::with_capacity(what.len());
    let mut rest = what;
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        out.push_str(before);
        // A colon behind it belongs to the sentence.
        let bare = word.trim_end_matches(':');
        match bare.parse::<Ipv6Addr>() {
            Ok(address) => {
                out.push_str(&address.to_string());
                out.push_str(word.get(bare.len()..).unwrap_or_default());
            }
            Err(_) => out.push_str(word),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_become_the_ladder_of_the_command() {
        let mut climb = Climb::default();
        let log = "0.010000 [INFO ] tcp started at 0.010000 s\n\
            0.010000 [INFO ] tcp trying 0064:ff9b:0000:0000:0000:0000:c000:0207 (192.0.2.7 through NAT64) at 0.010000 s\n\
            0.013000 [INFO ] tcp reached at 0.012500 s\n\
            0.013000 [INFO ] tls started at 0.012500 s\n\
            0.013000 [INFO ] tls agreed TLS 1.2 suite 0xc02f, resumed at 0.012600 s\n\
            0.013000 [INFO ] tls reached at 1.512500 s\n\
            0.013000 [INFO ] upgrade sent GET, 180 B at 1.6 s\n\
            0.013000 [INFO ] upgrade failed at 2.0 s\n\
            0.013000 [ERROR] upgrade: no answer. Look. [TP-UPG-002]\n\
            0.014000   publish   done\n\
            1.000000 [ERROR] tcp: refused. Look. [TP-TCP-010]\n\
            stack: 100 bytes\n";
        let drawn: Vec<String> = log.lines().filter_map(|line| climb.line(line)).collect();
        assert_eq!(
            drawn,
            [
                "  tcp       trying         0.0 ms  64:ff9b::c000:207 (192.0.2.7 through NAT64)",
                "  tcp       reached        2.5 ms  64:ff9b::c000:207 (192.0.2.7 through NAT64)",
                "  tls       reached       1500 ms  TLS 1.2 ECDHE_RSA_WITH_AES_128_GCM_SHA256, resumed",
                "  upgrade   broke                  last sent GET, last received nothing",
                "upgrade: no answer. Look. [TP-UPG-002]",
                "  publish   done",
                "tcp: refused. Look. [TP-TCP-010]",
                "stack: 100 bytes",
            ]
        );
    }

    #[test]
    fn a_fault_that_no_fact_told_has_its_rung() {
        let drawn = Climb::default().line("1.0 [ERROR] mqtt: gone. Look. [TP-MQTT-001]");
        let rung = "  mqtt      broke                  last sent nothing, last received nothing";
        assert_eq!(
            drawn,
            Some(format!("{rung}\nmqtt: gone. Look. [TP-MQTT-001]"))
        );
    }

    #[test]
    fn addresses_are_shortened_and_nothing_else() {
        for (long, brief) in [
            (
                "asked AAAA, [fd00:0000:0000:0000:0000:0000:0000:0001]:53 (udp)",
                "asked AAAA, [fd00::1]:53 (udp)",
            ),
            (
                "1: fd00:0000:0000:0000:0000:0000:0000:0001: as given",
                "1: fd00::1: as given",
            ),
            ("10.0.2.2:1883 at 12:30", "10.0.2.2:1883 at 12:30"),
            ("", ""),
        ] {
            assert_eq!(short(long), brief);
        }
    }
}
