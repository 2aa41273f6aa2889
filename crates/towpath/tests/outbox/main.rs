//! A program that sends through an outbox is killed at random moments, over and over.
//!
//! It is this test program once more, with `TOWPATH_KILLED` set to the file. `TOWPATH_KILLS` sets how often (200).
#![cfg(unix)]

mod bound;
mod kill;
mod life;

use std::{fs, path::PathBuf};

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn folder(name: &str) -> Folder {
    let folder = std::env::temp_dir().join(format!("towpath-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    Folder(folder)
}

/// The body of a message: its length and bytes follow from its number.
fn body(number: u64) -> Vec<u8> {
    let length = 10 + usize::try_from(number.wrapping_mul(7919) % 700).expect("it is small");
    (0..length)
        .map(|at| (at as u64 * 31 + number) as u8)
        .collect()
}
