//! The proxy that the environment names.

use std::{ffi::OsString, net::IpAddr};

use super::Proxy;
use crate::{Endpoint, Error, Scheme};

/// The proxy for `endpoint`, by the variables that `variable` knows.
pub(super) fn proxy(
    endpoint: &Endpoint,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Proxy>, Error> {
    let own: &[&'static str] = match endpoint.scheme {
        Scheme::Mqtts | Scheme::Wss => &["https_proxy", "HTTPS_PROXY"],
        Scheme::Ws => &["http_proxy"],
        Scheme::Mqtt => &[],
    };
    let mut names = own.iter().chain(&["all_proxy", "ALL_PROXY"]);
    let given = |name: &str| variable(name).filter(|value| !value.is_empty());
    let Some((name, value)) = names.find_map(|name| given(name).map(|value| (name, value))) else {
        return Ok(None);
    };
    let exceptions = given("no_proxy").or_else(|| given("NO_PROXY"));
    let exceptions = exceptions.unwrap_or_default();
    if is_excepted(&endpoint.host, endpoint.port, &exceptions.to_string_lossy()) {
        return Ok(None);
    }
    let wrong = |why: &dyn std::fmt::Display| Error::Config {
        why: format!("{name}: {why}"),
    };
    let text = value.into_string().map_err(|_| wrong(&"it is not UTF-8"))?;
    match Proxy::parse(text.trim()) {
        Ok(proxy) => Ok(Some(proxy)),
        Err(Error::Url { why }) => Err(wrong(&why)),
        Err(error) => Err(wrong(&error)),
    }
}

/// Whether a server is reached without a proxy.
fn is_excepted(host: &str, port: u16, list: &str) -> bool {
    let host = host.trim_end_matches('.');
    let address = host
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical());
    // Nobody else's loopback is this machine's.
    if address.is_some_and(|address| address.is_loopback())
        || address.is_none() && is_below(host, "localhost")
    {
        return true;
    }
    list.split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty())
        .any(|entry| matches(host, address, port, entry))
}

fn matches(host: &str, address: Option<IpAddr>, port: u16, entry: &str) -> bool {
    if entry == "*" {
        return true;
    }
    let entry = match split_port(entry) {
        Some((_, wanted)) if wanted != port => return false,
        Some((entry, _)) => entry,
        None => entry,
    };
    let entry = entry
        .strip_prefix('[')
        .and_then(|entry| entry.strip_suffix(']'))
        .unwrap_or(entry);
    let Some(address) = address else {
        let name = entry.strip_prefix('*').unwrap_or(entry);
        let name = name.trim_start_matches('.').trim_end_matches('.');
        return !name.is_empty() && is_below(host, name);
    };
    match entry.split_once('/') {
        Some((network, bits)) => {
            let network = network.parse().ok();
            let bits = bits.parse().ok();
            network
                .zip(bits)
                .is_some_and(|(network, bits)| is_within(address, network, bits))
        }
        None => entry
            .parse::<IpAddr>()
            .is_ok_and(|entry| entry.to_canonical() == address),
    }
}

/// Cuts off a port: `host:port`, `[address]:port`, but not the last group of a bare IPv6 address.
fn split_port(entry: &str) -> Option<(&str, u16)> {
    let (host, port) = entry.rsplit_once(':')?;
    if host.contains(':') && !host.ends_with(']') {
        return None;
    }
    Some((host, port.parse().ok()?))
}

/// Whether `host` is `name` or a name below it.
fn is_below(host: &str, name: &str) -> bool {
    let Some(start) = host.len().checked_sub(name.len()) else {
        return false;
    };
    let ends = host
        .get(start..)
        .is_some_and(|end| end.eq_ignore_ascii_case(name));
    ends && (start == 0
        || host
            .get(..start)
            .is_some_and(|before| before.ends_with('.')))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (
            u128::from(address.to_bits()),
            u128::from(network.to_bits()),
            32,
        ),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    match width - bits.min(width) {
        _ if bits > width => false,
        128 => true,
        host_bits => (address ^ network) >> host_bits == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let endpoint = Endpoint::parse(url).unwrap();
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        proxy(&endpoint, value)
            .unwrap()
            .map(|proxy| proxy.to_string())
    }

    #[test]
    fn each_scheme_has_its_variables() {
        let all = [
            ("https_proxy", "http://s:1"),
            ("HTTPS_PROXY", "http://S:2"),
            ("http_proxy", "http://h:3"),
            ("HTTP_PROXY", "http://never:4"),
            ("all_proxy", "socks5://a:5"),
            ("ALL_PROXY", "socks5://A:6"),
        ];
        let without = |names: &[&str]| -> Vec<_> {
            let left = all.iter().filter(|(name, _)| !names.contains(name));
            left.copied().collect()
        };
        for (url, gone, expected) in [
            ("mqtts://b", &[][..], Some("http://s:1")),
            ("wss://b", &["https_proxy"], Some("http://s:2")),
            (
                "wss://b",
                &["https_proxy", "HTTPS_PROXY"],
                Some("socks5://a:5"),
            ),
            ("ws://b", &[], Some("http://h:3")),
            ("ws://b", &["http_proxy"], Some("socks5://a:5")),
            ("ws://b", &["http_proxy", "all_proxy", "ALL_PROXY"], None),
            ("mqtt://b", &[], Some("socks5://a:5")),
            ("mqtt://b", &["all_proxy"], Some("socks5://A:6")),
            ("mqtt://b", &["all_proxy", "ALL_PROXY"], None),
        ] {
            assert_eq!(
                found(url, &without(gone)).as_deref(),
                expected,
                "{url} {gone:?}"
            );
        }
        let empty = [("https_proxy", ""), ("ALL_PROXY", "")];
        assert_eq!(found("wss://b", &empty), None);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_variable() {
        let endpoint = Endpoint::parse("wss://b").unwrap();
        let value =
            |name: &str| (name == "HTTPS_PROXY").then(|| OsString::from("https://u:hunter2@p"));
        let error = proxy(&endpoint, value).unwrap_err().to_string();
        assert!(
            error.starts_with("HTTPS_PROXY: the proxy's URL: TLS"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn exceptions() {
        for (host, list, expected) in [
            ("hub.example", "", false),
            ("hub.example", "*", true),
            ("hub.example", "example", true),
            ("hub.example", "a, hub.EXAMPLE ,b", true),
            ("hub.example", "other,.example", true),
            ("hub.example.", "*.example", true),
            ("example", ".example", true),
            ("hub.example", "b.example", false),
            ("hub.example", "ub.example", false),
            ("hub.example", "hub.example:8883", true),
            ("hub.example", "hub.example:443", false),
            ("hub.example", ".", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.3:8883 x", true),
            ("10.1.2.3", "10.1.2.0/25", true),
            ("10.1.2.130", "10.1.2.0/25", false),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("10.1.2.3", "10.1.2.0/33,10.0.0.0/x,::/0", false),
            ("10.1.2.3", ".2.3", false),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:db8::1", "::/0", true),
            ("2001:db8::1", "[2001:db8::1]:8883", true),
            ("2001:db8::1", "[2001:db8::1]:1", false),
            ("2001:db8::1", "2001:db8:0::1", true),
            ("2001:db9::1", "2001:db8::/32", false),
            ("::ffff:10.1.2.3", "10.0.0.0/8", true),
            ("localhost", "", true),
            ("a.localhost", "", true),
            ("notlocalhost", "", false),
            ("127.0.0.2", "", true),
            ("::1", "", true),
        ] {
            assert_eq!(is_excepted(host, 8883, list), expected, "{host} {list:?}");
        }
    }
}
