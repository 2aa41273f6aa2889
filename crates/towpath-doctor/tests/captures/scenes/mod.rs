//! Scenes and what the doctor has to say to each.

mod below;
pub(crate) mod healthy;
mod mqtt;
mod sessions;
mod tls;
mod web;

use crate::scene::Scene;

/// A scene with its name, and the finding that breaks it.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) id: &'static str,
    pub(crate) scene: fn() -> Scene,
}

pub(crate) const fn row(name: &'static str, id: &'static str, scene: fn() -> Scene) -> Row {
    Row { name, id, scene }
}

pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    [
        below::ROWS,
        tls::ROWS,
        web::ROWS,
        mqtt::ROWS,
        sessions::ROWS,
    ]
    .into_iter()
    .flatten()
}
