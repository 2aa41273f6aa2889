//! Addresses and names: a device of the network lab, and what its resolvers do.

use doctor::{Doctor, Garbler, Key, Report, SetUp, ignorant, play};
use net::{Lab, Reach, Setup, address, dns::Resolver, named, names_behind, url};
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let rows = [
        NO_SERVER, SILENT, REFUSING, FAILING, NAMES, ZONE, LINK_LOCAL, FAMILY,
    ];
    rows.into_iter().flatten().map(SetUp::key).collect()
}

/// What the doctor says of a name in the zone; a silence is called one after 2 s.
fn of(lab: &Lab, name: &str, options: &[&str]) -> Report {
    let url = named("mqtt", name);
    Doctor::on(&lab.device).run(&[&[&url, "--timeout", "2"], options].concat())
}

const NO_SERVER: &[SetUp<Lab>] = &[SetUp::breaks("dns-none", "TP-DNS-001", Rung::Dns, |lab| {
    of(lab, "broker", &[])
})];

#[test]
fn no_server_is_known() {
    play(&mut Setup::new(None).start(), NO_SERVER);
}

const SILENT: &[SetUp<Lab>] = &[SetUp::breaks(
    "dns-silent",
    "TP-DNS-002",
    Rung::Dns,
    |lab| of(lab, "broker", &[]),
)];

#[test]
fn the_server_is_silent() {
    play(&mut Setup::new(Resolver::Silent).start(), SILENT);
}

const REFUSING: &[SetUp<Lab>] = &[SetUp::breaks(
    "dns-refused",
    "TP-DNS-003",
    Rung::Dns,
    |lab| of(lab, "broker", &[]),
)];

#[test]
fn the_server_refuses() {
    play(&mut Setup::new(Resolver::Refusing).start(), REFUSING);
}

const FAILING: &[SetUp<Lab>] = &[SetUp::breaks(
    "dns-servfail",
    "TP-DNS-004",
    Rung::Dns,
    |lab| of(lab, "broker", &[]),
)];

#[test]
fn the_server_fails() {
    play(&mut Setup::new(Resolver::Failing).start(), FAILING);
}

const NAMES: &[SetUp<Lab>] = &[
    SetUp::breaks("dns-no-name", "TP-DNS-005", Rung::Dns, |lab| {
        of(lab, "missing", &[])
    }),
    SetUp::breaks("dns-no-address", "TP-DNS-006", Rung::Dns, |lab| {
        of(lab, "empty", &[])
    }),
    SetUp::breaks("dns-malformed", "TP-DNS-008", Rung::Dns, |lab| {
        // No other server is known that could give the name.
        lab.device.resolv_conf("");
        let garbler = Garbler::start(&lab.router, address::ROUTER.into());
        let report = of(lab, "broker", &["--resolver", &garbler.address()]);
        let router = address::ROUTER;
        lab.device.resolv_conf(&format!("nameserver {router}\n"));
        report
    }),
    SetUp::breaks("dns-bad-name", "TP-DNS-010", Rung::Dns, |lab| {
        Doctor::on(&lab.device).run(&["mqtt://broker..lab.example"])
    }),
    SetUp::breaks("dns-second-server", "TP-DNS-013", Rung::Dns, |lab| {
        let (first, second) = ("fd11:22:33:1::66", address::ROUTER);
        lab.router.ip(&format!("addr add {first}/64 dev lan nodad"));
        let _ignorant = ignorant::start(&lab.router, first.parse().expect("an address"));
        let servers = format!("nameserver {first}\nnameserver {second}\n");
        lab.device.resolv_conf(&servers);
        of(lab, "broker", &[])
    }),
];

#[test]
fn names_that_are_not_there() {
    play(&mut Setup::new(Resolver::Dns64).start(), NAMES);
}

/// The server that has the zone leaves the aliases to whoever asks.
const ZONE: &[SetUp<Lab>] = &[SetUp::breaks(
    "dns-alias-loop",
    "TP-DNS-007",
    Rung::Dns,
    |lab| {
        let names = names_behind(lab.prefix).to_string();
        let prefix = lab.prefix.to_string();
        of(
            lab,
            "loop1",
            &["--resolver", &names, "--nat64-prefix", &prefix],
        )
    },
)];

#[test]
fn aliases_without_an_end() {
    play(&mut Setup::new(None).start(), ZONE);
}

const LINK_LOCAL: &[SetUp<Lab>] = &[SetUp::breaks(
    "address-link-local",
    "TP-ADDR-001",
    Rung::Address,
    |lab| {
        let prefix = lab.prefix.to_string();
        let literal = url("mqtt", &address::BROKER.to_string());
        Doctor::on(&lab.device).run(&[&literal, "--nat64-prefix", &prefix])
    },
)];

#[test]
fn an_address_of_the_link_only() {
    let lab = Setup::new(None).reach(Reach::LinkLocal).no_translator();
    play(&mut lab.start(), LINK_LOCAL);
}

const FAMILY: &[SetUp<Lab>] = &[SetUp::breaks(
    "address-family",
    "TP-ADDR-002",
    Rung::Address,
    |lab| {
        let literal = format!("mqtt://[{}]", address::BROKER6);
        Doctor::on(&lab.device).run(&[&literal, "-4"])
    },
)];

#[test]
fn only_the_other_family() {
    play(
        &mut Setup::new(Resolver::Plain).reach(Reach::Both).start(),
        FAMILY,
    );
}
