//! The table: which set-up proves which finding.

use std::time::Instant;

use towpath::Rung;
use towpath_doctor::Proof;

use crate::Report;

/// What identifies a row: the finding's id and its proof as the catalogue writes it.
pub type Key = (&'static str, Proof);

/// A row: something is set up in a world of kind `W`, and the doctor is to name one finding.
#[derive(Debug)]
pub struct SetUp<W: 'static> {
    /// What it is called, as the catalogue has it: [`Proof::SetUp`] or [`Proof::Lab`].
    pub proof: Proof,
    /// The id of the finding.
    pub finding: &'static str,
    /// Where it shows; none: the path stands, and the finding is a warning.
    pub rung: Option<Rung>,
    /// Sets it up, runs the doctor, and undoes what others in the same world would feel.
    pub run: fn(&mut W) -> Report,
}

impl<W> SetUp<W> {
    /// A set-up that breaks the path.
    #[must_use]
    pub const fn breaks(
        name: &'static str,
        finding: &'static str,
        rung: Rung,
        run: fn(&mut W) -> Report,
    ) -> Self {
        Self {
            proof: Proof::SetUp(name),
            finding,
            rung: Some(rung),
            run,
        }
    }

    /// A set-up whose path stands, with a warning.
    #[must_use]
    pub const fn warns(
        name: &'static str,
        finding: &'static str,
        run: fn(&mut W) -> Report,
    ) -> Self {
        Self {
            proof: Proof::SetUp(name),
            finding,
            rung: None,
            run,
        }
    }

    /// A fault of the lab that breaks the path; with `=VALUE` as the catalogue has it.
    #[must_use]
    pub const fn lab(
        fault: &'static str,
        finding: &'static str,
        rung: Rung,
        run: fn(&mut W) -> Report,
    ) -> Self {
        Self {
            proof: Proof::Lab(fault),
            finding,
            rung: Some(rung),
            run,
        }
    }

    /// What identifies it.
    #[must_use]
    pub const fn key(&self) -> Key {
        (self.finding, self.proof)
    }

    fn name(&self) -> &'static str {
        match self.proof {
            Proof::Lab(name)
            | Proof::SetUp(name)
            | Proof::Log(name)
            | Proof::Capture(name)
            | Proof::Lint(name)
            | Proof::Code(name) => name,
        }
    }
}

/// Runs rows in a world one after the other, prints a line for each, and fails at the end if one said anything else.
///
/// # Panics
/// If one did.
pub fn play<W>(world: &mut W, rows: &[SetUp<W>]) {
    let mut wrong = Vec::new();
    for row in rows {
        let began = Instant::now();
        let report = (row.run)(world);
        let took = began.elapsed().as_millis();
        let said = match row.rung {
            Some(rung) => report.names(row.finding, rung),
            None => report.warns(row.finding),
        };
        let millis = report.millis();
        println!(
            "{:<14} {:<28} {millis:>7.0} ms of {took:>6} ms",
            row.finding,
            row.name()
        );
        if let Err(why) = said {
            println!("  {why}\n{}", report.text);
            wrong.push(format!("{} by {}: {why}", row.finding, row.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
