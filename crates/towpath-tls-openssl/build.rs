//! Refuses a library whose functions this crate declares differently: LibreSSL, and OpenSSL before 3.0.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let number = std::env::var("DEP_OPENSSL_VERSION_NUMBER")
        .ok()
        .and_then(|hex| u64::from_str_radix(&hex, 16).ok());
    // Absent where the headers were not read; then the linker decides.
    if std::env::var_os("DEP_OPENSSL_LIBRESSL_VERSION_NUMBER").is_some() {
        println!("cargo::error=towpath-tls-openssl needs OpenSSL 3.0 or newer, not LibreSSL");
    } else if number.is_some_and(|number| number < 0x3000_0000) {
        println!("cargo::error=towpath-tls-openssl needs OpenSSL 3.0 or newer");
    }
}
