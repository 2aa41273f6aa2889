//! Tells the linker where things lie: esp-hal brings the script of the chip, defmt that of its frames.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    // Comes last: what is defined before keeps its definition.
    println!("cargo:rustc-link-arg-bins=-Tlinkall.x");
}
