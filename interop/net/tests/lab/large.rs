//! A path that swallows large packets and says nothing.

use net::{Lab, Setup, dns::Resolver, named};
use towpath::{Code, Rung};

/// What the narrow link carries.
const NARROW: u16 = 1280;

/// The router may not say that a packet is too big, to nobody.
fn muted(lab: &Lab) {
    lab.router.nft(
        "add table inet mute\n\
         add chain inet mute out { type filter hook output priority 0 ; }\n\
         add chain inet mute through { type filter hook forward priority 0 ; }\n\
         add rule inet mute out icmpv6 type packet-too-big drop\n\
         add rule inet mute through icmpv6 type packet-too-big drop\n\
         add rule inet mute out icmp type destination-unreachable icmp code frag-needed drop\n\
         add rule inet mute through icmp type destination-unreachable icmp code frag-needed drop\n",
    );
}

/// The server's certificates don't fit through, towards the device.
#[test]
fn from_the_server() {
    let lab = Setup::new(Resolver::Dns64).start();
    lab.router.ip(&format!("link set lan mtu {NARROW}"));
    muted(&lab);
    for scheme in ["mqtts", "wss"] {
        let url = named(scheme, "broker");
        lab.fails(&url, &[], Rung::Tls, Code::LargePacketsLost);
    }
    lab.exchange(&named("wss", "broker"), &["--mss", "1200"]);
    lab.exchange(&named("mqtts", "broker"), &["--mss", "400"]);
}

/// What the device sends does not fit through, towards the server: CONNECT with a large will; the upgrade with a large
/// header; a large message.
#[test]
fn from_the_device() {
    let lab = Setup::new(Resolver::Dns64).start();
    lab.router.ip(&format!("link set wan mtu {NARROW}"));
    muted(&lab);
    let large = "x".repeat(4000);
    let will = ["--will-topic", "gone", "--will-payload", &large];
    let url = named("mqtt", "broker");
    lab.fails(&url, &will, Rung::Mqtt, Code::LargePacketsLost);
    lab.exchange(&url, &[&will[..], &["--mss", "1200"]].concat());

    let header = format!("X-Large: {}", "x".repeat(2000));
    let header = ["--ws-header", header.as_str()];
    let url = named("ws", "broker");
    lab.fails(&url, &header, Rung::Upgrade, Code::LargePacketsLost);
    lab.exchange(&url, &[&header[..], &["--mss", "1200"]].concat());

    let url = named("mqtt", "broker");
    let publish = ["pub", &url, "t", "-q", "1", "--timeout", "2", "-m", &large];
    let outcome = lab.towpath(&publish);
    outcome.broke(Rung::Mqtt, Code::LargePacketsLost);
    lab.towpath(&[&publish[..], &["--mss", "400"]].concat())
        .done();
}
