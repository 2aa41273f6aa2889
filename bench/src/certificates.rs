//! A CA and a server certificate for one run, made by the command `openssl`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Certificates {
    /// What subjects trust.
    pub ca: PathBuf,
    /// The broker's certificate, for 127.0.0.1.
    pub server: PathBuf,
    pub key: PathBuf,
}

const EXTENSIONS: &str = "\
subjectAltName = IP:127.0.0.1, DNS:localhost
extendedKeyUsage = serverAuth
basicConstraints = CA:FALSE
";

impl Certificates {
    /// RSA of 2048 bits, in `folder`.
    pub fn make(folder: &Path) -> Result<Self, String> {
        let file = |name: &str| folder.join(name).display().to_string();
        let (ca, ca_key) = (file("ca.pem"), file("ca.key"));
        let (server, key) = (file("server.pem"), file("server.key"));
        let (request, extensions) = (file("server.csr"), file("server.ext"));
        fs::write(&extensions, EXTENSIONS).map_err(|e| e.to_string())?;
        let rsa = "-newkey rsa:2048 -noenc -days 2";
        let authority = "-addext keyUsage=critical,keyCertSign";
        openssl(&format!(
            "req -x509 {rsa} {authority} -subj /CN=bench-ca -keyout {ca_key} -out {ca}"
        ))?;
        openssl(&format!(
            "req {rsa} -subj /CN=bench -keyout {key} -out {request}"
        ))?;
        openssl(&format!(
            "x509 -req -in {request} -CA {ca} -CAkey {ca_key} -CAcreateserial -days 2 \
             -extfile {extensions} -out {server}"
        ))?;
        readable(Path::new(&key))?;
        Ok(Self {
            ca: ca.into(),
            server: server.into(),
            key: key.into(),
        })
    }
}

/// A broker that was started by root reads its key as another user.
fn readable(key: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(key, fs::Permissions::from_mode(0o644)).map_err(|e| e.to_string())
}

/// The words are separated by spaces: the folder of a run has none in its name unless the target
/// folder has.
fn openssl(words: &str) -> Result<(), String> {
    let output = Command::new("openssl")
        .args(words.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("openssl: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("openssl {words}: {}", said.trim()))
}
