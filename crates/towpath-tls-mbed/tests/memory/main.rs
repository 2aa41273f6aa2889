//! The back-end against OpenSSL as the server, in memory.
//!
//! `limits` holds in every build; a device's errors come out on a host with
//!
//! ```sh
//! cargo test -p towpath-tls-mbed --features in-2048,out-2048 --test memory limits
//! CFLAGS=-DMBEDTLS_MPI_MAX_SIZE=256 TOWPATH_MPI=256 cargo test -p towpath-tls-mbed --test memory limits
//! ```
//!
//! each with a `CARGO_TARGET_DIR` of its own: the C part is not built again for other flags.

mod certificates;
mod certs;
mod handshake;
mod limits;
mod renegotiation;
mod world;
