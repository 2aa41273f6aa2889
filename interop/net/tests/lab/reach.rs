//! The broker is reached: by every way to learn the prefix, with every scheme.

use net::{Lab, Reach, Setup, address, dns::Resolver, named, url};

const SCHEMES: [&str; 4] = ["mqtt", "mqtts", "ws", "wss"];

fn every_scheme(lab: &Lab, options: &[&str]) {
    for scheme in SCHEMES {
        lab.exchange(&named(scheme, "broker"), options);
    }
}

#[test]
fn by_dns64() {
    let lab = Setup::new(Resolver::Dns64).start();
    every_scheme(&lab, &[]);
}

/// RFC 7050: the prefix is in the resolver's AAAA of `ipv4only.arpa`.
#[test]
fn by_a_discovered_prefix() {
    let lab = Setup::new(Resolver::Discoverable).start();
    every_scheme(&lab, &[]);
    // A literal has no name that DNS64 could have answered (RFC 8305 7.1).
    lab.exchange(&url("mqtt", &address::BROKER.to_string()), &[]);
}

/// RFC 8781: nobody but the router's advertisements tells the prefix.
#[test]
fn by_an_advertised_prefix() {
    let lab = Setup::new(Resolver::Blocked).advertised().start();
    every_scheme(&lab, &[]);
    lab.exchange(&url("mqtt", &address::BROKER.to_string()), &[]);
}

#[test]
fn by_a_configured_prefix() {
    let lab = Setup::new(Resolver::Blocked).start();
    let prefix = lab.prefix.to_string();
    every_scheme(&lab, &["--nat64-prefix", &prefix]);
    let options = ["--nat64-prefix", prefix.as_str(), "-6"];
    lab.exchange(&url("mqtt", &address::BROKER.to_string()), &options);
}

/// The well-known prefix, for an address that it may carry.
#[test]
fn by_the_well_known_prefix() {
    let lab = Setup::new(Resolver::Discoverable)
        .prefix("64:ff9b::/96")
        .start();
    lab.exchange(&url("mqtt", &address::PUBLIC.to_string()), &[]);
}

/// RFC 6052 2.2: the other lengths, discovered and made by one side and read by tayga on the other.
#[test]
fn by_prefixes_of_every_length() {
    for prefix in [
        "2001:db8::/32",
        "2001:db8:100::/40",
        "2001:db8:122::/48",
        "2001:db8:122:300::/56",
        "2001:db8:122:344::/64",
    ] {
        let lab = Setup::new(Resolver::Discoverable).prefix(prefix).start();
        lab.exchange(&named("mqtt", "broker"), &[]);
    }
}

/// Servers that the device's own configuration does not name.
#[test]
fn by_a_resolver_that_is_given() {
    let lab = Setup::new(Resolver::Dns64).start();
    lab.device.resolv_conf("");
    let router = address::ROUTER.to_string();
    lab.exchange(&named("mqtt", "broker"), &["--resolver", &router]);
    // An IPv4 resolver is behind the same translator.
    let names = address::NAMES.to_string();
    let prefix = lab.prefix.to_string();
    let options = ["--resolver", &names, "--nat64-prefix", &prefix];
    lab.exchange(&named("mqtt", "broker"), &options);
}

/// Everything comes from the router: the device's address and route by radvd, the prefix by an advertisement of its own.
#[test]
fn by_an_address_of_its_own_making() {
    let lab = Setup::new(Resolver::Plain)
        .reach(Reach::Advertised)
        .advertised()
        .start();
    lab.exchange(&named("mqtts", "broker"), &[]);
}
