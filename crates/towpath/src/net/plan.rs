//! Where the addresses of a host come from on this machine: options, `/etc/hosts` and `/etc/resolv.conf` come in, and
//! what the dialer needs goes out.

use std::{net::IpAddr, path::Path};

use towpath_proto::net::{
    Families, Origin,
    dialer::{Nat64, Settings},
    dns::Servers,
};

use super::{
    NetOptions, Resolver, Zoned, hosts,
    resolv_conf::ResolvConf,
    source::{is_ipv6_only, source},
};

/// Where addresses come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Addresses {
    /// The host is one, or the dialer asks DNS.
    Dialer,
    /// These, whatever DNS says.
    Known(Vec<Zoned>, Origin),
    /// The operating system's resolver.
    System,
}

/// How a host is looked for.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) addresses: Addresses,
    pub(crate) settings: Settings,
    /// What to ask for in place of the host, in order; at least one.
    pub(crate) names: Vec<String>,
}

impl Plan {
    /// Reads the tables of this machine that `options` ask for.
    pub(crate) fn new(host: &str, options: &NetOptions) -> Self {
        let mut settings = Settings {
            families: options.families,
            nat64: options.nat64,
            attempt_delay: options.attempt_delay,
            patience: options.patience,
            ..Settings::default()
        };
        let as_given = vec![host.to_owned()];
        let address = host.parse::<IpAddr>().ok();
        let is_address = address.is_some();
        let by = |addresses, settings, names| Self {
            addresses,
            settings,
            names,
        };
        match &options.resolver {
            // Nobody has to be asked.
            _ if address.is_some_and(|address| is_direct(address, options.families)) => {
                by(Addresses::Dialer, settings, as_given)
            }
            // An address needs no resolver, but its translation may: the prefix is found by asking.
            Resolver::Servers(servers) => {
                settings.servers = Servers::new(servers);
                by(Addresses::Dialer, settings, as_given)
            }
            Resolver::System if !is_address => {
                // A prefix for what the system finds is asked for as ever.
                if has_tables() {
                    apply(
                        &ResolvConf::read(Path::new(options.resolv_conf)),
                        &mut settings,
                    );
                }
                by(Addresses::System, settings, as_given)
            }
            Resolver::Auto if !is_address && !has_tables() => {
                by(Addresses::System, settings, as_given)
            }
            Resolver::Auto | Resolver::System => {
                let conf = ResolvConf::read(Path::new(options.resolv_conf));
                apply(&conf, &mut settings);
                if is_address {
                    return by(Addresses::Dialer, settings, as_given);
                }
                let found = hosts::addresses(Path::new(options.hosts), host);
                if !found.is_empty() {
                    let known = Addresses::Known(found, Origin::Hosts);
                    return by(known, settings, as_given);
                }
                if is_multicast_dns(host) {
                    return by(Addresses::System, settings, as_given);
                }
                by(Addresses::Dialer, settings, conf.names(host))
            }
        }
    }

    /// Whether a prefix from a router advertisement could be needed: there is no other way into the IPv4 internet, and
    /// nobody has said anything about a prefix.
    pub(crate) fn may_need_advertisement(&self, host: &str) -> bool {
        let is_v6 = matches!(host.parse(), Ok(IpAddr::V6(_)));
        let only_v6 = match self.settings.families {
            Families::V4 => false,
            Families::V6 => true,
            Families::Any => is_ipv6_only(),
        };
        self.settings.nat64 == Nat64::Auto && !is_v6 && only_v6
    }
}

/// Whether packets to `address` leave without a translator.
fn is_direct(address: IpAddr, families: Families) -> bool {
    match families {
        Families::V4 => true,
        Families::V6 => address.is_ipv6(),
        Families::Any => address.is_ipv6() || source(address, 0).is_some(),
    }
}

fn apply(conf: &ResolvConf, settings: &mut Settings) {
    settings.servers = Servers::new(&conf.servers);
    if let Some(timeout) = conf.timeout {
        settings.query_timeout = timeout;
    }
    if let Some(attempts) = conf.attempts {
        settings.query_rounds = attempts;
    }
}

/// Whether this kind of system has `/etc/hosts` and `/etc/resolv.conf`, and means what they say.
const fn has_tables() -> bool {
    cfg!(all(
        unix,
        not(target_vendor = "apple"),
        not(target_os = "android")
    ))
}

/// A name of multicast DNS (RFC 6762 section 3).
fn is_multicast_dns(host: &str) -> bool {
    let bare = host.strip_suffix('.').unwrap_or(host);
    bare.rsplit_once('.')
        .is_some_and(|(_, last)| last.eq_ignore_ascii_case("local"))
}
