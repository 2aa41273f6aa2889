//! What a TLS server of a test or a lab needs and the crate `openssl` lacks.
//!
//! Takes in the server's stream; changes what it demands and shows, and asks the client for more.

use openssl::{
    error::ErrorStack,
    ssl::{SslContextBuilder, SslContextRef, SslOptions, SslStream, SslVerifyMode},
};
use towpath_proto::bytes::{Reader, Short};

/// Asks the client for a renegotiation (TLS 1.2, RFC 5246 section 7.4.1.1): `do_handshake` then sends HelloRequest, and
/// reads work off what the client answers.
///
/// A server that wants a certificate by it sets `SslOptions::NO_SESSION_RESUMPTION_ON_RENEGOTIATION` too: the client
/// may resume its session otherwise, and then no certificate is asked for.
///
/// # Errors
/// OpenSSL's, such as in TLS 1.3, which has no renegotiation.
pub fn request_renegotiation<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    crate::ffi::renegotiate(stream)
}

/// Whether a renegotiation was asked for and is not complete.
pub fn is_renegotiation_pending<S>(stream: &mut SslStream<S>) -> bool {
    crate::ffi::is_renegotiation_pending(stream)
}

/// Asks the client for its certificate after the handshake (TLS 1.3, RFC 8446 section 4.6.2): `do_handshake` then sends
/// the request, and reads work off what the client answers.
///
/// # Errors
/// OpenSSL's, such as with a client that did not offer it.
pub fn request_post_handshake_auth<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    crate::ffi::verify_client(stream)
}

/// What the next handshake or request demands of the client: a certificate (`PEER`), and not none
/// (`FAIL_IF_NO_PEER_CERT`).
pub fn set_verify<S>(stream: &mut SslStream<S>, mode: SslVerifyMode) {
    crate::ffi::set_verify(stream, mode);
}

/// Shows the certificate of another context from the next handshake on.
pub fn switch_context<S>(stream: &mut SslStream<S>, context: &SslContextRef) {
    crate::ffi::set_context(stream, context);
}

/// Cuts what the server sends into records of at most so many bytes: 512 to 16384 (RFC 5246 section 6.2.1). False for
/// other numbers.
pub fn set_max_send_fragment(builder: &mut SslContextBuilder, bytes: u16) -> bool {
    crate::ffi::set_max_send_fragment(builder, bytes)
}

/// Takes no session up again that has a client's certificate, and makes the full handshake instead: a resumed session
/// has lost the certificates behind the client's own.
///
/// This is for tickets. A server that keeps sessions itself calls [`forget_session`] too.
///
/// # Errors
/// OpenSSL's, without memory.
pub fn refuse_certified_tickets(builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    if crate::ffi::refuse_certified_tickets(builder) {
        Ok(())
    } else {
        Err(ErrorStack::get())
    }
}

/// Takes the connection's session out of its context's cache, so that nobody can take it up again.
pub fn forget_session<S>(stream: &mut SslStream<S>) {
    crate::ffi::forget_session(stream);
}

/// Makes a server as they were before secure renegotiation (RFC 5746): it tells clients nothing of it, and renegotiates
/// all the same. TLS 1.2 only; uses the context's message callback.
///
/// OpenSSL can't leave the extension out to a client that asks for it. So the client's words for it are changed to
/// values that are reserved to be ignored (RFC 8701), after OpenSSL has taken the true message into the hash of the
/// handshake and before it reads it.
pub fn without_secure_renegotiation(builder: &mut SslContextBuilder) {
    builder.set_options(SslOptions::ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    crate::ffi::rewrite_hellos(builder);
}

/// TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746 section 3.3).
const SIGNAL: [u8; 2] = [0x00, 0xff];

/// The extension `renegotiation_info` (RFC 5746 section 3.2).
const EXTENSION: [u8; 2] = [0xff, 0x01];

/// A suite and an extension that mean nothing (RFC 8701 section 2).
const NOTHING: [u8; 2] = [0x0a, 0x0a];

/// Takes secure renegotiation out of a ClientHello; other messages stay as they are.
pub(crate) fn blind(message: &mut [u8]) {
    for at in words(message).unwrap_or_default() {
        if let Some(word) = message.get_mut(at..at + 2) {
            word.copy_from_slice(&NOTHING);
        }
    }
}

/// Where the words of secure renegotiation are. `None` if it is no ClientHello (RFC 5246 section 7.4.1.2).
fn words(message: &[u8]) -> Option<Vec<usize>> {
    find(message).ok().filter(|_| message.first() == Some(&1))
}

fn find(message: &[u8]) -> Result<Vec<usize>, Short> {
    let mut found = Vec::new();
    let mut reader = Reader::new(message);
    let at = |reader: &Reader<'_>| message.len() - reader.rest().len();
    // Type, length, version, random.
    reader.take(4 + 2 + 32)?;
    let session = reader.u8()?;
    reader.take(session.into())?;
    let suites = reader.u16()?;
    for _ in 0..suites / 2 {
        let place = at(&reader);
        if reader.array()? == SIGNAL {
            found.push(place);
        }
    }
    let compressions = reader.u8()?;
    reader.take(compressions.into())?;
    if reader.is_empty() {
        return Ok(found);
    }
    reader.u16()?;
    while !reader.is_empty() {
        let place = at(&reader);
        let kind = reader.array()?;
        let len = reader.u16()?;
        reader.take(len.into())?;
        if kind == EXTENSION {
            found.push(place);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(suites: &[u8], extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([1, 9]);
        body.extend(u16::try_from(suites.len()).unwrap().to_be_bytes());
        body.extend(suites);
        body.extend([1, 0]);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        let mut message = vec![1, 0];
        message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        message.extend(body);
        message
    }

    #[test]
    fn signal_and_extension_go_and_nothing_else_does() {
        // 0xff 0x00, 0xff across two suites is not the signal.
        let mut message = hello(
            &[0xc0, 0x2f, 0x00, 0xff, 0x12, 0x00, 0xff, 0x02],
            &[0, 0x17, 0, 0, 0xff, 0x01, 0, 1, 0],
        );
        let expected = hello(
            &[0xc0, 0x2f, 0x0a, 0x0a, 0x12, 0x00, 0xff, 0x02],
            &[0, 0x17, 0, 0, 0x0a, 0x0a, 0, 1, 0],
        );
        blind(&mut message);
        assert_eq!(message, expected);
    }

    #[test]
    fn other_messages_and_pieces_stay() {
        let whole = hello(&[0x00, 0xff], &[0xff, 0x01, 0, 1, 0]);
        let mut finished = whole.clone();
        finished[0] = 20;
        let before = finished.clone();
        blind(&mut finished);
        assert_eq!(finished, before);
        for len in 0..whole.len() {
            let mut piece = whole[..len].to_vec();
            blind(&mut piece);
            assert_eq!(piece.len(), len);
        }
    }
}
