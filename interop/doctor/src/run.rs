//! The command, run where a device would stand.

use net::{Namespace, Outcome, towpath_with};

use crate::Report;

/// `towpath doctor` in a namespace, with an environment of its own.
#[derive(Debug, Clone)]
pub struct Doctor<'a> {
    namespace: &'a Namespace,
    variables: Vec<(String, String)>,
}

impl<'a> Doctor<'a> {
    /// In this namespace, with no variable set.
    #[must_use]
    pub const fn on(namespace: &'a Namespace) -> Self {
        Self {
            namespace,
            variables: Vec::new(),
        }
    }

    /// With this variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it with these arguments to its end, and reads what it says to programs.
    ///
    /// # Panics
    /// If it can't be started, or says no JSON.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Report {
        Report::read(self.outcome(&[arguments, &["--json"]].concat()))
    }

    /// Runs it with these arguments and nothing else, such as for people.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn outcome(&self, arguments: &[&str]) -> Outcome {
        let variables: Vec<(&str, &str)> = self
            .variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        towpath_with(
            self.namespace,
            &variables,
            &[&["doctor"], arguments].concat(),
        )
    }
}
