//! A middlebox that inspects TLS: it shows a certificate for the server's name that a CA of its own has issued.

use std::fs;

use mqtt::{Folder, run};
use net::{Daemon, Namespace};

/// The ports that it takes over, and where it does so.
const PORTS: [(u16, u16); 2] = [(8883, 18883), (443, 10443)];
/// What such a product is called.
const CA: &str = "/O=Zscaler Inc./CN=Zscaler Intermediate Root CA (zscaler.net)";

/// Starts it in a namespace, in the way of whatever is sent from there to the TLS ports of any host. Behind the inspection
/// is a mosquitto.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn start(namespace: &Namespace, name: &str) -> Daemon {
    let folder = Folder::new("inspector");
    certify(&folder, name);
    let [(mqtts, inspected_mqtts), (https, inspected_https)] = PORTS;
    namespace.nft(&format!(
        "add table ip inspect\n\
         add chain ip inspect output {{ type nat hook output priority -100 ; }}\n\
         add rule ip inspect output tcp dport {mqtts} redirect to :{inspected_mqtts}\n\
         add rule ip inspect output tcp dport {https} redirect to :{inspected_https}\n"
    ));
    let (chain, key) = (folder.file("chain.pem"), folder.file("leaf.key"));
    let tls = format!("certfile {}\nkeyfile {}\n", chain.display(), key.display());
    let text = format!(
        "user root\nlog_type all\nlog_timestamp false\nallow_anonymous true\n\
         listener {inspected_mqtts}\n{tls}listener {inspected_https}\nprotocol websockets\n{tls}"
    );
    let file = folder.file("mosquitto.conf");
    fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    let log = folder.file("log");
    let daemon = Daemon::start(namespace, "mosquitto", &["-c", &file], folder);
    daemon.until("it does not run", || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let mut lines = log.lines();
        lines.any(|line| line.starts_with("mosquitto version") && line.ends_with("running"))
    })
}

/// `chain.pem`, the leaf first, and `leaf.key`.
fn certify(folder: &Folder, name: &str) {
    let file = |name: &str| folder.file(name).display().to_string();
    let new = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ];
    let (ca, ca_key) = (file("ca.pem"), file("ca.key"));
    let root = ["-days", "30", "-subj", CA, "-keyout", &ca_key, "-out", &ca];
    run("openssl", &[&new[..], &root].concat());
    let (leaf, key) = (file("leaf.pem"), file("leaf.key"));
    let subject = format!("/CN={name}");
    let names = format!("subjectAltName=DNS:{name}");
    let issued = [
        "-days",
        "30",
        "-subj",
        &subject,
        "-addext",
        &names,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        &key,
        "-out",
        &leaf,
    ];
    run("openssl", &[&new[..], &issued].concat());
    let read = |file: &str| fs::read_to_string(file).expect("made");
    let chain = read(&leaf) + &read(&ca);
    fs::write(folder.file("chain.pem"), chain).expect("the chain");
}
