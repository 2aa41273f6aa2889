//! What a code, a name or an error text means, as people type it. In go words, out comes a [`Diagnosis`], or nothing.
//!
//! `typed` reads what was typed; the tables are in `mbedtls`, `errno`, `names` (resolvers, OpenThread), `esp` and `peer`
//! (what a server sends). Where one number means several things all of them are told, the likeliest first, with what
//! separates them. What is in no table is looked for among the names of towpath's own faults and of the lab's, and among
//! the symptoms of the catalogue.

mod answer;
mod errno;
mod esp;
mod mbedtls;
mod names;
mod nearest;
mod peer;
mod typed;

use std::borrow::Cow;

use crate::{Diagnosis, catalogue};

pub use self::nearest::nearest;

/// A line of a table: number, name, what it means, and the findings that may be behind it, the likeliest first; none
/// where it is no failure.
type Row = (u32, &'static str, &'static str, &'static [&'static str]);

/// A table. A macro, because a row stays on its line in one.
macro_rules! rows {
    ($($number:literal, $name:literal, $says:literal, [$($id:literal),*];)*) => {
        &[$(($number, $name, $says, &[$($id),*])),*]
    };
}
use rows;

/// One thing that a code may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Meaning {
    /// Who says it.
    system: Cow<'static, str>,
    /// Its name there.
    name: &'static str,
    /// The number there.
    number: u32,
    /// What it means, in a clause.
    says: &'static str,
    /// The findings that may be behind it, the likeliest first.
    ids: &'static [&'static str],
}

impl Meaning {
    /// It means the same somewhere else.
    fn also(&mut self, system: &str) {
        self.system = format!("{}, and {system}", self.system).into();
    }
}

fn row(system: &'static str, row: &Row) -> Meaning {
    Meaning {
        system: system.into(),
        number: row.0,
        name: row.1,
        says: row.2,
        ids: row.3,
    }
}

/// Every table, by the system that it belongs to.
fn tables() -> impl Iterator<Item = (&'static str, &'static [Row])> {
    let all = [
        mbedtls::TABLES,
        errno::TABLES,
        names::TABLES,
        esp::TABLES,
        peer::TABLES,
    ];
    all.into_iter().flatten().copied()
}

/// The rows of one system.
fn of_system(system: &str, number: u32) -> Vec<Meaning> {
    let tables = tables().filter(|(name, _)| *name == system);
    let rows = tables.flat_map(|(name, rows)| rows.iter().map(move |found| (name, found)));
    rows.filter(|(_, found)| found.0 == number)
        .map(|(name, found)| row(name, found))
        .collect()
}

/// What a code, an error text or the id of a finding means: `-0x7280`, `-29312`, `0x8017`, `-116`, `CONNACK 5`, `401002`,
/// `ResolverSilent`, `TP-TLS-010`. None: it is not known here.
#[must_use]
pub fn code(text: &str) -> Option<Diagnosis> {
    let text = typed::bare(text);
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    if let Some(finding) = catalogue::find(text) {
        return Some(answer::finding(text, finding, &[]));
    }
    if let Some(answer) = answer::own_fault(text) {
        return Some(answer);
    }
    let meanings = typed::meanings(text);
    if !meanings.is_empty() {
        return Some(answer::meanings(text, &meanings));
    }
    answer::fault_of_the_lab(text).or_else(|| answer::symptom(text))
}

/// The findings that may be behind a code of Mbed TLS; `number` without its sign.
pub(super) fn mbedtls_ids(number: u32) -> &'static [&'static str] {
    mbedtls::code(number)
        .first()
        .map_or(&[], |meaning| meaning.ids)
}

/// The finding behind the flags of a failed verification.
pub(super) fn flag_id(flags: u32) -> Option<&'static str> {
    let meanings = mbedtls::flags(flags);
    meanings.first()?.ids.first().copied()
}

/// The finding behind an error code of a hub or of DPS.
pub(super) fn hub_id(number: u32) -> Option<&'static str> {
    of_system(peer::HUB, number).first()?.ids.first().copied()
}

/// The findings behind a TLS alert, the likeliest first.
pub(super) fn alert_ids(number: u8) -> &'static [&'static str] {
    of_system(peer::ALERT, u32::from(number))
        .first()
        .map_or(&[], |meaning| meaning.ids)
}

/// What one asks about is no longer than this; a log belongs into a file.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests;
