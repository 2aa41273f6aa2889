//! A device's program as far as TLS goes, for scripts/build-mbed-nostd: it is linked, not run.
#![no_std]
#![no_main]

use towpath_proto::tls::{Clock, Profile, Renegotiation, Roots, Tls};
use towpath_tls_mbed::{Context, set_random};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

// What a real device takes from a crate of its chip.
#[unsafe(no_mangle)]
extern "Rust" fn _critical_section_1_0_acquire() {}
#[unsafe(no_mangle)]
extern "Rust" fn _critical_section_1_0_release(_: ()) {}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    set_random(|bytes| {
        bytes.fill(4);
        false
    });
    let profile = Profile {
        server: "hub.test",
        roots: Roots::Given(&[b"root"]),
        suites: &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
        clock: Clock::Given(|| None),
        renegotiation: Renegotiation::OnceUntilConnack,
        ..Profile::default()
    };
    let Ok(context) = Context::new(&profile) else {
        return 1;
    };
    let Ok(mut tls) = context.connect([0_u8; 2048], [0_u8; 2048], None) else {
        return 2;
    };
    loop {
        let Ok(true) = tls.handshake() else {
            continue;
        };
        tls.allow_renegotiation(true);
        let mut space = [0; 64];
        if tls.read(&mut space).is_err() || tls.write(&space).is_err() {
            return 3;
        }
        let n = tls.sendable().len();
        tls.transmitted(n);
        tls.commit(0);
    }
}
