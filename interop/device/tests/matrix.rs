//! Every credential by every way, with both TLS back-ends, over IPv4 and through NAT64.

use device::{Family, World, devices, exchange};
use towpath::tls::Backend;

fn all(family: Family, backend: Backend) {
    let devices = devices();
    let known: Vec<_> = devices
        .iter()
        .map(|(proof, _, id)| (*proof, id.clone()))
        .collect();
    let world = World::new(family, &known);
    for (proof, way, id) in devices {
        let options = world.options(proof, &id, way, backend);
        world.on_device(exchange(options, world.cloud().lab(), id));
    }
}

#[test]
fn openssl_over_ipv4() {
    all(Family::Ipv4, Backend::OpenSsl);
}

#[test]
fn openssl_through_nat64() {
    all(Family::Nat64, Backend::OpenSsl);
}

#[test]
fn mbed_tls_over_ipv4() {
    all(Family::Ipv4, Backend::Mbed);
}

#[test]
fn mbed_tls_through_nat64() {
    all(Family::Nat64, Backend::Mbed);
}
