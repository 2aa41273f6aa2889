//! How events are printed: a line each, for people or as JSON.

use towpath_lab::log::{Level, Record};

use super::output;
use crate::{args::lab::Run, exit::Failure, report::wants_color, text::one_line};

/// Prints events on standard output.
pub(super) struct Printer {
    pub(super) json: bool,
    color: bool,
    least: Level,
}

impl Printer {
    pub(super) fn new(args: &Run) -> Self {
        use std::io::IsTerminal as _;
        Self {
            json: args.json,
            color: wants_color(std::io::stdout().is_terminal()),
            least: if args.verbose {
                Level::Debug
            } else {
                Level::Info
            },
        }
    }

    pub(super) fn block(&self, text: &str) -> Result<(), Failure> {
        output(&format!("{text}\n"))
    }

    pub(super) fn record(&self, record: &Record) -> Result<(), Failure> {
        if record.level < self.least {
            return Ok(());
        }
        let line = if self.json {
            serde_json::to_string(record).unwrap_or_default()
        } else {
            self.line(record)
        };
        self.block(&line)
    }

    /// So many events came faster than they could be printed.
    pub(super) fn gap(&self, missed: u64) -> Result<(), Failure> {
        if self.json {
            return self.block(&format!("{{\"event\":\"missed\",\"count\":{missed}}}"));
        }
        self.block(&format!(
            "... {missed} more; the state folder's events.jsonl has all"
        ))
    }

    /// Time of day, number, who, what.
    fn line(&self, record: &Record) -> String {
        let at = record.at.to_string();
        // 2026-03-01T12:00:00.1230000Z
        let time = at.get(11..23).unwrap_or(&at);
        let mut who = String::new();
        for part in [&record.device, &record.host].into_iter().flatten() {
            if !who.is_empty() {
                who.push_str(" at ");
            }
            who.push_str(part);
        }
        if let Some(connection) = record.connection {
            who.push_str(&format!(" #{connection}"));
        }
        let (on, off) = match record.level {
            _ if !self.color => ("", ""),
            Level::Debug => ("\x1b[2m", "\x1b[0m"),
            Level::Info => ("", ""),
            Level::Warn => ("\x1b[33m", "\x1b[0m"),
            Level::Error => ("\x1b[31m", "\x1b[0m"),
        };
        let number = record.code.number();
        let who = one_line(who.trim());
        let text = one_line(&record.text);
        let between = if who.is_empty() { "" } else { ": " };
        format!(
            "{time}  {on}{number:>6} {:<22}{off}  {who}{between}{text}",
            record.name
        )
    }
}
