//! Situations and what they are called: evidence made by hand, as the client would gather it.

mod above;
mod below;
mod cloud;
pub(crate) mod made;
mod order;
mod secured;
mod sure;

use self::made::Made;
use super::{case::Case, judge};

/// The id that the rules give this situation, whether or not the catalogue has it.
pub(crate) fn id(made: &Made) -> &'static str {
    Case::of(&made.evidence).map_or("", |case| judge(&case).id)
}

/// Each situation has this id, and the catalogue knows it.
pub(crate) fn each_is(table: Vec<(&str, Made, &str)>) {
    for (situation, made, expected) in table {
        assert_eq!(id(&made), expected, "{situation}");
        let found = super::diagnose(&made.evidence).found;
        let first = found.first().map(|found| found.finding.id);
        assert_eq!(first, Some(expected), "{situation}: in the catalogue");
    }
}
