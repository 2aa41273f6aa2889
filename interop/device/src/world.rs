//! The networks: a device, a router with or without NAT64, and an internet with the cloud and squid in it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt as _,
};

use mqtt::Folder;
use net::{Daemon, Lab as Networks, Namespace, Reach, Setup, dns::Resolver};
use tokio::runtime::Builder;
use towpath::{
    Proxy, TlsOptions,
    device::{Entry, Options, Ports, Transport, Transports},
    tls::Backend,
};

use crate::{
    Cloud, Proof, apache,
    cloud::{DPS, HUB},
    credential,
};

/// Where cloud and squid are, and the internet's end of the link to them.
const PLACE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 10);
const EDGE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// squid's port.
const SQUID: u16 = 3128;
/// The cloud's port behind Apache.
const BEHIND: u16 = 8081;

/// What the device has of the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6 only, and NAT64 in the router.
    Nat64,
}

/// How MQTT travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Port 8883.
    Mqtts,
    /// Port 443.
    Wss,
    /// Port 443 through squid.
    WssThroughSquid,
}

impl Way {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Mqtts, Self::Wss, Self::WssThroughSquid];
}

/// All of it. Ends with this value.
#[derive(Debug)]
pub struct World {
    cloud: Cloud,
    /// What the device trusts, PEM.
    root: Vec<u8>,
    /// Whatever stands between device and cloud.
    _between: Daemon,
    _data_centre: Namespace,
    networks: Networks,
}

impl World {
    /// Builds it, with a cloud that knows these devices.
    ///
    /// # Panics
    /// If something does not start.
    #[must_use]
    pub fn new(family: Family, devices: &[(Proof, String)]) -> Self {
        let networks = match family {
            Family::Ipv4 => Setup::new(Resolver::Plain)
                .no_translator()
                .reach(Reach::Both)
                .start(),
            Family::Nat64 => Setup::new(Resolver::Discoverable).start(),
        };
        let hosts = format!("127.0.0.1 localhost\n{PLACE} {HUB} {DPS}\n");
        networks.device.hosts(&hosts);
        let data_centre = data_centre(&networks.internet);
        data_centre.hosts(&hosts);
        let cloud = Cloud::start(&data_centre, IpAddr::V4(PLACE), devices, None);
        Self {
            root: cloud.lab().root_pem().into(),
            cloud,
            _between: squid(&data_centre),
            _data_centre: data_centre,
            networks,
        }
    }

    /// Builds it over IPv4 with Apache in front of the cloud, which ends TLS and asks for certificates by renegotiation
    /// after the request.
    ///
    /// # Panics
    /// If something does not start.
    #[must_use]
    pub fn behind_apache(devices: &[(Proof, String)]) -> Self {
        let networks = Setup::new(Resolver::Plain)
            .no_translator()
            .reach(Reach::Both)
            .start();
        let data_centre = data_centre(&networks.internet);
        networks
            .device
            .hosts(&format!("127.0.0.1 localhost\n{PLACE} {HUB} {DPS}\n"));
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let cloud = Cloud::start(&data_centre, local, devices, Some(BEHIND));
        let (between, root) = apache::start(&data_centre, PLACE, BEHIND, &[HUB, DPS]);
        Self {
            cloud,
            root,
            _between: between,
            _data_centre: data_centre,
            networks,
        }
    }

    /// The cloud.
    #[must_use]
    pub const fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The options of a device.
    ///
    /// # Panics
    /// If its certificate can't be made.
    #[must_use]
    pub fn options(&self, proof: Proof, id: &str, way: Way, backend: Backend) -> Options {
        let lab = self.cloud.lab();
        let (_, scope) = lab.provisioning().expect("it has one");
        let mut tls = TlsOptions::new().backend(backend).ca(self.root.clone());
        if let Some((chain, key)) = self.cloud.certificate(proof, id) {
            tls = tls.identity(chain, key);
        }
        let mut network = towpath::Options::new("mqtts://localhost").expect("a URL");
        if way == Way::WssThroughSquid {
            let url = format!("http://{PLACE}:{SQUID}");
            network = network.proxy(Proxy::parse(&url).expect("a proxy"));
        }
        let transport = match way {
            Way::Mqtts => Transport::Mqtts,
            Way::Wss | Way::WssThroughSquid => Transport::Wss,
        };
        let entry = Entry::Dps {
            host: DPS.into(),
            scope: scope.into(),
            registration_id: id.into(),
            payload: String::new(),
        };
        Options::new(entry, proof.key(id))
            .network(network)
            .tls(tls)
            .transports(Transports::Only(transport))
            .ports(Ports::default())
    }

    /// Runs a future where the device is.
    ///
    /// # Panics
    /// If the future does.
    pub fn on_device<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.networks.device.run(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(future)
        })
    }
}

/// The devices of a test: each proof with each way.
#[must_use]
pub fn devices() -> Vec<(Proof, Way, String)> {
    let mut all = Vec::new();
    for proof in credential::Proof::ALL {
        for way in Way::ALL {
            let id = format!("{proof:?}-{way:?}").to_lowercase();
            all.push((proof, way, id));
        }
    }
    all
}

/// A host of its own behind the internet, because a broker has the ports there.
fn data_centre(internet: &Namespace) -> Namespace {
    let place = Namespace::new("cloud");
    let peer = place.id();
    internet.sysctl("ipv4.ip_forward", "1");
    internet.ip(&format!(
        "link add cloud type veth peer name net netns {peer}\naddr add {EDGE}/24 dev cloud\nlink set cloud up"
    ));
    place.ip(&format!(
        "addr add {PLACE}/24 dev net\nlink set net up\nroute add default via {EDGE}"
    ));
    place
}

fn squid(namespace: &Namespace) -> Daemon {
    let folder = Folder::new("squid");
    // Started by root, it serves as the user `proxy`.
    let everybody = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder.path(), everybody).expect("a folder for everybody");
    let here = folder.path().display().to_string();
    let text = format!(
        "http_port {PLACE}:{SQUID}\npid_filename {here}/pid\ncoredump_dir {here}\n\
         access_log none\ncache_log /dev/null\nnetdb_filename none\npinger_enable off\n\
         cache deny all\ncache_mem 0 MB\nmemory_pools off\nshutdown_lifetime 0 seconds\n\
         visible_hostname proxy.cloud.example\nacl tls port 443\n\
         http_access deny !tls\nhttp_access allow all\n",
    );
    let file = folder.file("squid.conf");
    fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    // Names of shared memory are those of the service; each squid needs its own.
    let name = folder.path().file_name().expect("a name");
    let name = name
        .to_string_lossy()
        .replace("towpath-", "")
        .replace('-', "");
    let arguments = ["-N", "-d", "1", "-n", &name, "-f", &file];
    let accepts = || namespace.run(|| TcpStream::connect((PLACE, SQUID)).is_ok());
    Daemon::start(namespace, "squid", &arguments, folder).until("it does not accept", accepts)
}
