//! Programs in C that `scripts/build-c` has made: run to their end, under valgrind where it is installed.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a program may take. It is far more than any needs: it only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The root of the tree.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What a program came to.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub text: String,
    /// Its standard error, where valgrind also writes.
    pub errors: String,
}

impl Ended {
    /// The output of a program that ended with this status.
    ///
    /// # Panics
    /// If it ended otherwise.
    #[must_use]
    #[track_caller]
    pub fn with_code(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}\n{}", self.text, self.errors);
        &self.text
    }
}

/// A program of `target/c`.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Program {
    /// The program of this name.
    ///
    /// # Panics
    /// If it is not built.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let path = root().join("target/c").join(name);
        assert!(path.exists(), "{}: run `make c`", path.display());
        Self {
            path,
            variables: Vec::new(),
        }
    }

    /// With this in its environment.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Run {
        // It looks at each access to memory; what it finds is an exit status of its own.
        let mut command = if has_valgrind() {
            let mut command = Command::new("valgrind");
            command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
            command.arg(&self.path);
            command
        } else {
            Command::new(&self.path)
        };
        command.args(arguments).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Run {
            child: Some(command.spawn().expect("the program starts")),
        }
    }
}

/// A program that runs. It ends with this value.
#[derive(Debug)]
pub struct Run {
    child: Option<Child>,
}

impl Run {
    /// Waits for its end. It writes little enough for the pipes to hold.
    ///
    /// # Panics
    /// If that does not come in time.
    pub fn wait(mut self) -> Ended {
        let until = Instant::now() + PATIENCE;
        let child = self.child.as_mut().expect("it runs");
        while child.try_wait().expect("its end").is_none() {
            assert!(Instant::now() < until, "the program does not end");
            thread::sleep(Duration::from_millis(5));
        }
        let child = self.child.take().expect("it ran");
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().expect("its output");
        Ended {
            code: status.code(),
            text: String::from_utf8_lossy(&stdout).into_owned(),
            errors: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn has_valgrind() -> bool {
    Path::new("/usr/bin/valgrind").exists()
}
