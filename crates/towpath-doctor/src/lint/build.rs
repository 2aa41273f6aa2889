//! Settings of a build against the URL: what has to be in the firmware at all.

use std::net::IpAddr;

use super::{Case, because_of, finding, off, on};
use crate::{Platform, diagnosis::Found, evidence::Scheme, profile::Set};

pub(super) fn check(case: &Case<'_>, found: &mut Vec<Found>) {
    found.extend(tcp(case));
    found.extend(resolver(case));
    found.extend(servers(case));
    found.extend(secure_sockets(case));
    found.extend(websocket(case));
    found.extend(descriptors(case));
    found.extend(contexts(case));
    found.extend(bundle(case));
    found.extend(legacy_crypto(case));
    found.extend(mqtt_buffer(case));
    found.extend(http_buffer(case));
}

fn tcp(case: &Case<'_>) -> Option<Found> {
    let tcp = off(case.profile.net.tcp.as_ref())?;
    let mut found = because_of("TP-DEV-001", tcp)?;
    if let Some(thread) = on(case.profile.net.thread.as_ref()) {
        found = found.because("setting", thread.to_string()).because(
            "note",
            "OpenThread's own TCP is another one: sockets and the MQTT library do not use it",
        );
    }
    Some(found)
}

/// The host, if it is an address.
pub(super) fn address(case: &Case<'_>) -> Option<IpAddr> {
    case.target.host.parse().ok()
}

fn resolver(case: &Case<'_>) -> Option<Found> {
    if address(case).is_some() {
        return None;
    }
    let resolver = off(case.profile.net.resolver.as_ref())?;
    let found = because_of("TP-DEV-002", resolver)?.because("host", case.target.host.clone());
    // An application may ask OpenThread's client and go on with the address.
    match on(case.profile.net.other_resolver.as_ref()) {
        Some(other) => Some(found.warning().because("setting", other.to_string())),
        None => Some(found),
    }
}

/// The servers that the resolver may ask.
fn servers(case: &Case<'_>) -> Option<Found> {
    let net = &case.profile.net;
    if address(case).is_some() || off(net.resolver.as_ref()).is_some() {
        return None;
    }
    let servers = net.dns_servers.as_ref()?;
    let no_ipv4 = off(net.ipv4.as_ref());
    if let (false, Some(ipv4)) = (servers.value.is_empty(), no_ipv4) {
        return literal_servers(servers, ipv4, on(net.other_resolver.as_ref()));
    }
    let resolver = on(net.resolver.as_ref())?;
    let rdnss = off(net.rdnss.as_ref())?;
    let nobody_else = no_ipv4.is_some() || off(net.dhcp.as_ref()).is_some();
    if !servers.value.is_empty() || !nobody_else {
        return None;
    }
    let on_thread = on(net.thread.as_ref()).is_some();
    let id = match (no_ipv4, on_thread) {
        (Some(_), false) => "TP-DNS-012",
        _ => "TP-DEV-003",
    };
    // An application can name a server while it runs.
    let found = finding(id)?.warning();
    Some(
        found
            .because("setting", resolver.to_string())
            .because(
                "setting",
                format!("{}: {} names none", servers.at, servers.key),
            )
            .because("setting", rdnss.to_string()),
    )
}

/// Servers in the build that packets of this device can't reach: all of them have IPv4 addresses.
fn literal_servers(
    servers: &Set<Vec<String>>,
    ipv4: &Set<bool>,
    other: Option<&Set<bool>>,
) -> Option<Found> {
    let all_v4 = servers.value.iter().all(|server| is_ipv4_server(server));
    if !all_v4 {
        return None;
    }
    let names = servers.value.join(", ");
    let found = finding("TP-DNS-011")?
        .because(
            "setting",
            format!("{}: {}={names}", servers.at, servers.key),
        )
        .because("setting", ipv4.to_string());
    Some(match other {
        Some(other) => found.warning().because("setting", other.to_string()),
        None => found,
    })
}

/// `192.0.2.53` or `192.0.2.53:53`.
fn is_ipv4_server(server: &str) -> bool {
    let host = match server.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(':') => host,
        _ => server,
    };
    host.parse::<std::net::Ipv4Addr>().is_ok()
}

fn secure_sockets(case: &Case<'_>) -> Option<Found> {
    if !case.is_secured() {
        return None;
    }
    let sockets = off(case.profile.tls.sockets.as_ref());
    let library = off(case.profile.mqtt.tls.as_ref());
    let setting = sockets.or(library)?;
    let found = because_of("TP-DEV-004", setting)?;
    Some(match (sockets, library) {
        (Some(_), Some(library)) => found.because("setting", library.to_string()),
        _ => found,
    })
}

fn websocket(case: &Case<'_>) -> Option<Found> {
    if !case.target.scheme.is_framed() {
        return None;
    }
    because_of("TP-DEV-016", off(case.profile.mqtt.websocket.as_ref())?)
}

/// Zephyr counts sockets among files: TLS takes one beside that of TCP, WebSocket takes one, the resolver holds one.
fn descriptors(case: &Case<'_>) -> Option<Found> {
    if case.profile.platform != Some(Platform::Zephyr) {
        return None;
    }
    let descriptors = case.profile.net.descriptors.as_ref()?;
    let resolver = address(case).is_none() && on(case.profile.net.resolver.as_ref()).is_some();
    let needs = match case.target.scheme {
        Scheme::Mqtt => 1,
        Scheme::Mqtts | Scheme::Ws => 2,
        Scheme::Wss => 3,
    } + u32::from(resolver);
    if descriptors.value >= needs {
        return None;
    }
    let mut found = because_of("TP-DEV-007", descriptors)?;
    found.cause = format!(
        "{} needs {needs} file descriptors and the build has {}",
        case.target.scheme.name(),
        descriptors.value
    );
    Some(found)
}

fn contexts(case: &Case<'_>) -> Option<Found> {
    let contexts = case.profile.tls.contexts.as_ref()?;
    if !case.is_secured() || contexts.value > 0 {
        return None;
    }
    because_of("TP-DEV-037", contexts)
}

/// No roots in the build, and none that the user names: the application may bring its own, so it is a warning.
fn bundle(case: &Case<'_>) -> Option<Found> {
    if !case.is_secured() || case.roots.is_some() {
        return None;
    }
    let bundle = off(case.profile.tls.bundle.as_ref())?;
    let found = because_of("TP-DEV-011", bundle)?.warning();
    Some(found.because("roots", "none are named for this run either"))
}

fn legacy_crypto(case: &Case<'_>) -> Option<Found> {
    let thread = on(case.profile.net.thread.as_ref())?;
    let legacy = on(case.profile.tls.legacy_crypto.as_ref())?;
    let found = because_of("TP-DEV-020", legacy)?.warning();
    Some(found.because("setting", thread.to_string()))
}

/// CONNECT as this device would send it, if its output buffer is too small for that.
fn mqtt_buffer(case: &Case<'_>) -> Option<Found> {
    let buffer = case.profile.mqtt.tx_buffer.as_ref()?;
    let len = connect_len(case)?;
    if usize::try_from(buffer.value).is_ok_and(|room| room >= len) {
        return None;
    }
    let mut found = because_of("TP-DEV-017", buffer)?;
    found.cause = format!(
        "CONNECT has {len} bytes and the device's MQTT buffer {}",
        buffer.value
    );
    Some(found.because("CONNECT", format!("{len} bytes")))
}

/// The length of CONNECT without a will, bytes (MQTT 3.1.1 section 3.1), at least.
fn connect_len(case: &Case<'_>) -> Option<usize> {
    let field = |len: usize| len.saturating_add(2);
    let id = case.target.client_id.as_ref()?;
    let user = case.target.user.as_ref().map(|user| field(user.len()));
    let password = case.material.password.map(|password| field(password.len()));
    let rest = 10_usize
        .saturating_add(field(id.len()))
        .saturating_add(user.unwrap_or(0))
        .saturating_add(password.unwrap_or(0))
        .saturating_add(usize::from(case.target.mqtt5));
    let head = 2_usize.saturating_add(usize::from(rest > 127));
    Some(rest.saturating_add(head))
}

/// The shortest 101 that there is (RFC 6455 section 4.2.2), with the subprotocol of MQTT.
const SHORTEST_ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                               Sec-WebSocket-Accept: 0123456789012345678901234567\r\n\
                               Sec-WebSocket-Protocol: mqtt\r\n\r\n";

fn http_buffer(case: &Case<'_>) -> Option<Found> {
    if !case.target.scheme.is_framed() {
        return None;
    }
    let buffer = case.profile.mqtt.http_buffer.as_ref()?;
    let needs = SHORTEST_ANSWER.len();
    if usize::try_from(buffer.value).is_ok_and(|room| room >= needs) {
        return None;
    }
    let mut found = because_of("TP-DEV-040", buffer)?;
    found.cause = format!(
        "the shortest answer to an upgrade has {needs} bytes and the device's buffer {}",
        buffer.value
    );
    Some(found)
}
