//! What is known and near to what is not.

use super::tables;
use crate::catalogue;

/// At most three names that are known and resemble this one, the nearest first.
#[must_use]
pub fn nearest(text: &str) -> Vec<String> {
    let wanted: Vec<char> = text
        .trim()
        .to_ascii_lowercase()
        .chars()
        .take(LONGEST)
        .collect();
    if wanted.len() < 3 {
        return Vec::new();
    }
    let ids = catalogue::all().map(|finding| finding.id);
    let names = tables().flat_map(|(_, rows)| rows.iter().map(|row| row.1));
    let mut near: Vec<(usize, &'static str)> = ids
        .chain(names)
        .map(|name| (distance(&wanted, name), name))
        .filter(|(distance, name)| *distance <= name.len() / 3)
        .collect();
    near.sort();
    near.dedup();
    near.into_iter()
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Names are no longer.
const LONGEST: usize = 64;

/// How many letters have to be changed, put in or left out.
fn distance(wanted: &[char], name: &str) -> usize {
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    for (above, letter) in name
        .chars()
        .map(|letter| letter.to_ascii_lowercase())
        .enumerate()
    {
        let mut diagonal = above;
        let mut left = above + 1;
        for (cell, wanted) in row.iter_mut().skip(1).zip(wanted) {
            let changed = diagonal + usize::from(*wanted != letter);
            diagonal = *cell;
            *cell = changed.min(diagonal + 1).min(left + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}
