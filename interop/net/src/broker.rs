//! mosquitto, on the internet.

use std::fs;

use mqtt::Folder;
use tls::pki::{Pki, Server};

use crate::{Daemon, Namespace};

/// A running broker: MQTT on 1883, with TLS on 8883; WebSocket on 80, with TLS on 443. Ends with this value.
#[derive(Debug)]
pub struct Broker(Daemon);

impl Broker {
    /// Starts it.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(internet: &Namespace, pki: &Pki) -> Self {
        let folder = Folder::new("mosquitto");
        let pair = pki.server(Server::Lab);
        let (chain, key) = (pair.chain.display(), pair.key.display());
        let tls = format!("certfile {chain}\nkeyfile {key}\n");
        // As root mosquitto would become another user, who could not read the key.
        let text = format!(
            "user root\nlog_type all\nlog_timestamp false\nallow_anonymous true\n\
             listener 1883\nlistener 8883\n{tls}\
             listener 80\nprotocol websockets\nlistener 443\nprotocol websockets\n{tls}"
        );
        let file = folder.file("mosquitto.conf");
        fs::write(&file, text).expect("the configuration");
        let file = file.display().to_string();
        let log = folder.file("log");
        let daemon = Daemon::start(internet, "mosquitto", &["-c", &file], folder);
        // It says so when all its ports are open.
        let runs = || {
            let log = fs::read_to_string(&log).unwrap_or_default();
            let mut lines = log.lines();
            lines.any(|line| line.starts_with("mosquitto version") && line.ends_with("running"))
        };
        Self(daemon.until("it does not run", runs))
    }

    /// How many lines of its log contain all of `words`.
    #[must_use]
    pub fn logged(&self, words: &[&str]) -> usize {
        let log = self.0.log();
        let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
        log.lines().filter(has_all).count()
    }
}
