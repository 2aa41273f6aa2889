//! The two networks, the broker, and the command as the device runs it.

use mqtt::{Broker, Setup};
use net::{Daemon, Namespace, Outcome, address, dns, towpath_with};
use tls::pki::{Pki, Server};

/// The proxies' address.
pub const OFFICE: &str = "192.0.2.1";
/// The broker's name, which only the office knows.
pub const BROKER: &str = "broker.lab.example";
/// The name of a host that the proxies don't let anybody reach.
pub const FORBIDDEN: &str = "forbidden.lab.example";
/// A name that exists nowhere.
pub const NOWHERE: &str = "nowhere.lab.example";

/// The schemes of the broker's URLs.
pub const SCHEMES: [&str; 4] = ["mqtt", "mqtts", "ws", "wss"];

/// The ports that are closed to the device.
const BROKERS: &str = "80, 443, 1883, 8883";

/// A device and an office. All ends with this value.
#[derive(Debug)]
pub struct Office {
    /// Where the command runs.
    pub device: Namespace,
    /// Where the proxies run.
    pub office: Namespace,
    /// The broker: MQTT on 1883, TLS on 8883, WebSocket on 80 and 443.
    pub broker: Broker,
    pki: Pki,
    _names: Daemon,
}

impl Office {
    /// Makes both networks and starts the broker.
    ///
    /// # Panics
    /// If that can't be done: it takes root.
    #[must_use]
    pub fn open() -> Self {
        let device = Namespace::new("device");
        let office = Namespace::new("office");
        let peer = office.id();
        device.ip(&format!(
            "link add name wire type veth peer name wire netns {peer}"
        ));
        device.ip("addr add 192.0.2.2/24 dev wire\nlink set wire up");
        office.ip(&format!("addr add {OFFICE}/24 dev wire\nlink set wire up"));
        office.hosts(&format!("127.0.0.1 localhost\n192.0.2.3 {FORBIDDEN}\n"));
        // The office has a name server, and the broker is at the address that it gives.
        for host in [address::NAMES, address::BROKER] {
            office.ip(&format!("addr add {host}/32 dev lo"));
        }
        let names = dns::authoritative(&office);
        office.resolv_conf(&format!("nameserver {}\n", address::NAMES));
        office.nft(&format!(
            "add table inet office\n\
             add chain inet office input {{ type filter hook input priority 0 ; }}\n\
             add rule inet office input iifname wire tcp dport {{ {BROKERS} }} reject with tcp reset\n"
        ));
        let pki = Pki::kept();
        let pair = pki.server(Server::Lab);
        let (chain, key) = (pair.chain.display(), pair.key.display());
        let tls = format!("certfile {chain}\nkeyfile {key}\n");
        let setup = Setup::new()
            .line("listener 1883")
            .line(&format!("listener 8883\n{tls}"))
            .line("listener 80\nprotocol websockets")
            .line(&format!("listener 443\nprotocol websockets\n{tls}"));
        let broker = office.run(move || setup.start());
        Self {
            device,
            office,
            broker,
            pki,
            _names: names,
        }
    }

    /// The URL of a host with this scheme.
    #[must_use]
    pub fn url(scheme: &str, host: &str) -> String {
        let path = if scheme.starts_with("ws") {
            "/mqtt"
        } else {
            ""
        };
        format!("{scheme}://{host}{path}")
    }

    /// Publishes one message on the device, with these variables and further arguments.
    #[must_use]
    pub fn publish(&self, url: &str, variables: &[(&str, &str)], more: &[&str]) -> Outcome {
        let root = self.pki.root().display().to_string();
        let mut arguments = vec!["pub", url, "lab/state", "-m", "on", "-q", "1", "-r"];
        if url.starts_with("mqtts") || url.starts_with("wss") {
            arguments.extend(["--cafile", &root]);
        }
        arguments.extend(more);
        towpath_with(&self.device, variables, &arguments)
    }

    /// Publishes through a proxy and gets the message back through it.
    ///
    /// # Panics
    /// If one of them fails.
    pub fn exchange(&self, scheme: &str, variables: &[(&str, &str)], more: &[&str]) {
        let url = Self::url(scheme, BROKER);
        let _ = self.publish(&url, variables, more).done();
        let root = self.pki.root().display().to_string();
        let mut arguments = vec!["sub", &url, "lab/state", "-C", "1", "-W", "60"];
        if scheme.ends_with('s') && scheme != "ws" {
            arguments.extend(["--cafile", &root]);
        }
        arguments.extend(more);
        let said = towpath_with(&self.device, variables, &arguments).done();
        assert_eq!(said, "on\n", "{scheme}");
    }

    /// Publishes in vain, twice: for people and for programs. Both name this rung, cause and detail.
    ///
    /// # Panics
    /// If it does not fail like this.
    pub fn fails(
        &self,
        url: &str,
        variables: &[(&str, &str)],
        more: &[&str],
        (rung, code, line): (&str, &str, &str),
    ) {
        let outcome = self.publish(url, variables, more);
        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        let said = outcome.stderr.strip_suffix('\n').expect("a line");
        assert!(!said.contains('\n'), "one line: {said}");
        let start = format!("towpath: {rung}: ");
        assert!(said.starts_with(&start) && said.contains(line), "{said}");
        let outcome = self.publish(url, variables, &[more, &["--json"]].concat());
        let failed = outcome.failed();
        assert_eq!((failed.rung.as_str(), failed.code.as_str()), (rung, code));
    }
}
