//! What the doctor said to programs.

use net::Outcome;
use serde_json::Value;
use towpath::Rung;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The object on standard output.
    pub json: Value,
    /// The exit status.
    pub status: Option<i32>,
    /// What was written to standard output.
    pub text: String,
    /// What was written to standard error.
    pub stderr: String,
}

/// A rung as it was reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// The rung's name.
    pub name: String,
    /// `ok`, `problem`, `warning`, `not measured` or `not reached`.
    pub state: String,
}

impl Report {
    /// # Panics
    /// If standard output is not one object.
    #[must_use]
    pub(crate) fn read(outcome: Outcome) -> Self {
        let json = serde_json::from_str(&outcome.stdout);
        let json = json.unwrap_or_else(|error| panic!("no JSON ({error}): {outcome:?}"));
        Self {
            json,
            status: outcome.status,
            text: outcome.stdout,
            stderr: outcome.stderr,
        }
    }

    /// `ready`, `broken`, `warning` or `unknown`.
    #[must_use]
    pub fn verdict(&self) -> &str {
        self.text_at("/verdict/state")
    }

    /// The verdict in one line.
    #[must_use]
    pub fn line(&self) -> &str {
        self.text_at("/verdict/line")
    }

    /// How long the whole run took, in milliseconds, as the tool measured it.
    ///
    /// # Panics
    /// If it does not say.
    #[must_use]
    pub fn millis(&self) -> f64 {
        let millis = self.json.pointer("/took_ms").and_then(Value::as_f64);
        millis.unwrap_or_else(|| panic!("no time: {}", self.text))
    }

    /// The ids of what was found, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        let found = self.list("/findings").iter();
        found.filter_map(|found| found["id"].as_str()).collect()
    }

    /// The rungs, from the lowest upwards.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        let text = |phase: &Value, member: &str| phase[member].as_str().unwrap_or("?").to_owned();
        let phase = |phase| Phase {
            name: text(phase, "phase"),
            state: text(phase, "state"),
        };
        self.list("/phases").iter().map(phase).collect()
    }

    /// Whether it says that this, and nothing else, breaks the path on this rung: first in the list, exit status 1, the
    /// rungs below stand, those above were not reached. Else what it says.
    ///
    /// # Errors
    /// What is otherwise, for people.
    pub fn names(&self, id: &str, rung: Rung) -> Result<(), String> {
        self.expect("broken", 1, id)?;
        let at = self.json["findings"][0]["phase"].as_str();
        if at != Some(rung.name()) {
            return Err(format!("on {at:?}, not on {rung}: {}", self.line()));
        }
        let phases = self.phases();
        let Some(broken) = phases.iter().position(|phase| phase.name == rung.name()) else {
            return Err(format!("no phase {rung}: {phases:?}"));
        };
        for (number, phase) in phases.iter().enumerate() {
            let right = match (number.cmp(&broken), phase.state.as_str()) {
                (std::cmp::Ordering::Less, state) => state != "problem" && state != "not reached",
                (std::cmp::Ordering::Equal, state) => state == "problem",
                (std::cmp::Ordering::Greater, state) => state == "not reached",
            };
            if !right {
                return Err(format!("{} is {}", phase.name, phase.state));
            }
        }
        Ok(())
    }

    /// Whether it says that the path stands, and warns of this first.
    ///
    /// # Errors
    /// What is otherwise, for people.
    pub fn warns(&self, id: &str) -> Result<(), String> {
        self.expect("warning", 3, id)
    }

    /// Whether it says that the path stands, and nothing more.
    ///
    /// # Errors
    /// What is otherwise, for people.
    pub fn is_ready(&self) -> Result<(), String> {
        let ids = self.ids();
        if (self.verdict(), self.status) != ("ready", Some(0)) || !ids.is_empty() {
            let status = self.status;
            return Err(format!("exit {status:?}, {ids:?}: {}", self.line()));
        }
        let bad = |phase: &&Phase| !matches!(phase.state.as_str(), "ok" | "not measured");
        match self.phases().iter().find(bad) {
            Some(phase) => Err(format!("{} is {}", phase.name, phase.state)),
            None => Ok(()),
        }
    }

    fn expect(&self, verdict: &str, status: i32, id: &str) -> Result<(), String> {
        let ids = self.ids();
        let said = (self.verdict(), self.status, ids.first().copied());
        if said == (verdict, Some(status), Some(id)) {
            return Ok(());
        }
        let (state, status, _) = said;
        Err(format!(
            "{state}, exit {status:?}, {ids:?}: {}",
            self.line()
        ))
    }

    fn text_at(&self, pointer: &str) -> &str {
        let text = self.json.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or("(nothing)")
    }

    fn list(&self, pointer: &str) -> &[Value] {
        let list = self.json.pointer(pointer).and_then(Value::as_array);
        list.map_or(&[], Vec::as_slice)
    }
}
