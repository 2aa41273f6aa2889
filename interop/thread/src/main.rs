//! The stage: one Thread network is formed, and everything is shown on it.
//!
//! One program and not many tests, because forming the network takes as long as all that is shown on it.

mod reach;
mod table;

use std::time::Instant;

use net::dns;
use thread::{Certificates, Mesh, broker};

fn main() {
    let start = Instant::now();
    let step = |what: &str| println!("--- {:5.1} s: {what}", start.elapsed().as_secs_f64());
    let mut mesh = Mesh::form();
    step("the Thread network is formed");
    let certificates = Certificates::make();
    let _names = dns::authoritative(&mesh.internet);
    let _broker = broker(&mesh.internet, &certificates);

    reach::by_all_schemes(&mut mesh, &certificates);
    step("the IPv4-only broker is reached by mqtt, mqtts, ws and wss");
    reach::by_what_a_user_types(&mut mesh);
    reach::through_a_resolver_behind_nat64(&mut mesh);
    step("and with the prefix that ot-ctl prints, and through a resolver that has IPv4 only");
    reach::faults_have_names(&mut mesh);
    step("faults have names");
    reach::nat64_withdrawn_and_back(&mut mesh);
    step("NAT64 withdrawn is named; it comes back");
    table::print(&mut mesh, &certificates);
    step("radio frames are counted");
}
