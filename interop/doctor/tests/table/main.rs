//! Every finding that a set-up or a fault of the lab proves, produced by it; and at the end that this table and the
//! catalogue say the same.

mod certificates;
mod hub;
mod lab_faults;
mod mqtt_login;
mod names;
mod packets;
mod proxies;
mod renegotiation;
mod tls;
mod translator;
mod upgrade;

use std::collections::BTreeSet;

use doctor::Key;
use towpath_doctor::{Proof, catalogue};

/// All rows of all worlds.
fn table() -> Vec<Key> {
    [
        certificates::keys(),
        hub::keys(),
        lab_faults::keys(),
        mqtt_login::keys(),
        names::keys(),
        packets::keys(),
        proxies::keys(),
        renegotiation::keys(),
        tls::keys(),
        translator::keys(),
        upgrade::keys(),
    ]
    .concat()
}

/// What the catalogue says is proven here is proven here, and nothing else.
#[test]
fn the_catalogue_says_the_same() {
    let text = |(id, proof): Key| format!("{id} {proof:?}");
    let here: BTreeSet<String> = table().into_iter().map(text).collect();
    let proven = |proof: &Proof| matches!(proof, Proof::SetUp(_) | Proof::Lab(_));
    let there: BTreeSet<String> = catalogue::all()
        .flat_map(|finding| finding.proofs.iter().map(|proof| (finding.id, *proof)))
        .filter(|(_, proof)| proven(proof))
        .map(text)
        .collect();
    let missing: Vec<_> = there.difference(&here).collect();
    let more: Vec<_> = here.difference(&there).collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "in the catalogue only: {missing:#?}\nin this table only: {more:#?}"
    );
}
