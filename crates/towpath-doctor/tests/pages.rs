//! `docs/findings` against the catalogue.

use std::{collections::BTreeSet, fs, path::Path};

use towpath_doctor::catalogue::pages;

const WRITTEN_BY: &str = "cargo run -p towpath-doctor --example findings -- docs/findings";

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/findings"))
}

#[test]
fn the_pages_are_current() {
    for (name, text) in pages::files() {
        let written = fs::read_to_string(folder().join(&name)).unwrap_or_default();
        assert!(
            written == text,
            "docs/findings/{name} is not current: {WRITTEN_BY}"
        );
    }
}

#[test]
fn no_page_is_left_of_a_finding_that_is_gone() {
    let known: BTreeSet<_> = pages::files().into_iter().map(|(name, _)| name).collect();
    for entry in fs::read_dir(folder()).expect("docs/findings") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("a name");
        assert!(
            known.contains(name),
            "docs/findings/{name} belongs to no finding: {WRITTEN_BY}"
        );
    }
}

/// Each link of a page leads to a file that is there, as far as it leads into this tree.
#[test]
fn links_lead_somewhere() {
    let names: BTreeSet<_> = pages::files().into_iter().map(|(name, _)| name).collect();
    for (name, text) in pages::files() {
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap_or_default();
            if target.starts_with('<') || target.starts_with('#') {
                continue;
            }
            let there = names.contains(target) || folder().join(target).exists();
            assert!(there, "{name} links to {target}, which is not there");
        }
    }
}
