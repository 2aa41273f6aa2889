//! The lab itself: what towpath is to find there is there.

use mqtt::Peer;
use net::{Setup, address, dns::Resolver, url};
use towpath::{Options, QoS, Reconnect};

/// Every rung but names, with nothing of towpath's below TCP: the address is made here.
#[test]
fn a_message_goes_through_the_translator() {
    let lab = Setup::new(Resolver::Dns64).start();
    let broker = lab.prefix.embed(address::BROKER);
    lab.device.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let options = Options::new(&url("mqtt", &format!("[{broker}]"))).expect("a URL");
            let options = options.reconnect(Reconnect::Never).report_settled(true);
            let mut peer = Peer::connect(options).await;
            peer.subscribe("echo", QoS::AtLeastOnce).await;
            peer.publish("echo", b"through", QoS::AtLeastOnce).await;
            assert_eq!(peer.text().await, "through");
            peer.close().await;
        });
    });
    let from = format!("New client connected from {}", address::GATEWAY);
    assert_eq!(lab.broker.logged(&[&from]), 1);
}
