//! NAT64 that is not there, not there any more, or not allowed.

use net::{
    Reach, Setup, address,
    dns::{Probe, Resolver},
    named, url,
};
use towpath::{Code, Rung};

/// RFC 6052 3.1: the well-known prefix carries no private address. Nothing is sent, whoever made the address.
#[test]
fn a_private_address_under_the_well_known_prefix() {
    for resolver in [Resolver::Dns64, Resolver::Discoverable] {
        let lab = Setup::new(resolver).prefix("64:ff9b::/96").start();
        let private = lab.prefix.embed(address::PRIVATE);
        lab.router.nft(&format!(
            "add table inet seen\nadd counter inet seen private\n\
             add chain inet seen arriving {{ type filter hook prerouting priority 0 ; }}\n\
             add rule inet seen arriving ip6 daddr {private} counter name private\n"
        ));
        lab.fails(
            &named("mqtt", "private"),
            &[],
            Rung::Nat64,
            Code::Nat64Private,
        );
        let literal = url("mqtt", &address::PRIVATE.to_string());
        lab.fails(&literal, &[], Rung::Nat64, Code::Nat64Private);
        let seen = || lab.router.counted("inet", "seen", "private");
        assert_eq!(seen(), 0);
        // The counter does count.
        let sent = move || Probe::new((private, 9).into()).is_refused();
        assert!(!lab.device.run(sent));
        assert_eq!(seen(), 1);
    }
}

#[test]
fn no_prefix_is_known() {
    let lab = Setup::new(Resolver::Blocked).no_translator().start();
    lab.fails(
        &named("mqtt", "broker"),
        &[],
        Rung::Nat64,
        Code::Nat64NoPrefix,
    );
    let literal = url("mqtt", &address::BROKER.to_string());
    lab.fails(&literal, &[], Rung::Nat64, Code::Nat64NoPrefix);
}

#[test]
fn the_translator_is_dead() {
    let mut lab = Setup::new(Resolver::Discoverable).start();
    lab.exchange(&named("mqtt", "broker"), &[]);
    lab.translator = None;
    lab.fails(
        &named("mqtt", "broker"),
        &[],
        Rung::Nat64,
        Code::Nat64Silent,
    );
}

#[test]
fn the_translation_is_withdrawn() {
    let lab = Setup::new(Resolver::Discoverable).start();
    lab.exchange(&named("mqtt", "broker"), &[]);
    lab.router
        .ip(&format!("route del {} dev nat64", lab.prefix));
    lab.fails(
        &named("mqtt", "broker"),
        &[],
        Rung::Nat64,
        Code::Nat64NoRoute,
    );
}

/// A closed port is the server's affair, and is told as such through the translator.
#[test]
fn a_closed_port_behind_it() {
    let lab = Setup::new(Resolver::Dns64).start();
    let closed = format!("{}:1999", named("mqtt", "broker"));
    lab.fails(&closed, &[], Rung::Tcp, Code::Refused);
}

#[test]
fn only_a_link_local_address() {
    let lab = Setup::new(None)
        .reach(Reach::LinkLocal)
        .no_translator()
        .start();
    let prefix = lab.prefix.to_string();
    let literal = url("mqtt", &address::BROKER.to_string());
    let options = ["--nat64-prefix", prefix.as_str()];
    lab.fails(&literal, &options, Rung::Address, Code::NoSourceAddress);
}
