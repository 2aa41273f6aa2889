//! Who is asked for addresses, and how that is written.

use std::{net::SocketAddr, str::FromStr};

use towpath_proto::net::dialer::Nat64;

use super::resolv_conf;
use crate::Error;

/// Who is asked for the addresses of a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Resolver {
    /// `/etc/hosts`, then the DNS servers of `/etc/resolv.conf` with its search list; both are read anew for each
    /// attempt. A name below `.local` goes to the operating system's resolver, because multicast DNS is not DNS
    /// (RFC 6762). Without such files, as on Windows, that resolver is asked for everything.
    #[default]
    Auto,
    /// These DNS servers, with the name as given.
    Servers(Vec<SocketAddr>),
    /// The operating system's resolver, `getaddrinfo`.
    System,
}

/// `auto`, `system`, or one DNS server: `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`, and `ADDRESS%ZONE` where the address
/// is link-local.
impl FromStr for Resolver {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "auto" => Ok(Self::Auto),
            "system" => Ok(Self::System),
            text => match resolv_conf::server(text) {
                Ok(server) => Ok(Self::Servers(vec![server])),
                Err(why) => Err(Error::Config {
                    why: format!("{text:?} is no DNS server: {why}, or \"system\""),
                }),
            },
        }
    }
}

/// What `--nat64-prefix` says: `auto`, `off`, or a prefix such as `64:ff9b::/96`.
///
/// # Errors
/// [`Error::Config`] with what is none of these.
pub fn nat64(text: &str) -> Result<Nat64, Error> {
    match text {
        "auto" => Ok(Nat64::Auto),
        "off" => Ok(Nat64::Off),
        text => match text.parse() {
            Ok(prefix) => Ok(Nat64::Prefix(prefix)),
            Err(_) => Err(Error::Config {
                why: format!(
                    "{text:?} is no NAT64 prefix: this has to be \"auto\", \"off\", or an IPv6 prefix of length 32, \
                     40, 48, 56, 64 or 96 whose bits 64 to 71 are zero (RFC 6052), such as 64:ff9b::/96"
                ),
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_by_their_words() {
        assert_eq!("auto".parse(), Ok(Resolver::Auto));
        assert_eq!("system".parse(), Ok(Resolver::System));
        let servers = vec!["[2001:db8::53]:5353".parse().unwrap()];
        assert_eq!(
            "[2001:db8::53]:5353".parse(),
            Ok(Resolver::Servers(servers))
        );
        let error = "dns.example".parse::<Resolver>().unwrap_err().to_string();
        assert!(
            error.contains("\"dns.example\" is no DNS server"),
            "{error}"
        );
    }

    #[test]
    fn nat64_by_its_words() {
        assert_eq!(nat64("auto"), Ok(Nat64::Auto));
        assert_eq!(nat64("off"), Ok(Nat64::Off));
        assert_eq!(
            nat64("64:ff9b::/96"),
            Ok(Nat64::Prefix(super::super::Prefix::WELL_KNOWN))
        );
        let error = nat64("64:ff9b::/95").unwrap_err().to_string();
        assert!(error.contains("no NAT64 prefix"), "{error}");
    }
}
