//! A twin: desired properties to edit, reported ones and tags to see.

use maud::{Markup, html};
use serde_json::Value as Json;

use super::{
    gather::{self, TwinView},
    layout::nothing,
};
use crate::{hub::Name, shared::Shared};

pub(super) fn section(lab: &Shared, host: &str, name: &Name) -> Markup {
    let twin = gather::twin(lab, host, name).unwrap_or_default();
    html! {
        section aria-labelledby="twin-title" {
            h2 #twin-title { "Twin" }
            // What the script compares the editor with.
            div #twin-now { (now(&twin)) }
            form #desired .stack {
                label {
                    span.split { span { "Desired properties" } span #desired-version .dim { (version(twin.desired_version)) } }
                    textarea.mono name="desired" rows=(rows(&twin.desired)) spellcheck="false" aria-describedby="desired-result" { (pretty(&twin.desired)) }
                }
                div.fields {
                    button type="submit" { "Save" }
                    button.quiet type="reset" hidden { "Discard changes" }
                    span #desired-newer .warn-text hidden { "The lab has a newer version." }
                }
                output #desired-result .result aria-live="polite" {}
            }
            div #reported { (reported(&twin)) }
            details #tags-box {
                summary { "Tags" }
                div #tags { (tags(&twin)) }
            }
        }
    }
}

pub(super) fn parts(lab: &Shared, host: &str, name: &Name) -> Vec<(&'static str, Markup)> {
    let Some(twin) = gather::twin(lab, host, name) else {
        return Vec::new();
    };
    vec![
        ("twin-now", now(&twin)),
        ("desired-version", version(twin.desired_version)),
        ("reported", reported(&twin)),
        ("tags", tags(&twin)),
    ]
}

fn now(twin: &TwinView) -> Markup {
    html! { data hidden data-etag=(twin.etag) data-version=(twin.desired_version) value=(pretty(&twin.desired)) {} }
}

fn version(version: u64) -> Markup {
    html! { "version " span.num { (version) } }
}

fn reported(twin: &TwinView) -> Markup {
    html! {
        div.split.label { span { "Reported properties" } span.dim { (version(twin.reported_version)) } }
        pre.json tabindex="0" aria-label="Reported properties" { (pretty(&twin.reported)) }
    }
}

fn tags(twin: &TwinView) -> Markup {
    html! {
        @if twin.tags.as_object().is_none_or(serde_json::Map::is_empty) { (nothing("There are none.")) }
        @else { pre.json tabindex="0" aria-label="Tags" { (pretty(&twin.tags)) } }
    }
}

fn pretty(json: &Json) -> String {
    match json {
        Json::Null => "{}".into(),
        json => serde_json::to_string_pretty(json).unwrap_or_default(),
    }
}

fn rows(json: &Json) -> usize {
    pretty(json).lines().count().clamp(4, 16)
}
