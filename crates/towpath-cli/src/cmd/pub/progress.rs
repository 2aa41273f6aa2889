//! How far `pub -l` is: a line on the terminal that is written over, and a summary.

use std::time::{Duration, Instant};

use crate::{
    report::{Report, say},
    text::{Object, count, plural, size},
};

/// How often the line changes.
const EVERY: Duration = Duration::from_millis(100);
/// The places of the bar.
const BAR: u64 = 24;

pub(super) struct Progress {
    report: Report,
    began: Instant,
    shown: Option<Instant>,
    messages: u64,
    bytes: u64,
    /// The length of the input, if it is a file.
    total: Option<u64>,
}

impl Progress {
    pub(super) fn begin(report: Report) -> Self {
        Self {
            report,
            began: Instant::now(),
            shown: None,
            messages: 0,
            bytes: 0,
            total: input_len(),
        }
    }

    #[inline]
    pub(super) const fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    /// Shows how far it is, on a terminal and if the last time was long enough ago.
    pub(super) fn show(&mut self) {
        if self.shown.is_some_and(|shown| shown.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let line = line(self.messages, self.bytes, self.began.elapsed(), self.total);
        self.report.line_to_wipe(&line);
    }

    /// Takes the line away.
    pub(super) fn wipe(&mut self) {
        if self.shown.take().is_some() {
            self.report.wipe();
        }
    }

    /// What was done, and how fast.
    pub(super) fn summary(&self) {
        let took = self.began.elapsed();
        if self.report.quiet {
            return;
        }
        if self.report.json {
            let object = Object::new()
                .text("event", "published")
                .raw("messages", self.messages)
                .raw("bytes", self.bytes)
                .raw("seconds", format_args!("{:.3}", took.as_secs_f64()));
            say(&object
                .raw("messages_per_second", rate(self.messages, took))
                .end());
            return;
        }
        say(&format!(
            "towpath: {}, {} in {:.2} s, {} messages/s",
            plural(self.messages, "message"),
            size(self.bytes),
            took.as_secs_f64(),
            count(rate(self.messages, took)),
        ));
    }
}

fn rate(messages: u64, took: Duration) -> u64 {
    (messages as f64 / took.as_secs_f64().max(1e-6)) as u64
}

fn line(messages: u64, bytes: u64, took: Duration, total: Option<u64>) -> String {
    // Each line had an end that is no payload.
    let done = bytes + messages;
    let bar = match total {
        Some(total) if total > 0 => {
            let filled = usize::try_from((done * BAR / total).min(BAR)).unwrap_or(0);
            let percent = (done * 100 / total).min(100);
            format!("[{:<24}] {percent:>3} %  ", "=".repeat(filled))
        }
        _ => String::new(),
    };
    format!(
        "{bar}{}, {}, {}/s",
        plural(messages, "message"),
        size(bytes),
        count(rate(messages, took))
    )
}

/// How long the input is, if that is known.
#[cfg(unix)]
fn input_len() -> Option<u64> {
    use std::{fs::File, os::fd::AsFd as _};
    let input = File::from(std::io::stdin().as_fd().try_clone_to_owned().ok()?);
    let meta = input.metadata().ok()?;
    meta.is_file().then_some(meta.len())
}

#[cfg(not(unix))]
const fn input_len() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_a_terminal() {
        let second = Duration::from_secs(1);
        assert_eq!(
            line(1000, 5000, second, Some(12_000)),
            "[============            ]  50 %  1,000 messages, 5.0 kB, 1,000/s"
        );
        assert_eq!(line(1, 5, second, None), "1 message, 5 B, 1/s");
        let most = line(9_999_999, 999_900_000, second, Some(1 << 30));
        assert!(most.len() < 80, "{most}");
    }
}
