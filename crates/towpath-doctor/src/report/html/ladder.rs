//! The ladder as a drawing: the lowest rung at the bottom, what stands as a bar from rail to rail, what broke as a bar in
//! two, what was not reached as dashes. Readable without colour.

use maud::{Markup, html as page};

use super::{class, millis};
use crate::{
    Diagnosis,
    diagnosis::{State, Step},
};

/// The distance of two rungs, and the places of the rails, in units of the drawing.
const STEP: usize = 34;
const LEFT: usize = 92;
const RIGHT: usize = 192;
const WIDTH: usize = 330;

/// The drawing, and what it shows in words for who can't see it.
pub(super) fn drawing(diagnosis: &Diagnosis) -> Markup {
    let rungs = diagnosis.ladder.len();
    let height = (rungs + 1) * STEP;
    let words = diagnosis
        .ladder
        .iter()
        .map(|step| format!("{} {}", step.rung.name(), step.state.name()));
    let words = words.collect::<Vec<_>>().join(", ");
    page! {
        svg.ladder viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby="ladder-title ladder-desc" {
            title id="ladder-title" { "How far the climb came" }
            desc id="ladder-desc" { "From the lowest rung: " (words) }
            @for x in [LEFT, RIGHT] {
                line.rail x1=(x) y1="8" x2=(x) y2=(height - 8) {}
            }
            @for (nth, step) in diagnosis.ladder.iter().enumerate() {
                (rung(step, height - (nth + 1) * STEP))
            }
        }
    }
}

fn rung(step: &Step, y: usize) -> Markup {
    let middle = (LEFT + RIGHT) / 2;
    let label = match (step.state, step.took) {
        (State::Ok | State::Warning, Some(took)) => millis(took),
        (State::Problem, Some(took)) => format!("broke, {}", millis(took)),
        (State::Problem, None) => "broke".to_owned(),
        (state, _) => state.name().to_owned(),
    };
    page! {
        g class=(class(step.state)) {
            text.name x=(LEFT - 12) y=(y + 5) text-anchor="end" { (step.rung.name()) }
            @if step.state == State::Problem {
                line.bar x1=(LEFT) y1=(y) x2=(middle - 8) y2=(y + 9) {}
                line.bar x1=(middle + 8) y1=(y + 9) x2=(RIGHT) y2=(y) {}
            } @else {
                line.bar x1=(LEFT) y1=(y) x2=(RIGHT) y2=(y) {}
            }
            text.label x=(RIGHT + 12) y=(y + 5) { (label) }
        }
    }
}
