//! Logs of devices: Zephyr, NCS, ESP-IDF, the debug lines of Mbed TLS, OpenThread's CLI, mosquitto, paho, towpath itself.
//! In goes a stream of bytes, read once; out comes a [`Diagnosis`].
//!
//! `lines` cuts it, `entry` takes time and module off, `clues` (texts), `numbers` (codes), `thread` (transcripts) and
//! `trace` (towpath's own) turn lines into facts, `story` puts facts into attempts, `rules` names the cause of the one that counts, `answer` says it.
//! What is known is added to the tables of `clues`.

mod answer;
mod clues;
mod entry;
mod fact;
mod lines;
mod numbers;
mod rules;
mod story;
mod thread;
mod trace;

use std::io::{self, Read};

use self::story::Story;
pub(super) use self::{
    entry::Entry,
    trace::{RUNGS, Seen, seconds},
};
use crate::Diagnosis;

/// What a serial log of a device says: of Zephyr, NCS, ESP-IDF, with the debug lines of Mbed TLS, or of towpath. It is
/// read once, in bounded memory. `name` is what to call it.
///
/// # Errors
/// What reading it answers.
pub fn log(name: &str, log: impl Read) -> io::Result<Diagnosis> {
    let mut story = Story::default();
    lines::each(log, |number, line| story.line(number, line))?;
    Ok(answer::of(name, &story))
}
