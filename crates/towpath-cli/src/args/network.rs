//! The options of names, addresses and TCP.

use std::time::Duration;

use towpath::{
    net::{MSS, Nat64, Resolver, nat64},
    proto::net::dns::lookup::MAX_SERVERS,
};

use crate::exit::Failure;

const NETWORK: &str = "Names and addresses";

/// How to find the server.
#[derive(Debug, clap::Args)]
pub(crate) struct Network {
    /// Use IPv4 only: when IPv6 here leads nowhere
    #[arg(short = '4', long, conflicts_with = "ipv6", help_heading = NETWORK)]
    pub(crate) ipv4: bool,

    /// Use IPv6 only, and NAT64 for IPv4 servers: to do what a device on Thread or IPv6-only Wi-Fi does
    #[arg(short = '6', long, help_heading = NETWORK)]
    pub(crate) ipv6: bool,

    /// DNS server to ask, ADDRESS or ADDRESS:PORT, in place of /etc/hosts and the servers of /etc/resolv.conf: when
    /// those are wrong. Up to four, each by an option of its own. system: getaddrinfo, for names that only the operating
    /// system can look up
    #[arg(long, value_name = "ADDRESS", value_parser = resolver, help_heading = NETWORK)]
    pub(crate) resolver: Vec<Resolver>,

    /// NAT64 prefix, such as 64:ff9b::/96, when the network does not tell it (a Thread border router lists it in its
    /// network data); off: translate nothing [default: auto, ask for ipv4only.arpa and listen to routers]
    #[arg(long, value_name = "PREFIX", value_parser = prefix, help_heading = NETWORK)]
    pub(crate) nat64_prefix: Option<Nat64>,

    /// Largest TCP segment in bytes, in both directions, 88 to 32767 (what Linux takes): when large packets vanish on
    /// the way, try 1200, then 400 [default: what the operating system finds]
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = clap::value_parser!(u16).range(i64::from(*MSS.start())..=i64::from(*MSS.end())),
        help_heading = NETWORK
    )]
    pub(crate) mss: Option<u16>,

    /// Milliseconds until the next address of a name is tried beside one that has not answered: more on slow radio
    /// [default: 250]
    #[arg(long, value_name = "MS", value_parser = delay, help_heading = NETWORK)]
    pub(crate) attempt_delay: Option<Duration>,
}

impl Network {
    /// Who is asked.
    ///
    /// # Errors
    /// Whoever names the system's resolver means it alone.
    pub(crate) fn resolver(&self) -> Result<Option<Resolver>, Failure> {
        let mut servers = Vec::new();
        for resolver in &self.resolver {
            match resolver {
                Resolver::Servers(more) => servers.extend(more),
                only if self.resolver.len() == 1 => return Ok(Some(only.clone())),
                _ => {
                    return Err(Failure::usage(
                        "--resolver system asks nobody else: give it alone, or DNS servers only",
                    ));
                }
            }
        }
        if servers.len() > MAX_SERVERS {
            return Err(Failure::usage(format!(
                "--resolver: more than {MAX_SERVERS} servers are not asked; leave some out"
            )));
        }
        Ok((!servers.is_empty()).then_some(Resolver::Servers(servers)))
    }
}

fn resolver(text: &str) -> Result<Resolver, String> {
    text.parse().map_err(|error: towpath::Error| match error {
        towpath::Error::Config { why } => why,
        other => other.to_string(),
    })
}

fn prefix(text: &str) -> Result<Nat64, String> {
    nat64(text).map_err(|_| {
        "write auto, off, or an IPv6 prefix of length 32, 40, 48, 56, 64 or 96 with nothing behind it, such as \
         64:ff9b::/96 (RFC 6052)"
            .to_owned()
    })
}

/// RFC 8305 section 5 has 10 ms as the least and 2 s as the most; beyond a minute nobody means it.
fn delay(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|millis| (10..=60_000).contains(millis))
        .map(Duration::from_millis)
        .ok_or_else(|| "a number of milliseconds from 10 to 60000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        assert_eq!(resolver("system"), Ok(Resolver::System));
        let server = vec!["[fd00::1]:5353".parse().unwrap()];
        assert_eq!(resolver("[fd00::1]:5353"), Ok(Resolver::Servers(server)));
        assert!(resolver("dns.example").is_err());
        assert_eq!(prefix("off"), Ok(Nat64::Off));
        for wrong in ["64:ff9b::", "64:ff9b::/95", "192.0.2.0/24", ""] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
        assert_eq!(delay("250"), Ok(Duration::from_millis(250)));
        for wrong in ["9", "60001", "-1", "0.5", "x"] {
            assert!(delay(wrong).is_err(), "{wrong}");
        }
    }
}
