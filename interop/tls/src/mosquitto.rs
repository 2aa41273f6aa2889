//! Mosquitto with TLS listeners.

use mqtt::{Broker, Setup};

use crate::pki::{Pki, Server};

/// The port of `mqtts`.
pub const MQTTS: u16 = 8883;
/// The port of `wss`.
pub const WSS: u16 = 443;

/// Starts a broker with both TLS listeners.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn start(pki: &Pki, server: Server, require_certificate: bool) -> Broker {
    let pair = pki.server(server);
    let tls = format!(
        "certfile {}\nkeyfile {}\ncafile {}\nrequire_certificate {require_certificate}",
        pair.chain.display(),
        pair.key.display(),
        pki.devices().display(),
    );
    Setup::new()
        .line(&format!("listener {MQTTS}\n{tls}"))
        .line(&format!("listener {WSS}\nprotocol websockets\n{tls}"))
        .start()
}
