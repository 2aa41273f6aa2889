//! `towpath lab faults`: the catalogue.

use std::fmt::Write as _;

use towpath_lab::fault::{Kind, Takes};

use super::output;
use crate::{args::lab::Faults, exit::Failure, text::Object};

pub(super) fn run(args: &Faults) -> Result<(), Failure> {
    output(&if args.json {
        json()
    } else if args.markdown {
        markdown()
    } else {
        table()
    })
}

fn value(takes: Takes) -> String {
    match takes {
        Takes::Nothing => String::new(),
        Takes::Number(number) => number.to_string(),
        Takes::Word(word) => word.to_owned(),
    }
}

/// A column for each, the rung as a headline.
fn table() -> String {
    let widest = Kind::ALL.iter().map(|kind| kind.name().len()).max();
    let widest = widest.unwrap_or(0);
    let mut out = String::new();
    let mut rung = "";
    for kind in Kind::ALL {
        if kind.rung().name() != rung {
            rung = kind.rung().name();
            let _ = writeln!(out, "{}{rung}", if out.is_empty() { "" } else { "\n" });
        }
        let (name, what) = (kind.name(), kind.what());
        let finding = kind.finding().unwrap_or_default();
        let _ = write!(out, "  {name:<widest$}  {finding:<11}  {what}");
        let value = value(kind.takes());
        let _ = if value.is_empty() {
            writeln!(out)
        } else {
            writeln!(out, " [{value}]")
        };
    }
    out
}

fn json() -> String {
    let mut out = String::new();
    for kind in Kind::ALL {
        let object = Object::new()
            .text("name", kind.name())
            .text("rung", kind.rung().name())
            .text("what", kind.what());
        let object = match kind.finding() {
            Some(finding) => object.text("finding", finding),
            None => object.raw("finding", "null"),
        };
        let object = match kind.takes() {
            Takes::Nothing => object.raw("value", "null"),
            Takes::Number(number) => object.raw("value", number),
            Takes::Word(word) => object.text("value", word),
        };
        out.push_str(&object.end());
        out.push('\n');
    }
    out
}

/// A link to the page of what a client finds.
fn finding(kind: &Kind) -> String {
    kind.finding()
        .map(|id| format!("[{id}](findings/{id}.md)"))
        .unwrap_or_default()
}

/// `docs/faults.md`.
fn markdown() -> String {
    let mut out = String::from(
        "# The faults of the lab\n\n\
         `towpath lab faults --markdown` writes this file. A fault is switched on by `--fault NAME[=VALUE][@DEVICE]`, by\n\
         `[[fault]]` in the config, on the page, or by `POST /api/faults`. The value that stands here is the default; a fault\n\
         without one takes none. The finding is what `towpath doctor` names when it meets the fault; one that harms no client\n\
         which keeps to the rules has none.\n",
    );
    let mut rung = "";
    for kind in Kind::ALL {
        if kind.rung().name() != rung {
            rung = kind.rung().name();
            let _ = write!(
                out,
                "\n## {rung}\n\n| name | value | finding | what it does |\n|-|-|-|-|\n"
            );
        }
        let value = value(kind.takes());
        let value = if value.is_empty() {
            value
        } else {
            format!("`{value}`")
        };
        let _ = writeln!(
            out,
            "| `{}` | {value} | {} | {} |",
            kind.name(),
            finding(kind),
            kind.what()
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_table_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == markdown(),
            "docs/faults.md is not current: towpath lab faults --markdown > docs/faults.md"
        );
    }

    #[test]
    fn every_line_of_json_reads_back() {
        let all = json();
        let mut names = std::collections::HashSet::new();
        for line in all.lines() {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(
                names.insert(value["name"].to_string()),
                "a name twice: {line}"
            );
            assert!(value.get("finding").is_some());
            assert!(value.get("value").is_some());
        }
        assert_eq!(names.len(), Kind::ALL.len());
        assert_eq!(
            table()
                .lines()
                .filter(|line| line.starts_with("  "))
                .count(),
            names.len()
        );
    }

    /// What the lab says a client finds, the doctor can name; what the doctor's entries name of the lab, there is.
    #[test]
    fn findings_and_faults_name_each_other() {
        use towpath_doctor::{Proof, catalogue};
        use towpath_lab::fault::Setting;

        for kind in Kind::ALL {
            let Some(id) = kind.finding() else { continue };
            assert!(catalogue::find(id).is_some(), "{kind}: {id}");
        }
        for finding in catalogue::all() {
            for proof in finding.proofs {
                let Proof::Lab(fault) = proof else { continue };
                let setting = fault.parse::<Setting>();
                assert!(setting.is_ok(), "{}: {setting:?}", finding.id);
            }
        }
    }
}
