//! What a capture says.

use std::io::{self, Read};

use crate::{Diagnosis, capture};

/// What a capture says: pcap or pcapng; Ethernet, raw IP, PPP, Linux cooked, loopback, 802.15.4 with 6LoWPAN. It is read
/// once, in bounded memory. `name` is what to call it.
///
/// # Errors
/// What reading it answers. What is damaged in it is a note of the diagnosis.
pub fn capture(name: &str, capture: impl Read) -> io::Result<Diagnosis> {
    capture::read(name, capture)
}

/// Whether these first bytes begin a capture; four are enough.
#[must_use]
pub fn is_capture(start: &[u8]) -> bool {
    capture::is_capture(start)
}
