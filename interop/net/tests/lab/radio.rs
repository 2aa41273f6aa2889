//! A link as slow and lossy as radio: 250 kbit/s, 40 ms, 5 % of all packets lost.

use std::time::Duration;

use net::{Setup, delay::Delay, dns::Resolver, named};

#[test]
fn a_slow_and_lossy_link() {
    let delay = Delay {
        least: Duration::from_millis(40),
        jitter: Duration::from_millis(10),
        seed: 1,
    };
    let lab = Setup::new(Resolver::Dns64).delay(delay).start();
    let shape = [
        "root", "tbf", "rate", "250kbit", "burst", "1600", "latency", "2s",
    ];
    for (namespace, name) in [(&lab.device, "uplink"), (&lab.router, "lan")] {
        let arguments = [&["qdisc", "add", "dev", name], &shape[..]].concat();
        namespace.feed("tc", &arguments, "");
    }
    lab.router.nft(
        "add table inet radio\n\
         add chain inet radio in { type filter hook prerouting priority 0 ; }\n\
         add chain inet radio out { type filter hook postrouting priority 0 ; }\n\
         add rule inet radio in iifname lan numgen random mod 100 < 5 drop\n\
         add rule inet radio out oifname lan numgen random mod 100 < 5 drop\n",
    );
    for scheme in ["mqtts", "wss"] {
        lab.exchange(&named(scheme, "broker"), &["--timeout", "30"]);
    }
}
