//! The event log: filtered, with new records on top as they come.

use std::sync::Arc;

use maud::{Markup, html};
use serde::Deserialize;

use super::{
    Page,
    layout::{Here, clock, cut, device_link, nothing},
    live::{AT_ONCE, Line, List, Since},
};
use crate::{
    log::{Level, Record},
    shared::Shared,
};

/// How many records are shown at first.
const ROWS: usize = 300;

/// The log, with its filter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Events {
    /// A part of the text, the code, its name, the device, the host or the fault.
    q: String,
    level: Least,
    device: String,
}

/// The lowest level that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Least {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

impl Page for Events {
    const HERE: Here = Here::Events;

    fn title(&self) -> String {
        "Events".into()
    }

    fn body(&self, lab: &Shared) -> Option<Markup> {
        let records = chosen(lab, 0, ROWS, |record| self.takes(record));
        // From the log's end, so that what the filter leaves out is not read again.
        let last = newest(lab, 1).first().map_or(0, |record| record.sequence);
        Some(html! {
            div.bar-head {
                h1 { "Events" }
                (self.filter())
                button #pause .quiet type="button" aria-pressed="false" { "Pause" }
            }
            section {
                ol #records .plain.log data-last=(last) { @for record in &records { (line(record)) } }
                div.none-yet { (nothing("No event is like this.")) }
            }
        })
    }

    fn parts(&self, _: &Shared) -> Vec<(&'static str, Markup)> {
        Vec::new()
    }

    fn lines(&self, lab: &Shared, since: &Since) -> Vec<Line> {
        lines(lab, since, |record| self.takes(record))
    }
}

impl Events {
    fn filter(&self) -> Markup {
        let levels = [
            (Least::Debug, "debug", "everything"),
            (Least::Info, "info", "info and above"),
            (Least::Warn, "warn", "warnings and errors"),
            (Least::Error, "error", "errors"),
        ];
        html! {
            form.filter role="search" aria-label="Events" data-filter {
                input type="search" name="q" value=(self.q) placeholder="text, code or fault contains …" aria-label="Part of the text, code or fault" autocomplete="off" spellcheck="false";
                input type="search" name="device" value=(self.device) placeholder="device" aria-label="Device" autocomplete="off" spellcheck="false";
                select name="level" aria-label="Level" {
                    @for (level, value, name) in levels {
                        option value=(value) selected[level == self.level] { (name) }
                    }
                }
                button.vh type="submit" { "Show" }
            }
        }
    }

    fn takes(&self, record: &Record) -> bool {
        let least = match self.level {
            Least::Debug => Level::Debug,
            Least::Info => Level::Info,
            Least::Warn => Level::Warn,
            Least::Error => Level::Error,
        };
        let device = self.device.trim();
        record.level >= least
            && (device.is_empty() || record.device.as_deref() == Some(device))
            && has(record, self.q.trim())
    }
}

/// Whether a record has a text in what is shown of it.
fn has(record: &Record, text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let text = text.to_lowercase();
    let within = |field: &str| field.to_lowercase().contains(&text);
    within(&record.text)
        || within(record.name)
        || record.code.number().to_string().contains(&text)
        || [
            record.host.as_deref(),
            record.device.as_deref(),
            record.fault,
        ]
        .into_iter()
        .flatten()
        .any(within)
}

/// The last records, newest first.
pub(super) fn newest(lab: &Shared, top: usize) -> Vec<Arc<Record>> {
    chosen(lab, 0, top, |record| {
        record.level > Level::Debug || top == 1
    })
}

/// Records behind a number that `takes` lets through, newest first.
pub(super) fn chosen(
    lab: &Shared,
    after: u64,
    top: usize,
    takes: impl Fn(&Record) -> bool,
) -> Vec<Arc<Record>> {
    let mut records = lab.means.log.since(after);
    records.reverse();
    records.retain(|record| takes(record));
    records.truncate(top);
    records
}

/// What goes on top of a list of records.
pub(super) fn lines(lab: &Shared, since: &Since, takes: impl Fn(&Record) -> bool) -> Vec<Line> {
    chosen(lab, since.records, AT_ONCE, takes)
        .iter()
        .map(|record| Line {
            list: List::Records,
            number: record.sequence,
            html: line(record),
        })
        .collect()
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// A record as a line of the log.
pub(super) fn line(record: &Record) -> Markup {
    let at = record.at.rfc3339();
    html! {
        li class=(level(record.level)) {
            (clock(&at))
            span.code title=(record.code.meaning()) {
                @if record.level > Level::Info { span.vh { (level(record.level)) " " } }
                span.num { (record.code.number()) } " " (record.name)
            }
            span.who { @if let Some(device) = &record.device { (device_link(record.host.as_deref(), device)) } }
            span.text {
                (cut(&record.text, 2000))
                @if let Some(fault) = record.fault { " " a.tag.warn href=(format!("/faults#{fault}")) { (fault) } }
                @if let Some(connection) = record.connection {
                    " " a.dim.num href=(format!("/connections/{connection}")) { "#" (connection) }
                }
            }
        }
    }
}
