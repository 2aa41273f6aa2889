//! Texts of known programs and what they say. In goes a line in lower case, out come [`Says`]. One table for each part of
//! the ladder; what depends on a number is in `numbers`.

mod device;
mod mqtt;
mod network;
mod tls;

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use super::fact::Says;

/// All words that have to be there, and what they say then. A word that begins with `!` must not be there.
type Clue = (&'static [&'static str], Says);

/// Tables of clues. A macro, because a row stays on its line in one.
macro_rules! clues {
    ($([$($word:literal),+] $says:expr;)*) => { &[$((&[$($word),+], $says)),*] };
}
use clues;

const TABLES: [&[Clue]; 4] = [device::CLUES, network::CLUES, tls::CLUES, mqtt::CLUES];

/// What this line says; `line` is in lower case.
pub(super) fn says(line: &str, mut each: impl FnMut(Says)) {
    static INDEX: OnceLock<Option<Index>> = OnceLock::new();
    let Some(index) = INDEX.get_or_init(Index::new) else {
        return;
    };
    let mut there = vec![false; index.words.patterns_len()];
    for found in index.words.find_overlapping_iter(line) {
        if let Some(word) = there.get_mut(found.pattern().as_usize()) {
            *word = true;
        }
    }
    let is_there = |word: &usize| there.get(*word).copied().unwrap_or(false);
    for (all, none, says) in &index.clues {
        if all.iter().all(is_there) && !none.iter().any(is_there) {
            each(*says);
        }
    }
}

/// All words of all tables in one automaton: a line is walked through once, however many clues there are.
struct Index {
    words: AhoCorasick,
    /// For each clue the words that have to be there, those that must not, and what it says.
    clues: Vec<(Vec<usize>, Vec<usize>, Says)>,
}

impl Index {
    /// None if the tables made no automaton, which a test rules out.
    fn new() -> Option<Self> {
        let mut words: Vec<&str> = Vec::new();
        let mut number = |word: &'static str| {
            words
                .iter()
                .position(|known| *known == word)
                .unwrap_or_else(|| {
                    words.push(word);
                    words.len() - 1
                })
        };
        let mut clues = Vec::new();
        for (all, says) in TABLES.into_iter().flatten() {
            let (mut there, mut absent) = (Vec::new(), Vec::new());
            for word in *all {
                match word.strip_prefix('!') {
                    Some(word) => absent.push(number(word)),
                    None => there.push(number(word)),
                }
            }
            clues.push((there, absent, *says));
        }
        let words = AhoCorasick::new(words).ok()?;
        Some(Self { words, clues })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn clues_are_in_lower_case_and_name_findings_that_exist() {
        assert!(Index::new().is_some());
        for (words, says) in TABLES.into_iter().flatten() {
            for word in *words {
                assert_eq!(*word, word.to_lowercase());
            }
            if let Says::Names(id, _) = says {
                assert!(catalogue::find(id).is_some(), "{id}");
            }
        }
    }
}
