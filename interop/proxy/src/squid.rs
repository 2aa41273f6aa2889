//! squid: HTTP CONNECT, open or with Basic or Digest.

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use mqtt::{Folder, run};
use net::Daemon;

use crate::{Login, Office, PASSWORD, USER, office};

/// Its port.
const PORT: u16 = 3128;
/// How long it may take to write a request down.
const PATIENCE: Duration = Duration::from_secs(20);
const REALM: &str = "the office";

/// A running squid.
#[derive(Debug)]
pub struct Squid {
    _daemon: Daemon,
    requests: PathBuf,
}

impl Squid {
    /// Starts it in the office.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[must_use]
    pub fn start(office: &Office, login: Login) -> Self {
        let folder = Folder::new("squid");
        // Started by root, it serves as the user `proxy`.
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.path(), everybody).expect("a folder for everybody");
        let requests = folder.file("requests");
        let text = configuration(office, &folder, login);
        let file = folder.file("squid.conf");
        fs::write(&file, text).expect("the configuration");
        let file = file.display().to_string();
        // Names of shared memory are those of the service; each squid needs its own.
        let name = folder.path().file_name().expect("a name");
        let name = name
            .to_string_lossy()
            .replace("towpath-", "")
            .replace('-', "");
        let arguments = ["-N", "-d", "1", "-n", &name, "-f", &file];
        let daemon = Daemon::start(&office.office, "squid", &arguments, folder);
        let accepts = || {
            let connect = || TcpStream::connect((office::OFFICE, PORT)).is_ok();
            office.office.run(connect)
        };
        Self {
            _daemon: daemon.until("it does not accept", accepts),
            requests,
        }
    }

    /// Its URL, without credentials.
    #[must_use]
    pub fn url() -> String {
        format!("http://{}:{PORT}", office::OFFICE)
    }

    /// Waits until it has seen so many tunnels to their end, of this user if there is one.
    ///
    /// # Panics
    /// If there are more, or they don't come.
    pub fn until_tunnels(&self, count: usize, user: Option<&str>) {
        let until = Instant::now() + PATIENCE;
        loop {
            let requests = fs::read_to_string(&self.requests).unwrap_or_default();
            let is_tunnel = |line: &&str| {
                line.contains("TCP_TUNNEL/200") && line.contains(user.unwrap_or_default())
            };
            let found = requests.lines().filter(is_tunnel).count();
            if found == count {
                return;
            }
            assert!(found < count && Instant::now() < until, "{requests}");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn configuration(office: &Office, folder: &Folder, login: Login) -> String {
    let here = folder.path().display();
    let users = folder.file("users");
    let (authentication, access) = match login {
        Login::Open => (String::new(), ""),
        Login::Plain => {
            let hash = run("openssl", &["passwd", "-apr1", PASSWORD]);
            fs::write(&users, format!("{USER}:{hash}")).expect("users");
            let program = format!("/usr/lib/squid/basic_ncsa_auth {}", users.display());
            (
                format!(
                    "auth_param basic program {program}\nauth_param basic children 1\n\
                     auth_param basic realm {REALM}\n"
                ),
                "acl known proxy_auth REQUIRED\nhttp_access deny !known\n",
            )
        }
        Login::Digest => {
            // What Digest hashes of user and password (RFC 7616 3.4.2); so the file may hold any password.
            let secret = format!("{USER}:{REALM}:{PASSWORD}");
            let hash = office
                .office
                .feed("openssl", &["dgst", "-md5", "-r"], &secret);
            let hash = hash.split(' ').next().expect("a hash");
            fs::write(&users, format!("{USER}:{REALM}:{hash}\n")).expect("users");
            let program = format!("/usr/lib/squid/digest_file_auth -c {}", users.display());
            (
                format!(
                    "auth_param digest program {program}\nauth_param digest children 1\n\
                     auth_param digest realm {REALM}\n"
                ),
                "acl known proxy_auth REQUIRED\nhttp_access deny !known\n",
            )
        }
    };
    format!(
        "http_port {}:{PORT}\npid_filename {here}/pid\ncoredump_dir {here}\n\
         access_log stdio:{here}/requests\ncache_log /dev/null\nnetdb_filename none\n\
         pinger_enable off\ncache deny all\ncache_mem 0 MB\nmemory_pools off\n\
         shutdown_lifetime 0 seconds\nvisible_hostname proxy.lab.example\n\
         connect_timeout 5 seconds\nforward_timeout 6 seconds\nconnect_retries 0\n\
         {authentication}acl forbidden dstdomain {}\nhttp_access deny forbidden\n\
         {access}http_access allow all\n",
        office::OFFICE,
        office::FORBIDDEN,
    )
}
