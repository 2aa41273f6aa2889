//! Every fault on a switch, by rung: what it does, for whom it is on, how often it was done.

use maud::{Markup, html};

use super::{
    Page, gather,
    layout::{Here, device_link},
};
use crate::{
    fault::{Kind, Setting, Switch, Takes, Value},
    shared::Shared,
};

/// All switches.
#[derive(Debug, Default)]
pub(super) struct Catalogue;

impl Page for Catalogue {
    const HERE: Here = Here::Faults;

    fn title(&self) -> String {
        "Faults".into()
    }

    fn body(&self, lab: &Shared) -> Option<Markup> {
        Some(html! {
            div.bar-head {
                h1 { "Faults" }
                input #fault-filter .grow type="search" placeholder="name, finding or words …" aria-label="Show only faults with these words" autocomplete="off" spellcheck="false";
                button #all-off .quiet type="button" { "Switch all off" }
            }
            div #faults-now data-faults { (now(&lab.means.faults.on())) }
            (scope(lab))
            div #faults data-faults { (table(&lab.means.faults.on(), None)) }
        })
    }

    fn parts(&self, lab: &Shared) -> Vec<(&'static str, Markup)> {
        let on = lab.means.faults.on();
        vec![("faults-now", now(&on)), ("faults", table(&on, None))]
    }
}

/// Those that are on, before the long list of those that could be.
fn now(on: &[Switch]) -> Markup {
    html! {
        @if !on.is_empty() {
            section.on-now aria-label="Faults that are on" {
                ul.plain { @for switch in on {
                    li { strong.mono { a href=(format!("#fault-{}", switch.setting.fault.name())) { (switch.setting.fault.name()) } } " " (one(switch)) }
                } }
            }
        }
    }
}

/// For whom the next switch is meant.
fn scope(lab: &Shared) -> Markup {
    html! {
        form #scope .scope aria-label="For whom the next fault is switched on" data-scope {
            strong { "For" }
            label { span { "Device" } input name="device" placeholder="everybody" autocomplete="off" spellcheck="false"; }
            label { span { "Host" }
                select name="host" {
                    option value="" { "any" }
                    @for host in &gather::hosts(lab) { option value=(host) { (host) } }
                }
            }
            label { span { "Listener" }
                select name="listener" {
                    option value="" { "both" }
                    option { "mqtts" }
                    option { "https" }
                }
            }
            label { span { "Times" } input.short name="times" type="number" min="1" placeholder="∞"; }
        }
        p.hint { "This holds for the faults that you switch on from now. A fault below MQTT that is for one device is done to connections from the address where that device was last seen." }
    }
}

/// The rungs with their faults. With `only` it is the page of that device: others' switches don't show.
pub(super) fn table(on: &[Switch], only: Option<&str>) -> Markup {
    html! {
        @for (rung, kinds) in by_rung() {
            @let mine = on.iter().filter(|switch| kinds.contains(&switch.setting.fault) && concerns(switch, only)).count();
            details.faults id=(format!("rung-{rung}")) open[only.is_none() || mine > 0] {
                summary {
                    span.rung-name { (rung) }
                    span.dim { (kinds.len()) " faults" }
                    @if mine > 0 { span.badge.warn { (mine) " on" } }
                }
                ul.plain.switches { @for kind in kinds { (switch(kind, on, only)) } }
            }
        }
    }
}

/// The rungs from the lowest upwards; provisioning on its own, since its faults are not met on the way to a hub.
fn by_rung() -> Vec<(&'static str, Vec<Kind>)> {
    let mut rungs: Vec<(&'static str, Vec<Kind>)> = Vec::new();
    for kind in Kind::ALL {
        let rung = if kind.name().starts_with("dps-") {
            "provisioning"
        } else {
            kind.rung().name()
        };
        match rungs.iter_mut().find(|(name, _)| *name == rung) {
            Some((_, kinds)) => kinds.push(*kind),
            None => rungs.push((rung, vec![*kind])),
        }
    }
    rungs
}

/// Whether a switch shows on a page: those of the device and those for everybody, or all.
fn concerns(switch: &Switch, only: Option<&str>) -> bool {
    match (only, &switch.setting.device) {
        (Some(only), Some(device)) => only == device,
        _ => true,
    }
}

fn switch(kind: Kind, all: &[Switch], only: Option<&str>) -> Markup {
    let on: Vec<_> = all
        .iter()
        .filter(|switch| switch.setting.fault == kind && concerns(switch, only))
        .collect();
    let numbers: Vec<_> = on
        .iter()
        .filter(|switch| only.is_none() || switch.setting.device.is_some())
        .map(|switch| switch.number.to_string())
        .collect();
    let name = kind.name();
    let finding = kind.finding().unwrap_or_default();
    html! {
        li.fault.on[!on.is_empty()] id=(format!("fault-{name}")) data-words=(format!("{finding} {name} {}", kind.what()).to_lowercase()) {
            button.switch type="button" role="switch" aria-checked=(if numbers.is_empty() { "false" } else { "true" })
                aria-labelledby=(format!("n-{name}")) aria-describedby=(format!("w-{name}")) data-fault=(name) data-off=(numbers.join(" ")) { span {} }
            div.what {
                strong.mono id=(format!("n-{name}")) { (name) }
                @if !finding.is_empty() { span.dim.mono { (finding) } }
                span id=(format!("w-{name}")) { (kind.what()) }
                @for switch in &on { (one(switch)) }
            }
            (value(kind))
        }
    }
}

fn value(kind: Kind) -> Markup {
    let label = format!("Value of {}", kind.name());
    html! {
        @match kind.takes() {
            Takes::Nothing => {},
            Takes::Number(number) => input.value.short type="number" min="0" aria-label=(label) placeholder=(number);
            Takes::Word(word) => input.value type="text" aria-label=(label) placeholder=(word) autocomplete="off" spellcheck="false";
        }
    }
}

/// A switch that is on: for whom, how much, how often it was done; with a way to switch it off alone.
fn one(switch: &Switch) -> Markup {
    let setting = &switch.setting;
    html! {
        span.active {
            "on for " (audience(setting))
            @match &setting.value {
                Some(Value::Number(number)) => { " with " b.num { (number) } },
                Some(Value::Word(word)) => { " with " b.mono { (word) } },
                None => {},
            }
            @if let Some(times) = setting.times { ", " b.num { (times) } " more times" }
            ", done " b.num { (switch.done) } "×"
            button.link type="button" data-off=(switch.number) aria-label=(format!("Switch off {} for {}", setting.fault.name(), setting.device.as_deref().unwrap_or("everybody"))) { "off" }
        }
    }
}

fn audience(setting: &Setting) -> Markup {
    html! {
        @match &setting.device {
            Some(device) => (device_link(setting.host.as_deref(), device)),
            None => "everybody",
        }
        @if let Some(host) = &setting.host { " at " span.mono { (host) } }
        @if let Some(listener) = &setting.listener { " on " span.mono { (listener) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_one_switch() {
        let html = table(&[], None).into_string();
        for kind in Kind::ALL {
            let switch = format!("data-fault=\"{}\"", kind.name());
            assert_eq!(html.matches(&switch).count(), 1, "{kind}");
        }
        assert_eq!(html.matches("role=\"switch\"").count(), Kind::ALL.len());
        assert!(!html.contains("aria-checked=\"true\""));
    }

    #[test]
    fn a_page_of_a_device_shows_its_switches_and_those_for_everybody() {
        let on = |number, device: Option<&str>| Switch {
            number,
            finding: Kind::Connack5.finding(),
            setting: Setting {
                device: device.map(Into::into),
                ..Setting::new(Kind::Connack5)
            },
            done: 3,
        };
        let all = [on(1, None), on(2, Some("mine")), on(3, Some("<other>"))];
        let html = table(&all, Some("mine")).into_string();
        assert!(html.contains("on for everybody"));
        assert!(html.contains("data-off=\"2\""));
        assert!(!html.contains("&lt;other&gt;"));
        let html = table(&all, None).into_string();
        assert!(html.contains("&lt;other&gt;") && html.contains("data-off=\"1 2 3\""));
    }
}
