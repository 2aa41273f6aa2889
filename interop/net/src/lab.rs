//! The whole lab: device, router and internet.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use tls::pki::Pki;
use towpath::{Code, Rung};

use crate::{
    Broker, Daemon, Namespace, Outcome, Prefix,
    delay::{Delay, Link},
    dns::{self, Resolver},
    nat64,
    pref64::Advertiser,
    slaac, towpath,
};

/// Where everything is.
pub mod address {
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// The link between device and router: the first 64 bits.
    pub const PREFIX: Ipv6Addr = Ipv6Addr::new(0xfd11, 0x22, 0x33, 1, 0, 0, 0, 0);
    /// The device.
    pub const DEVICE: Ipv6Addr = Ipv6Addr::new(0xfd11, 0x22, 0x33, 1, 0, 0, 0, 2);
    /// The router, seen from the device.
    pub const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfd11, 0x22, 0x33, 1, 0, 0, 0, 1);
    /// The same with its scope.
    pub const ROUTER_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    /// The device's IPv4 address, where it has one.
    pub const DEVICE4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
    /// The router's IPv4 address on the device's side.
    pub const ROUTER4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    /// The router, seen from the internet: the source of whatever comes from behind it.
    pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
    /// The broker.
    pub const BROKER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
    /// The internet's name server.
    pub const NAMES: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
    /// A network of 256 addresses that are all the broker's.
    pub const MANY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 0);
    /// One of those, at which packets vanish.
    pub const NOBODY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
    /// The broker under an address that is no one's example and no one's own: the well-known prefix may carry it.
    pub const PUBLIC: Ipv4Addr = Ipv4Addr::new(192, 88, 99, 10);
    /// An address that no well-known prefix may carry.
    pub const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 10);
    /// The broker, where the internet has IPv6.
    pub const BROKER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x10);
    /// A host at which packets vanish. A device with an address of fc00::/7 prefers it.
    pub const NOBODY6: Ipv6Addr = Ipv6Addr::new(0xfd11, 0x22, 0x33, 2, 0, 0, 0, 0x66);
}

/// What the device has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// IPv6 only.
    Ipv6,
    /// Both families.
    Both,
    /// An address of its own link, and a route to the router.
    LinkLocal,
    /// What the router advertises: IPv6 by SLAAC, and a default route.
    Advertised,
}

/// What the internet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Internet {
    /// IPv4 only.
    Ipv4,
    /// Both families.
    Both,
}

/// How the lab is to be set up.
#[derive(Debug, Clone)]
pub struct Setup {
    prefix: Prefix,
    translator: bool,
    advertised: bool,
    resolver: Option<Resolver>,
    reach: Reach,
    internet: Internet,
    delay: Option<Delay>,
}

impl Setup {
    /// A device with IPv6, a NAT64 with a prefix of its own, an internet with IPv4, and a resolver of this kind, which
    /// the device's `resolv.conf` names.
    #[must_use]
    pub fn new(resolver: impl Into<Option<Resolver>>) -> Self {
        Self {
            prefix: "fd64:1:2:3:4:5::/96".parse().expect("a prefix"),
            translator: true,
            advertised: false,
            resolver: resolver.into(),
            reach: Reach::Ipv6,
            internet: Internet::Ipv4,
            delay: None,
        }
    }

    /// The prefix of NAT64.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.parse().expect("a prefix");
        self
    }

    /// There is no NAT64.
    #[must_use]
    pub const fn no_translator(mut self) -> Self {
        self.translator = false;
        self
    }

    /// The router advertises the prefix (RFC 8781).
    #[must_use]
    pub const fn advertised(mut self) -> Self {
        self.advertised = true;
        self
    }

    /// What the device has.
    #[must_use]
    pub const fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// What the internet has.
    #[must_use]
    pub const fn internet(mut self, internet: Internet) -> Self {
        self.internet = internet;
        self
    }

    /// A slow link between device and router.
    #[must_use]
    pub const fn delay(mut self, delay: Delay) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Builds it. Done when every server answers.
    ///
    /// # Panics
    /// If something does not start.
    #[must_use]
    pub fn start(self) -> Lab {
        Lab::start(&self)
    }
}

/// The running lab. Ends with this value.
#[derive(Debug)]
pub struct Lab {
    /// The prefix of NAT64.
    pub prefix: Prefix,
    /// The certificates of the broker and its root.
    pub pki: Pki,
    /// The broker.
    pub broker: Broker,
    /// The translator, if there is one.
    pub translator: Option<Daemon>,
    /// How many messages have been exchanged.
    exchanged: AtomicUsize,
    _advertiser: Option<Advertiser>,
    _radvd: Option<Daemon>,
    _resolver: Option<Daemon>,
    _names: Daemon,
    _link: Option<Link>,
    /// The device. Its interface to the router is `uplink`.
    pub device: Namespace,
    /// The router: `lan` leads to the device, `wan` to the internet.
    pub router: Namespace,
    /// The hosts behind the router. Their interface is `net`.
    pub internet: Namespace,
}

impl Lab {
    fn start(setup: &Setup) -> Self {
        let device = Namespace::new("device");
        let router = Namespace::new("router");
        let internet = Namespace::new("internet");
        let link = wire_device(setup, &device, &router);
        wire_internet(setup, &router, &internet);
        let pki = Pki::kept();
        let names = dns::authoritative(&internet);
        let broker = Broker::start(&internet, &pki);
        let radvd = (setup.reach == Reach::Advertised).then(|| slaac::start(&router, &device));
        let translator = setup
            .translator
            .then(|| nat64::start(&router, setup.prefix, &device, address::PUBLIC));
        let resolver = setup.resolver;
        let resolver = resolver.and_then(|kind| dns::resolver(&router, kind, setup.prefix));
        if setup.resolver.is_some() {
            device.resolv_conf(&format!("nameserver {}\n", address::ROUTER));
        }
        let advertiser = setup
            .advertised
            .then(|| Advertiser::start(&router, "lan", setup.prefix));
        Self {
            prefix: setup.prefix,
            pki,
            broker,
            translator,
            exchanged: AtomicUsize::new(0),
            _advertiser: advertiser,
            _radvd: radvd,
            _resolver: resolver,
            _names: names,
            _link: link,
            device,
            router,
            internet,
        }
    }

    /// Runs `towpath` on the device; with a URL that asks for TLS, it trusts the broker's root.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn towpath(&self, arguments: &[&str]) -> Outcome {
        let root = self.pki.root().display().to_string();
        let secured =
            |argument: &&str| argument.starts_with("mqtts:") || argument.starts_with("wss:");
        let trust: &[&str] = if arguments.iter().any(secured) {
            &["--cafile", &root]
        } else {
            &[]
        };
        towpath(&self.device, &[arguments, trust].concat())
    }

    /// Publishes a message with QoS 1, which the broker keeps, and fetches it again by a subscription: both from the
    /// device, to this URL.
    ///
    /// # Panics
    /// If it does not arrive at the broker, or does not come back.
    pub fn exchange(&self, url: &str, options: &[&str]) {
        let publish = [
            "pub",
            url,
            "plant/state",
            "-m",
            url,
            "-q",
            "1",
            "-r",
            "-i",
            "publisher",
        ];
        self.towpath(&[&publish, options].concat()).done();
        let arrived = ["Received PUBLISH from publisher", "'plant/state'"];
        assert_eq!(
            self.broker.logged(&arrived),
            1 + self.exchanged.fetch_add(1, Ordering::Relaxed)
        );
        let subscribe = ["sub", url, "plant/state", "-C", "1", "-W", "20", "-q", "1"];
        let came = self.towpath(&[&subscribe, options].concat()).done();
        assert_eq!(came.trim_end(), url);
    }

    /// Publishes to this URL, which is to fail.
    ///
    /// # Panics
    /// If it fails otherwise.
    pub fn fails(&self, url: &str, options: &[&str], rung: Rung, code: Code) {
        let publish = [
            "pub",
            url,
            "plant/state",
            "-m",
            "on",
            "-q",
            "1",
            "--timeout",
            "2",
        ];
        self.towpath(&[&publish, options].concat())
            .broke(rung, code);
    }
}

/// The URL of a host name or address of the broker.
#[must_use]
pub fn url(scheme: &str, host: &str) -> String {
    let path = if scheme.starts_with("ws") {
        "/mqtt"
    } else {
        ""
    };
    format!("{scheme}://{host}{path}")
}

/// The URL of a name in the zone.
#[must_use]
pub fn named(scheme: &str, name: &str) -> String {
    url(scheme, &format!("{name}.{}", dns::ZONE))
}

fn wire_device(setup: &Setup, device: &Namespace, router: &Namespace) -> Option<Link> {
    let link = setup.delay.map(|delay| {
        let link = Link::new(device, router, "radio", delay);
        // So that tests need not know what kind of link it is.
        for (namespace, name) in [(device, "uplink"), (router, "lan")] {
            namespace.ip(&format!("link set radio down\nlink set radio name {name}"));
        }
        link
    });
    if link.is_none() {
        let peer = router.id();
        device.ip(&format!(
            "link add uplink type veth peer name lan netns {peer}"
        ));
    }
    router.sysctl("ipv6.conf.all.forwarding", "1");
    router.sysctl("ipv4.ip_forward", "1");
    let mut near = String::from("link set uplink up\n");
    let mut far = format!(
        "link set lan up\naddr add {}/64 dev lan\naddr add {}/64 dev lan\n",
        address::ROUTER,
        address::ROUTER_LINK_LOCAL,
    );
    match setup.reach {
        Reach::Ipv6 | Reach::Both => {
            let _ = writeln!(near, "addr add {}/64 dev uplink", address::DEVICE);
            let _ = writeln!(near, "route add default via {}", address::ROUTER);
        }
        Reach::LinkLocal => {
            let router = address::ROUTER_LINK_LOCAL;
            let _ = writeln!(near, "route add default via {router} dev uplink");
        }
        Reach::Advertised => {}
    }
    if setup.reach == Reach::Both {
        let _ = writeln!(near, "addr add {}/24 dev uplink", address::DEVICE4);
        let _ = writeln!(near, "route add default via {}", address::ROUTER4);
        let _ = writeln!(far, "addr add {}/24 dev lan", address::ROUTER4);
    }
    router.ip(&far);
    device.ip(&near);
    link
}

fn wire_internet(setup: &Setup, router: &Namespace, internet: &Namespace) {
    let peer = internet.id();
    router.ip(&format!(
        "link add wan type veth peer name net netns {peer}"
    ));
    let mut near = format!(
        "addr add {}/24 dev wan\nlink set wan up\n",
        address::GATEWAY
    );
    let mut far = format!(
        "addr add {}/24 dev net\naddr add {}/24 dev net\naddr add {}/32 dev net\n\
         link set net up\nroute add local {}/24 dev lo\n",
        address::BROKER,
        address::NAMES,
        address::PUBLIC,
        address::MANY,
    );
    let _ = writeln!(near, "route add default via {}", address::BROKER);
    if setup.internet == Internet::Both {
        near.push_str("addr add 2001:db8:2::1/64 dev wan\naddr add fd11:22:33:2::1/64 dev wan\n");
        let _ = write!(
            far,
            "addr add {}/64 dev net\naddr add {}/64 dev net\nroute add default via 2001:db8:2::1\n",
            address::BROKER6,
            address::NOBODY6,
        );
    } else {
        internet.sysctl("ipv6.conf.all.disable_ipv6", "1");
    }
    router.ip(&near);
    internet.ip(&far);
    router.nft(
        "add table ip nat\n\
         add chain ip nat post { type nat hook postrouting priority 100 ; }\n\
         add rule ip nat post oifname wan masquerade\n",
    );
    internet.nft(&format!(
        "add table inet hosts\n\
         add chain inet hosts input {{ type filter hook input priority 0 ; }}\n\
         add rule inet hosts input ip daddr {} drop\n\
         add rule inet hosts input ip6 daddr {} drop\n",
        address::NOBODY,
        address::NOBODY6,
    ));
}

/// A socket address of the internet's name server, as one behind NAT64 sees it.
#[must_use]
pub fn names_behind(prefix: Prefix) -> SocketAddr {
    SocketAddr::new(prefix.embed(address::NAMES).into(), 53)
}
