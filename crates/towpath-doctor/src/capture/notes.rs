//! What is said beside the findings: each thing once, and not more than people read.

/// The most notes that are kept.
const MOST: usize = 24;

/// Notes in the order in which they came up.
#[derive(Debug, Default)]
pub(super) struct Notes {
    list: Vec<String>,
}

impl Notes {
    /// Adds a note, unless it is there already or there are too many.
    pub(super) fn add(&mut self, note: String) {
        if self.list.len() < MOST && !self.list.contains(&note) {
            self.list.push(note);
        }
    }

    pub(super) fn into_list(self) -> Vec<String> {
        self.list
    }
}
