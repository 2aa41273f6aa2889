//! Certificates for servers and clients, good and bad, made once and kept beside the build's output.
//!
//! ```text
//! Test Root (RSA-4096) ── Test Issuing (RSA-4096) ── the servers, RSA-2048 unless they say something else
//! Devices (P-256) ── the good and the expired client
//! Strangers (P-256) ── a server and a client of another CA
//! ```

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use nix::fcntl::{Flock, FlockArg};
use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    symm::Cipher,
    x509::X509,
};

use self::issue::{Authority, Request, rsa};

mod issue;

/// Grows whenever the certificates change, so that kept ones are made anew.
const EDITION: u32 = 4;

/// The password of [`Pki::locked`].
pub const KEY_PASSWORD: &str = "open-the-client-key";

/// A certificate that a server shows. The name in it is `localhost` unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Server {
    /// RSA-2048, with the issuing certificate: a Certificate message of about 2.4 kB.
    Rsa,
    /// RSA-4096, as its issuing and its root certificate.
    Rsa4096,
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// Ed25519.
    Ed25519,
    /// With a hundred names and the root: a Certificate message of more than 5 kB.
    Long,
    /// Without the issuing certificate.
    LeafOnly,
    /// Expired in 2020.
    Expired,
    /// Not valid before 2099.
    Future,
    /// For `elsewhere.example`.
    WrongName,
    /// For the addresses 127.0.0.1 and ::1, not for a name.
    Address,
    /// Of a root that nobody trusts.
    Stranger,
    /// RSA-1024.
    Weak,
    /// For the hosts of `lab.example`.
    Lab,
}

impl Server {
    const ALL: [(Self, &'static str); 14] = [
        (Self::Rsa, "rsa"),
        (Self::Rsa4096, "rsa-4096"),
        (Self::P256, "p-256"),
        (Self::P384, "p-384"),
        (Self::Ed25519, "ed25519"),
        (Self::Long, "long"),
        (Self::LeafOnly, "leaf-only"),
        (Self::Expired, "expired"),
        (Self::Future, "future"),
        (Self::WrongName, "wrong-name"),
        (Self::Address, "address"),
        (Self::Stranger, "stranger"),
        (Self::Weak, "weak"),
        (Self::Lab, "lab"),
    ];

    fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(server, _)| *server == self).expect("in ALL").1
    }
}

/// A certificate that a client shows, all P-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// Of the CA that the servers know.
    Good,
    /// Of a CA that they don't know.
    OtherCa,
    /// Expired in 2020.
    Expired,
}

impl Client {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Good, "good"),
        (Self::OtherCa, "other-ca"),
        (Self::Expired, "expired"),
    ];

    /// Its name, as in files and failures.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(client, _)| *client == self).expect("in ALL").1
    }
}

/// A certificate with those that signed it, and its key; files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Leaf first.
    pub chain: PathBuf,
    /// The chain without the leaf, which may be empty.
    pub issuers: PathBuf,
    /// PKCS#8.
    pub key: PathBuf,
}

/// The folder of all certificates.
#[derive(Debug, Clone)]
pub struct Pki(PathBuf);

impl Pki {
    /// The kept certificates; the first process makes them, which takes some seconds for the RSA-4096 keys.
    ///
    /// # Panics
    /// If they can't be made.
    #[must_use]
    pub fn kept() -> Self {
        // `target/debug/deps/<test>`: beside what the same build makes, and gone with `cargo clean`.
        let program = env::current_exe().expect("a path of this program");
        let target = program.ancestors().nth(3).expect("the target folder");
        let folder = target.join(format!("tmp/towpath-pki-{EDITION}"));
        fs::create_dir_all(&folder).expect("a folder for certificates");
        let lock = File::create(folder.join("lock")).expect("a lock");
        let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("the lock");
        let done = folder.join("done");
        if !done.exists() {
            make(&folder).expect("certificates");
            File::create(done).expect("a mark");
        }
        Self(folder)
    }

    /// The root of the servers.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.0.join("root.pem")
    }

    /// The CA of the good clients.
    #[must_use]
    pub fn devices(&self) -> PathBuf {
        self.0.join("devices.pem")
    }

    /// The certificate of a server.
    #[must_use]
    pub fn server(&self, server: Server) -> Pair {
        self.pair("server", server.name())
    }

    /// The certificate of a client.
    #[must_use]
    pub fn client(&self, client: Client) -> Pair {
        self.pair("client", client.name())
    }

    /// The good client's certificate with its key encrypted by [`KEY_PASSWORD`].
    #[must_use]
    pub fn locked(&self) -> Pair {
        Pair {
            key: self.0.join("client-locked.key"),
            ..self.client(Client::Good)
        }
    }

    fn pair(&self, role: &str, name: &str) -> Pair {
        Pair {
            chain: self.0.join(format!("{role}-{name}.pem")),
            issuers: self.0.join(format!("{role}-{name}-issuers.pem")),
            key: self.0.join(format!("{role}-{name}.key")),
        }
    }
}

fn make(folder: &Path) -> Result<(), ErrorStack> {
    let root = Authority::root("Test Root", rsa(4096)?)?;
    let issuing = root.authority("Test Issuing", rsa(4096)?)?;
    let devices = Authority::root("Devices", PKey::ec_gen("P-256")?)?;
    let strangers = Authority::root("Strangers", PKey::ec_gen("P-256")?)?;
    write(&folder.join("root.pem"), &root.certificate.to_pem()?);
    write(&folder.join("devices.pem"), &devices.certificate.to_pem()?);
    for (server, name) in Server::ALL {
        let key = key_of(server)?;
        let by = if server == Server::Stranger {
            &strangers
        } else {
            &issuing
        };
        let leaf = by.issue(&request_of(server), &key)?;
        let mut issuers = Vec::new();
        if server != Server::LeafOnly {
            issuers.extend(by.certificate.to_pem()?);
        }
        if server == Server::Long {
            issuers.extend(root.certificate.to_pem()?);
        }
        keep(folder, &format!("server-{name}"), &leaf, &issuers, &key)?;
    }
    for (client, name) in Client::ALL {
        let key = PKey::ec_gen("P-256")?;
        let by = if client == Client::OtherCa {
            &strangers
        } else {
            &devices
        };
        let mut request = Request::client("device-1");
        if client == Client::Expired {
            request = request.expired();
        }
        let leaf = by.issue(&request, &key)?;
        keep(folder, &format!("client-{name}"), &leaf, &[], &key)?;
        if client == Client::Good {
            let locked = key.private_key_to_pem_pkcs8_passphrase(
                Cipher::aes_256_cbc(),
                KEY_PASSWORD.as_bytes(),
            )?;
            write(&folder.join("client-locked.key"), &locked);
        }
    }
    Ok(())
}

fn key_of(server: Server) -> Result<PKey<Private>, ErrorStack> {
    match server {
        Server::Rsa4096 => rsa(4096),
        Server::Weak => rsa(1024),
        Server::P256 => PKey::ec_gen("P-256"),
        Server::P384 => PKey::ec_gen("P-384"),
        Server::Ed25519 => PKey::generate_ed25519(),
        _ => rsa(2048),
    }
}

fn request_of(server: Server) -> Request {
    match server {
        Server::Expired => Request::server(&["localhost"]).expired(),
        Server::Future => Request::server(&["localhost"]).future(),
        Server::WrongName => Request::server(&["elsewhere.example"]),
        Server::Lab => Request::server(&["*.lab.example"]),
        Server::Address => Request::server(&["127.0.0.1", "::1"]),
        Server::Long => {
            let names: Vec<_> = (0..100).map(|n| format!("tenant-{n}.example")).collect();
            let mut names: Vec<_> = names.iter().map(String::as_str).collect();
            names.push("localhost");
            Request::server(&names)
        }
        _ => Request::server(&["localhost"]),
    }
}

fn keep(
    folder: &Path,
    name: &str,
    leaf: &X509,
    issuers: &[u8],
    key: &PKey<Private>,
) -> Result<(), ErrorStack> {
    let chain = [&leaf.to_pem()?, issuers].concat();
    write(&folder.join(format!("{name}.pem")), &chain);
    write(&folder.join(format!("{name}-issuers.pem")), issuers);
    let key = key.private_key_to_pem_pkcs8()?;
    write(&folder.join(format!("{name}.key")), &key);
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file for a certificate or key");
}
