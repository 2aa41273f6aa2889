//! Limits from a file, compared with a finished table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::table::Table;

/// Subject, then row id, then the most that is allowed.
pub type Limits = BTreeMap<String, BTreeMap<String, f64>>;

/// Rows of time depend on the machine and on what else it does, so no limit may name them.
const NOT_COMPARABLE: &str = "cpu/";

pub fn read(file: &Path) -> Result<Limits, String> {
    let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let limits = parse(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(limits)
}

fn parse(text: &str) -> Result<Limits, String> {
    let limits: Limits = toml::from_str(text).map_err(|e| e.to_string())?;
    let named = limits
        .values()
        .flat_map(BTreeMap::keys)
        .find(|id| id.starts_with(NOT_COMPARABLE));
    match named {
        Some(id) => Err(format!("`{id}` is a time: a row of time can have no limit")),
        None => Ok(limits),
    }
}

/// What exceeds its limit. A limit on a row that this run left out on purpose does not count; one
/// without a measurement does.
pub fn exceeded(
    limits: &Limits,
    table: &Table,
    wanted: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for (subject, rows) in limits {
        for (id, limit) in rows.iter().filter(|(id, _)| wanted(id, subject)) {
            match table.find(id, subject).and_then(|cell| cell.value()) {
                Some(value) if value <= *limit => {}
                Some(value) => found.push(format!("{id} {subject}: {value:.2}, limit {limit}")),
                None => found.push(format!("{id} {subject}: not measured, limit {limit}")),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_limit() {
        assert!(parse("[towpath]\n\"cpu/pub0\" = 1.0").is_err());
        assert!(parse("[towpath]\n\"ir/pub0\" = 300").is_ok());
    }

    #[test]
    fn a_limit_without_a_measurement_counts() {
        let limits = parse("[towpath]\nidle = 1.0").unwrap();
        let table = Table::new(Vec::new(), Vec::new());
        assert_eq!(exceeded(&limits, &table, |_, _| true).len(), 1);
        assert!(exceeded(&limits, &table, |_, _| false).is_empty());
    }
}
