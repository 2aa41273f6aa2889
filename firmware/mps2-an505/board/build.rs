//! Puts the linker scripts that `link.x` of cortex-m-rt includes where the linker finds them.

use std::{env, error::Error, fs, path::Path};

/// The secure code memory and the secure data memory, as large as those of an nRF5340: what fits here fits there.
const MEMORY: &str = "MEMORY
{
  FLASH : ORIGIN = 0x10000000, LENGTH = 1M
  RAM : ORIGIN = 0x38000000, LENGTH = 512K
}
";

/// The same for a program that the bootloader starts: `ADDRESS` and `ACTIVE` in `src/flash.rs`.
const SLOT: &str = "MEMORY
{
  FLASH : ORIGIN = 0x10100000, LENGTH = 512K
  RAM : ORIGIN = 0x38000000, LENGTH = 512K
}
";

/// `vectors.rs` names its handlers itself, so the linker has none to find.
const DEVICE: &str = "";

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let memory = match env::var_os("CARGO_FEATURE_SLOT") {
        Some(_) => SLOT,
        None => MEMORY,
    };
    fs::write(out.join("memory.x"), memory)?;
    // defmt's own script numbers the strings; `link.x` includes this one in any case.
    let device = match env::var_os("CARGO_FEATURE_DEFMT") {
        Some(_) => "INCLUDE defmt.x\n",
        None => DEVICE,
    };
    fs::write(out.join("device.x"), device)?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}
