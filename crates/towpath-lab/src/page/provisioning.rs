//! Enrolments and registrations.

use maud::{Markup, html};
use serde_json::Value as Json;

use super::{
    Page, events,
    layout::{Here, ago, device_link, nothing},
    live::{Line, Since},
};
use crate::{
    clock::Time,
    dps::Kind,
    log::{Code, Record},
    shared::Shared,
};

/// How many records are shown at first.
const RECORDS: usize = 100;

/// How many enrolments and registrations are shown.
const ROWS: usize = 200;

/// What the provisioning service has.
#[derive(Debug, Default)]
pub(super) struct Overview;

impl Page for Overview {
    const HERE: Here = Here::Provisioning;

    fn title(&self) -> String {
        "Provisioning".into()
    }

    fn body(&self, lab: &Shared) -> Option<Markup> {
        let records = events::chosen(lab, 0, RECORDS, is_ours);
        let last = records.first().map_or(0, |record| record.sequence);
        Some(html! {
            h1 { "Provisioning" }
            @match &lab.dps {
                None => (nothing("This lab has no provisioning service: there is no [provisioning] in its config.")),
                Some(dps) => {
                    p { span.mono { (dps.host) } " · ID scope " strong.mono { (dps.id_scope) } }
                    section { div #provisioning { (tables(lab)) } }
                    section aria-labelledby="records-title" {
                        h2 #records-title { "Registrations as they come" }
                        ol #records .plain.log data-last=(last) { @for record in &records { (events::line(record)) } }
                        div.none-yet { (nothing("Nobody has registered yet.")) }
                    }
                },
            }
        })
    }

    fn parts(&self, lab: &Shared) -> Vec<(&'static str, Markup)> {
        vec![("provisioning", tables(lab))]
    }

    fn lines(&self, lab: &Shared, since: &Since) -> Vec<Line> {
        events::lines(lab, since, is_ours)
    }
}

fn is_ours(record: &Record) -> bool {
    record.code == Code::Provisioning
        || matches!(record.code.number(), 404_201 | 404_202)
        || record.fault.is_some_and(|name| name.starts_with("dps-"))
}

fn tables(lab: &Shared) -> Markup {
    let Some(dps) = &lab.dps else {
        return html! {};
    };
    let (individuals, _) = dps.enrollments(Kind::Individual, None, ROWS);
    let (groups, _) = dps.enrollments(Kind::Group, None, ROWS);
    let (registrations, _) = dps.registrations(None, None, ROWS);
    html! {
        h2 { "Registered devices" }
        (registered(&registrations))
        h2 { "Enrolments of one device" }
        (enrolled(&individuals, "registrationId"))
        h2 { "Enrolments of groups" }
        (enrolled(&groups, "enrollmentGroupId"))
    }
}

/// A field of an object of the service's API as text.
fn text<'a>(json: &'a Json, pointer: &str) -> &'a str {
    json.pointer(pointer)
        .and_then(Json::as_str)
        .unwrap_or_default()
}

fn registered(all: &[Json]) -> Markup {
    html! {
        @if all.is_empty() { (nothing("Nobody has registered yet.")) }
        @else {
            div.scroll { table.list {
                thead { tr {
                    th scope="col" { "Registration" }
                    th scope="col" { "Device" }
                    th scope="col" { "Hub" }
                    th scope="col" { "By" }
                    th scope="col" { "How" }
                    th scope="col" { "Last" }
                } }
                tbody { @for one in all {
                    @let (hub, device) = (text(one, "/assignedHub"), text(one, "/deviceId"));
                    @let group = ["/x509", "/symmetricKey"].into_iter().map(|kind| text(one, &format!("{kind}/enrollmentGroupId"))).find(|group| !group.is_empty());
                    tr {
                        th scope="row" { span.id { (text(one, "/registrationId")) } }
                        td { (device_link(Some(hub), device)) }
                        td.mono { (hub) }
                        td { @match group { Some(group) => { "group " span.mono { (group) } }, None => "an enrolment of its own" } }
                        td.dim { (text(one, "/substatus")) }
                        td { @if let Some(at) = Time::parse(text(one, "/lastUpdatedDateTimeUtc")) { (ago(at)) } }
                    }
                } }
            } }
            (more(all.len()))
        }
    }
}

fn enrolled(all: &[Json], id: &str) -> Markup {
    html! {
        @if all.is_empty() { (nothing("There are none.")) }
        @else {
            div.scroll { table.list {
                thead { tr {
                    th scope="col" { "Enrolment" }
                    th scope="col" { "State" }
                    th scope="col" { "Proof" }
                    th scope="col" { "Hubs" }
                    th scope="col" { "Allocation" }
                    th scope="col" { "Device id" }
                } }
                tbody { @for one in all {
                    tr {
                        th scope="row" { span.id { (text(one, &format!("/{id}"))) } }
                        td { @if text(one, "/provisioningStatus") == "disabled" { span.tag.bad { "disabled" } } @else { span.tag.ok { "enabled" } } }
                        td { (text(one, "/attestation/type")) }
                        td.mono { (hubs(one)) }
                        td.dim { (text(one, "/allocationPolicy")) }
                        td.mono { (text(one, "/deviceId")) }
                    }
                } }
            } }
            (more(all.len()))
        }
    }
}

fn hubs(one: &Json) -> String {
    let hubs = one.get("iotHubs").and_then(Json::as_array);
    let hubs: Vec<_> = hubs
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    if hubs.is_empty() {
        "all".into()
    } else {
        hubs.join(", ")
    }
}

fn more(shown: usize) -> Markup {
    html! { @if shown == ROWS { p.dim { "These are the first " (ROWS) "; the API has all of them." } } }
}
