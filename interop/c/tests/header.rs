//! `include/towpath.h` is what cbindgen makes of the crate now. `TOWPATH_WRITE_HEADER=1` writes it.

use std::{env, fs};

#[test]
fn the_header_is_current() {
    let face = c::root().join("crates/towpath-c");
    let config = cbindgen::Config::from_file(face.join("cbindgen.toml")).expect("cbindgen.toml");
    let made = cbindgen::Builder::new()
        .with_config(config)
        .with_src(face.join("src/lib.rs"))
        .generate()
        .expect("the crate is read");
    let mut text = Vec::new();
    made.write(&mut text);
    let text = String::from_utf8(text).expect("a header is text");
    let path = face.join("include/towpath.h");
    if env::var_os("TOWPATH_WRITE_HEADER").is_some() {
        fs::write(&path, &text).expect("the header");
    }
    let known = fs::read_to_string(&path).expect("the header");
    assert!(
        known == text,
        "include/towpath.h is old; run: cd interop && TOWPATH_WRITE_HEADER=1 cargo test -p c --test header"
    );
}
