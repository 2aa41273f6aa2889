//! `/etc/resolv.conf`: takes in its text, gives out the servers to ask, and the names to try.
//!
//! As glibc reads it (resolv.conf(5)): a line that makes no sense is passed over, the last `search` or `domain` counts.
//! Unlike glibc, no server in it means that there is none, not that one runs on this machine. The crates for this file
//! refuse the whole of it for one odd line.

use std::{
    net::{IpAddr, SocketAddr, SocketAddrV6},
    path::Path,
    time::Duration,
};

use towpath_proto::net::dns::{Name, lookup::MAX_SERVERS};

use super::{interface_index, read_bounded};

/// The port of DNS (RFC 1035 section 4.2).
pub(super) const PORT: u16 = 53;
/// The longest file that is read, bytes.
const MOST_BYTES: usize = 64 << 10;
/// Suffixes that are tried at most.
const MOST_SUFFIXES: usize = 16;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvConf {
    pub(super) servers: Vec<SocketAddr>,
    /// What is put behind a name with few dots.
    suffixes: Vec<String>,
    /// A name with so many dots is tried as it is before it gets a suffix.
    ndots: usize,
    /// How long one question waits for one server.
    pub(super) timeout: Option<Duration>,
    /// How often each server is asked.
    pub(super) attempts: Option<u8>,
}

impl Default for ResolvConf {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            suffixes: Vec::new(),
            ndots: 1,
            timeout: None,
            attempts: None,
        }
    }
}

impl ResolvConf {
    /// Reads the file; empty if it can't be read.
    pub(super) fn read(path: &Path) -> Self {
        Self::parse(&read_bounded(path, MOST_BYTES))
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => conf.add_server(words.next()),
                Some("search") => {
                    let suffixes = words.filter_map(suffix).take(MOST_SUFFIXES);
                    conf.suffixes = suffixes.collect();
                }
                Some("domain") => {
                    conf.suffixes = words.next().and_then(suffix).into_iter().collect();
                }
                Some("options") => words.for_each(|word| conf.option(word)),
                _ => {}
            }
        }
        conf
    }

    fn add_server(&mut self, word: Option<&str>) {
        let server = word.and_then(|word| server(word).ok());
        if let Some(server) = server.filter(|_| self.servers.len() < MAX_SERVERS) {
            self.servers.push(server);
        }
    }

    fn option(&mut self, word: &str) {
        let Some((name, value)) = word.split_once(':') else {
            return;
        };
        let Ok(value) = value.parse::<u8>() else {
            return;
        };
        // The bounds are those of glibc.
        match name {
            "ndots" => self.ndots = usize::from(value.min(15)),
            "timeout" => self.timeout = Some(Duration::from_secs(u64::from(value.clamp(1, 30)))),
            "attempts" => self.attempts = Some(value.clamp(1, 5)),
            _ => {}
        }
    }

    /// The names to ask for in place of `host`, in order.
    pub(super) fn names(&self, host: &str) -> Vec<String> {
        // localhost is this machine, whatever a zone says (RFC 6761 section 6.3).
        let last = host.rsplit('.').next().unwrap_or(host);
        if host.ends_with('.') || last.eq_ignore_ascii_case("localhost") {
            return vec![host.to_owned()];
        }
        let dots = host.matches('.').count();
        let mut names: Vec<_> = self
            .suffixes
            .iter()
            .map(|suffix| format!("{host}.{suffix}"))
            .filter(|name| Name::parse(name).is_ok())
            .collect();
        let place = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(place, host.to_owned());
        names
    }
}

/// A suffix without its dots; `.` stands for the root, which adds nothing.
fn suffix(word: &str) -> Option<String> {
    let suffix = word.trim_matches('.');
    (!suffix.is_empty()).then(|| suffix.to_owned())
}

/// A DNS server: `ADDRESS`, `ADDRESS%ZONE`, `ADDRESS:PORT` or `[ADDRESS%ZONE]:PORT`.
pub(super) fn server(text: &str) -> Result<SocketAddr, &'static str> {
    let (address, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, ""))) => (address, None),
        Some(Some((address, port))) => (address, Some(port.strip_prefix(':').ok_or(FORM)?)),
        Some(None) => return Err(FORM),
        // More than one colon is an IPv6 address without a port.
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, Some(port)),
            _ => (text, None),
        },
    };
    let port = match port {
        None => PORT,
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(FORM)?,
    };
    let (address, zone) = match address.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (address, None),
    };
    let zone = match zone {
        None => 0,
        Some(zone) => zone
            .parse()
            .ok()
            .or_else(|| interface_index(zone))
            .ok_or("there is no network interface of this name")?,
    };
    match address.parse().map_err(|_| FORM)? {
        IpAddr::V4(_) if zone != 0 => Err("only an IPv6 address has a zone"),
        IpAddr::V4(address) => Ok((address, port).into()),
        IpAddr::V6(address) => Ok(SocketAddrV6::new(address, port, 0, zone).into()),
    }
}

const FORM: &str = "this has to be ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or ADDRESS%ZONE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_file() {
        let conf = ResolvConf::parse(
            "# made by hand\nsearch plant.example example.\nnameserver 192.0.2.53\n\
             nameserver fe80::1%1 ; the router\noptions ndots:2 timeout:3 attempts:9 rotate\n",
        );
        assert_eq!(
            conf.servers,
            [
                "192.0.2.53:53".parse().unwrap(),
                SocketAddrV6::new("fe80::1".parse().unwrap(), 53, 0, 1).into()
            ]
        );
        assert_eq!(conf.suffixes, ["plant.example", "example"]);
        assert_eq!(conf.timeout, Some(Duration::from_secs(3)));
        assert_eq!(conf.attempts, Some(5));
        assert_eq!(conf.ndots, 2);
    }

    #[test]
    fn odd_lines_are_passed_over() {
        let conf = ResolvConf::parse(
            "nameserver\nnameserver nonsense\nnameserver 1.2.3.4.5\nnameserver ::1%no-such-interface\n\
             nameserver 192.0.2.1%2\noptions ndots:x timeout:\nsearch\ndomain\n\u{fffd}\u{0}\noptions\n\
             nameserver 192.0.2.9",
        );
        assert_eq!(conf.servers, ["192.0.2.9:53".parse().unwrap()]);
        assert_eq!(conf.names("a"), ["a"]);
    }

    #[test]
    fn the_number_of_servers_and_suffixes_is_bounded() {
        let mut text: String = (0..100)
            .map(|n| format!("nameserver 192.0.2.{n}\n"))
            .collect();
        text.push_str("search");
        text.extend((0..100).map(|n| format!(" s{n}.example")));
        let conf = ResolvConf::parse(&text);
        assert_eq!(conf.servers.len(), MAX_SERVERS);
        assert_eq!(conf.names("a").len(), MOST_SUFFIXES + 1);
    }

    #[test]
    fn the_search_list() {
        let conf = ResolvConf::parse("search one.example two.example");
        for (host, names) in [
            ("a", &["a.one.example", "a.two.example", "a"][..]),
            ("a.b", &["a.b", "a.b.one.example", "a.b.two.example"]),
            ("a.", &["a."]),
        ] {
            assert_eq!(conf.names(host), names, "{host}");
        }
        let conf = ResolvConf::parse("search one.example\noptions ndots:0");
        assert_eq!(conf.names("a"), ["a", "a.one.example"]);
        let long = "a".repeat(250);
        assert_eq!(
            conf.names(&long),
            [long],
            "with its suffix it would be no name"
        );
        assert_eq!(ResolvConf::parse("search .").names("a"), ["a"]);
        let odd = ResolvConf::parse("search a..b one.example");
        assert_eq!(
            odd.names("a"),
            ["a.one.example", "a"],
            "no name, no question"
        );
        assert_eq!(odd.names("localhost"), ["localhost"], "this machine");
    }

    #[test]
    fn servers_with_ports_and_zones() {
        for (text, server_of) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
            ("fe80::1%7", "[fe80::1%7]:53"),
            ("[fe80::1%7]:5353", "[fe80::1%7]:5353"),
        ] {
            assert_eq!(server(text), Ok(server_of.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "x",
            "192.0.2.1:",
            "192.0.2.1:0",
            "192.0.2.1:66666",
            "[::1",
            "[::1]5",
            "[::1]:",
            "::1]:5",
        ] {
            assert_eq!(server(text), Err(FORM), "{text}");
        }
        assert!(server("fe80::1%no-such-interface").is_err());
        assert!(server("192.0.2.1%1").is_err());
    }
}
