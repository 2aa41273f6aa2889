//! Tells the program when it was built: a clock that is before that is wrong.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

fn main() {
    // https://reproducible-builds.org/specs/source-date-epoch/
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    let given = env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|seconds| seconds.parse::<u64>().ok());
    let built = given.or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        Some(since.as_secs())
    });
    println!("cargo::rustc-env=TOWPATH_BUILT={}", built.unwrap_or(0));
}
