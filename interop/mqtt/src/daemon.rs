//! Programs that a test starts: where they are, the folder they work in, and what they said when the test failed.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

/// A temporary folder. Gone with this value; if the test fails, the end of the file `log` in it is printed first.
#[derive(Debug)]
pub struct Folder {
    name: &'static str,
    path: PathBuf,
}

impl Folder {
    /// An empty folder for a program of this name.
    ///
    /// # Panics
    /// If it can't be made.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("towpath-{name}-{}-{count}", process::id()));
        // What a killed run with the same process id may have left.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self { name, path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The file `log`, opened for more at its end.
    ///
    /// # Panics
    /// If it can't be opened.
    #[must_use]
    pub fn open_log(&self) -> fs::File {
        let mut options = fs::OpenOptions::new();
        let log = options.create(true).append(true).open(self.file("log"));
        log.expect("the log")
    }

    /// What is in the file `log`.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.file("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(20_000);
            let from = (from..).find(|at| log.is_char_boundary(*at)).unwrap_or(0);
            eprintln!(
                "--- the end of the log of {}\n{}--- end",
                self.name,
                &log[from..]
            );
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Where a program is. Debian keeps servers in a folder that an ordinary user's PATH lacks.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let server = Path::new("/usr/sbin").join(name);
    if server.exists() { server } else { name.into() }
}

/// Runs a program to its end and answers what it wrote.
///
/// # Panics
/// If it is not installed or fails.
pub fn run(name: &str, arguments: &[&str]) -> String {
    match Command::new(program(name)).args(arguments).output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {errors}");
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        Err(error) if error.kind() == ErrorKind::NotFound => panic!("{name} is not installed"),
        Err(error) => panic!("{name}: {error}"),
    }
}
