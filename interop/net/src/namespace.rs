//! A machine of the test's own: a network and a few files, for the programs that are started in it.
//!
//! A namespace has no name. It is held by a thread and gone with it, also when the test is killed, so that nothing is
//! left over and any number of tests can run side by side.

use std::{
    fs,
    io::Write as _,
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use mqtt::{Folder, program};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    unistd::gettid,
};

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace with `resolv.conf` and `hosts` of its own.
#[derive(Debug)]
pub struct Namespace {
    name: &'static str,
    thread_id: i32,
    /// Always there until the value is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    folder: Folder,
}

impl Namespace {
    /// A namespace with a loopback interface and nothing else, not even a resolver.
    ///
    /// # Panics
    /// If it can't be made: that takes root.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let folder = Folder::new(name);
        fs::write(folder.file("resolv.conf"), "").expect("resolv.conf");
        fs::write(folder.file("hosts"), "127.0.0.1 localhost\n::1 localhost\n").expect("hosts");
        let (jobs, todo) = mpsc::channel::<Job>();
        let (ready, entered) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            let came = enter();
            let may_go_on = came.is_ok();
            let _ = ready.send(came.map(|()| gettid().as_raw()));
            if may_go_on {
                todo.into_iter().for_each(|job| job());
            }
        });
        let thread = thread.expect("a thread");
        let thread_id = match entered.recv().expect("the thread answers") {
            Ok(thread_id) => thread_id,
            Err(error) => {
                panic!("no namespace ({error}): run `make net`, which says what it takes")
            }
        };
        let namespace = Self {
            name,
            thread_id,
            jobs: Some(jobs),
            thread: Some(thread),
            folder,
        };
        for file in ["resolv.conf", "hosts"] {
            let own = namespace.folder.file(file);
            namespace.run(move || bind(&own, &Path::new("/etc").join(file)));
        }
        namespace.ip("link set lo up");
        // Errors by ICMP are what the tests are about: none may be held back for being too many.
        for key in ["ipv4.icmp_ratelimit", "ipv6.icmp.ratelimit"] {
            namespace.sysctl(key, "0");
        }
        // Nobody else is on these links: addresses are good at once.
        for key in ["ipv6.conf.all.accept_dad", "ipv6.conf.default.accept_dad"] {
            namespace.sysctl(key, "0");
        }
        namespace
    }

    /// What it is called in failures.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What stands for this namespace behind `netns` of `ip link`: the id of its thread.
    #[must_use]
    pub const fn id(&self) -> i32 {
        self.thread_id
    }

    /// Runs a function in the namespace and answers its result. Programs that it starts stay in there, and so do
    /// sockets that it makes, wherever they are used later.
    ///
    /// # Panics
    /// If the function panics.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::sync_channel(1);
        let job = move || {
            let _ = done.send(panic::catch_unwind(AssertUnwindSafe(job)));
        };
        let jobs = self.jobs.as_ref().expect("there until drop");
        jobs.send(Box::new(job)).expect("the thread lives");
        match result.recv().expect("the thread answers") {
            Ok(result) => result,
            Err(panic) => panic::resume_unwind(panic),
        }
    }

    /// Runs a program to its end with this on its standard input, and answers what it wrote.
    ///
    /// # Panics
    /// If it is not installed or fails.
    pub fn feed(&self, name: &'static str, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(program(name));
        command.args(arguments).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let whose = self.name;
        let mut child = self.run(move || match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{whose}: {name}: {error}"),
        });
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(input.as_bytes()).expect("it reads");
        drop(pipe);
        let output = child.wait_with_output().expect("its end");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{whose}: {name} {arguments:?}: {errors}\n{input}"
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Commands of `ip`, one a line.
    ///
    /// # Panics
    /// If one fails.
    pub fn ip(&self, commands: &str) {
        self.feed("ip", &["-batch", "-"], commands);
    }

    /// Commands of `nft`, one a line.
    ///
    /// # Panics
    /// If one fails: then none is done.
    pub fn nft(&self, commands: &str) {
        self.feed("nft", &["-f", "-"], commands);
    }

    /// The packets that a named counter of `nft` has seen.
    ///
    /// # Panics
    /// If there is no such counter.
    #[must_use]
    pub fn counted(&self, family: &str, table: &str, counter: &str) -> u64 {
        let text = self.feed("nft", &["list", "counter", family, table, counter], "");
        let mut words = text.split_ascii_whitespace();
        words
            .find(|word| *word == "packets")
            .and_then(|_| words.next()?.parse().ok())
            .expect("a counter")
    }

    /// Sets a value below `/proc/sys/net`; the key as `sysctl` writes it, without `net.`.
    ///
    /// # Panics
    /// If there is no such key.
    pub fn sysctl(&self, key: &str, value: &'static str) {
        let path = format!("/proc/sys/net/{}", key.replace('.', "/"));
        self.run(move || {
            if let Err(error) = fs::write(&path, value) {
                panic!("{path}: {error}");
            }
        });
    }

    /// What programs in here find in `/etc/resolv.conf`.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn resolv_conf(&self, text: &str) {
        fs::write(self.folder.file("resolv.conf"), text).expect("resolv.conf");
    }

    /// What programs in here find in `/etc/hosts`.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn hosts(&self, text: &str) {
        fs::write(self.folder.file("hosts"), text).expect("hosts");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Moves the calling thread into namespaces of its own.
fn enter() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
    // What is mounted from here on is seen by nobody else.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
}

fn bind(from: &Path, to: &Path) {
    if let Err(error) = mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>) {
        panic!("a file in place of {}: {error}", to.display());
    }
}
