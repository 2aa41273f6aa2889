//! What a TLS server of a test or a lab needs and the crate `openssl` lacks.
//!
//! Takes in the server's stream; changes what it demands and shows, and asks the client for more.

use openssl::{
    error::ErrorStack,
    ssl::{SslContextRef, SslStream, SslVerifyMode},
};

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
