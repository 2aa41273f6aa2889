//! One machine with servers on its loopback: what breaks there is the server's, or the client's settings.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
};

use mqtt::{Broker, Folder};
use net::{Daemon, Namespace};
use tls::{
    SServer,
    pki::{Client, Pki, Server},
};

use crate::{Doctor, Report};

/// A machine, and certificates for the servers on it. Their name is `localhost` where nothing else is said.
#[derive(Debug)]
pub struct Machine {
    /// Its network.
    pub namespace: Namespace,
    /// The certificates.
    pub pki: Pki,
    folder: Folder,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// Nothing runs on it.
    ///
    /// # Panics
    /// If its network can't be made: that takes root.
    #[must_use]
    pub fn new() -> Self {
        Self {
            namespace: Namespace::new("machine"),
            pki: Pki::kept(),
            folder: Folder::new("machine"),
        }
    }

    /// What the doctor says of a URL, with these options; over TLS it trusts the root of the servers.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor(&self, url: &str, options: &[&str]) -> Report {
        self.doctor_with(url, options, &[])
    }

    /// The same with these variables in its environment.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn doctor_with(&self, url: &str, options: &[&str], variables: &[(&str, &str)]) -> Report {
        let root = self.pki.root().display().to_string();
        let mut arguments = vec![url];
        let secured = url.starts_with("mqtts:") || url.starts_with("wss:");
        if secured && !options.contains(&"--cafile") {
            arguments.extend(["--cafile", &root]);
        }
        arguments.extend(options);
        let mut doctor = Doctor::on(&self.namespace);
        for (name, value) in variables {
            doctor = doctor.variable(name, value);
        }
        doctor.run(&arguments)
    }

    /// The options that show a certificate.
    #[must_use]
    pub fn showing(&self, client: Client) -> [String; 4] {
        let pair = self.pki.client(client);
        let [cert, key] = [&pair.chain, &pair.key].map(|path| path.display().to_string());
        ["--cert".into(), cert, "--key".into(), key]
    }

    /// A file with this text.
    ///
    /// # Panics
    /// If it can't be written.
    #[must_use]
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.file(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// `openssl s_server` with a certificate and further options, which answers CONNECT once.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn s_server(&self, server: Server, options: &[&str]) -> SServer {
        let pki = self.pki.clone();
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        self.namespace.run(move || {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            SServer::start(&pki, server, &options)
        })
    }

    /// mosquitto with plain MQTT and WebSocket on free ports, and these lines.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn mosquitto(&self, lines: &str) -> Broker {
        let setup = mqtt::Setup::new().line(lines);
        self.namespace.run(move || setup.start())
    }

    /// The lines of a TLS listener of mosquitto.
    #[must_use]
    pub fn listener(&self, port: u16, server: Server) -> String {
        let pair = self.pki.server(server);
        format!(
            "listener {port}\ncertfile {}\nkeyfile {}\ncafile {}\n",
            pair.chain.display(),
            pair.key.display(),
            self.pki.devices().display(),
        )
    }

    /// nginx with these servers in its blocks `http` and `stream`, ready when this port accepts.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn nginx(&self, http: &str, stream: &str, port: u16) -> Daemon {
        let folder = Folder::new("nginx");
        let here = folder.path().display().to_string();
        let mut text = format!(
            "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
             daemon off; master_process off; pid {here}/pid; error_log stderr info;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off;\n"
        );
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            let _ = writeln!(text, "{kind}_temp_path {here}/{kind};");
        }
        let _ = write!(text, "{http}\n}}\nstream {{\n{stream}\n}}\n");
        let file = folder.file("nginx.conf");
        fs::write(&file, text).expect("the configuration");
        let file = file.display().to_string();
        let arguments = ["-p", &here, "-e", "stderr", "-c", &file];
        let accepts = || {
            let connect = move || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            self.namespace.run(connect)
        };
        let daemon = Daemon::start(&self.namespace, "nginx", &arguments, folder);
        daemon.until("it does not accept", accepts)
    }

    /// What nginx says of a certificate, in a block `server`.
    #[must_use]
    pub fn nginx_tls(&self, server: Server) -> String {
        let pair = self.pki.server(server);
        let (chain, key) = (pair.chain.display(), pair.key.display());
        let devices = self.pki.devices();
        let devices = devices.display();
        format!(
            "ssl_certificate {chain}; ssl_certificate_key {key}; ssl_client_certificate {devices};\n"
        )
    }

    /// A folder of its own, for certificates that a test makes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a file of it would be.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }
}
