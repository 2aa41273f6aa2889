//! The command `towpath`, run on the device.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use towpath::{Code, Rung};

use crate::Namespace;

/// What a run of the command came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its exit status.
    pub status: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs `towpath` in a namespace to its end, with nothing of the caller's environment.
///
/// # Panics
/// If it can't be built or started.
#[must_use]
pub fn towpath(namespace: &Namespace, arguments: &[&str]) -> Outcome {
    towpath_with(namespace, &[], arguments)
}

/// The same with these variables in its environment, and no others.
///
/// # Panics
/// As [`towpath`].
#[must_use]
pub fn towpath_with(
    namespace: &Namespace,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Outcome {
    let mut command = Command::new(program());
    command.args(arguments).env_clear().stdin(Stdio::null());
    command.envs(variables.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = namespace.run(move || command.spawn().expect("towpath starts"));
    let output = child.wait_with_output().expect("its end");
    let outcome = Outcome {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    println!(
        "towpath {}\n{}{}",
        arguments.join(" "),
        outcome.stdout,
        outcome.stderr
    );
    outcome
}

/// The one fault that a failed run with `--json` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// On which rung.
    pub rung: String,
    /// The name of the cause.
    pub code: String,
}

impl Outcome {
    /// What it wrote to standard output.
    ///
    /// # Panics
    /// If it failed.
    pub fn done(self) -> String {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Asserts that it failed as a path does, and said so in one line that begins with rung and cause and ends with
    /// the remedy and the id of a finding.
    ///
    /// # Panics
    /// If it did anything else.
    pub fn broke(&self, rung: Rung, code: Code) {
        assert_eq!(self.status, Some(1), "{code:?}: {}", self.stderr);
        let begin = format!("towpath: {rung}: {}", code.cause());
        assert!(
            self.stderr.starts_with(&begin),
            "{begin}, not {}",
            self.stderr
        );
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        let said = self
            .stderr
            .trim_end()
            .strip_suffix(']')
            .and_then(|line| line.rsplit_once(" [TP-"));
        let Some((said, _)) = said else {
            panic!("no id of a finding: {}", self.stderr);
        };
        assert!(said.ends_with(code.remedy()), "{}", self.stderr);
    }

    /// The fault of a run with `--json`: the one object on standard error that is no trace.
    ///
    /// # Panics
    /// If it did not fail as a path does, or told anything but one fault.
    #[must_use]
    pub fn failed(&self) -> Failed {
        assert_eq!(self.status, Some(1), "{self:?}");
        let objects = self.objects();
        let mut faults = objects
            .iter()
            .filter(|object| object.get("trace").is_none());
        let (Some(fault), None) = (faults.next(), faults.next()) else {
            panic!("not one fault: {}", self.stderr);
        };
        let text = |member: &str| match fault.pointer(member) {
            Some(Value::String(text)) => text.clone(),
            other => panic!("{member} is {other:?}: {}", self.stderr),
        };
        Failed {
            rung: text("/rung"),
            code: text("/code"),
        }
    }

    /// The lines of standard error of a run with `--json`.
    ///
    /// # Panics
    /// If one is no JSON.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let parse =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stderr.lines().map(parse).collect()
    }
}

/// The command as this tree has it: what `TOWPATH` names, or what cargo builds now.
///
/// # Panics
/// If it can't be built.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match env::var_os("TOWPATH") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.args(["build", "-p", "towpath-cli", "--message-format", "json"]);
    let output = command.output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let path = messages.find_map(|message| Some(message.get("executable")?.as_str()?.into()));
    path.expect("cargo says where it is")
}
