//! Desired or reported properties: a document with a version and the time of each change, and the rules for it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::Wrong;
use crate::{clock::Time, config::Limits};

/// Desired or reported properties.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) properties: Map<String, Json>,
    /// `$version`: 1 at first, one more with each change.
    pub(crate) version: u64,
    pub(super) changed: Changed,
}

/// When something was changed last, and what is below it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Changed {
    pub(super) at: Time,
    pub(super) version: u64,
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub(super) below: std::collections::BTreeMap<String, Self>,
}

impl Section {
    /// An empty one at version 1.
    pub(crate) fn new(now: Time) -> Self {
        Self {
            properties: Map::new(),
            version: 1,
            changed: Changed {
                at: now,
                version: 1,
                ..Changed::default()
            },
        }
    }

    /// Merges a patch: an object goes into an object, `null` deletes, anything else replaces. Gives the patch without
    /// what the service ignores. Nothing changes on an error.
    pub(super) fn patch(
        &mut self,
        patch: &Map<String, Json>,
        bounds: &Bounds,
        now: Time,
    ) -> Result<Map<String, Json>, Wrong> {
        let patch = without_own(patch);
        bounds.check_names(&patch)?;
        let mut next = self.properties.clone();
        merge(&mut next, &patch);
        bounds.check_size(&next)?;
        self.properties = next;
        self.version += 1;
        self.changed.mark(&patch, now, self.version);
        Ok(patch)
    }

    /// Replaces everything. Gives what a device has to merge to have the same: `null` for what is gone.
    pub(super) fn replace(
        &mut self,
        whole: &Map<String, Json>,
        bounds: &Bounds,
        now: Time,
    ) -> Result<Map<String, Json>, Wrong> {
        let whole = without_own(whole);
        bounds.check_names(&whole)?;
        let mut next = Map::new();
        merge(&mut next, &whole);
        bounds.check_size(&next)?;
        let patch = difference(&self.properties, &next);
        self.properties = next;
        self.version += 1;
        self.changed = Changed::default();
        self.changed.mark(&self.properties, now, self.version);
        Ok(patch)
    }
}

impl Changed {
    fn mark(&mut self, patch: &Map<String, Json>, at: Time, version: u64) {
        self.at = at;
        self.version = version;
        for (key, value) in patch {
            match value {
                Json::Null => {
                    self.below.remove(key);
                }
                Json::Object(inner) => self
                    .below
                    .entry(key.clone())
                    .or_default()
                    .mark(inner, at, version),
                _ => {
                    self.below.insert(
                        key.clone(),
                        Self {
                            at,
                            version,
                            ..Self::default()
                        },
                    );
                }
            }
        }
    }
}

/// What the service itself writes into a document and ignores when it comes back.
fn without_own(patch: &Map<String, Json>) -> Map<String, Json> {
    let own = |key: &str| key == "$version" || key == "$metadata";
    patch
        .iter()
        .filter(|(key, _)| !own(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// JSON merge patch (RFC 7396).
pub(super) fn merge(document: &mut Map<String, Json>, patch: &Map<String, Json>) {
    for (key, value) in patch {
        match value {
            Json::Null => {
                document.remove(key);
            }
            Json::Object(inner) => {
                let below = document
                    .entry(key.clone())
                    .or_insert_with(|| Json::Object(Map::new()));
                if !below.is_object() {
                    *below = Json::Object(Map::new());
                }
                if let Json::Object(below) = below {
                    merge(below, inner);
                }
            }
            other => {
                document.insert(key.clone(), other.clone());
            }
        }
    }
}

/// The whole of `new`, and `null` for what only `old` has: merged into `old` it gives `new`.
fn difference(old: &Map<String, Json>, new: &Map<String, Json>) -> Map<String, Json> {
    let mut patch = new.clone();
    for (key, was) in old {
        match (was, patch.get_mut(key)) {
            (_, None) => {
                patch.insert(key.clone(), Json::Null);
            }
            (Json::Object(was), Some(Json::Object(is))) => *is = difference(was, is),
            _ => {}
        }
    }
    patch
}

/// What a document may be.
pub(super) struct Bounds {
    name: &'static str,
    bytes: usize,
    depth: usize,
}

/// Bytes of a key.
const KEY_MAX: usize = 1 << 10;
/// Bytes of a text.
const TEXT_MAX: usize = 4 << 10;
/// Whole numbers are kept in 53 bits with a sign.
const INTEGERS: std::ops::RangeInclusive<i64> = -4_503_599_627_370_496..=4_503_599_627_370_495;

impl Bounds {
    pub(super) const fn properties(name: &'static str, limits: &Limits) -> Self {
        Self {
            name,
            bytes: limits.twin_bytes,
            depth: limits.twin_depth,
        }
    }

    pub(super) const fn tags(limits: &Limits) -> Self {
        Self {
            name: "tags",
            bytes: limits.tag_bytes,
            depth: limits.twin_depth,
        }
    }

    /// Keys, texts, numbers and depth of a patch.
    pub(super) fn check_names(&self, patch: &Map<String, Json>) -> Result<(), Wrong> {
        self.check_map(patch, 1, self.name)
    }

    fn check_map(&self, map: &Map<String, Json>, depth: usize, at: &str) -> Result<(), Wrong> {
        if depth > self.depth {
            return Err(Wrong::invalid(format!(
                "{at} is deeper than {} levels",
                self.depth
            )));
        }
        map.iter().try_for_each(|(key, value)| {
            check_key(key, at)?;
            self.check_value(value, depth, &format!("{at}.{key}"))
        })
    }

    fn check_value(&self, value: &Json, depth: usize, at: &str) -> Result<(), Wrong> {
        match value {
            Json::Object(map) => self.check_map(map, depth + 1, at),
            Json::Array(items) => {
                if depth + 1 > self.depth {
                    return Err(Wrong::invalid(format!(
                        "{at} is deeper than {} levels",
                        self.depth
                    )));
                }
                items
                    .iter()
                    .try_for_each(|item| self.check_value(item, depth + 1, at))
            }
            Json::String(text) if text.len() > TEXT_MAX => Err(Wrong::invalid(format!(
                "{at} has {} bytes; a text may have {TEXT_MAX}",
                text.len()
            ))),
            Json::Number(number) if number.is_u64() || number.is_i64() => match number.as_i64() {
                Some(number) if INTEGERS.contains(&number) => Ok(()),
                _ => Err(Wrong::invalid(format!(
                    "{at} is {number}; a whole number may be from {} to {}",
                    INTEGERS.start(),
                    INTEGERS.end()
                ))),
            },
            _ => Ok(()),
        }
    }

    /// The size of the whole document, counted as the service does, but for [`LEAST`].
    pub(super) fn check_size(&self, document: &Map<String, Json>) -> Result<(), Wrong> {
        let bytes = map_size(document);
        if bytes > self.bytes {
            return Err(Wrong::large(format!(
                "{} would have {bytes} bytes; {} are allowed",
                self.name, self.bytes
            )));
        }
        Ok(())
    }
}

fn check_key(key: &str, at: &str) -> Result<(), Wrong> {
    if key.is_empty() || key.len() > KEY_MAX {
        return Err(Wrong::invalid(format!(
            "a key in {at} has {} bytes; 1 to {KEY_MAX} are allowed",
            key.len()
        )));
    }
    let bad = key
        .chars()
        .find(|char| matches!(char, '.' | '$' | ' ') || char.is_control());
    match bad {
        Some(bad) => Err(Wrong::invalid(format!(
            "the key {key:?} in {at} has {bad:?}, which keys must not have"
        ))),
        None => Ok(()),
    }
}

/// What is empty, and each item of an array, counts as so many bytes. That is the lab's own bound: by the service's rule
/// a document of any number of empty values has no size at all.
const LEAST: usize = 4;

/// Keys and texts by their bytes, numbers as 8, booleans as 4.
fn map_size(map: &Map<String, Json>) -> usize {
    map.iter().map(|(key, value)| key.len() + size(value)).sum()
}

fn size(value: &Json) -> usize {
    let size = match value {
        Json::Null => 0,
        Json::Bool(_) => 4,
        Json::Number(_) => 8,
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(|item| size(item).max(LEAST)).sum(),
        Json::Object(map) => map_size(map),
    };
    if size == 0 { LEAST } else { size }
}
