//! The catalogue as Markdown, for `docs/findings`: a page for each finding, an index, the public cases. Takes in the
//! catalogue, gives out the text of each file; `examples/findings.rs` writes them and `tests/pages.rs` compares.

mod cases;
mod index;

use std::fmt::Write as _;

use super::{all, find};
use crate::{Finding, Platform, Proof};

/// Every file of `docs/findings`: its name and its text.
#[must_use]
pub fn files() -> Vec<(String, String)> {
    let pages = all().map(|finding| (format!("{}.md", finding.id), page(finding)));
    let lists = [
        ("README.md".to_owned(), index::index()),
        ("cases.md".to_owned(), cases::cases()),
    ];
    lists.into_iter().chain(pages).collect()
}

/// The page of one finding.
#[must_use]
pub fn page(finding: &Finding) -> String {
    let Finding {
        id,
        cause,
        fix,
        about,
        decided_by,
        ..
    } = finding;
    let (rung, side) = (finding.rung, finding.side.name());
    let mut out = format!(
        "# {id}: {}\n\nRung: {rung}. Who acts: {side}.\n\n**{}**\n\n{}\n\n## How it is told\n\n{}\n",
        prose(cause),
        prose(fix),
        prose(about),
        linked(decided_by, id),
    );
    neighbours(&mut out, finding);
    remedies(&mut out, finding);
    if !finding.administrator.is_empty() {
        let ask = prose(finding.administrator);
        let _ = write!(
            out,
            "\n## A sentence for the network's administrator\n\n> {ask}\n"
        );
    }
    list(
        &mut out,
        "What people see",
        finding.symptoms.iter().map(|text| code(text)),
    );
    list(
        &mut out,
        "What proves that it is named",
        finding.proofs.iter().map(proof),
    );
    list(
        &mut out,
        "Where somebody met it",
        finding.sources.iter().map(|url| source(url)),
    );
    out.push_str("\n[All findings](README.md)\n");
    out
}

/// The findings that the evidence of this one mentions, in the order of mention.
fn neighbours(out: &mut String, finding: &Finding) {
    let mut named: Vec<&Finding> = Vec::new();
    for word in finding.decided_by.split(|at: char| !is_of_id(at)) {
        if let Some(other) = find(word)
            && other.id != finding.id
            && !named.contains(&other)
        {
            named.push(other);
        }
    }
    let links = named
        .iter()
        .map(|other| format!("[{0}]({0}.md): {1}", other.id, prose(other.cause)));
    list(out, "Do not mistake it for", links);
}

fn remedies(out: &mut String, finding: &Finding) {
    out.push_str("\n## What mends it\n");
    for platform in Platform::ALL {
        let mut here = finding
            .remedies
            .iter()
            .filter(|remedy| remedy.on == *platform)
            .peekable();
        if here.peek().is_none() {
            continue;
        }
        let title = match platform {
            Platform::Zephyr => "Zephyr and the nRF Connect SDK (`prj.conf`)",
            Platform::EspIdf => "ESP-IDF (`sdkconfig.defaults`)",
            Platform::Linux => "Linux, and the options of towpath",
            Platform::Server => "Broker, hub or front end",
            Platform::Network => "Proxy, router or DNS server",
        };
        let _ = write!(out, "\n### {title}\n");
        for remedy in here {
            if !remedy.what.is_empty() {
                let _ = write!(out, "\n{}\n", prose(remedy.what));
            }
            if !remedy.set.is_empty() {
                let _ = write!(out, "\n```\n{}\n```\n", remedy.set);
            }
        }
    }
}

fn list(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = write!(out, "\n## {title}\n\n");
    for line in lines {
        let _ = writeln!(out, "- {line}");
    }
}

/// What produces a finding, as a person would say it.
fn proof(proof: &Proof) -> String {
    match proof {
        Proof::Lab(fault) => format!("`towpath lab --fault {fault}` ([faults](../faults.md))"),
        Proof::SetUp(name) => format!("the set-up `{name}` of real programs in `interop/doctor`"),
        Proof::Log(name) => {
            format!("the log [`{name}`](../../crates/towpath-doctor/tests/logs/{name})")
        }
        Proof::Capture(name) => format!("the capture `{name}`, made by the tests"),
        Proof::Lint(name) => format!("the build settings `{name}`, seen before a packet"),
        Proof::Code(typed) => code(&format!("towpath explain {typed}")),
    }
}

/// A link to a public thread or document, by a short name.
fn source(url: &str) -> String {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let short = match rest.strip_prefix("github.com/") {
        Some(path) => path.replace("/issues/", " #").replace("/pull/", " #"),
        None => rest.to_owned(),
    };
    format!("[{}](<{url}>)", prose(&short))
}

/// Whether an id of a finding may have this character.
const fn is_of_id(at: char) -> bool {
    at.is_ascii_alphanumeric() || at == '-'
}

/// Prose of the catalogue with the ids of other findings as links.
fn linked(text: &str, own: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("TP-") {
        let (before, from) = rest.split_at(at);
        let end = from.find(|at| !is_of_id(at)).unwrap_or(from.len());
        let (id, after) = from.split_at(end);
        out.push_str(&prose(before));
        match find(id) {
            Some(other) if other.id != own => {
                let _ = write!(out, "[{0}]({0}.md)", other.id);
            }
            _ => out.push_str(&prose(id)),
        }
        rest = after;
    }
    out.push_str(&prose(rest));
    out
}

/// Prose with what Markdown would take for its own escaped, outside of code.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for at in text.chars() {
        match at {
            '`' => in_code = !in_code,
            '*' | '_' | '<' | '>' | '|' | '[' | ']' | '$' if !in_code => out.push('\\'),
            _ => {}
        }
        out.push(at);
    }
    out
}

/// Text as inline code, whatever is in it.
fn code(text: &str) -> String {
    if text.contains('`') {
        format!("`` {text} ``")
    } else {
        format!("`{text}`")
    }
}

/// Inline code for the cell of a table.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}
