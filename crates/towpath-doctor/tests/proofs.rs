//! Every proof that an entry names is there and gives exactly this entry. Captures and build settings have tables of
//! their own (`tests/captures.rs`, `tests/lint.rs`); the lab and real programs are in `interop/doctor`.

use std::{collections::BTreeSet, fs, path::Path};

use towpath_doctor::{Proof, catalogue, explain};

fn tests(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

#[test]
fn every_log_gives_its_finding() {
    let mut wrong = Vec::new();
    for finding in catalogue::all() {
        for proof in finding.proofs {
            let Proof::Log(name) = proof else { continue };
            let Ok(log) = fs::read(tests("logs").join(name)) else {
                wrong.push(format!("{}: tests/logs/{name} is not there", finding.id));
                continue;
            };
            let diagnosis = explain::log(name, &log[..]).expect("a slice reads");
            let found: Vec<_> = diagnosis
                .found
                .iter()
                .map(|found| found.finding.id)
                .collect();
            if found != [finding.id] {
                wrong.push(format!("{}: {name} gives {found:?}", finding.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_gives_its_finding() {
    let mut wrong = Vec::new();
    for finding in catalogue::all() {
        for proof in finding.proofs {
            let Proof::Code(typed) = proof else { continue };
            let found = explain::code(typed)
                .and_then(|diagnosis| diagnosis.found.first().map(|found| found.finding.id));
            if found != Some(finding.id) {
                wrong.push(format!("{}: {typed:?} gives {found:?}", finding.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A code that proves one finding does not prove another.
#[test]
fn a_code_proves_one_finding() {
    let mut seen = BTreeSet::new();
    for finding in catalogue::all() {
        for proof in finding.proofs {
            if let Proof::Code(typed) = proof {
                assert!(seen.insert(typed), "{}: {typed:?} twice", finding.id);
            }
        }
    }
}
