//! `nat64` in a network with IPv6 only, behind a real router: radvd, unbound and tayga. It takes root.

use firmware::{Board, wire};
use net::{Lab, Reach, Setup, address, dns::Resolver};

/// The broker's name and address: neither has anything of IPv6.
fn board(hosts: &str) -> Board {
    Board::new("nat64")
        .tap(wire::TAP)
        .setting("hosts", hosts)
        .setting("client", "board")
        .setting("count", 3)
}

fn lab(setup: Setup) -> Lab {
    let lab = setup.reach(Reach::Advertised).start();
    wire::plug(&lab);
    lab
}

/// That the messages of an exchange have been to the broker and back.
fn assert_exchanged(lab: &Lab, exchanges: usize) {
    for qos in 0..3 {
        let received = format!("Received PUBLISH from board (d0, q{qos}, r0");
        assert_eq!(lab.broker.logged(&[&received]), exchanges);
    }
}

#[test]
fn by_name_and_by_address_with_a_prefix_found_by_dns() {
    let lab = lab(Setup::new(Resolver::Discoverable));
    let hosts = format!("broker.lab.example {}", address::BROKER);
    let board = board(&hosts).setting("dns", address::ROUTER);
    let ended = wire::start(&board, &lab).wait();
    let text = ended.done();
    let origin = format!("{} (ipv4only.arpa)", lab.prefix);
    let mut lines = text.lines();
    assert!(
        lines.any(|line| line.starts_with("  nat64     prefix") && line.ends_with(&origin)),
        "{text}"
    );
    let through = format!(
        "{} ({} through NAT64)",
        lab.prefix.embed(address::BROKER),
        address::BROKER
    );
    assert_eq!(text.matches(&through).count(), 2, "{text}");
    assert_eq!(text.matches("  path      ready").count(), 2, "{text}");
    assert_exchanged(&lab, 2);
    println!("stack: {} bytes", ended.measured("stack"));
}

#[test]
fn a_resolver_with_dns64_and_a_prefix_from_the_router() {
    let lab = lab(Setup::new(Resolver::Dns64).advertised());
    let hosts = format!("broker.lab.example {}", address::BROKER);
    // The router advertises its prefix every 200 ms: by the second host the board has heard of it.
    let board = board(&hosts)
        .setting("dns", address::ROUTER)
        .setting("pause", 150);
    let text = wire::start(&board, &lab).wait().done();
    assert_eq!(text.matches("  path      ready").count(), 2, "{text}");
    assert!(text.contains("(router advertisement)"), "{text}");
    assert_exchanged(&lab, 2);
}

#[test]
fn without_a_translator_the_rung_of_nat64_breaks() {
    let lab = lab(Setup::new(Resolver::Blocked).no_translator());
    let board = board(&address::BROKER.to_string()).setting("dns", address::ROUTER);
    let text = wire::start(&board, &lab).wait().with_code(1);
    assert!(text.contains("  nat64     broke"), "{text}");
    let fault = text.lines().find(|line| line.starts_with("nat64: "));
    assert!(
        fault.is_some_and(|line| line.contains("[TP-NAT64-")),
        "{text}"
    );
}
