//! The calls that the crate `openssl` does not have. All `unsafe` of this crate is in here.

#[cfg(engines)]
pub(crate) mod lent;
pub(crate) mod token;

use core::ffi::{c_int, c_long, c_void};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
};

use foreign_types::ForeignTypeRef;
use openssl::{
    error::ErrorStack,
    ssl::{SslContextBuilder, SslContextRef, SslRef, SslSessionRef, SslStream, SslVerifyMode},
    x509::{X509, X509Ref},
};
use openssl_sys as sys;

use crate::{server, watch};

/// `SSL_CTRL_GET_RI_SUPPORT` of `ssl.h`.
const GET_RI_SUPPORT: c_int = 76;

/// `SSL_CTRL_SET_MAX_SEND_FRAGMENT` of `ssl.h`.
const SET_MAX_SEND_FRAGMENT: c_int = 52;

/// `SSL3_RT_HANDSHAKE` of `ssl3.h`.
const HANDSHAKE: c_int = 22;

/// `SSL_OP_NO_RENEGOTIATION` of `ssl.h`; 64 bits since OpenSSL 3.0.
const NO_RENEGOTIATION: u64 = 1 << 30;

type MessageCallback =
    extern "C" fn(c_int, c_int, c_int, *const c_void, usize, *mut sys::SSL, *mut c_void);

/// Makes a ticket; no callback of this kind is ever given.
type MakeTicket = extern "C" fn(*mut sys::SSL, *mut c_void) -> c_int;

type TicketCallback = extern "C" fn(
    *mut sys::SSL,
    *mut sys::SSL_SESSION,
    *const u8,
    usize,
    c_int,
    *mut c_void,
) -> c_int;

unsafe extern "C" {
    fn SSL_CTX_set_session_ticket_cb(
        ctx: *mut sys::SSL_CTX,
        make: Option<MakeTicket>,
        judge: Option<TicketCallback>,
        argument: *mut c_void,
    ) -> c_int;
    fn SSL_CTX_set_msg_callback(ctx: *mut sys::SSL_CTX, callback: Option<MessageCallback>);
    fn SSL_CTX_set_post_handshake_auth(ctx: *mut sys::SSL_CTX, on: c_int);
    fn SSL_CTX_set_tlsext_max_fragment_length(ctx: *mut sys::SSL_CTX, mode: u8) -> c_int;
    fn SSL_set_options(ssl: *mut sys::SSL, options: u64) -> u64;
    fn SSL_clear_options(ssl: *mut sys::SSL, options: u64) -> u64;
    fn SSL_free_buffers(ssl: *mut sys::SSL) -> c_int;
    fn SSL_renegotiate(ssl: *mut sys::SSL) -> c_int;
    fn SSL_renegotiate_pending(ssl: *const sys::SSL) -> c_int;
    fn SSL_verify_client_post_handshake(ssl: *mut sys::SSL) -> c_int;
    fn SSL_SESSION_get0_peer(session: *mut sys::SSL_SESSION) -> *mut sys::X509;
    fn OPENSSL_cleanse(bytes: *mut c_void, len: usize);
}

/// Tells [`watch`] every message of the connections that this context will make.
pub(crate) fn watch_messages(builder: &mut SslContextBuilder) {
    // SAFETY: the builder's pointer is valid while it is borrowed; the callback has the type that ssl.h declares.
    unsafe { SSL_CTX_set_msg_callback(builder.as_ptr(), Some(message)) }
}

extern "C" fn message(
    sent: c_int,
    version: c_int,
    kind: c_int,
    bytes: *const c_void,
    len: usize,
    ssl: *mut sys::SSL,
    _: *mut c_void,
) {
    if !watch::is_watched(kind) || bytes.is_null() || ssl.is_null() {
        return;
    }
    // SAFETY: OpenSSL lends `len` bytes for the duration of this call and they are not written meanwhile.
    let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), len) };
    // SAFETY: OpenSSL lends its SSL for the duration of this call; it is only read here.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    // A panic may not unwind into C, and a lost fact is no reason to abort.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        watch::message(ssl, sent != 0, version, kind, bytes);
    }));
}

/// Offers authentication after the handshake (RFC 8446 section 4.2.6).
pub(crate) fn offer_post_handshake_auth(builder: &mut SslContextBuilder) {
    // SAFETY: the builder's pointer is valid while it is borrowed.
    unsafe { SSL_CTX_set_post_handshake_auth(builder.as_ptr(), 1) }
}

/// Offers a maximum fragment length by its code (RFC 6066 section 4). False if there is no such code.
pub(crate) fn offer_max_fragment(builder: &mut SslContextBuilder, code: u8) -> bool {
    // SAFETY: the builder's pointer is valid while it is borrowed.
    unsafe { SSL_CTX_set_tlsext_max_fragment_length(builder.as_ptr(), code) == 1 }
}

/// Does a renegotiation that the peer asks for, or answers it with a warning.
pub(crate) fn set_renegotiation<S>(stream: &mut SslStream<S>, allowed: bool) {
    let ssl = stream.ssl().as_ptr();
    // SAFETY: the pointer is valid while the stream is borrowed, and nobody else uses it: the borrow is exclusive.
    unsafe {
        if allowed {
            SSL_clear_options(ssl, NO_RENEGOTIATION);
        } else {
            SSL_set_options(ssl, NO_RENEGOTIATION);
        }
    }
}

/// The security level that the system sets for a new context.
pub(crate) fn security_level(builder: &SslContextBuilder) -> u32 {
    // SAFETY: the builder's pointer is valid while it is borrowed; the level is only read.
    let level = unsafe { sys::SSL_CTX_get_security_level(builder.as_ptr()) };
    level.try_into().unwrap_or(0)
}

/// Whether both sides speak RFC 5746.
pub(crate) fn is_renegotiation_secure<S>(stream: &mut SslStream<S>) -> bool {
    // SAFETY: the pointer is valid while the stream is borrowed; this command only reads and takes no argument.
    let answer: c_long =
        unsafe { sys::SSL_ctrl(stream.ssl().as_ptr(), GET_RI_SUPPORT, 0, ptr::null_mut()) };
    answer == 1
}

/// Offers this session in the first handshake. False if OpenSSL can't use it.
pub(crate) fn offer_session(ssl: &mut SslRef, session: &SslSessionRef) -> bool {
    // SAFETY: `set_session` wants the session to be of the same context, as sessions that live in a context's cache
    // are bound to it. This one comes from `d2i_SSL_SESSION` and is in no cache; OpenSSL takes a reference of its own.
    unsafe { ssl.set_session(session) }.is_ok()
}

/// Asks the client for a renegotiation: the next handshake or write sends HelloRequest.
pub(crate) fn renegotiate<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    // SAFETY: the pointer is valid while the stream is borrowed, and the borrow is exclusive.
    done(unsafe { SSL_renegotiate(stream.ssl().as_ptr()) })
}

/// Lets go of the record buffers, which come again when they are needed. With something in them it does nothing.
pub(crate) fn free_buffers<S>(stream: &mut SslStream<S>) {
    // SAFETY: the pointer is valid while the stream is borrowed, and the borrow is exclusive.
    unsafe { SSL_free_buffers(stream.ssl().as_ptr()) };
}

/// Whether a renegotiation was asked for and is not complete.
pub(crate) fn is_renegotiation_pending<S>(stream: &mut SslStream<S>) -> bool {
    // SAFETY: the pointer is valid while the stream is borrowed, and the borrow is exclusive.
    unsafe { SSL_renegotiate_pending(stream.ssl().as_ptr()) != 0 }
}

/// Asks the client for its certificate after the handshake (TLS 1.3).
pub(crate) fn verify_client<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    // SAFETY: the pointer is valid while the stream is borrowed, and the borrow is exclusive.
    done(unsafe { SSL_verify_client_post_handshake(stream.ssl().as_ptr()) })
}

/// What the next request or handshake demands of the client. The callback stays.
pub(crate) fn set_verify<S>(stream: &mut SslStream<S>, mode: SslVerifyMode) {
    // SAFETY: the pointer is valid while the stream is borrowed, and the borrow is exclusive; no callback is given.
    unsafe { sys::SSL_set_verify(stream.ssl().as_ptr(), mode.bits(), None) }
}

/// Takes certificate and key from another context.
pub(crate) fn set_context<S>(stream: &mut SslStream<S>, context: &SslContextRef) {
    // SAFETY: both pointers are valid while they are borrowed, that of the stream exclusively. OpenSSL takes a reference
    // of its own; the crate's callbacks look into the context that the stream was made from, which it keeps.
    unsafe { sys::SSL_set_SSL_CTX(stream.ssl().as_ptr(), context.as_ptr()) };
}

/// Cuts what is sent into records of at most so many bytes. False if OpenSSL takes no such number.
pub(crate) fn set_max_send_fragment(builder: &mut SslContextBuilder, bytes: u16) -> bool {
    // SAFETY: the builder's pointer is valid while it is borrowed; this command takes a number and no pointer.
    let answer = unsafe {
        sys::SSL_CTX_ctrl(
            builder.as_ptr(),
            SET_MAX_SEND_FRAGMENT,
            c_long::from(bytes),
            ptr::null_mut(),
        )
    };
    answer == 1
}

/// Lets [`server`] change the ClientHello that the library is about to read.
pub(crate) fn rewrite_hellos(builder: &mut SslContextBuilder) {
    // SAFETY: the builder's pointer is valid while it is borrowed; the callback has the type that ssl.h declares.
    unsafe { SSL_CTX_set_msg_callback(builder.as_ptr(), Some(rewrite)) }
}

extern "C" fn rewrite(
    sent: c_int,
    _: c_int,
    kind: c_int,
    bytes: *const c_void,
    len: usize,
    _: *mut sys::SSL,
    _: *mut c_void,
) {
    if sent != 0 || kind != HANDSHAKE || bytes.is_null() {
        return;
    }
    // SAFETY: for a message that came, the pointer is to the connection's own buffer of `len` bytes, which OpenSSL
    // allocated to write to and parses after this call; `const` is only how the callback is declared. Nobody else reads
    // or writes it meanwhile, since a connection is used by one thread at a time.
    let bytes = unsafe { slice::from_raw_parts_mut(bytes.cast_mut().cast::<u8>(), len) };
    // A panic may not unwind into C. What is not rewritten is an ordinary handshake.
    let _ = catch_unwind(AssertUnwindSafe(|| server::blind(bytes)));
}

/// Takes no ticket up whose session has a client's certificate.
pub(crate) fn refuse_certified_tickets(builder: &mut SslContextBuilder) -> bool {
    // SAFETY: the builder's pointer is valid while it is borrowed; the callback has the type that ssl.h declares and
    // needs no argument. Without the other callback tickets are made as ever.
    let answer = unsafe {
        SSL_CTX_set_session_ticket_cb(builder.as_ptr(), None, Some(judge_ticket), ptr::null_mut())
    };
    answer == 1
}

/// `SSL_TICKET_STATUS` and `SSL_TICKET_RETURN` of `ssl.h`.
mod ticket {
    use core::ffi::c_int;
    pub(super) const SUCCESS: c_int = 5;
    pub(super) const SUCCESS_RENEW: c_int = 6;
    pub(super) const IGNORE_RENEW: c_int = 2;
    pub(super) const USE: c_int = 3;
    pub(super) const USE_RENEW: c_int = 4;
}

extern "C" fn judge_ticket(
    _: *mut sys::SSL,
    session: *mut sys::SSL_SESSION,
    _: *const u8,
    _: usize,
    status: c_int,
    _: *mut c_void,
) -> c_int {
    let good = matches!(status, ticket::SUCCESS | ticket::SUCCESS_RENEW);
    // SAFETY: a ticket that was decrypted comes with its session, which OpenSSL lends for the duration of this call.
    if !good || session.is_null() || !unsafe { SSL_SESSION_get0_peer(session) }.is_null() {
        return ticket::IGNORE_RENEW;
    }
    if status == ticket::SUCCESS {
        ticket::USE
    } else {
        ticket::USE_RENEW
    }
}

/// Takes the connection's session out of its context's cache, if it is there.
pub(crate) fn forget_session<S>(stream: &mut SslStream<S>) {
    let ssl = stream.ssl();
    let Some(session) = ssl.session() else { return };
    let context = ssl.ssl_context();
    // SAFETY: `remove_session` wants the session to be of this context, and it is that of a connection of the context.
    unsafe { context.remove_session(session) };
}

fn done(answer: c_int) -> Result<(), ErrorStack> {
    if answer == 1 {
        Ok(())
    } else {
        Err(ErrorStack::get())
    }
}

/// Overwrites a secret in a way that the compiler can't leave out.
pub(crate) fn cleanse(secret: &mut [u8]) {
    // SAFETY: the pointer and the length are those of a slice that is borrowed exclusively.
    unsafe { OPENSSL_cleanse(secret.as_mut_ptr().cast(), secret.len()) }
}

/// The server's certificate that a session was made with.
pub(crate) fn certificate_of(session: &SslSessionRef) -> Option<X509> {
    // SAFETY: the pointer is valid while the session is borrowed; the certificate belongs to the session.
    let certificate = unsafe { SSL_SESSION_get0_peer(session.as_ptr()) };
    if certificate.is_null() {
        return None;
    }
    // SAFETY: it is not null and lives as long as the session; `to_owned` takes a reference of its own.
    Some(unsafe { X509Ref::from_ptr(certificate) }.to_owned())
}
