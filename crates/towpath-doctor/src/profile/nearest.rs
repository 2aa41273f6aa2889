//! Finds what somebody meant.

/// The name of `names` that `given` is a slip of, if there is one.
pub(super) fn nearest<'a>(given: &str, names: &[&'a str]) -> Option<&'a str> {
    let given = plain(given);
    let (distance, name) = names
        .iter()
        .map(|name| (distance(&given, &plain(name)), *name))
        .min()?;
    (distance <= 1 + given.len() / 4).then_some(name)
}

/// Dashes, underscores and capitals are slips that count for nothing.
fn plain(name: &str) -> Vec<char> {
    name.chars()
        .filter(|char| !matches!(char, '-' | '_'))
        .map(|char| char.to_ascii_lowercase())
        .collect()
}

/// How many characters have to be put in, taken out or changed (Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.iter().enumerate() {
        let mut diagonal = row;
        let mut left = row + 1;
        for (cell, to) in above.iter_mut().skip(1).zip(b) {
            let changed = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = above.first_mut() {
            *first = row + 1;
        }
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["in_buffer", "out_buffer", "renegotiation"];
        assert_eq!(nearest("inbuffer", &names), Some("in_buffer"));
        assert_eq!(nearest("renegotation", &names), Some("renegotiation"));
        assert_eq!(nearest("heap", &names), None);
    }
}
