//! What is said about a device while it runs: the ladder, events in words or as JSON.

use std::io::{self, Write as _};

use towpath::{
    Fault, Outcome,
    device::{Devicebound, Event},
    proto::Fact,
};

use crate::{
    exit::Failure,
    ladder::{Ladder, Line},
    report::{Report, say},
    text::{Object, array, base64, one_line, quoted},
};

/// Tells events.
pub(super) struct Teller {
    pub(super) report: Report,
    trace: bool,
    ladder: Option<Ladder>,
    proxy: Option<String>,
}

impl Teller {
    /// `proxy`: the host that is climbed to instead.
    pub(super) const fn new(report: Report, trace: bool, proxy: Option<String>) -> Self {
        Self {
            report,
            trace,
            ladder: None,
            proxy,
        }
    }

    /// One for those who have no ladder to tell of.
    pub(super) const fn silent(&self) -> Self {
        Self::new(self.report, false, None)
    }

    /// Tells an event on standard error.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Climbing { endpoint } => {
                let ladder = || Ladder::new(endpoint.clone(), self.proxy.as_deref());
                self.ladder = self.trace.then(ladder);
            }
            Event::Trace(trace) => {
                let Some(ladder) = &mut self.ladder else {
                    return;
                };
                let accepted = trace.fact == Fact::Reached && trace.rung == towpath::Rung::Mqtt;
                let line = ladder.fact(trace, None);
                if let Some(line) = line.filter(|line| self.report.json || !line.is_part()) {
                    self.report.rung(&line);
                }
                if accepted {
                    self.accepted();
                }
            }
            Event::Assigned { hub, device_id, .. } => self.members(
                "assigned",
                &format!("the provisioning service assigns the hub {hub}, where this is {device_id}"),
                Object::new().text("hub", hub).text("device_id", device_id),
            ),
            Event::NotAssigned { refused, retry_in } => {
                self.report.retry(&refused.fault(), *retry_in);
            }
            Event::Connected {
                hub,
                device_id,
                transport,
                session_present,
            } => self.members(
                "connected",
                &format!("connected to {hub} as {device_id} by {}", transport.name()),
                Object::new()
                    .text("hub", hub)
                    .text("device_id", device_id)
                    .text("transport", transport.name())
                    .raw("session_present", session_present),
            ),
            Event::Disconnected { fault, retry_in } => {
                self.broke(fault);
                self.report.retry(fault, *retry_in);
            }
            Event::Lost { sequence, outcome } => self.aloud(
                "lost",
                &format!("message {sequence} is not sent: {}", why_lost(*outcome)),
                Object::new()
                    .raw("sequence", sequence)
                    .text("why", why_lost(*outcome)),
            ),
            Event::ClockUnset => self.report.note(
                "clock_unset",
                "the clock of this machine is not set; certificates and tokens need it, so nothing is tried before",
            ),
            Event::OutboxUnreadable(why) => self.report.note("outbox_unreadable", why),
            _ => {}
        }
    }

    /// The ladder where it broke.
    pub(super) fn broke(&self, fault: &Fault) {
        for line in self.ladder.iter().flat_map(|ladder| ladder.broke(fault)) {
            self.report.rung(&line);
        }
    }

    /// The connection stands: what MQTT said, as the last line of the ladder.
    fn accepted(&self) {
        if let Some(line) = self.ladder.as_ref().and_then(Ladder::accepted) {
            self.report.rung(&line);
        }
    }

    /// A step beyond the ladder.
    pub(super) fn done(&self, name: &'static str, what: String) {
        if self.trace {
            self.report.rung(&Line::done(name, None, what));
        }
    }

    /// Something worth knowing, in words or as JSON.
    pub(super) fn members(&self, event: &str, text: &str, members: Object) {
        if !self.report.quiet {
            self.aloud(event, text, members);
        }
    }

    /// The same with what a quiet one is told too: something is lost.
    fn aloud(&self, event: &str, text: &str, members: Object) {
        if self.report.json {
            say(&Object::new().text("event", event).join(&members).end());
        } else {
            say(&format!("towpath: {}", one_line(text)));
        }
    }

    /// Something that went wrong beside the path.
    pub(super) fn complain(&self, event: &str, text: &str) {
        if self.report.json {
            say(&Object::new().text("event", event).text("text", text).end());
        } else {
            say(&format!("towpath: {}", one_line(text)));
        }
    }

    /// A cloud-to-device message on standard output.
    pub(super) fn message(&self, message: &Devicebound) -> Result<(), Failure> {
        let mut out = if self.report.json {
            json_of(message).into_bytes()
        } else {
            message.body.clone()
        };
        out.push(b'\n');
        let mut to = io::stdout().lock();
        to.write_all(&out)
            .and_then(|()| to.flush())
            .map_err(Failure::output)
    }
}

fn json_of(message: &Devicebound) -> String {
    let pairs = message.properties.iter().map(|(name, value)| {
        let value = value.as_deref().map_or_else(|| "null".to_owned(), quoted);
        format!("[{},{value}]", quoted(name))
    });
    let object = Object::new().text("event", "message");
    let object = match str::from_utf8(&message.body) {
        Ok(text) => object.text("body", text),
        Err(_) => object.text("body_base64", &base64(&message.body)),
    };
    let object = match &message.input {
        Some(input) => object.text("input", input),
        None => object,
    };
    object
        .raw("properties", array(pairs))
        .raw("dup", message.dup)
        .end()
}

pub(super) const fn why_lost(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Expired => "it became too old",
        Outcome::NotAdmitted(_) => "it is larger than the hub takes",
        Outcome::Refused(_) => "the hub refuses it",
        _ => "it was displaced",
    }
}
