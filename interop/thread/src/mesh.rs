//! A Thread network with a border router, and an internet behind it that has IPv4 only.
//!
//! ```text
//! device (ot-daemon) ))) radio ((( router (ot-daemon, NAT64) ── internet (mosquitto, DNS; IPv4)
//! wpandev, IPv6 only               wpanbr, wan                  net
//! ```

use std::{env, path::PathBuf, time::Duration};

use mqtt::Folder;
use net::{Daemon, Namespace, Prefix, address};
use nix::mount::{MsFlags, mount};

use crate::Control;

/// How long forming the network may take. 8 s is usual; a node that misses the first round needs 40.
const PATIENCE: Duration = Duration::from_secs(90);

/// The running network. Ends with this value.
#[derive(Debug)]
pub struct Mesh {
    /// The command line of the border router.
    pub router_control: Control,
    /// The command line of the device.
    pub device_control: Control,
    /// The device: IPv6 only.
    pub device: Namespace,
    /// The border router.
    pub router: Namespace,
    /// The hosts behind it: IPv4 only.
    pub internet: Namespace,
    _daemons: [Daemon; 2],
    _radio: Namespace,
}

/// Where a program of OpenThread is.
///
/// # Panics
/// If `run.sh` did not say.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let folder = env::var_os("OPENTHREAD").expect("OPENTHREAD: run interop/thread/run.sh");
    PathBuf::from(folder).join(name)
}

impl Mesh {
    /// Makes the namespaces, starts the daemons and forms the network: done when the device knows a NAT64 prefix.
    ///
    /// # Panics
    /// If it does not form.
    #[must_use]
    pub fn form() -> Self {
        let (device, router) = (Namespace::new("device"), Namespace::new("router"));
        let (internet, radio) = (Namespace::new("internet"), Namespace::new("radio"));
        // The simulated radio is multicast on the loopback.
        radio.ip("route replace 224.0.0.0/4 dev lo");
        wire(&router, &internet);
        // As lwIP, Zephyr and smoltcp have it: 12 bytes less in each segment than Linux has by itself.
        device.sysctl("ipv4.tcp_timestamps", "0");
        for node in [&device, &router] {
            node.run(own_run);
        }
        let daemons = [
            daemon(&router, &radio, 1, &["-I", "wpanbr", "-B", "wan"]),
            daemon(&device, &radio, 2, &["-I", "wpandev"]),
        ];
        let mut mesh = Self {
            router_control: Control::of(&router, "wpanbr"),
            device_control: Control::of(&device, "wpandev"),
            device,
            router,
            internet,
            _daemons: daemons,
            _radio: radio,
        };
        mesh.lead();
        mesh.join();
        mesh
    }

    fn lead(&mut self) {
        let router = &mut self.router_control;
        for command in [
            "dataset init new",
            "dataset networkkey 00112233445566778899aabbccddeeff",
            "dataset channel 15",
            "dataset panid 0x1234",
            "dataset commit active",
            "routerselectionjitter 1",
            "ifconfig up",
            "thread start",
        ] {
            router.tell(command);
        }
        router.until("state", PATIENCE, |lines| lines == ["leader"]);
        for command in [
            "nat64 enable",
            "srp server enable",
            "dns server upstream enable",
        ] {
            router.tell(command);
        }
    }

    fn join(&mut self) {
        let dataset = self.router_control.line("dataset active -x");
        let device = &mut self.device_control;
        for command in [
            &format!("dataset set active {dataset}"),
            "routereligible disable",
            "ifconfig up",
            "thread start",
        ] {
            device.tell(command);
        }
        device.until("state", PATIENCE, |lines| lines == ["child"]);
        self.until_nat64(true);
    }

    /// Waits until the Network Data has a NAT64 prefix, or none.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn until_nat64(&mut self, there: bool) {
        let has = |lines: &[String]| nat64_prefix(lines).is_some();
        let command = "netdata show";
        self.device_control
            .until(command, PATIENCE, |lines| has(lines) == there);
    }

    /// The NAT64 prefix in the Network Data that the device has.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn prefix(&mut self) -> Prefix {
        let lines = self.device_control.tell("netdata show");
        nat64_prefix(&lines).expect("a NAT64 prefix")
    }

    /// The border router's address in the mesh, under which its DNS server answers.
    ///
    /// # Panics
    /// If it has none.
    #[must_use]
    pub fn router_address(&mut self) -> String {
        self.router_control.line("ipaddr mleid")
    }
}

/// The route with the flag `n`, as `netdata show` prints it: `fd2d:ced8:8d68:2:0:0::/96 sn low c000`.
fn nat64_prefix(lines: &[String]) -> Option<Prefix> {
    lines.iter().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let prefix = words.next()?.parse().ok()?;
        words.next()?.contains('n').then_some(prefix)
    })
}

fn wire(router: &Namespace, internet: &Namespace) {
    for (key, value) in [("ipv4.ip_forward", "1"), ("ipv6.conf.all.forwarding", "1")] {
        router.sysctl(key, value);
    }
    internet.sysctl("ipv6.conf.all.disable_ipv6", "1");
    router.ip(&format!(
        "link add wan type veth peer name net netns {}\n\
         addr add {}/24 dev wan\nlink set wan up\nroute add default via {}\n",
        internet.id(),
        address::GATEWAY,
        address::BROKER,
    ));
    internet.ip(&format!(
        "addr add {}/24 dev net\naddr add {}/24 dev net\nlink set net up\n",
        address::BROKER,
        address::NAMES,
    ));
    // NAT64 gives each device an IPv4 address that means nothing outside.
    router.nft(
        "add table ip nat\n\
         add chain ip nat post { type nat hook postrouting priority 100 ; }\n\
         add rule ip nat post oifname wan masquerade\n",
    );
    // The border router passes names on to whom its own resolv.conf names.
    router.resolv_conf(&format!("nameserver {}\n", address::NAMES));
}

/// The daemons keep locks and sockets in `/run`: each gets one of its own.
fn own_run() {
    let none = None::<&str>;
    if let Err(error) = mount(Some("none"), "/run", Some("tmpfs"), MsFlags::empty(), none) {
        panic!("/run of one's own: {error}");
    }
}

/// Starts a node whose radio, a program of its own, is in the namespace of the radios.
fn daemon(namespace: &Namespace, radio: &Namespace, node: u32, arguments: &[&str]) -> Daemon {
    let rcp = built("simulation/examples/apps/ncp/ot-rcp");
    let url = format!(
        "spinel+hdlc+forkpty:///usr/bin/nsenter?forkpty-arg=--net=/proc/{}/ns/net&forkpty-arg={}&forkpty-arg={node}",
        radio.id(),
        rcp.display()
    );
    let name = built("posix/src/posix/ot-daemon").display().to_string();
    let mut all = vec!["-v", "-d", "3"];
    all.extend(arguments);
    all.push(&url);
    // Its settings are in a folder below the one it runs in.
    Daemon::start(namespace, name.leak(), &all, Folder::new("ot-daemon"))
}
