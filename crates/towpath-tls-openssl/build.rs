//! Refuses a library whose functions this crate declares differently: LibreSSL, and OpenSSL before 3.0. Says whether the
//! library has engines.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(engines)");
    let number = std::env::var("DEP_OPENSSL_VERSION_NUMBER")
        .ok()
        .and_then(|hex| u64::from_str_radix(&hex, 16).ok());
    // Absent where the headers were not read; then the linker decides.
    if std::env::var_os("DEP_OPENSSL_LIBRESSL_VERSION_NUMBER").is_some() {
        println!("cargo::error=towpath-tls-openssl needs OpenSSL 3.0 or newer, not LibreSSL");
    } else if number.is_some_and(|number| number < 0x3000_0000) {
        println!("cargo::error=towpath-tls-openssl needs OpenSSL 3.0 or newer");
    }
    // Engines end with OpenSSL 4, and a library may be built without.
    let left_out = std::env::var("DEP_OPENSSL_CONF").unwrap_or_default();
    let left_out = left_out.split(',').any(|what| what == "OPENSSL_NO_ENGINE");
    if number.is_some_and(|number| number < 0x4000_0000) && !left_out {
        println!("cargo:rustc-cfg=engines");
    }
}
