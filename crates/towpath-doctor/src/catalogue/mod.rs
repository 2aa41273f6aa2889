//! Every finding, one file for each family of ids; [`pages`] writes them for people. The ids that faults of the client
//! bear are in `codes!` of `towpath-proto/src/fault.rs`.

mod address;
mod certificate;
mod client_certificate;
mod device;
mod dns;
mod dps;
mod hub;
mod hub_session;
mod mqtt;
mod mqtt_limits;
mod mqtt_session;
mod nat64;
pub mod pages;
mod proxy;
mod renegotiation;
mod tcp;
mod tls;
mod tls_build;
mod tls_peer;
mod trust;
mod upgrade;
mod upgrade_status;
mod websocket;

use towpath_proto::Fault;

use crate::{Finding, Platform, Remedy};

/// The families, in the order of the rungs.
pub const FAMILIES: &[(&str, &[Finding])] = &[
    ("Device: sockets and transports", device::sockets::FINDINGS),
    ("Device: TLS in the build", device::tls::FINDINGS),
    (
        "Device: keys, certificates, clock",
        device::material::FINDINGS,
    ),
    (
        "Device: the program and its buffers",
        device::program::FINDINGS,
    ),
    ("Address", address::FINDINGS),
    ("DNS", dns::FINDINGS),
    ("NAT64", nat64::FINDINGS),
    ("TCP", tcp::FINDINGS),
    ("Proxy", proxy::FINDINGS),
    ("TLS: the handshake", tls::FINDINGS),
    ("TLS: other protocols, boxes in between", tls_peer::FINDINGS),
    ("TLS: the device's build", tls_build::FINDINGS),
    ("TLS: renegotiation", renegotiation::FINDINGS),
    ("TLS: the server's certificate", certificate::FINDINGS),
    ("TLS: roots, name and clock", trust::FINDINGS),
    (
        "TLS: the client's certificate",
        client_certificate::FINDINGS,
    ),
    ("HTTP upgrade: the answer", upgrade::FINDINGS),
    ("HTTP upgrade: the status", upgrade_status::FINDINGS),
    ("WebSocket", websocket::FINDINGS),
    ("MQTT: the login", mqtt::FINDINGS),
    ("MQTT: the connection", mqtt_session::FINDINGS),
    ("MQTT: limits and rights", mqtt_limits::FINDINGS),
    ("Hub: the login", hub::FINDINGS),
    ("Hub: the connection", hub_session::FINDINGS),
    ("Provisioning service", dps::FINDINGS),
];

/// Every finding, family by family.
pub fn all() -> impl Iterator<Item = &'static Finding> {
    FAMILIES.iter().flat_map(|(_, findings)| findings.iter())
}

/// The finding with this id, however it is cased.
#[must_use]
pub fn find(id: &str) -> Option<&'static Finding> {
    all().find(|finding| finding.id.eq_ignore_ascii_case(id))
}

/// The finding that a fault of the client bears, before a probe has looked closer.
#[must_use]
pub fn of(fault: &Fault) -> Option<&'static Finding> {
    find(fault.finding())
}

/// What mends it in `prj.conf` of Zephyr or the nRF Connect SDK.
const fn zephyr(what: &'static str, set: &'static str) -> Remedy {
    let on = Platform::Zephyr;
    Remedy { on, what, set }
}

/// What mends it in `sdkconfig.defaults` of ESP-IDF.
const fn esp_idf(what: &'static str, set: &'static str) -> Remedy {
    let on = Platform::EspIdf;
    Remedy { on, what, set }
}

/// What mends it on Linux, or on the command line of towpath.
const fn linux(what: &'static str, set: &'static str) -> Remedy {
    let on = Platform::Linux;
    Remedy { on, what, set }
}

/// What mends it at the broker, the hub or its front end.
const fn server(what: &'static str, set: &'static str) -> Remedy {
    let on = Platform::Server;
    Remedy { on, what, set }
}

/// What mends it at the proxy, the router or the DNS server.
const fn network(what: &'static str, set: &'static str) -> Remedy {
    let on = Platform::Network;
    Remedy { on, what, set }
}
