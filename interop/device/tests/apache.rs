//! Behind a front end that is not ours, which asks for the device's certificate by renegotiation.

use device::{Proof, Way, World, exchange};
use towpath::tls::Backend;

#[test]
fn a_certificate_through_apache() {
    let mut devices = Vec::new();
    for proof in [Proof::X509, Proof::X509Group] {
        for backend in [Backend::OpenSsl, Backend::Mbed] {
            devices.push((
                proof,
                backend,
                format!("{proof:?}-{backend:?}").to_lowercase(),
            ));
        }
    }
    let known: Vec<_> = devices
        .iter()
        .map(|(proof, _, id)| (*proof, id.clone()))
        .collect();
    let world = World::behind_apache(&known);
    for (proof, backend, id) in devices {
        let options = world.options(proof, &id, Way::Wss, backend);
        world.on_device(exchange(options, world.cloud().lab(), id));
    }
}
