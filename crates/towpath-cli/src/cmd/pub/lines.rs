//! Standard input, line by line, as fast as it goes.

use std::{
    io::{self, Read as _},
    thread,
};

use tokio::sync::mpsc;
use towpath::Outgoing;

use super::{super::Stop, Publisher, progress::Progress};
use crate::exit::Failure;

/// Bytes that are read at once, and how many such blocks may wait.
const BLOCK: usize = 64 << 10;
const BLOCKS: usize = 4;

pub(super) async fn run(mut publisher: Publisher<'_>, like: &Outgoing<'_>) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    tokio::select! {
        biased;
        () = stop.asked() => return Ok(()),
        connected = publisher.climb.connected() => connected?,
    }
    let mut progress = Progress::begin(publisher.climb.report);
    let read = feed(&mut publisher, &mut progress, &mut stop, like).await;
    progress.wipe();
    read?;
    publisher.settle(stop.asked()).await?;
    publisher.climb.disconnect().await?;
    progress.summary();
    Ok(())
}

/// Publishes each line until the input ends or the user has enough of it.
async fn feed(
    publisher: &mut Publisher<'_>,
    progress: &mut Progress,
    stop: &mut Stop,
    like: &Outgoing<'_>,
) -> Result<(), Failure> {
    let mut blocks = read_blocks();
    let mut lines = Lines::default();
    loop {
        let block = tokio::select! {
            biased;
            () = stop.asked() => return Ok(()),
            event = publisher.climb.next() => {
                publisher.take(&event?);
                continue;
            }
            block = blocks.recv() => block,
        };
        let ended = block.is_none();
        match block {
            Some(block) => lines.push(&block.map_err(|error| Failure::Io {
                what: "cannot read standard input",
                error,
            })?),
            None => lines.end(),
        }
        tokio::select! {
            biased;
            sent = send_all(publisher, progress, &mut lines, like) => sent?,
            () = stop.asked() => return Ok(()),
        }
        if ended {
            return Ok(());
        }
        progress.show();
    }
}

async fn send_all(
    publisher: &mut Publisher<'_>,
    progress: &mut Progress,
    lines: &mut Lines,
    like: &Outgoing<'_>,
) -> Result<(), Failure> {
    while let Some(payload) = lines.next() {
        publisher.send(&Outgoing { payload, ..*like }).await?;
        progress.add(payload.len());
    }
    Ok(())
}

/// Reading blocks, so that it has a thread of its own: the connection stays alive while nobody types.
fn read_blocks() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(BLOCKS);
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut block = vec![0; BLOCK];
            let read = match input.read(&mut block) {
                Ok(0) => return,
                Ok(n) => {
                    block.truncate(n);
                    Ok(block)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let last = read.is_err();
            if sender.blocking_send(read).is_err() || last {
                return;
            }
        }
    });
    receiver
}

/// Lines put together from blocks. A line that lacks its end counts when the input has ended.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Where the next line begins.
    at: usize,
    /// Up to where there is no line end.
    searched: usize,
    ended: bool,
}

impl Lines {
    fn push(&mut self, block: &[u8]) {
        self.bytes.drain(..self.at);
        self.searched -= self.at;
        self.at = 0;
        self.bytes.extend_from_slice(block);
    }

    const fn end(&mut self) {
        self.ended = true;
    }

    fn next(&mut self) -> Option<&[u8]> {
        let fresh = self.bytes.get(self.searched..).unwrap_or(&[]);
        let (start, end) = match fresh.iter().position(|byte| *byte == b'\n') {
            Some(found) => {
                let end = self.searched + found;
                self.searched = end + 1;
                (self.at, end)
            }
            None if self.ended && self.at < self.bytes.len() => {
                self.searched = self.bytes.len();
                (self.at, self.searched)
            }
            None => {
                self.searched = self.bytes.len();
                return None;
            }
        };
        self.at = self.searched;
        self.bytes.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(blocks: &[&str]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for block in blocks {
            lines.push(block.as_bytes());
            while let Some(line) = lines.next() {
                seen.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        lines.end();
        while let Some(line) = lines.next() {
            seen.push(String::from_utf8(line.to_vec()).unwrap());
        }
        seen
    }

    #[test]
    fn lines_are_the_same_however_the_input_is_cut() {
        let text = "one\n\ntwo words\r\nlast";
        let whole = ["one", "", "two words\r", "last"];
        assert_eq!(read(&[text]), whole);
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(read(&[a, b]), whole, "cut at {cut}");
        }
        let single: Vec<_> = text.split("").collect();
        assert_eq!(read(&single), whole);
    }

    #[test]
    fn a_line_end_at_the_end_adds_no_line() {
        assert_eq!(read(&["a\n"]), ["a"]);
        assert_eq!(read(&["\n"]), [""]);
        assert_eq!(read(&[]), [""; 0]);
    }
}
