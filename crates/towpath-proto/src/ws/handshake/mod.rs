//! The opening handshake: RFC 6455 sections 1.3 and 4.
//!
//! The client's side is [`Request`] and [`Answer`], the server's [`Upgrade`] and [`Rejection`].

mod client;
mod digest;
mod server;

use digest::{base64, sha1};

pub use client::{Answer, Progress, Request, RequestError, SUBPROTOCOLS_MAX};
pub use server::{Rejection, Upgrade};

/// The `Sec-WebSocket-Key` of a client: 16 bytes in base64 (RFC 6455 4.1).
fn key_text(key: &[u8; 16]) -> [u8; 24] {
    let mut text = [0; 24];
    base64(key, &mut text);
    text
}

/// The `Sec-WebSocket-Accept` that answers `key`, as it stands in the request (RFC 6455 4.2.2).
fn accept(key: &[u8; 24]) -> [u8; 28] {
    let digest = sha1(key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut text = [0; 28];
    base64(&digest, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_6455_1_3() {
        assert_eq!(&key_text(b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(
            &accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
