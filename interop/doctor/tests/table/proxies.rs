//! Proxies: squid and Dante with their rules, and servers that are none.

use doctor::{Doctor, Key, Report, SetUp, inspector, play};
use proxy::{
    Act, BROKER, Dante, FORBIDDEN, Impostor, Login, NOWHERE, OFFICE, Office, PASSWORD, Squid, USER,
};
use tls::pki::Pki;
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let rows = [ODD, OPEN, KNOWN, INSPECTED, BESIDE];
    rows.into_iter().flatten().map(SetUp::key).collect()
}

/// What the doctor says of a URL through this proxy.
fn through(office: &Office, proxy: &str, url: &str, options: &[&str]) -> Report {
    // A reachable proxy that says nothing is called silent after 2 s.
    let arguments = [url, "--proxy", proxy, "--timeout", "2"];
    Doctor::on(&office.device)
        .variable("TOWPATH_PROXY_PASSWORD", PASSWORD)
        .run(&[&arguments[..], options].concat())
}

/// What it says of one that does this.
fn odd(office: &Office, scheme: &str, act: Act) -> Report {
    let impostor = Impostor::start(office, act);
    let proxy = impostor.url(scheme);
    through(
        office,
        &proxy,
        &Office::url("mqtt", BROKER),
        &["--proxy-user", USER],
    )
}

const ODD: &[SetUp<Office>] = &[
    // No proxy at all here: a server that takes connections and ends them.
    SetUp::breaks("tcp-closed", "TP-TCP-001", Rung::Tcp, |office| {
        let impostor = Impostor::start(office, Act::Close);
        Doctor::on(&office.device).run(&[&impostor.url("mqtt")])
    }),
    SetUp::breaks("proxy-name", "TP-PROXY-001", Rung::Proxy, |office| {
        let impostor = Impostor::start(office, Act::Silent);
        through(office, &impostor.url("http"), "mqtt://bro$ker.example", &[])
    }),
    SetUp::breaks("proxy-web-server", "TP-PROXY-002", Rung::Proxy, |office| {
        let act = Act::Say("HTTP/1.1 405 Not Allowed\r\nServer: nginx/1.22.1\r\n\r\n");
        odd(office, "http", act)
    }),
    SetUp::breaks("proxy-silent", "TP-PROXY-003", Rung::Proxy, |office| {
        odd(office, "http", Act::Silent)
    }),
    SetUp::breaks("proxy-closes", "TP-PROXY-004", Rung::Proxy, |office| {
        odd(office, "http", Act::Hear)
    }),
    SetUp::breaks("proxy-ntlm", "TP-PROXY-007", Rung::Proxy, |office| {
        let act = Act::Say(
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\n\
             Proxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
        );
        odd(office, "http", act)
    }),
    SetUp::breaks("proxy-429", "TP-PROXY-009", Rung::Proxy, |office| {
        odd(
            office,
            "http",
            Act::Say("HTTP/1.1 429 Too Many Requests\r\n\r\n"),
        )
    }),
];

#[test]
fn servers_that_are_no_proxies() {
    play(&mut Office::open(), ODD);
}

const OPEN: &[SetUp<Office>] = &[
    SetUp::breaks("proxy-403", "TP-PROXY-005", Rung::Proxy, |office| {
        through(office, &Squid::url(), &Office::url("mqtt", FORBIDDEN), &[])
    }),
    SetUp::breaks("proxy-502", "TP-PROXY-008", Rung::Proxy, |office| {
        through(office, &Squid::url(), &Office::url("mqtt", NOWHERE), &[])
    }),
    SetUp::breaks("proxy-socks-rule", "TP-PROXY-010", Rung::Proxy, |office| {
        through(office, &Dante::url(), &Office::url("mqtt", FORBIDDEN), &[])
    }),
];

#[test]
fn rules_of_open_proxies() {
    let office = Office::open();
    let _running = (
        Squid::start(&office, Login::Open),
        Dante::start(&office, Login::Open),
    );
    play(&mut { office }, OPEN);
}

const KNOWN: &[SetUp<Office>] = &[
    SetUp::breaks("proxy-407", "TP-PROXY-013", Rung::Proxy, |office| {
        through(office, &Squid::url(), &Office::url("mqtt", BROKER), &[])
    }),
    SetUp::breaks("proxy-password", "TP-PROXY-006", Rung::Proxy, |office| {
        wrong(office, &Squid::url())
    }),
    SetUp::breaks(
        "proxy-socks-method",
        "TP-PROXY-011",
        Rung::Proxy,
        |office| through(office, &Dante::url(), &Office::url("mqtt", BROKER), &[]),
    ),
    SetUp::breaks(
        "proxy-socks-password",
        "TP-PROXY-012",
        Rung::Proxy,
        |office| wrong(office, &Dante::url()),
    ),
];

/// What it says of a proxy that is told a wrong password.
fn wrong(office: &Office, proxy: &str) -> Report {
    let url = Office::url("mqtt", BROKER);
    Doctor::on(&office.device)
        .variable("TOWPATH_PROXY_PASSWORD", "wrong")
        .run(&[&url, "--proxy", proxy, "--proxy-user", USER])
}

#[test]
fn passwords() {
    let office = Office::open();
    let _running = (
        Squid::start(&office, Login::Plain),
        Dante::start(&office, Login::Plain),
    );
    play(&mut { office }, KNOWN);
}

/// The name of the broker leads the proxy to what inspects TLS.
const INSPECTED: &[SetUp<Office>] = &[SetUp::breaks(
    "proxy-inspects",
    "TP-PROXY-014",
    Rung::Tls,
    |office| through(office, &Squid::url(), &Office::url("mqtts", BROKER), &[]),
)];

#[test]
fn tls_is_inspected() {
    let office = Office::open();
    let _inspector = inspector::start(&office.office, BROKER);
    let _squid = Squid::start(&office, Login::Open);
    play(&mut { office }, INSPECTED);
}

const BESIDE: &[SetUp<Office>] = &[
    SetUp::breaks(
        "proxy-in-environment",
        "TP-PROXY-015",
        Rung::Tcp,
        |office| {
            Doctor::on(&office.device)
                .variable("ALL_PROXY", &Squid::url())
                .run(&[&Office::url("mqtt", OFFICE), "--proxy", "none"])
        },
    ),
    // The office lets the device's packets through now, and drops whatever the proxy says to brokers by TLS.
    SetUp::breaks("proxy-breaks", "TP-PROXY-016", Rung::Tls, |office| {
        office.office.nft(
            "flush chain inet office input\n\
             add chain inet office output { type filter hook output priority 0 ; }\n\
             add rule inet office output meta skuid proxy tcp dport 8883 tcp flags & psh == psh drop\n",
        );
        let hosts = format!("127.0.0.1 localhost\n{OFFICE} {BROKER}\n");
        office.device.hosts(&hosts);
        let root = Pki::kept().root().display().to_string();
        let url = Office::url("mqtts", BROKER);
        through(office, &Squid::url(), &url, &["--cafile", &root])
    }),
];

#[test]
fn with_and_without_it() {
    let office = Office::open();
    let _squid = Squid::start(&office, Login::Open);
    play(&mut { office }, BESIDE);
}
