//! The host of the URL: names, addresses, and which of them can be reached with which prefix.

use std::net::{IpAddr, Ipv4Addr};

use super::{Case, because_of, build::address, finding, off, on};
use crate::diagnosis::Found;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<Found>) {
    found.extend(family(case));
    found.extend(private_in_well_known_prefix(case));
    found.extend(address_against_certificate(case));
}

/// An address of a family that is not in the build.
fn family(case: &Case<'_>) -> Option<Found> {
    let net = &case.profile.net;
    let missing = match address(case)? {
        IpAddr::V6(_) => off(net.ipv6.as_ref())?,
        // With a prefix, or a router's, packets have IPv6 addresses.
        IpAddr::V4(_) if case.material.nat64_prefix.is_some() => return None,
        IpAddr::V4(_) => off(net.ipv4.as_ref())?,
    };
    let found = because_of("TP-DEV-005", missing)?.because("host", case.target.host.clone());
    // An application on Thread may translate the address itself.
    let by_itself = matches!(address(case)?, IpAddr::V4(_)) && on(net.thread.as_ref()).is_some();
    Some(if by_itself { found.warning() } else { found })
}

/// RFC 6052 section 3.1: the well-known prefix must not stand for addresses that are not global.
fn private_in_well_known_prefix(case: &Case<'_>) -> Option<Found> {
    let prefix = case.material.nat64_prefix?;
    // Where there is IPv4, no prefix is used.
    if !case.material.only_ipv6 && off(case.profile.net.ipv4.as_ref()).is_none() {
        return None;
    }
    let bare = prefix.split('/').next().unwrap_or(prefix);
    let bare: std::net::Ipv6Addr = bare.trim().parse().ok()?;
    let IpAddr::V4(host) = address(case)? else {
        return None;
    };
    let well_known = bare.segments() == [0x64, 0xff9b, 0, 0, 0, 0, 0, 0];
    if !well_known || !is_private(host) {
        return None;
    }
    let mut found = finding("TP-NAT64-003")?;
    found.cause = format!("{host} is a private address, and 64:ff9b::/96 must not stand for it");
    Some(
        found
            .because("host", host.to_string())
            .because("NAT64 prefix", prefix.to_owned()),
    )
}

fn is_private(host: Ipv4Addr) -> bool {
    let [a, b, ..] = host.octets();
    let shared = a == 100 && (64..128).contains(&b);
    host.is_private() || host.is_link_local() || host.is_loopback() || shared
}

/// An address as host against a certificate that bears names only.
fn address_against_certificate(case: &Case<'_>) -> Option<Found> {
    if !case.is_secured() || case.material.server_name.is_some() {
        return None;
    }
    let host = address(case)?;
    let leaf = case.shown_chain().first()?;
    if leaf.addresses.contains(&host) {
        return None;
    }
    let mut found = finding("TP-TLS-052")?;
    let names = match leaf.names.as_slice() {
        [] => leaf
            .common_name
            .clone()
            .unwrap_or_else(|| leaf.subject.clone()),
        names => names.join(", "),
    };
    found.cause = format!("the URL has the address {host}, and the certificate is for {names}");
    Some(found.because("certificate", leaf.subject.clone()))
}
