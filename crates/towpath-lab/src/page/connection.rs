//! One connection: its ladder, what was done to it, and what the log says of it.

use maud::{Markup, html};

use super::{
    Page, events, ladder,
    layout::{Here, clock, device_link, nothing},
    live::{Line, Since},
};
use crate::{
    clock::Time,
    connection::{Ladder, Listener},
    log::Record,
    shared::Shared,
};

/// How many records are shown at first.
const RECORDS: usize = 200;

/// A connection by its number.
#[derive(Debug)]
pub(super) struct One {
    pub(super) id: u64,
}

impl Page for One {
    const HERE: Here = Here::Elsewhere;

    fn title(&self) -> String {
        format!("Connection {}", self.id)
    }

    fn body(&self, lab: &Shared) -> Option<Markup> {
        let ladder = lab.connections.one(self.id)?;
        let records = events::chosen(lab, 0, RECORDS, |record| self.is_of(record));
        let last = records.first().map_or(0, |record| record.sequence);
        Some(html! {
            h1 { "Connection " (self.id) }
            section.ladder-box { div #ladder { (whole(&ladder, lab.means.clock.now())) } }
            section aria-labelledby="records-title" {
                h2 #records-title { "Events of this connection" }
                ol #records .plain.log data-last=(last) { @for record in &records { (events::line(record)) } }
                @if records.is_empty() { (nothing("The log has nothing about it, or nothing any more.")) }
            }
        })
    }

    fn parts(&self, lab: &Shared) -> Vec<(&'static str, Markup)> {
        let ladder = lab.connections.one(self.id);
        ladder
            .map(|ladder| ("ladder", whole(&ladder, lab.means.clock.now())))
            .into_iter()
            .collect()
    }

    fn lines(&self, lab: &Shared, since: &Since) -> Vec<Line> {
        events::lines(lab, since, |record| self.is_of(record))
    }
}

impl One {
    fn is_of(&self, record: &Record) -> bool {
        record.connection == Some(self.id)
    }
}

/// The ladder with who, where, and how it ended.
pub(super) fn whole(ladder: &Ladder, now: Time) -> Markup {
    html! {
        div.conn-head {
            a.num href=(format!("/connections/{}", ladder.id)) { "#" (ladder.id) }
            (clock(&ladder.accepted))
            @match &ladder.device {
                Some(device) => (device_link(ladder.host.as_deref(), device)),
                None => span.tag title="It has not come to CONNECT, where a client says who it is" { "nameless" },
            }
            span.dim { (listener(ladder.listener)) " from " span.mono { (ladder.peer) } }
            (ladder::standing(ladder, now))
            span.dim.num { (ladder.up) " ↑ " (ladder.down) " ↓" }
            (faults(ladder))
        }
        (ladder::drawing(ladder))
        @if let Some((at, why)) = &ladder.ended {
            p.ended.bad[ladder::outcome(ladder) == ladder::Outcome::Failed] {
                "Ended " (clock(at)) ": " (why)
            }
        }
    }
}

/// One line of a list of connections.
pub(super) fn row(ladder: &Ladder, now: Time) -> Markup {
    html! {
        li id=(format!("c-{}", ladder.id)) {
            div.row-head {
                a.num href=(format!("/connections/{}", ladder.id)) { "#" (ladder.id) }
                (clock(&ladder.accepted))
                @match &ladder.device {
                    Some(device) => (device_link(ladder.host.as_deref(), device)),
                    None => span.dim.mono { (ladder.peer) },
                }
                (ladder::standing(ladder, now))
                (faults(ladder))
            }
            (ladder::strip(ladder))
            @if ladder::outcome(ladder) == ladder::Outcome::Failed {
                @if let Some(cause) = ladder::cause(ladder) { p.cause { (super::layout::cut(cause, 300)) } }
            }
        }
    }
}

fn faults(ladder: &Ladder) -> Markup {
    html! {
        @for fault in &ladder.faults {
            a.tag.warn href=(format!("/faults#{fault}")) title="A fault that was done to it" { (fault) }
        }
    }
}

const fn listener(listener: Listener) -> &'static str {
    match listener {
        Listener::Mqtts => "mqtts",
        Listener::Https => "https",
    }
}
