//! Programs that the device's file names: started without a shell, with bounds on time and output, ended with all that
//! they started.
//!
//! Takes in a program, what it gets on standard input and in its environment; gives out its status and what it wrote.

use std::{fmt, io, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::{sleep, timeout},
};
use towpath::config::device::Program;

use crate::text::one_line;

/// The most that a program may write to standard output, bytes.
pub(super) const OUTPUT_MAX: usize = 64 << 10;

/// What is kept of standard error, bytes.
const COMPLAINT_MAX: usize = 1 << 10;

/// How long the output of a program that has ended is waited for. It may have left another one behind, which holds on
/// to it for as long as it lives.
const LEFT_BEHIND: Duration = Duration::from_millis(500);

/// Environment variables with a meaning for this program alone, or with a secret.
const OURS: &[&str] = &[
    "TOWPATH_PASSWORD",
    "TOWPATH_KEY_PASSWORD",
    "TOWPATH_PROXY_PASSWORD",
    "SSLKEYLOGFILE",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

/// How a program ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ran {
    /// Its exit status; `None`: a signal ended it.
    pub(super) status: Option<i32>,
    /// What it wrote to standard output.
    pub(super) out: Vec<u8>,
    /// The beginning of what it wrote to standard error.
    pub(super) complaint: String,
}

impl Ran {
    pub(super) fn is_success(&self) -> bool {
        self.status == Some(0)
    }

    /// Status and complaint, for a line of the log.
    pub(super) fn words(&self) -> String {
        let mut words = match self.status {
            Some(status) => format!("exit status {status}"),
            None => "ended by a signal".to_owned(),
        };
        if let Some(first) = self.complaint.lines().find(|line| !line.trim().is_empty()) {
            words.push_str(": ");
            words.push_str(&one_line(first));
        }
        words
    }
}

/// Why a program did not run to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// It could not be started, or its output not be read.
    Io(io::Error),
    /// It took too long.
    Late(Duration),
    /// It wrote too much.
    TooMuch,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "it can't be run: {error}"),
            Self::Late(limit) => write!(f, "it took more than {} s (timeout)", limit.as_secs_f64()),
            Self::TooMuch => write!(f, "it wrote more than {OUTPUT_MAX} bytes"),
        }
    }
}

/// How programs are run.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    /// Environment variables that hold a key.
    secrets: Vec<String>,
}

impl Runner {
    /// `secrets`: variables that no program gets.
    pub(super) fn new(secrets: Vec<String>) -> Self {
        Self { secrets }
    }

    /// Runs a program to its end. When this is dropped before, the program and what it started are ended.
    pub(super) async fn run(
        &self,
        program: &Program,
        input: &[u8],
        variables: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Ran, Broken> {
        let mut command = Command::new(&program.path);
        command
            .args(&program.args)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for name in OURS {
            command.env_remove(name);
        }
        for name in &self.secrets {
            command.env_remove(name);
        }
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(Broken::Io)?;
        let mut group = Group::of(&child);
        let ran = timeout(limit, attend(&mut child, input)).await;
        match ran {
            Ok(Ok(ran)) => {
                // What it left behind on purpose goes on.
                group.leave();
                Ok(ran)
            }
            Ok(Err(broken)) => Err(broken),
            Err(_) => Err(Broken::Late(limit)),
        }
    }
}

/// Feeds a program and reads what it writes.
async fn attend(child: &mut Child, input: &[u8]) -> Result<Ran, Broken> {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input closes it, which is its own business.
            let _ = stdin.write_all(input).await;
        }
    };
    let mut out = Vec::new();
    let mut complaint = Vec::new();
    let mut status = None;
    {
        let read = async {
            tokio::join!(
                feed,
                read_up_to(stdout, &mut out, OUTPUT_MAX),
                drain(stderr, &mut complaint, COMPLAINT_MAX)
            )
        };
        let mut read = std::pin::pin!(read);
        let mut whole = tokio::select! {
            ((), whole, ()) = &mut read => Some(whole),
            ended = child.wait() => {
                status = Some(ended.map_err(Broken::Io)?);
                None
            }
        };
        if whole.is_none() {
            whole = tokio::select! {
                ((), whole, ()) = &mut read => Some(whole),
                () = sleep(LEFT_BEHIND) => None,
            };
        }
        if let Some(whole) = whole
            && !whole.map_err(Broken::Io)?
        {
            return Err(Broken::TooMuch);
        }
    }
    let status = match status {
        Some(status) => status,
        None => child.wait().await.map_err(Broken::Io)?,
    };
    Ok(Ran {
        status: status.code(),
        out,
        complaint: String::from_utf8_lossy(&complaint).into_owned(),
    })
}

/// Reads to the end; false if there is more than `most`.
async fn read_up_to(
    source: Option<impl AsyncRead + Unpin>,
    into: &mut Vec<u8>,
    most: usize,
) -> io::Result<bool> {
    let Some(source) = source else {
        return Ok(true);
    };
    source.take(most as u64 + 1).read_to_end(into).await?;
    Ok(into.len() <= most)
}

/// Reads to the end and keeps the beginning.
async fn drain(source: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>, most: usize) {
    let Some(mut source) = source else {
        return;
    };
    let mut block = [0; 4096];
    while let Ok(read @ 1..) = source.read(&mut block).await {
        let room = most.saturating_sub(into.len()).min(read);
        into.extend_from_slice(block.get(..room).unwrap_or_default());
    }
}

/// A program with all that it started. They are ended with this value, unless it was left.
struct Group {
    #[cfg(unix)]
    id: Option<nix::unistd::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            id: id.map(nix::unistd::Pid::from_raw),
        }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }

    fn leave(&mut self) {
        #[cfg(unix)]
        {
            self.id = None;
        }
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // The leader has not been waited for, or has members left: the number is still theirs.
            let _ = nix::sys::signal::killpg(id, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str) -> Program {
        Program {
            path: "sh".into(),
            args: vec!["-c".into(), script.into()],
        }
    }

    async fn run(script: &str, input: &[u8], limit: u64) -> Result<Ran, Broken> {
        let runner = Runner::new(vec!["TOWPATH_TEST_SECRET".into()]);
        let variables = [("TOWPATH_TEST_SECRET", "s3same"), ("METHOD", "blink")];
        runner
            .run(&sh(script), input, &variables, Duration::from_secs(limit))
            .await
    }

    #[tokio::test]
    async fn a_program_gets_its_input_and_gives_its_output() {
        let ran = run("tr a-z A-Z; echo $METHOD; echo oh >&2; exit 3", b"hi ", 60)
            .await
            .unwrap();
        assert_eq!(ran.out, b"HI blink\n");
        assert_eq!(ran.words(), "exit status 3: oh");
        assert!(!ran.is_success());
        let ran = run("kill -9 $$", b"", 60).await.unwrap();
        assert_eq!(ran.words(), "ended by a signal");
    }

    #[tokio::test]
    async fn secrets_stay_here() {
        let ran = run("echo \"[$TOWPATH_TEST_SECRET]\"", b"", 60)
            .await
            .unwrap();
        assert_eq!(ran.out, b"[]\n");
    }

    #[tokio::test]
    async fn a_program_that_does_not_read_is_no_failure() {
        let ran = run("exec <&-; echo done", &vec![b'x'; 1 << 20], 60)
            .await
            .unwrap();
        assert_eq!((ran.status, &ran.out[..]), (Some(0), &b"done\n"[..]));
    }

    #[tokio::test]
    async fn one_that_writes_too_much_is_ended() {
        let broken = run("yes", b"", 60).await.unwrap_err();
        assert_eq!(broken.to_string(), "it wrote more than 65536 bytes");
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended_with_its_children() {
        use std::{io::Read as _, os::unix::fs::OpenOptionsExt as _};
        let folder = std::env::temp_dir().join(format!("towpath-group-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let pipe = folder.join("alive");
        let path = pipe.display();
        let made = run(&format!("mkfifo {path}"), b"", 60).await.unwrap();
        assert!(made.is_success(), "{made:?}");
        let mut options = std::fs::OpenOptions::new();
        let mut held = options
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(&pipe)
            .unwrap();
        // The grandchild holds the pipe open for as long as it lives.
        let script = format!("(exec 9>{path}; sleep 1000) & wait");
        let broken = run(&script, b"", 1).await.unwrap_err();
        assert_eq!(broken.to_string(), "it took more than 1 s (timeout)");
        // There is an end when nobody holds it any more.
        while held.read(&mut [0; 1]).is_err() {
            std::thread::yield_now();
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn one_that_leaves_another_behind_is_done() {
        let ran = run("sleep 1 & echo started", b"", 60).await.unwrap();
        assert_eq!((ran.status, &ran.out[..]), (Some(0), &b"started\n"[..]));
    }

    #[tokio::test]
    async fn one_that_is_not_there_says_so() {
        let nothing = Program {
            path: "/nowhere/program".into(),
            args: Vec::new(),
        };
        let runner = Runner::new(Vec::new());
        let broken = runner.run(&nothing, b"", &[], Duration::from_secs(1)).await;
        let why = broken.unwrap_err().to_string();
        assert!(why.starts_with("it can't be run: No such file"), "{why}");
    }
}
