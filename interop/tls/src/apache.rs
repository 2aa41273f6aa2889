//! Apache httpd in front of mosquitto's websockets listener. It asks for the client certificate when it has seen the
//! path, as the front end of a hub does.

use std::fs;

use mqtt::{Broker, Folder, Setup, Via};

use crate::{
    Daemon,
    pki::{Pki, Server},
};

/// The port.
pub const PORT: u16 = 443;
/// The path, as hubs have it. The `$` needs no escape in a URL.
pub const PATH: &str = "/$iothub/websocket";

/// What the server speaks, and when it asks for the client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// TLS 1.2. A certificate is required for the path: renegotiation after the request.
    V12Require,
    /// TLS 1.2. A certificate is asked for at the path, and none is fine.
    V12Optional,
    /// TLS 1.2. A certificate is required in the first handshake.
    V12First,
    /// TLS 1.3. A certificate is required for the path: post-handshake authentication.
    V13,
    /// TLS 1.2 and 1.3. A certificate is required for the path.
    Both,
}

impl Profile {
    const fn versions(self) -> &'static str {
        match self {
            Self::V12Require | Self::V12Optional | Self::V12First => "-all +TLSv1.2",
            Self::V13 => "-all +TLSv1.3",
            Self::Both => "-all +TLSv1.2 +TLSv1.3",
        }
    }

    /// The policy everywhere, and the one of the path.
    const fn verify(self) -> (&'static str, &'static str) {
        match self {
            Self::V12First => ("require", "require"),
            Self::V12Optional => ("none", "optional"),
            Self::V12Require | Self::V13 | Self::Both => ("none", "require"),
        }
    }
}

/// A running Apache and its broker.
#[derive(Debug)]
pub struct Apache {
    daemon: Daemon,
    _broker: Broker,
}

impl Apache {
    /// Starts both, with [`Server::Rsa`].
    ///
    /// # Panics
    /// If they don't start.
    #[must_use]
    pub fn start(pki: &Pki, profile: Profile) -> Self {
        let broker = Setup::new().start();
        let folder = Folder::new("apache");
        let text = configuration(pki, profile, &folder, broker.port(Via::Ws));
        let file = folder.file("httpd.conf");
        fs::write(&file, text).expect("the configuration");
        let file = file.display().to_string();
        // One process and no children: killing it is all there is to do.
        let daemon = Daemon::start("apache2", &["-X", "-f", &file], folder, PORT);
        Self {
            daemon,
            _broker: broker,
        }
    }

    /// What Apache said so far: its log of errors, and a line for each answered request with the client's name in it.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

fn configuration(pki: &Pki, profile: Profile, folder: &Folder, broker: u16) -> String {
    let modules = [
        "mpm_event",
        "authz_core",
        "socache_shmcb",
        "ssl",
        "proxy",
        "proxy_http",
        "proxy_wstunnel",
    ];
    let modules: String = modules
        .iter()
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    let server = pki.server(Server::Rsa);
    let (everywhere, here) = profile.verify();
    format!(
        "{modules}\
         ServerRoot {folder}\nServerName localhost\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\n\
         ErrorLog {folder}/log\nLogLevel info\n{user}\
         ServerLimit 1\nThreadsPerChild 8\nThreadLimit 8\nMaxRequestWorkers 8\n\
         SSLSessionCache shmcb:{folder}/sessions(512000)\n\
         Listen {PORT}\n<VirtualHost *:{PORT}>\n\
         SSLEngine on\nSSLProtocol {versions}\n\
         SSLCertificateFile {chain}\nSSLCertificateKeyFile {key}\nSSLCACertificateFile {devices}\n\
         SSLVerifyClient {everywhere}\n\
         <Location \"{PATH}\">\nSSLVerifyClient {here}\nProxyPass \"ws://127.0.0.1:{broker}/mqtt\"\n</Location>\n\
         </VirtualHost>\n",
        folder = folder.path().display(),
        user = user(),
        versions = profile.versions(),
        chain = server.chain.display(),
        key = server.key.display(),
        devices = pki.devices().display(),
    )
}

/// Root has to become somebody else; who is somebody else already has nothing to say.
fn user() -> &'static str {
    if nix::unistd::geteuid().is_root() {
        "User nobody\nGroup nogroup\n"
    } else {
        ""
    }
}
