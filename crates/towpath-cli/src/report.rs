//! Everything that is said on standard error.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, SystemTime},
};

use towpath::Fault;

use crate::{
    exit::{Failure, fault_members},
    ladder::Line,
    text::{Object, one_line, rfc3339},
};

/// How to say things.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    /// As JSON objects.
    pub(crate) json: bool,
    /// Errors only.
    pub(crate) quiet: bool,
    color: bool,
    /// Whether a line may be written over.
    terminal: bool,
}

impl Report {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            json,
            quiet,
            color: wants_color(terminal),
            terminal,
        }
    }

    /// A line of the ladder.
    pub(crate) fn rung(&self, line: &Line) {
        if self.json {
            say(&line.json());
        } else {
            say(&line.text(self.color));
        }
    }

    /// A rung is being climbed: said on a terminal only, and taken away by [`wipe`](Self::wipe).
    pub(crate) fn climbing(&self) {
        self.line_to_wipe("  climbing ...");
    }

    /// A line that is written over. Nothing where lines stay or are read by a program.
    pub(crate) fn line_to_wipe(&self, line: &str) {
        if self.terminal && !self.quiet && !self.json {
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        }
    }

    /// Takes away the line that is written over.
    pub(crate) fn wipe(&self) {
        self.line_to_wipe("");
    }

    /// The connection broke and is tried again.
    pub(crate) fn retry(&self, fault: &Fault, pause: Duration) {
        if self.quiet {
            return;
        }
        if self.json {
            let object = Object::new().text("event", "disconnected");
            let object = fault_members(object, fault);
            say(&object.raw("retry_in_ms", pause.as_millis()).end());
        } else {
            let seconds = pause.as_secs_f64();
            say(&format!("towpath: {fault} Trying again in {seconds:.1} s."));
        }
    }

    /// Something worth knowing that is no error.
    pub(crate) fn note(&self, event: &str, text: &str) {
        if self.quiet {
            return;
        }
        if self.json {
            say(&Object::new().text("event", event).text("text", text).end());
        } else {
            say(&format!("towpath: {}", one_line(text)));
        }
    }
}

/// By what and when a page is made: `towpath 0.1.0, 2026-11-22 14:05 UTC`.
pub(crate) fn made() -> String {
    let now = rfc3339(SystemTime::now()).replace('T', " ");
    let minute = now.rsplit_once(':').map_or(&*now, |(minute, _)| minute);
    format!("towpath {}, {minute} UTC", env!("CARGO_PKG_VERSION"))
}

/// Whether a stream that is a terminal or not is to have colour.
pub(crate) fn wants_color(terminal: bool) -> bool {
    // https://no-color.org: any value but the empty one.
    let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let able = env::var_os("TERM").is_some_and(|term| term != "dumb");
    terminal && wanted && able
}

/// Says why a command failed: one line, or one JSON object.
pub(crate) fn error(failure: &Failure, json: bool) {
    match failure {
        Failure::NobodyReads | Failure::Diagnosed(_) => {}
        failure if json => say(&failure.json()),
        failure => say(&format!("towpath: {failure}")),
    }
}

/// One line in one write. If standard error is gone there is nowhere to say so.
pub(crate) fn say(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
