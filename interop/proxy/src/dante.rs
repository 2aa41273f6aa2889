//! Dante: SOCKS5, open or with user and password.

use std::{fs, net::TcpStream};

use mqtt::{Folder, run};
use net::Daemon;

use crate::{Login, Office, PASSWORD, USER, office};

/// Its port.
const PORT: u16 = 1080;

/// A running danted.
#[derive(Debug)]
pub struct Dante {
    daemon: Daemon,
}

impl Dante {
    /// Starts it in the office. Passwords are those of the system, so that the office gets users of its own.
    ///
    /// # Panics
    /// If it is not installed or does not start.
    #[must_use]
    pub fn start(office: &Office, login: Login) -> Self {
        let folder = Folder::new("danted");
        if login != Login::Open {
            add_user(office, &folder);
        }
        let file = folder.file("danted.conf");
        fs::write(&file, configuration(login)).expect("the configuration");
        let file = file.display().to_string();
        let pid = folder.file("pid").display().to_string();
        let arguments = ["-f", &file, "-p", &pid, "-N", "1"];
        let daemon = Daemon::start(&office.office, "danted", &arguments, folder);
        let accepts = || {
            let connect = || TcpStream::connect((office::OFFICE, PORT)).is_ok();
            office.office.run(connect)
        };
        Self {
            daemon: daemon.until("it does not accept", accepts),
        }
    }

    /// Its URL, without credentials.
    #[must_use]
    pub fn url() -> String {
        format!("socks5://{}:{PORT}", office::OFFICE)
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

/// Programs in the office find one user more.
fn add_user(office: &Office, folder: &Folder) {
    let hash = run("openssl", &["passwd", "-6", PASSWORD]);
    for (file, line) in [
        ("passwd", format!("{USER}:x:4242:4242::/:/bin/false\n")),
        (
            "shadow",
            format!("{USER}:{}:19000:0:99999:7:::\n", hash.trim()),
        ),
    ] {
        let system = format!("/etc/{file}");
        let own = folder.file(file);
        let users = fs::read_to_string(&system).unwrap_or_else(|error| panic!("{system}: {error}"));
        fs::write(&own, users + &line).expect("users");
        let own = own.display().to_string();
        let _ = office.office.feed("mount", &["--bind", &own, &system], "");
    }
}

fn configuration(login: Login) -> String {
    let method = match login {
        Login::Open => "none",
        Login::Plain | Login::Digest => "username",
    };
    let (inside, forbidden) = (office::OFFICE, office::FORBIDDEN);
    format!(
        "logoutput: stderr\ninternal: {inside} port = {PORT}\nexternal: {inside}\n\
         clientmethod: none\nsocksmethod: {method}\n\
         user.privileged: root\nuser.unprivileged: nobody\n\
         client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}\n\
         socks block {{ from: 0.0.0.0/0 to: {forbidden} }}\n\
         socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 \nprotocol: tcp\nlog: connect error\n}}\n"
    )
}
