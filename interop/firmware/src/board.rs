//! The board: QEMU as a child process.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use mqtt::Folder;
use net::Namespace;

use crate::output::{Output, PATIENCE};

/// A board with a program on it. It keeps its files, its flash among them, from one run to the next.
#[derive(Debug)]
pub struct Board {
    image: PathBuf,
    /// A run has it too, so that it outlives a board that is a temporary.
    folder: Arc<Folder>,
    settings: Vec<(String, String)>,
    network: Vec<String>,
    more: Vec<String>,
}

impl Board {
    /// A board with this application, as `scripts/build-firmware` has built it.
    ///
    /// # Panics
    /// If it is not built.
    #[must_use]
    pub fn new(application: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let built = env::var_os("TOWPATH_FIRMWARE").map_or_else(
            || root.join("target/firmware/thumbv8m.main-none-eabihf/release"),
            PathBuf::from,
        );
        Self::of(&built.join(application))
    }

    /// A board with the program in this ELF file.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn of(image: &Path) -> Self {
        let image = fs::canonicalize(image).unwrap_or_else(|error| {
            panic!("{}: {error}; run `make test-firmware`", image.display())
        });
        Self {
            image,
            folder: Arc::new(Folder::new("board")),
            settings: Vec::new(),
            network: vec!["-nic".into(), "user".into()],
            more: Vec::new(),
        }
    }

    /// A line of its `device.cfg`; a later one of the same key takes the place of an earlier one.
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl ToString) -> Self {
        self.set(key, value);
        self
    }

    /// The same for the next start of a board that was started before.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.into(), value.to_string()));
    }

    /// Takes back a line of its `device.cfg`.
    pub fn unset(&mut self, key: &str) {
        self.settings.retain(|(known, _)| known != key);
    }

    /// A file beside `device.cfg`.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), bytes).expect("a file of the board");
        self
    }

    /// What `-nic` of QEMU gets instead of `user`.
    #[must_use]
    pub fn nic(mut self, argument: &str) -> Self {
        self.network = vec!["-nic".into(), argument.into()];
        self
    }

    /// A TAP device of this name, which has to be there where the board is [started](Self::start_in).
    #[must_use]
    pub fn tap(self, interface: &str) -> Self {
        self.nic(&format!("tap,ifname={interface},script=no,downscript=no"))
    }

    /// More arguments for QEMU.
    #[must_use]
    pub fn qemu(mut self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).into());
        self.more.extend(arguments);
        self
    }

    /// The ELF file of its program.
    #[must_use]
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// The path of a file of the board.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    /// Switches it on.
    ///
    /// # Panics
    /// If QEMU is not installed.
    #[must_use]
    pub fn start(&self) -> Run {
        let mut command = self.command();
        self.started(command.spawn())
    }

    /// Switches it on in a namespace.
    ///
    /// # Panics
    /// If QEMU is not installed.
    #[must_use]
    pub fn start_in(&self, namespace: &Namespace) -> Run {
        let mut command = self.command();
        self.started(namespace.run(move || command.spawn()))
    }

    /// Switches it on and waits for the end of its program.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn run(&self) -> Ended {
        self.start().wait()
    }

    fn command(&self) -> Command {
        let settings = self.settings.iter();
        let settings: String = settings
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        fs::write(self.path("device.cfg"), settings).expect("device.cfg");
        // A test that is killed drops nothing; its board is to end all the same.
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "--",
            "qemu-system-arm",
            "-M",
            "mps2-an505",
        ]);
        command.args(["-display", "none", "-serial", "none", "-monitor", "none"]);
        command.args(["-semihosting-config", "enable=on,target=native"]);
        command.args(&self.network).args(&self.more);
        command.arg("-kernel").arg(&self.image);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn started(&self, child: std::io::Result<Child>) -> Run {
        let mut child = child.unwrap_or_else(|error| panic!("setpriv: {error}"));
        let stdout = child.stdout.take().expect("a pipe");
        let stderr = child.stderr.take().expect("a pipe");
        Run {
            child,
            _folder: Arc::clone(&self.folder),
            stdout: Some(Output::of(stdout)),
            stderr: Some(Output::of(stderr)),
        }
    }
}

/// A board that is on. Switched off with this value; what it wrote is printed if the test fails.
#[derive(Debug)]
pub struct Run {
    child: Child,
    _folder: Arc<Folder>,
    stdout: Option<Output>,
    stderr: Option<Output>,
}

impl Run {
    /// Waits for a line of its output that contains all of `words`, behind those that were waited for before.
    ///
    /// # Panics
    /// If there is none up to the end of the program, or in time.
    pub fn until(&self, words: &[&str]) -> String {
        let stdout = self.stdout.as_ref().expect("there until it ends");
        let line = stdout.line(words);
        line.unwrap_or_else(|| panic!("the board does not say {words:?}"))
    }

    /// What it wrote so far.
    #[must_use]
    pub fn so_far(&self) -> String {
        let bytes = self.stdout.as_ref().map(Output::so_far);
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }

    /// Switches it off at once.
    pub fn cut(mut self) -> Ended {
        let _ = self.child.kill();
        self.wait()
    }

    /// Waits for the end of its program.
    ///
    /// # Panics
    /// If it does not come in time.
    pub fn wait(mut self) -> Ended {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => assert!(Instant::now() < until, "the board does not end"),
                Err(error) => panic!("the board's end: {error}"),
            }
            thread::sleep(Duration::from_millis(5));
        };
        let whole = |output: Option<Output>| output.map(Output::whole).unwrap_or_default();
        Ended {
            status,
            bytes: whole(self.stdout.take()),
            errors: String::from_utf8_lossy(&whole(self.stderr.take())).into_owned(),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            for (name, output) in [("output", &self.stdout), ("errors", &self.stderr)] {
                let bytes = output.as_ref().map(Output::so_far).unwrap_or_default();
                eprintln!("the board's {name}:\n{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

/// What a program on the board came to.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The exit status of the emulator, which is the program's.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub bytes: Vec<u8>,
    /// What it, or QEMU, wrote to standard error.
    pub errors: String,
}

impl Ended {
    /// The output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The exit status, if it ended by itself.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The output of a program that has done what it is for.
    ///
    /// # Panics
    /// If it has not.
    #[must_use]
    #[track_caller]
    pub fn done(&self) -> String {
        self.with_code(0)
    }

    /// The output of a program that ended with this exit status.
    ///
    /// # Panics
    /// If it ended otherwise.
    #[must_use]
    #[track_caller]
    pub fn with_code(&self, code: i32) -> String {
        let text = self.text();
        assert_eq!(self.code(), Some(code), "{text}\n{}", self.errors);
        text
    }

    /// The number of a line `NAME: 123 bytes` or `NAME: peak 123 bytes`.
    ///
    /// # Panics
    /// If there is no such line.
    #[must_use]
    #[track_caller]
    pub fn measured(&self, name: &str) -> usize {
        let text = self.text();
        let line = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let number = line.and_then(|line| line.split(' ').find_map(|word| word.parse().ok()));
        number.unwrap_or_else(|| panic!("no measure {name:?} in:\n{text}"))
    }
}
