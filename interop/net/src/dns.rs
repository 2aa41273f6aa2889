//! unbound, twice: with the zone `lab.example` on the internet, and as the resolver in the router.

use std::{
    fmt::Write as _,
    fs,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use mqtt::Folder;

use crate::{Daemon, Namespace, Prefix, address};

/// The zone of all names, without its dot.
pub const ZONE: &str = "lab.example";
/// Addresses behind the name `large.lab.example`: too many for 512 bytes, not for 1232.
const LARGE: u8 = 40;
/// And behind `huge.lab.example`: too many for 1232 bytes, so that UDP does not carry them.
const HUGE: u8 = 100;

/// What the resolver in the router does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// It answers for IPv6-only clients: where a name has no AAAA, one is made of its A (RFC 6147).
    Dns64,
    /// It passes on what the internet says: no AAAA for IPv4-only names.
    Plain,
    /// As `Plain`, but it has AAAA for `ipv4only.arpa`, so that the prefix can be discovered (RFC 7050).
    Discoverable,
    /// As `Plain`, but `ipv4only.arpa` does not exist: so do Thread border routers.
    Blocked,
    /// It answers REFUSED.
    Refusing,
    /// It answers SERVFAIL.
    Failing,
    /// It takes questions and says nothing.
    Silent,
    /// Nothing listens.
    Closed,
}

/// Starts the name server of the internet: authoritative for the zone and for `ipv4only.arpa`.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn authoritative(internet: &Namespace) -> Daemon {
    let folder = Folder::new("names");
    fs::write(folder.file("zone"), zone()).expect("the zone");
    fs::write(
        folder.file("ipv4only"),
        format!(
            "{}@ 60 IN A 192.0.0.170\n@ 60 IN A 192.0.0.171\n",
            head("ipv4only.arpa")
        ),
    )
    .expect("the zone");
    let mut text = server(&folder, &address::NAMES.into());
    for (name, file) in [(ZONE, "zone"), ("ipv4only.arpa", "ipv4only")] {
        // Its own clients are told what is in the file, aliases followed within it.
        let file = folder.file(file);
        let _ = write!(
            text,
            "auth-zone:\n name: \"{name}.\"\n zonefile: \"{}\"\n for-downstream: yes\n \
             for-upstream: yes\n fallback-enabled: no\n",
            file.display()
        );
    }
    start(internet, folder, &text, address::NAMES.into())
}

/// Starts the resolver of the router, or none if nothing is to listen.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn resolver(router: &Namespace, kind: Resolver, prefix: Prefix) -> Option<Daemon> {
    let folder = Folder::new("resolver");
    let address = IpAddr::from(address::ROUTER);
    let mut text = server(&folder, &address);
    match kind {
        Resolver::Dns64 => {
            let _ = writeln!(
                text,
                " module-config: \"dns64 iterator\"\n dns64-prefix: {prefix}"
            );
        }
        Resolver::Discoverable => {
            text.push_str(" local-zone: \"ipv4only.arpa.\" typetransparent\n");
            for ipv4 in [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)] {
                let ipv6 = prefix.embed(ipv4);
                let _ = writeln!(text, " local-data: \"ipv4only.arpa. 60 IN AAAA {ipv6}\"");
            }
        }
        Resolver::Blocked => text.push_str(" local-zone: \"ipv4only.arpa.\" always_nxdomain\n"),
        Resolver::Refusing => {
            text.push_str(" access-control: ::0/0 refuse\n access-control: ::1 allow\n");
        }
        Resolver::Failing | Resolver::Plain | Resolver::Silent => {}
        Resolver::Closed => return None,
    }
    // It has names of its own for this zone, which no forwarding changes.
    if kind != Resolver::Discoverable && kind != Resolver::Blocked {
        text.push_str(" local-zone: \"ipv4only.arpa.\" nodefault\n");
    }
    if kind == Resolver::Failing {
        // A secondary that never got its zone.
        let _ = write!(
            text,
            "auth-zone:\n name: \"{ZONE}.\"\n master: ::1@9\n for-downstream: yes\n \
             for-upstream: yes\n fallback-enabled: no\n"
        );
    }
    let _ = write!(
        text,
        "forward-zone:\n name: \".\"\n forward-addr: {}\n",
        address::NAMES
    );
    let daemon = start(router, folder, &text, address);
    if kind == Resolver::Silent {
        daemon.freeze();
    }
    Some(daemon)
}

/// The common part of the configuration, with the section `server` open.
fn server(folder: &Folder, address: &IpAddr) -> String {
    let at = folder.path().display();
    format!(
        "server:\n interface: {address}\n interface-automatic: no\n do-daemonize: no\n chroot: \"\"\n \
         username: \"\"\n directory: \"{at}\"\n pidfile: \"\"\n use-syslog: no\n num-threads: 1\n \
         access-control: 0.0.0.0/0 allow\n access-control: ::0/0 allow\n verbosity: 1\n \
         module-config: \"iterator\"\n rrset-roundrobin: no\n minimal-responses: yes\n \
         so-reuseport: no\n outgoing-range: 64\n msg-cache-size: 1m\n rrset-cache-size: 1m\n"
    )
}

fn start(namespace: &Namespace, folder: Folder, text: &str, address: IpAddr) -> Daemon {
    let file = folder.file("unbound.conf");
    fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    let daemon = Daemon::start(namespace, "unbound", &["-d", "-c", &file], folder);
    let probe = namespace.run(move || Probe::new(SocketAddr::new(address, 53)));
    daemon.until("no answer", || probe.answers())
}

/// Asks whether somebody answers UDP. Made in the namespace, used anywhere.
#[derive(Debug)]
pub struct Probe(UdpSocket);

impl Probe {
    /// For this address and port.
    ///
    /// # Panics
    /// If there is no way to it.
    #[must_use]
    pub fn new(server: SocketAddr) -> Self {
        let any = if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = UdpSocket::bind(any).expect("a socket");
        socket.connect(server).expect("a way to the server");
        let patience = Some(Duration::from_millis(20));
        socket.set_read_timeout(patience).expect("a timeout");
        Self(socket)
    }

    /// Whether a question for the zone's SOA is answered, with whatever.
    fn answers(&self) -> bool {
        let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03lab\x07example\0\0\x06\0\x01";
        self.0.send(question).is_ok() && self.0.recv(&mut [0; 512]).is_ok()
    }

    /// Whether the host says by ICMP that nothing listens there: so it can be reached.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let refused = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
        let sent = self.0.send(b"?").map(|_| ());
        let came = sent.and_then(|()| self.0.recv(&mut [0; 1]).map(|_| ()));
        came.as_ref().is_err_and(refused)
    }
}

fn head(zone: &str) -> String {
    format!("$ORIGIN {zone}.\n@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\n")
}

fn zone() -> String {
    let mut text = head(ZONE);
    let _ = write!(
        text,
        "ns A {names}\nbroker A {broker}\nprivate A {private}\nnobody A {nobody}\n\
         ; the broker by IPv6, and an address at which packets vanish: the device prefers the latter (RFC 6724 5, \
         rule 5)\n\
         dead-first AAAA {broker6}\ndead-first AAAA {nobody6}\n\
         both AAAA {broker6}\nboth A {broker}\n\
         black-hole AAAA {nobody6}\nblack-hole A {broker}\n\
         empty TXT \"no address\"\n\
         loop1 CNAME loop2\nloop2 CNAME loop1\n",
        names = address::NAMES,
        broker = address::BROKER,
        private = address::PRIVATE,
        nobody = address::NOBODY,
        broker6 = address::BROKER6,
        nobody6 = address::NOBODY6,
    );
    for alias in 1..7 {
        let _ = writeln!(text, "chain{alias} CNAME chain{}", alias + 1);
    }
    text.push_str("chain7 CNAME broker\n");
    for (name, count) in [("large", LARGE), ("huge", HUGE)] {
        for host in 0..count {
            let [a, b, c, _] = address::MANY.octets();
            let _ = writeln!(text, "{name} A {}", Ipv4Addr::new(a, b, c, 100 + host));
        }
    }
    text
}
