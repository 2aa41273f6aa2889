//! The index of the findings: by family, by code, by text.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{cell, prose};
use crate::catalogue::{FAMILIES, all};

const HEAD: &str = "\
# Findings

What `towpath doctor` and `towpath explain` can name. Each has a stable id, the evidence that decides, what mends it on
each platform, and what proves that it is named. `towpath explain TP-TLS-010` prints the same on a terminal.

- By [family](#by-family), from the device upwards
- By [number](#by-number): error codes as programs print them
- By [text](#by-text): error messages and what else people see
- [Public cases](cases.md): threads where somebody met it

These files are generated: `cargo run -p towpath-doctor --example findings -- docs/findings`.
";

pub(super) fn index() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("\n## By family\n");
    for (title, findings) in FAMILIES {
        let _ = write!(
            out,
            "\n### {title}\n\n| id | what it is | who acts |\n|-|-|-|\n"
        );
        for finding in *findings {
            let (id, cause) = (finding.id, prose(finding.cause));
            let _ = writeln!(
                out,
                "| [{id}]({id}.md) | {cause} | {} |",
                finding.side.name()
            );
        }
    }
    let (numbers, texts): (Symptoms, Symptoms) = symptoms()
        .into_iter()
        .partition(|(symptom, _)| is_number(symptom));
    section(&mut out, "By number", &numbers);
    section(&mut out, "By text", &texts);
    out
}

/// Sorted without regard to case; with each the symptom as it is written where it comes first, and the findings.
type Symptoms = BTreeMap<String, (&'static str, Vec<&'static str>)>;

fn symptoms() -> Symptoms {
    let mut by = Symptoms::new();
    for finding in all() {
        for symptom in finding.symptoms {
            let (_, ids) = by
                .entry(symptom.to_lowercase())
                .or_insert_with(|| (symptom, Vec::new()));
            if !ids.contains(&finding.id) {
                ids.push(finding.id);
            }
        }
    }
    by
}

/// Whether it is looked up as a number: `-0x7280`, `-116 (ETIMEDOUT)`, `401002`.
fn is_number(symptom: &str) -> bool {
    let word = symptom.split(' ').next().unwrap_or_default();
    let digits = word.strip_prefix('-').unwrap_or(word);
    match digits.strip_prefix("0x") {
        Some(hex) => hex.chars().all(|at| at.is_ascii_hexdigit()),
        None => digits.chars().all(|at| at.is_ascii_digit()),
    }
}

fn section(out: &mut String, title: &str, symptoms: &Symptoms) {
    let _ = write!(out, "\n## {title}\n\n| seen | finding |\n|-|-|\n");
    for (symptom, ids) in symptoms.values() {
        let links: Vec<_> = ids.iter().map(|id| format!("[{id}]({id}.md)")).collect();
        let _ = writeln!(out, "| {} | {} |", cell(symptom), links.join(", "));
    }
}
