//! Certificates, made by the command `openssl`.

use std::process::{Command, Stdio};

use super::{Folder, Server, free_port};

/// The TLS libraries of this build.
pub const LIBRARIES: &[&str] = &[
    #[cfg(feature = "openssl")]
    "openssl",
    #[cfg(feature = "mbed")]
    "mbed",
];

/// The password of encrypted keys.
pub const KEY_PASSWORD: &str = "k3yword";

/// A certificate and its key, as paths.
#[derive(Clone)]
pub struct Pair {
    pub cert: String,
    pub key: String,
}

/// A CA, and a server's certificate for localhost and 127.0.0.1.
pub struct Pki {
    pub folder: Folder,
    pub ca: Pair,
    pub server: Pair,
}

impl Pki {
    pub fn new() -> Self {
        let folder = Folder::new();
        let ca = root(&folder, "ca");
        let server = leaf(&folder, &ca, "server", HERE, 10);
        Self { folder, ca, server }
    }

    /// A certificate of the CA for these names, valid for `days` from now on.
    pub fn leaf(&self, name: &str, names: &str, days: i32) -> Pair {
        leaf(&self.folder, &self.ca, name, names, days)
    }

    /// Another CA.
    pub fn other_ca(&self) -> Pair {
        root(&self.folder, "other")
    }

    /// A client's certificate; its key is encrypted with [`KEY_PASSWORD`] in `locked`.
    pub fn client(&self) -> (Pair, Pair) {
        let open = self.leaf("client", "DNS:meter-4", 10);
        let locked = Pair {
            cert: open.cert.clone(),
            key: path(&self.folder, "client.locked"),
        };
        let password = format!("pass:{KEY_PASSWORD}");
        openssl(&[
            "pkcs8",
            "-topk8",
            "-in",
            &open.key,
            "-out",
            &locked.key,
            "-passout",
            &password,
        ]);
        (open, locked)
    }
}

/// The names of this machine.
pub const HERE: &str = "DNS:localhost,IP:127.0.0.1";

/// `openssl s_server` with this certificate. Answers its port, too.
pub fn s_server(pair: &Pair, more: &[&str]) -> (Server, u16) {
    let port = free_port();
    let mut command = Command::new("openssl");
    command
        .args(["s_server", "-quiet", "-accept", &port.to_string()])
        .args(["-cert", &pair.cert, "-key", &pair.key])
        .args(more);
    (Server::start(command, port), port)
}

fn path(folder: &Folder, name: &str) -> String {
    folder.0.join(name).to_str().unwrap().to_owned()
}

fn pair(folder: &Folder, name: &str) -> Pair {
    Pair {
        cert: path(folder, &format!("{name}.pem")),
        key: path(folder, &format!("{name}.key")),
    }
}

const NEW_KEY: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
];

fn root(folder: &Folder, name: &str) -> Pair {
    let pair = pair(folder, name);
    let subject = format!("/CN=towpath {name}");
    let mut args = vec!["req", "-x509", "-days", "10", "-subj", &subject];
    args.extend(NEW_KEY);
    args.extend(["-keyout", &pair.key, "-out", &pair.cert]);
    openssl(&args);
    pair
}

fn leaf(folder: &Folder, ca: &Pair, name: &str, names: &str, days: i32) -> Pair {
    let pair = pair(folder, name);
    let request = path(folder, &format!("{name}.csr"));
    let extensions = folder.file(&format!("{name}.ext"), &format!("subjectAltName={names}\n"));
    let subject = format!("/CN={name}");
    let mut args = vec![
        "req", "-subj", &subject, "-keyout", &pair.key, "-out", &request,
    ];
    args.extend(NEW_KEY);
    openssl(&args);
    let days = days.to_string();
    openssl(&[
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &ca.cert,
        "-CAkey",
        &ca.key,
        "-CAcreateserial",
        "-days",
        &days,
        "-extfile",
        &extensions,
        "-out",
        &pair.cert,
    ]);
    pair
}

fn openssl(args: &[&str]) {
    let made = Command::new("openssl")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the package openssl is installed");
    assert!(made.status.success(), "{args:?}: {made:?}");
}
