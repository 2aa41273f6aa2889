//! The broker of the internet, with a certificate as small as certificates get.

use std::{fs, net::TcpStream, path::PathBuf};

use mqtt::{Folder, run};
use net::{Daemon, Namespace, address};

/// The broker's name. It has an A record and no AAAA.
pub const NAME: &str = "broker.lab.example";

/// A chain of P-256 certificates for the broker: its own, the one that signed it, and a root that is not sent. A chain
/// of RSA certificates is two to four times as long, and so is the part of the frames that it takes.
#[derive(Debug)]
pub struct Certificates(Folder);

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// If `openssl` is not installed.
    #[must_use]
    pub fn make() -> Self {
        let folder = Folder::new("certificates");
        let openssl = |command: &str| {
            let at = folder.path().display().to_string();
            let words = command.split(' ').map(|word| word.replace('@', &at));
            let words: Vec<_> = words.collect();
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            run("openssl", &words);
        };
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        openssl(&format!(
            "{new} -subj /O=towpath/CN=Root -keyout @/root.key -out @/root.pem"
        ));
        openssl(&format!(
            "{new} -subj /O=towpath/CN=Issuing -CA @/root.pem -CAkey @/root.key \
             -keyout @/issuing.key -out @/issuing.pem"
        ));
        openssl(&format!(
            "{new} -subj /O=towpath/CN=Broker -CA @/issuing.pem -CAkey @/issuing.key \
             -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:{NAME} \
             -keyout @/broker.key -out @/broker.pem"
        ));
        let pem = |name: &str| fs::read(folder.file(name)).expect("a certificate");
        let chain = [pem("broker.pem"), pem("issuing.pem")].concat();
        fs::write(folder.file("chain.pem"), chain).expect("the chain");
        Self(folder)
    }

    /// The root that a client has to trust.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.0.file("root.pem")
    }
}

/// Starts a broker with a listener for each scheme, on its usual port.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn broker(internet: &Namespace, certificates: &Certificates) -> Daemon {
    let at = certificates.0.path().display();
    let tls = format!("certfile {at}/chain.pem\nkeyfile {at}/broker.key\n");
    let folder = Folder::new("mosquitto");
    let file = folder.file("mosquitto.conf");
    let text = format!(
        "user root\nallow_anonymous true\nlistener 1883\nlistener 8883\n{tls}\
         listener 80\nprotocol websockets\nlistener 443\nprotocol websockets\n{tls}"
    );
    fs::write(&file, text).expect("the configuration");
    let arguments = ["-c", &file.display().to_string()];
    Daemon::start(internet, "mosquitto", &arguments, folder).until("all ports", || {
        internet.run(|| {
            let mut ports = [1883, 8883, 80, 443].iter();
            ports.all(|port| TcpStream::connect((address::BROKER, *port)).is_ok())
        })
    })
}
