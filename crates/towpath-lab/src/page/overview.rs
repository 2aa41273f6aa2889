//! The first page: where everything is, the devices, the newest connections, the end of the event log.

use std::fmt::Write as _;

use maud::{Markup, html};
use serde::Deserialize;

use super::{
    Page, connection, events,
    gather::{self, DeviceList, DeviceRow, HubRow, Which},
    layout::{Here, ago, cut, device_href, nothing, segment},
};
use crate::shared::Shared;

/// How many devices are on a screen.
const ROWS: usize = 100;

/// How many connections and records.
const TAIL: usize = 10;

/// The first page, with its filter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Overview {
    /// A part of the device's id.
    q: String,
    which: Which,
    /// The screen, from 0.
    at: usize,
}

impl Page for Overview {
    const HERE: Here = Here::Overview;

    fn title(&self) -> String {
        "Overview".into()
    }

    fn body(&self, lab: &Shared) -> Option<Markup> {
        Some(html! {
            h1.vh { "Overview" }
            div.columns.wide-left {
                div {
                    section aria-labelledby="devices-title" {
                        div.bar-head {
                            h2 #devices-title { "Devices" }
                            (self.filter())
                        }
                        div #devices { (self.devices(lab)) }
                    }
                }
                div {
                    section aria-labelledby="places-title" {
                        h2 #places-title { "Where things are" }
                        div #places { (places(lab)) }
                    }
                    section aria-labelledby="connections-title" {
                        h2 #connections-title { "Newest connections" }
                        div #connections { (connections(lab)) }
                    }
                    section aria-labelledby="tail-title" {
                        div.bar-head { h2 #tail-title { "Last events" } a.more href="/events" { "all events" } }
                        div #tail { (tail(lab)) }
                    }
                }
            }
        })
    }

    fn parts(&self, lab: &Shared) -> Vec<(&'static str, Markup)> {
        vec![
            ("devices", self.devices(lab)),
            ("places", places(lab)),
            ("connections", connections(lab)),
            ("tail", tail(lab)),
        ]
    }
}

impl Overview {
    fn filter(&self) -> Markup {
        let kinds = [
            (Which::All, "all", "all"),
            (Which::Connected, "connected", "connected"),
            (Which::Away, "away", "away"),
            (Which::Disabled, "disabled", "disabled"),
        ];
        html! {
            form.filter role="search" aria-label="Devices" data-filter {
                input type="search" name="q" value=(self.q) placeholder="id contains …" aria-label="Part of the device id" autocomplete="off" spellcheck="false";
                select name="which" aria-label="State" {
                    @for (which, value, name) in kinds {
                        option value=(value) selected[which == self.which] { (name) }
                    }
                }
                button.vh type="submit" { "Show" }
            }
        }
    }

    fn devices(&self, lab: &Shared) -> Markup {
        let skip = self.at.saturating_mul(ROWS);
        let list = gather::devices(lab, &self.q, self.which, skip, ROWS);
        device_table(&list, lab.hubs.len() > 1, &self.pager(list.found))
    }

    fn pager(&self, found: usize) -> Markup {
        let last = found.saturating_sub(1) / ROWS;
        let from = self.at.min(last) * ROWS;
        let href = |at: usize| {
            let mut href = format!("/?at={at}");
            if !self.q.is_empty() {
                let _ = write!(href, "&q={}", segment(&self.q));
            }
            match self.which {
                Which::All => {}
                Which::Connected => href.push_str("&which=connected"),
                Which::Away => href.push_str("&which=away"),
                Which::Disabled => href.push_str("&which=disabled"),
            }
            href
        };
        html! {
            nav.pager aria-label="Screens of devices" {
                span.dim { (from + usize::from(found > 0)) "–" (found.min(from + ROWS)) " of " (found) }
                @if last > 0 {
                    @if self.at > 0 { a href=(href(self.at.min(last + 1) - 1)) rel="prev" { "← previous" } }
                    @if self.at < last { a href=(href(self.at + 1)) rel="next" { "next →" } }
                }
            }
        }
    }
}

fn device_table(list: &DeviceList, with_hub: bool, pager: &Markup) -> Markup {
    html! {
        @if list.rows.is_empty() {
            (nothing("No device is like this. Devices are declared in the config file, by the registry's REST API, or come by provisioning."))
        } @else {
            div.scroll {
                table.list {
                    thead { tr {
                        th scope="col" { "Device" }
                        @if with_hub { th scope="col" { "Hub" } }
                        th scope="col" { "State" }
                        th scope="col" { "Since" }
                        th scope="col" { "Address" }
                        th.right scope="col" { abbr title="Messages from the device, and to it, of this connection" { "Messages" } }
                        th scope="col" { "Last activity" }
                        th scope="col" { "Model" }
                    } }
                    tbody { @for row in &list.rows { (device_row(row, with_hub)) } }
                }
            }
        }
        (pager)
    }
}

fn device_row(row: &DeviceRow, with_hub: bool) -> Markup {
    let name = row.name.to_string();
    html! {
        tr id=(format!("d-{}-{}", segment(&row.host), segment(&name))) {
            th scope="row" class=[row.name.module.is_some().then_some("module")] {
                a.id href=(device_href(&row.host, &name)) { (name) }
                @if row.faults > 0 { " " span.badge.warn title="Faults that are on for this device" { (row.faults) span.vh { " faults" } } }
            }
            @if with_hub { td.dim { (row.host) } }
            td { (state(row)) }
            @match &row.live {
                Some(live) => {
                    td { (ago(live.since)) }
                    td.mono { (live.peer) }
                    td.right.num { (live.up) " ↑ " (live.down) " ↓" }
                },
                None => { td {} td {} td {} },
            }
            td { @if let Some(active) = row.active { (ago(active)) } }
            td.mono.clip { @if let Some(model) = row.live.as_ref().and_then(|live| live.model_id.as_deref()) { (cut(model, 60)) } }
        }
    }
}

/// Connected, away or disabled; never by colour alone.
pub(super) fn state(row: &DeviceRow) -> Markup {
    html! {
        @if row.live.is_some() { span.tag.ok { "connected" } }
        @else if row.enabled { span.tag { "away" } }
        @else { span.tag.bad { "disabled" } }
    }
}

fn places(lab: &Shared) -> Markup {
    let (mqtts, https) = (lab.listening.mqtts.port(), lab.listening.https.port());
    let state = lab.config.state.as_deref();
    html! {
        @for hub in &gather::hubs(lab) { (hub_card(hub, mqtts, https)) }
        dl.facts {
            @if let Some(dps) = &lab.dps {
                dt { "Provisioning" }
                dd { span.mono { (dps.host) } " · ID scope " span.mono { (dps.id_scope) } }
            }
            dt { "Listens" }
            dd.mono { (lab.listening.mqtts) " mqtts" br; (lab.listening.https) " https, wss" }
            dt { "Root certificate" }
            dd {
                a href="/api/root.pem" download="root.pem" { "root.pem" }
                @if let Some(folder) = state { " · " span.mono { (folder.join("certs").join("root.pem").display()) } }
            }
            dt { "Connection strings" }
            dd {
                "on each device's page"
                @if let Some(file) = state.map(|folder| folder.join("connection-strings.txt")).filter(|file| file.is_file()) {
                    ", all in " span.mono { (file.display()) }
                }
            }
            dt { "State" }
            dd {
                @match state {
                    Some(folder) => span.mono { (folder.display()) },
                    None => "in memory only; gone when the lab ends",
                }
            }
        }
    }
}

fn hub_card(hub: &HubRow, mqtts: u16, https: u16) -> Markup {
    html! {
        div.hub {
            div.hub-head {
                strong.mono { (hub.host) }
                span.dim { (hub.connected) " of " (hub.devices) " connected" }
            }
            code { "mqtts://" (hub.host) ":" (mqtts) }
            code { "wss://" (hub.host) ":" (https) "/$iothub/websocket" }
        }
    }
}

fn connections(lab: &Shared) -> Markup {
    let ladders = lab.connections.ladders(None, TAIL);
    let now = lab.means.clock.now();
    html! {
        @if ladders.is_empty() { (nothing("Nobody has connected yet.")) }
        @else { ol.plain.rows { @for ladder in &ladders { (connection::row(ladder, now)) } } }
    }
}

fn tail(lab: &Shared) -> Markup {
    let records = events::newest(lab, TAIL);
    html! {
        @if records.is_empty() { (nothing("Nothing has happened yet.")) }
        @else { ol.plain.log.small { @for record in &records { (events::line(record)) } } }
    }
}
