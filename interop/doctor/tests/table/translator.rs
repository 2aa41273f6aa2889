//! NAT64: tayga in the router, and prefixes that are none, or no longer.

use doctor::{Doctor, Key, Report, SetUp, play};
use net::{Lab, Setup, address, dns::Resolver, named, url};
use towpath::Rung;

/// All rows of this file.
pub fn keys() -> Vec<Key> {
    let rows = [NO_PREFIX, PRIVATE, OTHER, GONE];
    rows.into_iter().flatten().map(SetUp::key).collect()
}

/// What the doctor says of a name in the zone; a silence is called one after 2 s.
fn of(lab: &Lab, name: &str, options: &[&str]) -> Report {
    let url = named("mqtt", name);
    Doctor::on(&lab.device).run(&[&[&url, "--timeout", "2"], options].concat())
}

const NO_PREFIX: &[SetUp<Lab>] = &[SetUp::breaks(
    "nat64-no-prefix",
    "TP-NAT64-001",
    Rung::Nat64,
    |lab| of(lab, "broker", &[]),
)];

#[test]
fn no_prefix_is_known() {
    let lab = Setup::new(Resolver::Blocked).no_translator();
    play(&mut lab.start(), NO_PREFIX);
}

const PRIVATE: &[SetUp<Lab>] = &[SetUp::breaks(
    "nat64-private",
    "TP-NAT64-003",
    Rung::Nat64,
    |lab| {
        let literal = url("mqtt", &address::PRIVATE.to_string());
        Doctor::on(&lab.device).run(&[&literal])
    },
)];

#[test]
fn a_private_address() {
    let lab = Setup::new(Resolver::Discoverable).prefix("64:ff9b::/96");
    play(&mut lab.start(), PRIVATE);
}

/// The device was told the prefix of another place; packets to it go nowhere.
const OTHER: &[SetUp<Lab>] = &[SetUp::breaks(
    "nat64-other-prefix",
    "TP-NAT64-006",
    Rung::Nat64,
    |lab| of(lab, "broker", &["--nat64-prefix", "fd64:9:9:9:9:9::/96"]),
)];

#[test]
fn the_prefix_of_another_place() {
    play(&mut Setup::new(Resolver::Discoverable).start(), OTHER);
}

const GONE: &[SetUp<Lab>] = &[
    SetUp::breaks("nat64-withdrawn", "TP-NAT64-005", Rung::Nat64, |lab| {
        let prefix = lab.prefix;
        lab.router.ip(&format!("route del {prefix} dev nat64"));
        let report = of(lab, "broker", &[]);
        lab.router.ip(&format!("route add {prefix} dev nat64"));
        report
    }),
    // The translator does not come back.
    SetUp::breaks("nat64-silent", "TP-NAT64-004", Rung::Nat64, |lab| {
        lab.translator = None;
        of(lab, "broker", &[])
    }),
];

#[test]
fn the_translator_is_gone() {
    play(&mut Setup::new(Resolver::Discoverable).start(), GONE);
}
