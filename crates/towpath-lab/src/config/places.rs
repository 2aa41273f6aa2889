//! Where things stand in a TOML file: takes in a key's path or a piece of the text, gives out lines and keys.

use std::{fmt, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A step from a table or list to what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// What a table has under this key.
    Key(String),
    /// A list's item.
    At(usize),
}

/// The way from the top of a config to one of its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Place(pub(super) Vec<Step>);

impl Place {
    pub(super) fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    pub(super) fn at(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::At(index));
        Self(steps)
    }
}

/// The keys with dots between them, as in `hub.device.id`. The line tells which hub it is.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut dot = "";
        for step in &self.0 {
            if let Step::Key(key) = step {
                write!(f, "{dot}{key}")?;
                dot = ".";
            }
        }
        Ok(())
    }
}

/// A file that was parsed.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) root: &'a DeTable<'a>,
}

impl Source<'_> {
    /// The place whose key or value this span belongs to: the innermost one.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let mut best = Place::default();
        table(self.root, &Place::default(), &mut |place, spans, _| {
            let inside = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
            if place.0.len() > best.0.len() && spans.iter().any(inside) {
                best = place.clone();
            }
        });
        best
    }

    /// The line of a place; of the last one on the way to it that is there, if it is not.
    pub(super) fn line(&self, wanted: &Place) -> usize {
        let mut best = (0, 0);
        table(self.root, &Place::default(), &mut |place, spans, _| {
            let depth = place.0.len();
            if depth > best.0
                && wanted.0.starts_with(&place.0)
                && let Some(span) = spans.first()
            {
                best = (depth, span.start);
            }
        });
        line(self.text, best.1)
    }

    /// The first value that JSON has no word for, with the reason.
    pub(super) fn no_json(&self, within: &[&str]) -> Option<(Place, &'static str)> {
        let mut found = None;
        table(self.root, &Place::default(), &mut |place, _, value| {
            let json =
                |step: &Step| matches!(step, Step::Key(key) if within.contains(&key.as_str()));
            if found.is_some() || !place.0.iter().any(json) {
                return;
            }
            let why = match value {
                DeValue::Datetime(_) => "JSON has no times; write it as text in quotes",
                DeValue::Float(float) if float.as_str().contains(['n', 'i']) => {
                    "JSON has no nan and no inf"
                }
                _ => return,
            };
            found = Some((place.clone(), why));
        });
        found
    }
}

/// The line of a byte, counted from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Visits everything with its place, the spans of its key and value, and its value.
type Visit<'v> = dyn FnMut(&Place, &[Range<usize>], &DeValue<'_>) + 'v;

fn table(of: &DeTable<'_>, place: &Place, visit: &mut Visit<'_>) {
    for (key, inner) in of {
        let place = place.key(key.get_ref());
        visit(&place, &[key.span(), inner.span()], inner.get_ref());
        value(inner, &place, visit);
    }
}

fn value(of: &Spanned<DeValue<'_>>, place: &Place, visit: &mut Visit<'_>) {
    match of.get_ref() {
        DeValue::Table(inner) => table(inner, place, visit),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let place = place.at(index);
                visit(&place, &[item.span()], item.get_ref());
                value(item, &place, visit);
            }
        }
        _ => {}
    }
}
