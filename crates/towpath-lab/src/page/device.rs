//! One device or module: its state, its ladders, its messages as they come, and what can be done to it.

use std::net::SocketAddr;

use maud::{Markup, html};

use super::{
    Page, connection, events, faults, gather,
    gather::DeviceView,
    layout::{Here, ago, device_href, nothing, segment},
    live::{Line, Since},
    message, overview, twin,
};
use crate::{connection::Ladder, hub::Name, log::Record, shared::Shared};

/// How many earlier connections are shown.
const EARLIER: usize = 20;

/// How many records and messages are shown at first.
const RECORDS: usize = 50;

/// A device or module of a hub.
#[derive(Debug)]
pub(super) struct Device {
    host: String,
    name: Name,
}

impl Device {
    /// `id` is `device` or `device/module`.
    pub(super) fn new(host: String, id: &str) -> Self {
        let name = match id.split_once('/') {
            Some((device, module)) => Name::module(device, module),
            None => Name::device(id),
        };
        Self { host, name }
    }

    fn is_of(&self, record: &Record) -> bool {
        record.device.as_deref() == Some(&self.name.to_string())
            && record
                .host
                .as_deref()
                .is_none_or(|host| host.eq_ignore_ascii_case(&self.host))
    }
}

impl Page for Device {
    const HERE: Here = Here::Elsewhere;

    fn title(&self) -> String {
        self.name.to_string()
    }

    fn body(&self, lab: &Shared) -> Option<Markup> {
        let view = gather::device(lab, &self.host, &self.name)?;
        let api = format!(
            "/api/hubs/{}/devices/{}",
            segment(&view.row.host),
            segment(&self.name.to_string())
        );
        Some(html! {
            div #device data-api=(api) data-device=(self.name) data-host=(view.row.host) {
                div.bar-head {
                    h1.mono { (self.name) }
                    span #badge { (overview::state(&view.row)) }
                    span.dim { "on " span.mono { (view.row.host) } }
                    span.spacer {}
                    button #copy .quiet type="button" { "Copy connection string" }
                    button #disconnect .quiet type="button" { "Disconnect" }
                }
                div #facts { (facts(&view)) }
                div.columns.even {
                    div {
                        section.ladder-box aria-labelledby="ladder-title" {
                            h2 #ladder-title { "Ladder" }
                            div #ladders { (self.ladders(lab)) }
                        }
                        (self.messages(lab))
                        (self.records(lab))
                    }
                    div {
                        (twin::section(lab, &self.host, &self.name))
                        (method())
                        (cloud_to_device())
                        section aria-labelledby="faults-title" {
                            div.bar-head {
                                h2 #faults-title { "Faults for this device" }
                                label.inline { "Times " input #times .short type="number" min="1" placeholder="∞"; }
                            }
                            div #faults data-faults { (self.faults(lab)) }
                        }
                    }
                }
            }
        })
    }

    fn parts(&self, lab: &Shared) -> Vec<(&'static str, Markup)> {
        let Some(view) = gather::device(lab, &self.host, &self.name) else {
            return vec![("facts", nothing("This device was deleted."))];
        };
        let mut parts = vec![
            ("badge", overview::state(&view.row)),
            ("facts", facts(&view)),
            ("ladders", self.ladders(lab)),
            ("faults", self.faults(lab)),
        ];
        parts.extend(twin::parts(lab, &self.host, &self.name));
        parts
    }

    fn lines(&self, lab: &Shared, since: &Since) -> Vec<Line> {
        let mut lines = events::lines(lab, since, |record| self.is_of(record));
        lines.extend(message::lines(lab, &self.host, &self.name, since));
        lines
    }
}

impl Device {
    fn ladders(&self, lab: &Shared) -> Markup {
        let ladders = self.connections(lab);
        let now = lab.means.clock.now();
        html! {
            @match ladders.split_first() {
                None => (nothing("It has not connected since the lab started.")),
                Some((newest, earlier)) => {
                    (connection::whole(newest, now))
                    @if !earlier.is_empty() {
                        details #earlier {
                            summary { "Earlier connections " span.dim { (earlier.len()) } }
                            ol.plain.rows { @for ladder in earlier { (connection::row(ladder, now)) } }
                        }
                    }
                }
            }
        }
    }

    /// Its connections, newest first. What breaks below CONNECT has no name on it: while the device is away, those from
    /// its address are shown too.
    fn connections(&self, lab: &Shared) -> Vec<Ladder> {
        let named = lab
            .connections
            .ladders(Some(&self.name.to_string()), EARLIER + 1);
        let Some(newest) = named.first().filter(|newest| newest.ended.is_some()) else {
            return named;
        };
        let Ok(peer) = newest.peer.parse::<SocketAddr>() else {
            return named;
        };
        let mut all = lab.connections.nameless(peer.ip(), newest.id, EARLIER / 2);
        all.extend(named);
        all
    }

    fn messages(&self, lab: &Shared) -> Markup {
        let messages = message::newest(lab, &self.host, &self.name, RECORDS);
        let last = messages.first().map_or(0, |line| line.number);
        html! {
            section aria-labelledby="messages-title" {
                h2 #messages-title { "Messages from the device" }
                ol #messages .plain.messages data-last=(last) { @for line in &messages { (line.html) } }
                div.none-yet { (nothing("None yet.")) }
            }
        }
    }

    fn records(&self, lab: &Shared) -> Markup {
        let records = events::chosen(lab, 0, RECORDS, |record| self.is_of(record));
        let last = records.first().map_or(0, |record| record.sequence);
        html! {
            section aria-labelledby="records-title" {
                h2 #records-title { "Events" }
                ol #records .plain.log.small data-last=(last) { @for record in &records { (events::line(record)) } }
                div.none-yet { (nothing("None yet.")) }
            }
        }
    }

    fn faults(&self, lab: &Shared) -> Markup {
        faults::table(&lab.means.faults.on(), Some(&self.name.to_string()))
    }
}

fn facts(view: &DeviceView) -> Markup {
    let row = &view.row;
    let subscribed = || match view.subscriptions.join(", ") {
        none if none.is_empty() => "to nothing".into(),
        some => some,
    };
    html! {
        dl.facts.wide {
            @match &row.live {
                Some(live) => {
                    div { dt { "Connected" } dd { (ago(live.since)) " from " span.mono { (live.peer) } } }
                    @if let Some(model) = &live.model_id { div { dt { "Model" } dd.mono { (model) } } }
                    @if let Some(client) = &live.client_type { div { dt { "Client" } dd { (client) } } }
                    @if let Some(expires) = live.expires { div { dt { "Closed" } dd { (ago(expires)) ", when its token has expired" } } }
                },
                None => @if let Some(active) = row.active { div { dt { "Last activity" } dd { (ago(active)) } } },
            }
            div { dt { "Proof" } dd.break { (view.proof) } }
            @if !row.enabled {
                div { dt { "Disabled" } dd { (view.status_reason.as_deref().unwrap_or("no reason is given")) } }
            }
            div { dt { "Made by" } dd { (view.origin) @if view.edge { ", an IoT Edge device" } } }
            @if row.live.is_some() { div { dt { "Subscribed" } dd { (subscribed()) } } }
            @if view.waiting > 0 { div { dt { "Waiting for it" } dd { (view.waiting) " messages" } } }
            @if !view.modules.is_empty() { div { dt { "Modules" } dd { (modules(view)) } } }
        }
    }
}

fn modules(view: &DeviceView) -> Markup {
    html! {
        @for module in &view.modules {
            a.id href=(device_href(&view.row.host, &module.to_string())) { (module.module.as_deref().unwrap_or_default()) } " "
        }
    }
}

fn method() -> Markup {
    html! {
        section aria-labelledby="method-title" {
            h2 #method-title { "Direct method" }
            form #method .stack {
                div.fields {
                    label.grow { span { "Method" } input.mono name="name" required autocomplete="off" spellcheck="false"; }
                    label { span { "Time-out, s" } input.short name="timeout" type="number" min="1" max="300" value="10"; }
                }
                label { span { "Payload, JSON" } textarea.mono name="payload" rows="3" spellcheck="false" { "null" } }
                div.fields { button type="submit" { "Call" } }
                output.result aria-live="polite" {}
            }
        }
    }
}

fn cloud_to_device() -> Markup {
    html! {
        section aria-labelledby="c2d-title" {
            h2 #c2d-title { "Message to the device" }
            form #c2d .stack {
                label { span { "Body" } textarea.mono name="body" rows="2" spellcheck="false" {} }
                label { span { "Properties, one name=value on each line" } textarea.mono name="properties" rows="2" spellcheck="false" {} }
                div.fields {
                    label.grow { span { "Message id" } input.mono name="message-id" autocomplete="off" spellcheck="false"; }
                    label { span { "Lives, s" } input.short name="ttl" type="number" min="1" placeholder="3600"; }
                    button type="submit" { "Send" }
                }
                output.result aria-live="polite" {}
            }
        }
    }
}
