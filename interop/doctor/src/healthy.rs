//! Paths that stand: the doctor is to say `ready` and nothing else.

use crate::Report;

/// What a run against a path that stands may take in all, in milliseconds by the tool's own clock.
const MOST: f64 = 2000.0;

/// A path that stands in a world of kind `W`.
#[derive(Debug)]
pub struct Healthy<W: 'static> {
    /// What is special about it.
    pub name: &'static str,
    /// Runs the doctor.
    pub run: fn(&W) -> Report,
}

/// Runs the doctor on each, prints a line for each, and fails at the end if one was not ready at once.
///
/// # Panics
/// If one was not.
pub fn all_ready<W>(world: &W, paths: &[Healthy<W>]) {
    let mut wrong = Vec::new();
    for path in paths {
        let report = (path.run)(world);
        let (name, millis) = (path.name, report.millis());
        println!("ready          {name:<44} {millis:>7.0} ms");
        if let Err(why) = report.is_ready() {
            println!("  {why}\n{}", report.text);
            wrong.push(format!("{name}: {why}"));
        } else if millis > MOST {
            wrong.push(format!("{name}: {millis} ms"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
