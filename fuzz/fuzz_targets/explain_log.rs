//! Logs of devices, and codes: no panic, at most one cause, and the same answer however the bytes come.
#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use towpath_doctor::{diagnosis::Verdict, explain, report};

fuzz_target!(|input: &[u8]| {
    let Some((&len, log)) = input.split_first() else {
        return;
    };
    let whole = explain::log("log", log).expect("slices can be read");
    let pieces = Pieces {
        bytes: log,
        len: usize::from(len).max(1),
    };
    assert_eq!(
        whole,
        explain::log("log", pieces).expect("so can their pieces")
    );
    assert!(whole.found.len() <= 1);
    assert_eq!(whole.found.is_empty(), whole.verdict != Verdict::Broken);
    let told = report::text(&whole, report::Style::default());
    assert!(!told.chars().any(|c| c.is_control() && c != '\n'));
    if let Ok(text) = std::str::from_utf8(log) {
        let _ = explain::code(text);
        let _ = explain::nearest(text);
    }
});

/// Gives bytes in pieces, as a serial port does.
struct Pieces<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.len.min(buffer.len()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.bytes = later;
        Ok(len)
    }
}
