//! Mosquitto as a child process with a configuration and a folder of its own.

use std::{
    fmt::Write as _,
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use towpath::{QoS, Version};

use crate::{
    Folder, Peer, Port, Via, Way,
    daemon::{program, run},
    wait_for,
};

/// How long the broker may take to start, or to do what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a broker is to be set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    lines: String,
    persistent: bool,
    secured: bool,
    no_subscribing: bool,
    tls: bool,
}

impl Setup {
    /// Everything is allowed, nothing is kept.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of the configuration file.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    /// No limit to what waits for a subscriber.
    #[must_use]
    pub fn unlimited(self) -> Self {
        self.line("max_inflight_messages 0")
            .line("max_queued_messages 0")
    }

    /// The database is written to disk after each turn of the broker's loop in which it counted a change; see
    /// [`Broker::save`].
    #[must_use]
    pub const fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// Nobody may subscribe to anything. An access list can't say so: mosquitto lets everybody subscribe and then
    /// holds back what they may not read.
    #[must_use]
    pub const fn no_subscribing(mut self) -> Self {
        self.no_subscribing = true;
        self
    }

    /// Only user `anna` with password `secret` may come in. She may not write or read `forbidden/#`.
    #[must_use]
    pub const fn secured(mut self) -> Self {
        self.secured = true;
        self
    }

    /// A third listener, which speaks TLS with a certificate that nobody trusts.
    #[must_use]
    pub const fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Starts the broker.
    ///
    /// # Panics
    /// If mosquitto is missing or does not start.
    #[must_use]
    pub fn start(self) -> Broker {
        Broker::start(&self)
    }
}

/// A running broker. Ends with this value; its log is printed if the test fails.
#[derive(Debug)]
pub struct Broker {
    child: Option<Child>,
    folder: Folder,
    tcp: Port,
    ws: Port,
    tls: Option<Port>,
    starts: usize,
}

impl Broker {
    fn start(setup: &Setup) -> Self {
        let mut broker = Self {
            child: None,
            folder: Folder::new("mosquitto"),
            tcp: Port::claim(),
            ws: Port::claim(),
            tls: setup.tls.then(Port::claim),
            starts: 0,
        };
        let text = broker.configuration(setup);
        fs::write(broker.path("mosquitto.conf"), text).expect("the configuration");
        broker.restart();
        broker
    }

    fn configuration(&self, setup: &Setup) -> String {
        // As root mosquitto would become another user, who could not write to the folder.
        let mut text = String::from("user root\nlog_type all\nlog_timestamp false\n");
        text.push_str(&setup.lines);
        if setup.persistent {
            let folder = self.folder().display();
            let _ = write!(
                text,
                "persistence true\npersistence_location {folder}/\n\
                 autosave_interval 1\nautosave_on_changes true\n"
            );
        }
        if setup.secured {
            self.secure(&mut text);
        } else {
            text.push_str("allow_anonymous true\n");
        }
        if setup.no_subscribing {
            self.forbid_subscribing(&mut text);
        }
        let _ = writeln!(text, "listener {} 127.0.0.1", self.tcp.number());
        let _ = writeln!(text, "listener {} 127.0.0.1", self.ws.number());
        text.push_str("protocol websockets\n");
        if let Some(tls) = &self.tls {
            let certificate = self.certify();
            let _ = writeln!(text, "listener {} 127.0.0.1", tls.number());
            let _ = writeln!(text, "certfile {0}.pem\nkeyfile {0}.key", certificate);
        }
        text
    }

    fn secure(&self, text: &mut String) {
        let users = self.path("users");
        let arguments = ["-b", "-c", &users.display().to_string(), "anna", "secret"];
        run("mosquitto_passwd", &arguments);
        let rules = self.path("rules");
        fs::write(
            &rules,
            "user anna\ntopic readwrite #\ntopic deny forbidden/#\n",
        )
        .expect("rules");
        let _ = write!(
            text,
            "allow_anonymous false\npassword_file {}\nacl_file {}\n",
            users.display(),
            rules.display()
        );
    }

    fn forbid_subscribing(&self, text: &mut String) {
        let rules = self.path("rules.json");
        let access = r#"{"defaultACLAccess": {"publishClientSend": true,
            "publishClientReceive": true, "subscribe": false, "unsubscribe": true}}"#;
        fs::write(&rules, access).expect("rules");
        let name = "mosquitto_dynamic_security.so";
        let folders = fs::read_dir("/usr/lib").expect("/usr/lib").flatten();
        let mut plugins = folders.map(|folder| folder.path().join(name));
        let plugin = plugins.find(|plugin| plugin.exists());
        let _ = writeln!(
            text,
            "plugin {}\nplugin_opt_config_file {}",
            plugin.expect(name).display(),
            rules.display()
        );
    }

    /// Makes a certificate and answers its path without extension.
    fn certify(&self) -> String {
        let path = self.path("certificate").display().to_string();
        let (key, certificate) = (format!("{path}.key"), format!("{path}.pem"));
        let arguments = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-days",
            "2",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ];
        run("openssl", &arguments);
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    /// Its own folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The port for a way to carry MQTT.
    #[must_use]
    pub const fn port(&self, via: Via) -> u16 {
        match via {
            Via::Tcp => self.tcp.number(),
            Via::Ws => self.ws.number(),
        }
    }

    /// The port of the TLS listener.
    ///
    /// # Panics
    /// If it was not set up.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.tls.as_ref().expect("Setup::tls").number()
    }

    /// The end of the process at once, as `kill -9` does it.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill_hard(&mut self) {
        let mut child = self.child.take().expect("the broker runs");
        child.kill().expect("SIGKILL");
        child.wait().expect("its end");
    }

    /// The end of the process as its service ends it: it says farewell to whom it can.
    ///
    /// # Panics
    /// If it does not run.
    pub fn end(&mut self) {
        self.signal("-TERM");
        let mut child = self.child.take().expect("the broker runs");
        child.wait().expect("its end");
    }

    /// Starts the broker on the same ports with the same folder, and waits until it accepts.
    ///
    /// # Panics
    /// If it runs already, or does not start.
    pub fn restart(&mut self) {
        assert!(self.child.is_none(), "the broker runs already");
        let child = Command::new(program("mosquitto"))
            .arg("-c")
            .arg(self.path("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.folder.open_log())
            .spawn();
        self.child = Some(child.expect("mosquitto is installed"));
        self.starts += 1;
        let until = Instant::now() + PATIENCE;
        while !self.accepts() {
            if let Some(child) = &mut self.child
                && let Ok(Some(status)) = child.try_wait()
            {
                panic!("mosquitto ended: {status}");
            }
            assert!(Instant::now() < until, "mosquitto does not accept");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether this start of the broker has said that it runs and all its ports are open.
    fn accepts(&self) -> bool {
        let running = |line: &&str| line.contains("mosquitto version") && line.ends_with("running");
        if self.log().lines().filter(running).count() < self.starts {
            return false;
        }
        let ports = [Some(&self.tcp), Some(&self.ws), self.tls.as_ref()];
        ports
            .into_iter()
            .flatten()
            .all(|port| TcpStream::connect(port.address()).is_ok())
    }

    /// Stops the process where it is, without its end; [`kill_hard`](Self::kill_hard) may follow.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen process go on.
    ///
    /// # Panics
    /// If it does not run.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("the broker runs").id();
        run("kill", &[name, &id.to_string()]);
    }

    /// Everything that the broker logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.folder.log()
    }

    /// How many lines of the log contain all of `words`.
    #[must_use]
    pub fn logged(&self, words: &[&str]) -> usize {
        let log = self.log();
        let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
        log.lines().filter(has_all).count()
    }

    /// Waits until `count` lines of the log contain all of `words`.
    ///
    /// # Panics
    /// If they do not come.
    pub async fn until_logged(&self, words: &[&str], count: usize) {
        let what = format!("{count} lines with {words:?} in the broker's log");
        wait_for(&what, || self.logged(words) >= count).await;
    }

    /// Makes the broker write its database, and waits until it is written. Mosquitto counts subscriptions as changes,
    /// but not a QoS 2 message that waits for PUBREL, nor a message on its way to a subscriber that is there.
    ///
    /// # Panics
    /// If it is not written.
    pub async fn save(&self) {
        let options = Way::new(Via::Tcp, Version::V311).options(self);
        let mut first = Peer::connect(options.clone().client_id("save")).await;
        first.subscribe("save", QoS::AtMostOnce).await;
        // SUBACK leaves before the end of the turn that writes; CONNACK to somebody else is of a later turn.
        Peer::connect(options.client_id("saved"))
            .await
            .close()
            .await;
        first.close().await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
