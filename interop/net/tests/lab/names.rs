//! What names come to.

use net::{Setup, address, dns::Resolver, named, names_behind};
use towpath::{Code, Rung};

fn fails(resolver: Option<Resolver>, name: &str, rung: Rung, code: Code) {
    let lab = Setup::new(resolver).start();
    lab.fails(&named("mqtt", name), &[], rung, code);
}

#[test]
fn no_server_is_known() {
    fails(None, "broker", Rung::Dns, Code::NoResolver);
}

#[test]
fn the_server_is_silent() {
    fails(
        Some(Resolver::Silent),
        "broker",
        Rung::Dns,
        Code::ResolverSilent,
    );
}

#[test]
fn nothing_listens_at_the_server() {
    fails(
        Some(Resolver::Closed),
        "broker",
        Rung::Dns,
        Code::ResolverRefused,
    );
}

#[test]
fn the_server_refuses() {
    fails(
        Some(Resolver::Refusing),
        "broker",
        Rung::Dns,
        Code::ResolverRefused,
    );
}

#[test]
fn the_server_fails() {
    fails(
        Some(Resolver::Failing),
        "broker",
        Rung::Dns,
        Code::ResolverFailed,
    );
}

#[test]
fn the_name_does_not_exist_or_has_no_address() {
    let lab = Setup::new(Resolver::Dns64).start();
    lab.fails(
        &named("mqtt", "missing"),
        &[],
        Rung::Dns,
        Code::NameNotFound,
    );
    lab.fails(&named("mqtt", "empty"), &[], Rung::Dns, Code::NoAddress);
}

/// Seven aliases; 40 addresses, which 512 bytes do not hold; 100, for which TCP is needed: by a resolver that answers
/// for IPv6-only clients, and by one that leaves all of it to towpath.
#[test]
fn long_answers_are_taken() {
    for resolver in [Resolver::Dns64, Resolver::Discoverable] {
        let lab = Setup::new(resolver).start();
        for name in ["chain1", "large", "huge"] {
            lab.exchange(&named("mqtt", name), &[]);
        }
    }
}

/// The same from the server that has the zone, which follows its own aliases only.
#[test]
fn aliases_are_followed_and_loops_found() {
    let lab = Setup::new(None).start();
    let names = names_behind(lab.prefix).to_string();
    let prefix = lab.prefix.to_string();
    let options = ["--resolver", &names, "--nat64-prefix", &prefix];
    for name in ["chain1", "large", "huge"] {
        lab.exchange(&named("mqtt", name), &options);
    }
    lab.fails(
        &named("mqtt", "loop1"),
        &options,
        Rung::Dns,
        Code::AliasLoop,
    );
}

/// `resolve` shows what the connection would use.
#[test]
fn candidates_are_shown() {
    let lab = Setup::new(Resolver::Discoverable).start();
    let name = format!("broker.{}", net::dns::ZONE);
    let shown = net::towpath(&lab.device, &["resolve", &name]).done();
    let broker = lab.prefix.embed(address::BROKER).to_string();
    assert!(shown.contains(&broker), "{shown}");
}
