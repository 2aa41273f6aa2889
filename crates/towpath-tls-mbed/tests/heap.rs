//! How much memory Mbed TLS takes for one connection to a front end that asks for the client certificate by a
//! renegotiation: everything it allocates, parsed certificates included, without the caller's two buffers for records.
//!
//! ```sh
//! cargo test -p towpath-tls-mbed --features in-4096,out-4096 --test heap -- --nocapture
//! ```
//!
//! with a `CARGO_TARGET_DIR` of its own, since the C part is built for these sizes. Pointers are twice as long here as
//! on a device.

#[path = "memory/certs.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod certs;
#[path = "memory/world.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod world;

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ffi::c_void,
    io::Write as _,
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use mbedtls_rs_sys as sys;
use openssl::ssl::SslVerifyMode;
use towpath_proto::tls::{Identity, Profile, Tls as _};
use towpath_tls_mbed::{Context, capabilities};
use towpath_tls_openssl::server;

use certs::{Template, rsa};
use world::{TLS12, World, builder, only12, profile, trust};

/// Where the size of a block stands, in front of it.
const HEAD: usize = 16;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn calloc(n: usize, size: usize) -> *mut c_void {
    let Some(len) = n.checked_mul(size) else {
        return null_mut();
    };
    let layout = Layout::from_size_align(len + HEAD, HEAD).unwrap();
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc_zeroed(layout) };
    if block.is_null() {
        return null_mut();
    }
    // SAFETY: the head is in the block, and aligned.
    unsafe { block.cast::<usize>().write(len) };
    let now = NOW.fetch_add(len, SeqCst) + len;
    PEAK.fetch_max(now, SeqCst);
    // SAFETY: what is behind the head is in the block, or just behind it if the length is 0.
    unsafe { block.add(HEAD).cast() }
}

unsafe extern "C" fn free(block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: it was given by `calloc` above, which put a head in front.
    unsafe {
        let block = block.cast::<u8>().sub(HEAD);
        let len = block.cast::<usize>().read();
        NOW.fetch_sub(len, SeqCst);
        dealloc(block, Layout::from_size_align(len + HEAD, HEAD).unwrap());
    }
}

fn said(what: &str) {
    println!(
        "{what}: {} bytes, at most {}",
        NOW.load(SeqCst),
        PEAK.load(SeqCst)
    );
}

/// The client, as far as one device would have it: a single root, a P-256 certificate.
#[test]
fn a_connection_with_renegotiation() {
    // SAFETY: before anything is allocated by Mbed TLS, so that each block is freed where it came from.
    let ret = unsafe { sys::mbedtls_platform_set_calloc_free(Some(calloc), Some(free)) };
    assert_eq!(ret, 0);
    let root = Template {
        key: rsa(4096),
        ..Template::ca("Root")
    };
    let root = root.sign(None);
    let middle = Template {
        key: rsa(4096),
        ..Template::ca("Middle")
    };
    let middle = middle.sign(Some(&root));
    let leaf = Template {
        key: rsa(2048),
        ..Template::server()
    };
    let leaf = leaf.sign(Some(&middle));
    let device = Template {
        name: "device",
        dns: vec![],
        ..Template::server()
    };
    let device = device.sign(Some(&root));
    let (roots, chain, key) = (root.pem(), device.pem(), device.key_pem());
    let roots = [&*roots];
    let profile = Profile {
        versions: Some(TLS12),
        suites: &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
        identity: Some(Identity {
            chain: &chain,
            key: &key,
            password: None,
        }),
        ..profile(&roots)
    };
    let context = Context::new(&profile).unwrap();
    said("parsed");
    let mut front = only12(builder(&leaf, &[&middle]));
    trust(&mut front, &root, SslVerifyMode::NONE);
    let mut world = World::resuming(&context, &front.build(), None);
    said("connected");
    world.settle().unwrap();
    said("after the handshake");
    world.write(b"GET /$iothub/websocket HTTP/1.1\r\n\r\n");
    world.settle().unwrap();
    world.client.allow_renegotiation(true);
    server::set_verify(
        &mut world.server,
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
    );
    server::request_renegotiation(&mut world.server).unwrap();
    let _ = world.server.do_handshake();
    world.settle().unwrap();
    said("after the renegotiation");
    assert!(world.server.ssl().peer_certificate().is_some());
    world
        .server
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        .unwrap();
    world.settle().unwrap();
    assert!(!world.at_client.is_empty());
    let peak = PEAK.load(SeqCst);
    if capabilities().record_buffer <= 4096 {
        assert!(peak <= 38_000, "{peak}");
    }
    drop(world);
    drop(context);
    assert_eq!(NOW.load(SeqCst), 0, "all is given back");
}
