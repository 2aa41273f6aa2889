//! No false alarms: paths that stand, of each kind, are called ready within two seconds and without a warning.

use doctor::{Cloud, Doctor, Healthy, Machine, Report, all_ready};
use mqtt::{Broker, Via};
use net::{Internet, Lab, Reach, Setup, dns::Resolver, named};
use proxy::{BROKER, Dante, Login, Office, PASSWORD, Squid, USER};
use tls::{
    apache::{Apache, PATH, Profile},
    pki::{Client, Pki, Server},
};

/// mosquitto with a listener of each kind.
struct Brokers {
    machine: Machine,
    broker: Broker,
}

impl Brokers {
    fn start() -> Self {
        let machine = Machine::new();
        let listener = |port, server| machine.listener(port, server);
        let lines = [
            listener(8883, Server::Rsa),
            listener(8884, Server::P256),
            listener(8885, Server::Rsa) + "require_certificate true\n",
            listener(8886, Server::Long),
            listener(8887, Server::Rsa4096),
            listener(8888, Server::Rsa) + "tls_version tlsv1.3\n",
            listener(443, Server::Rsa) + "protocol websockets\n",
        ];
        let broker = machine.mosquitto(&lines.concat());
        Self { machine, broker }
    }

    fn plain(&self, scheme: &str, options: &[&str]) -> Report {
        let via = if scheme == "ws" { Via::Ws } else { Via::Tcp };
        let port = self.broker.port(via);
        self.machine
            .doctor(&format!("{scheme}://localhost:{port}"), options)
    }

    fn tls(&self, port: u16, options: &[&str]) -> Report {
        let url = match port {
            443 => "wss://localhost/mqtt".to_owned(),
            port => format!("mqtts://localhost:{port}"),
        };
        self.machine.doctor(&url, options)
    }

    fn certified(&self, options: &[&str]) -> Report {
        let shown = self.machine.showing(Client::Good);
        let shown = shown.iter().map(String::as_str);
        let options: Vec<&str> = shown.chain(options.iter().copied()).collect();
        self.tls(8885, &options)
    }
}

const BROKERS: &[Healthy<Brokers>] = &[
    Healthy {
        name: "mosquitto, mqtt",
        run: |world| world.plain("mqtt", &[]),
    },
    Healthy {
        name: "mosquitto, mqtt, MQTT 3.1.1",
        run: |world| world.plain("mqtt", &["--mqtt", "3.1.1"]),
    },
    Healthy {
        name: "mosquitto, mqtt, a session that is kept",
        run: |world| world.plain("mqtt", &["-i", "meter-4", "-c"]),
    },
    Healthy {
        name: "mosquitto, mqtt, a will and no keep-alive",
        run: |world| world.plain("mqtt", &["--will-topic", "state", "-k", "0"]),
    },
    Healthy {
        name: "mosquitto, ws",
        run: |world| world.plain("ws", &[]),
    },
    Healthy {
        name: "mosquitto, ws, MQTT 3.1.1",
        run: |world| world.plain("ws", &["--mqtt", "3.1.1"]),
    },
    Healthy {
        name: "mosquitto, mqtts",
        run: |world| world.tls(8883, &[]),
    },
    Healthy {
        name: "mosquitto, mqtts, TLS 1.2 at most",
        run: |world| world.tls(8883, &["--tls-max", "1.2"]),
    },
    Healthy {
        name: "mosquitto, mqtts, TLS 1.3 at least",
        run: |world| world.tls(8883, &["--tls-min", "1.3"]),
    },
    Healthy {
        name: "mosquitto, mqtts, Mbed TLS",
        run: |world| world.tls(8883, &["--tls", "mbed"]),
    },
    Healthy {
        name: "mosquitto, mqtts, short segments",
        run: |world| world.tls(8883, &["--mss", "400"]),
    },
    Healthy {
        name: "mosquitto, mqtts, for a network of radios",
        run: |world| world.tls(8883, &["--profile", "thread"]),
    },
    Healthy {
        name: "mosquitto, mqtts, ECDSA",
        run: |world| world.tls(8884, &[]),
    },
    Healthy {
        name: "mosquitto, mqtts, ECDSA, Mbed TLS",
        run: |world| world.tls(8884, &["--tls", "mbed"]),
    },
    Healthy {
        name: "mosquitto, mqtts, a long chain",
        run: |world| world.tls(8886, &[]),
    },
    Healthy {
        name: "mosquitto, mqtts, RSA 4096, Mbed TLS",
        run: |world| world.tls(8887, &["--tls", "mbed"]),
    },
    Healthy {
        name: "mosquitto, mqtts, a server of TLS 1.3 only",
        run: |world| world.tls(8888, &[]),
    },
    Healthy {
        name: "mosquitto, mqtts, X.509, TLS 1.3",
        run: |world| world.certified(&[]),
    },
    Healthy {
        name: "mosquitto, mqtts, X.509, TLS 1.2",
        run: |world| world.certified(&["--tls-max", "1.2"]),
    },
    Healthy {
        name: "mosquitto, mqtts, X.509, Mbed TLS",
        run: |world| world.certified(&["--tls", "mbed"]),
    },
    Healthy {
        name: "mosquitto, wss",
        run: |world| world.tls(443, &[]),
    },
    Healthy {
        name: "mosquitto, wss, MQTT 3.1.1, Mbed TLS",
        run: |world| world.tls(443, &["--mqtt", "3.1.1", "--tls", "mbed"]),
    },
    Healthy {
        name: "mosquitto, mqtts, as a small build",
        run: |world| {
            let text = "platform = \"Zephyr / NCS\"\n[tls]\nmax = \"1.2\"\nin_buffer = 8192\n\
                        ciphers = [\"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"]\n";
            let profile = world.machine.file("build.toml", text);
            world.tls(8883, &["--as", &profile])
        },
    },
];

#[test]
fn mosquitto() {
    all_ready(&Brokers::start(), BROKERS);
}

/// OpenSSL's server, for one connection.
fn s_server(machine: &Machine, server: Server, options: &[&str]) -> Report {
    let server = machine.s_server(server, options);
    machine.doctor(&format!("mqtts://localhost:{}", server.port()), &[])
}

/// Apache in front of mosquitto with this policy.
fn apache(machine: &Machine, profile: Profile, options: &[&str]) -> Report {
    let pki = machine.pki.clone();
    let _apache = machine.namespace.run(move || Apache::start(&pki, profile));
    let shown = machine.showing(Client::Good);
    let shown = shown.iter().map(String::as_str);
    let options: Vec<&str> = shown.chain(options.iter().copied()).collect();
    machine.doctor(&format!("wss://localhost{PATH}"), &options)
}

/// nginx in front of mosquitto, which ends TLS.
fn nginx(machine: &Machine, url: &str) -> Report {
    let broker = machine.mosquitto("");
    let certificate = machine.nginx_tls(Server::Rsa);
    let http = format!(
        "server {{ listen 443 ssl; {certificate} location /mqtt {{ \
         proxy_pass http://127.0.0.1:{}; proxy_http_version 1.1; \
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; }} }}",
        broker.port(Via::Ws)
    );
    let stream = format!(
        "server {{ listen 8883 ssl; {certificate} proxy_pass 127.0.0.1:{}; }}",
        broker.port(Via::Tcp)
    );
    let _front = machine.nginx(&http, &stream, 443);
    machine.doctor(url, &[])
}

const FRONTS: &[Healthy<Machine>] = &[
    Healthy {
        name: "openssl s_server, TLS 1.2 only",
        run: |machine| s_server(machine, Server::Rsa, &["-tls1_2"]),
    },
    Healthy {
        name: "openssl s_server, TLS 1.3 only",
        run: |machine| s_server(machine, Server::Rsa, &["-tls1_3"]),
    },
    Healthy {
        name: "openssl s_server, Ed25519",
        run: |machine| s_server(machine, Server::Ed25519, &[]),
    },
    Healthy {
        name: "openssl s_server, P-384, no tickets",
        run: |machine| s_server(machine, Server::P384, &["-no_ticket", "-num_tickets", "0"]),
    },
    Healthy {
        name: "Apache, X.509 by renegotiation",
        run: |machine| apache(machine, Profile::V12Require, &[]),
    },
    Healthy {
        name: "Apache, X.509 by renegotiation, Mbed TLS",
        run: |machine| apache(machine, Profile::V12Require, &["--tls", "mbed"]),
    },
    Healthy {
        name: "Apache, X.509 in the first handshake",
        run: |machine| apache(machine, Profile::V12First, &[]),
    },
    Healthy {
        name: "Apache, X.509 after the handshake of TLS 1.3",
        run: |machine| apache(machine, Profile::V13, &[]),
    },
    Healthy {
        name: "nginx in front, wss",
        run: |machine| nginx(machine, "wss://localhost/mqtt"),
    },
    Healthy {
        name: "nginx in front, mqtts",
        run: |machine| nginx(machine, "mqtts://localhost"),
    },
];

#[test]
fn front_ends() {
    all_ready(&Machine::new(), FRONTS);
}

/// The hub with an oddity that breaks no rule.
fn odd(cloud: &Cloud, oddity: &str, scheme: &str) -> Report {
    cloud.faulty(&[oddity], |cloud| cloud.doctor(scheme, &[]))
}

const HUB: &[Healthy<Cloud>] = &[
    Healthy {
        name: "hub, token, 8883",
        run: |cloud| cloud.doctor("mqtts", &[]),
    },
    Healthy {
        name: "hub, token, 443",
        run: |cloud| cloud.doctor("wss", &[]),
    },
    Healthy {
        name: "hub, token, 8883, Mbed TLS",
        run: |cloud| cloud.doctor("mqtts", &["--tls", "mbed"]),
    },
    Healthy {
        name: "hub, certificate, 443",
        run: |cloud| cloud.doctor_by_certificate("wss", &[]),
    },
    Healthy {
        name: "device with a key, by its file",
        run: |cloud| cloud.doctor_of_device(&[]),
    },
    Healthy {
        name: "device with a certificate, by its file, 8883",
        run: |cloud| cloud.doctor_of_certificate("mqtts", "", &[]),
    },
    Healthy {
        name: "device with a certificate, by its file, 443",
        run: |cloud| cloud.doctor_of_certificate("wss", "", &[]),
    },
];

#[test]
fn a_hub() {
    all_ready(&Cloud::start(), HUB);
}

/// The service asks for two seconds between its answers: that is its own time.
#[test]
fn provisioning() {
    let report = Cloud::start().doctor_of_enrolled(&[]);
    let millis = report.millis();
    println!(
        "ready          {:<44} {millis:>7.0} ms",
        "device by provisioning"
    );
    if let Err(why) = report.is_ready() {
        panic!("{why}\n{}", report.text);
    }
}

const ODDITIES: &[Healthy<Cloud>] = &[
    Healthy {
        name: "small records",
        run: |cloud| odd(cloud, "record-small", "mqtts"),
    },
    Healthy {
        name: "full records",
        run: |cloud| odd(cloud, "record-large", "mqtts"),
    },
    Healthy {
        name: "no resumption",
        run: |cloud| odd(cloud, "no-resumption", "mqtts"),
    },
    Healthy {
        name: "ECDSA only",
        run: |cloud| odd(cloud, "cert-ecdsa", "mqtts"),
    },
    Healthy {
        name: "a chain of more than 5 kB",
        run: |cloud| odd(cloud, "cert-large", "mqtts"),
    },
    Healthy {
        name: "TLS 1.3 only",
        run: |cloud| odd(cloud, "tls13-only", "wss"),
    },
    Healthy {
        name: "the 101 in pieces",
        run: |cloud| odd(cloud, "upgrade-split", "wss"),
    },
    Healthy {
        name: "a 101 of 8 kB",
        run: |cloud| odd(cloud, "upgrade-large", "wss"),
    },
    Healthy {
        name: "a frame for each byte",
        run: |cloud| odd(cloud, "frames-split", "wss"),
    },
    Healthy {
        name: "packets joined in a frame",
        run: |cloud| odd(cloud, "frames-joined", "wss"),
    },
    Healthy {
        name: "a thousand pings a second",
        run: |cloud| odd(cloud, "ping-flood", "wss"),
    },
    Healthy {
        name: "CONNACK after a second",
        run: |cloud| odd(cloud, "connack-slow=1000", "mqtts"),
    },
];

#[test]
fn odd_but_legal() {
    all_ready(&Cloud::start(), ODDITIES);
}

/// What the doctor says through a proxy.
fn through(office: &Office, proxy: &str, login: bool, scheme: &str) -> Report {
    let url = Office::url(scheme, BROKER);
    let root = Pki::kept().root().display().to_string();
    let mut arguments = vec![url.as_str(), "--proxy", proxy];
    if scheme != "mqtt" && scheme != "ws" {
        arguments.extend(["--cafile", &root]);
    }
    let doctor = Doctor::on(&office.device);
    if login {
        arguments.extend(["--proxy-user", USER]);
        let doctor = doctor.variable("TOWPATH_PROXY_PASSWORD", PASSWORD);
        return doctor.run(&arguments);
    }
    doctor.run(&arguments)
}

#[test]
fn open_proxies() {
    let office = Office::open();
    let (_squid, _dante) = (
        Squid::start(&office, Login::Open),
        Dante::start(&office, Login::Open),
    );
    let paths = &[
        Healthy {
            name: "squid, wss",
            run: |office| through(office, &Squid::url(), false, "wss"),
        },
        Healthy {
            name: "squid, mqtts",
            run: |office| through(office, &Squid::url(), false, "mqtts"),
        },
        Healthy {
            name: "Dante, mqtt",
            run: |office| through(office, &Dante::url(), false, "mqtt"),
        },
        Healthy {
            name: "Dante, wss",
            run: |office| through(office, &Dante::url(), false, "wss"),
        },
    ];
    all_ready(&office, paths);
}

#[test]
fn proxies_with_a_password() {
    let office = Office::open();
    let (_squid, _dante) = (
        Squid::start(&office, Login::Plain),
        Dante::start(&office, Login::Plain),
    );
    let paths = &[
        Healthy {
            name: "squid with a password, wss",
            run: |office| through(office, &Squid::url(), true, "wss"),
        },
        Healthy {
            name: "Dante with a password, mqtts",
            run: |office| through(office, &Dante::url(), true, "mqtts"),
        },
    ];
    all_ready(&office, paths);
}

#[test]
fn digest_proxy() {
    let office = Office::open();
    let _squid = Squid::start(&office, Login::Digest);
    let paths = &[Healthy {
        name: "squid with Digest, wss",
        run: |office| through(office, &Squid::url(), true, "wss"),
    }];
    all_ready(&office, paths);
}

/// What the doctor says on a device of the networks.
fn on_device(lab: &Lab, scheme: &str, options: &[&str]) -> Report {
    let url = named(scheme, "broker");
    let root = lab.pki.root().display().to_string();
    let mut arguments = vec![url.as_str()];
    if scheme == "mqtts" || scheme == "wss" {
        arguments.extend(["--cafile", &root]);
    }
    arguments.extend(options);
    Doctor::on(&lab.device).run(&arguments)
}

#[test]
fn nat64() {
    let discovered = &[
        Healthy {
            name: "NAT64, DNS64, mqtts",
            run: |lab| on_device(lab, "mqtts", &[]),
        },
        Healthy {
            name: "NAT64, DNS64, wss",
            run: |lab| on_device(lab, "wss", &[]),
        },
    ];
    all_ready(&Setup::new(Resolver::Dns64).start(), discovered);
    let asked = &[Healthy {
        name: "NAT64, prefix by ipv4only.arpa",
        run: |lab| on_device(lab, "mqtts", &[]),
    }];
    all_ready(&Setup::new(Resolver::Discoverable).start(), asked);
    let configured = &[Healthy {
        name: "NAT64, prefix by option",
        run: |lab: &Lab| {
            let prefix = lab.prefix.to_string();
            on_device(lab, "mqtts", &["--nat64-prefix", &prefix])
        },
    }];
    all_ready(&Setup::new(Resolver::Blocked).start(), configured);
}

#[test]
fn nat64_by_the_router() {
    let advertised = &[Healthy {
        name: "NAT64, prefix by router advertisement",
        run: |lab| on_device(lab, "mqtts", &[]),
    }];
    let lab = Setup::new(Resolver::Blocked).advertised();
    all_ready(&lab.start(), advertised);
}

#[test]
fn one_family_or_both() {
    let both = &[
        Healthy {
            name: "both families, IPv4 only",
            run: |lab| on_device(lab, "mqtts", &["-4"]),
        },
        Healthy {
            name: "both families",
            run: |lab| on_device(lab, "mqtt", &[]),
        },
    ];
    let lab = Setup::new(Resolver::Plain).reach(Reach::Both);
    all_ready(&lab.internet(Internet::Both).start(), both);
}
