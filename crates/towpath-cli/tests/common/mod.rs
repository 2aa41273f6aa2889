//! What the tests need: the program, brokers, peers that answer badly. Everything started here ends with its value.

use self::pki::Pki;
use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

pub mod dns;
pub mod pki;

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Asserts that there is nothing but one line on standard error, which begins like this.
    #[track_caller]
    pub fn failed(&self, code: i32, begins: &str) -> &str {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with(begins), "{begins}: {self:?}");
        assert_eq!(self.out, "", "{self:?}");
        &self.err
    }

    /// Asserts that clap refused it.
    #[track_caller]
    pub fn failed_usage(&self) {
        assert_eq!(self.code, 2, "{self:?}");
        assert!(self.err.starts_with("error: "), "{self:?}");
    }

    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.out
    }
}

pub fn towpath(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
    command
        .args(args)
        .env_remove("TOWPATH_PASSWORD")
        .env_remove("TOWPATH_KEY_PASSWORD")
        .env_remove("SSLKEYLOGFILE")
        .env_remove("TOWPATH_PROXY_PASSWORD")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Whatever the machine that runs the tests is behind.
    for name in ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env_remove("http_proxy");
    command
}

pub fn run(args: &[&str]) -> Ran {
    ran(towpath(args).spawn().unwrap())
}

pub fn run_with(args: &[&str], input: &[u8]) -> Ran {
    let mut child = towpath(args).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || {
        // A program that refuses its input closes it.
        let _ = stdin.write_all(&input);
    });
    let ran = ran(child);
    writer.join().unwrap();
    ran
}

pub fn ran(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A `towpath sub` in the background that has its subscription.
pub struct Subscriber {
    pub child: Child,
    pub err: BufReader<ChildStderr>,
    pub out: BufReader<ChildStdout>,
}

impl Subscriber {
    /// `args` without `sub`; a subscriber whose messages never come gives up by itself.
    pub fn start(args: &[&str]) -> Self {
        let mut all = vec!["sub", "--trace", "-W", "60"];
        all.extend(args);
        let mut child = towpath(&all).spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut subscriber = Self { child, err, out };
        subscriber.wait_for("subscribe");
        subscriber
    }

    /// Reads standard error up to a line with this text.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = self.err.read_line(&mut line).unwrap();
            assert!(read > 0, "no \"{text}\" in:\n{seen}");
            if line.contains(text) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ran {
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.err.read_to_string(&mut err).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ran { code, out, err }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that is removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("towpath-cli-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and answers its path.
    pub fn file(&self, name: &str, contents: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A Mosquitto with a TCP and a WebSocket listener.
pub struct Broker {
    child: Child,
    folder: Folder,
    /// Of the TCP listener; with TLS if the broker has it, as of the other.
    pub mqtt: String,
    pub ws: String,
    ports: (u16, u16),
}

impl Broker {
    pub fn start() -> Self {
        Self::with(Folder::new(), "allow_anonymous true\n")
    }

    /// Knows alice, whose password is "open sesame", and lets her use ok/# only.
    pub fn with_login() -> Self {
        let folder = Folder::new();
        let passwords = folder.file("passwords", "");
        let made = Command::new(program("mosquitto_passwd"))
            .args(["-b", &passwords, "alice", "open sesame"])
            .output()
            .expect("mosquitto_passwd comes with the package mosquitto");
        assert!(made.status.success(), "{made:?}");
        let rules = folder.file("rules", "user alice\ntopic readwrite ok/#\n");
        let more = format!("allow_anonymous false\npassword_file {passwords}\nacl_file {rules}\n");
        Self::with(folder, &more)
    }

    /// Speaks TLS on both ports, and wants a certificate of `pki` on the one of WebSocket.
    pub fn with_tls(pki: &Pki) -> Self {
        let tls = format!(
            "cafile {}\ncertfile {}\nkeyfile {}\n",
            pki.ca.cert, pki.server.cert, pki.server.key
        );
        let asking = format!("{tls}require_certificate true\n");
        Self::listening(
            Folder::new(),
            ["s", &tls, &asking],
            "allow_anonymous true\n",
        )
    }

    fn with(folder: Folder, more: &str) -> Self {
        Self::listening(folder, ["", "", ""], more)
    }

    /// `s` goes behind the schemes, `tcp` and `ws` to the listeners.
    fn listening(folder: Folder, [s, tcp, ws]: [&str; 3], more: &str) -> Self {
        let ports = (free_port(), free_port());
        folder.file(
            "mosquitto.conf",
            &format!(
                "listener {} 127.0.0.1\n{tcp}listener {} 127.0.0.1\nprotocol websockets\n{ws}\
                 persistence false\nuser root\nmax_queued_messages 0\n{more}",
                ports.0, ports.1
            ),
        );
        let child = Self::spawn(&folder.0, ports);
        Self {
            child,
            folder,
            mqtt: format!("mqtt{s}://127.0.0.1:{}", ports.0),
            ws: format!("ws{s}://127.0.0.1:{}/mqtt", ports.1),
            ports,
        }
    }

    fn spawn(folder: &Path, (tcp, ws): (u16, u16)) -> Child {
        let mut child = Command::new(program("mosquitto"))
            .arg("-c")
            .arg(folder.join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the package mosquitto is installed");
        for port in [tcp, ws] {
            await_port(port, &mut child);
        }
        child
    }

    /// Ends the broker and starts it again on the same ports.
    pub fn restart(&mut self, between: impl FnOnce()) {
        self.stop();
        between();
        self.child = Self::spawn(&self.folder.0, self.ports);
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A server of another kind, ended with this value.
pub struct Server(Child);

impl Server {
    /// `command` listens on `port`.
    pub fn start(mut command: Command, port: u16) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        await_port(port, &mut child);
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until somebody listens.
fn await_port(port: u16, child: &mut Child) {
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "port {port} stays closed"
        );
        assert!(
            child.try_wait().unwrap().is_none(),
            "the server ended at once"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// Debian keeps servers in sbin, which an ordinary user's PATH lacks.
fn program(name: &str) -> PathBuf {
    let sbin = Path::new("/usr/sbin").join(name);
    if sbin.exists() { sbin } else { name.into() }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A peer that accepts one connection and hands it to `act`. Answers its port.
pub fn peer(act: impl FnOnce(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            act(stream);
        }
    });
    port
}

/// A peer that reads something, says `answer`, and waits for the other side to close.
pub fn says(answer: &'static [u8]) -> u16 {
    peer(move |mut stream| {
        let mut bytes = [0; 4096];
        let _ = stream.read(&mut bytes);
        let _ = stream.write_all(answer);
        while matches!(stream.read(&mut bytes), Ok(1..)) {}
    })
}
