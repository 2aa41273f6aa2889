//! The outbox on flash, on a board whose power is cut in each writing and erasing of a script, one after the other, in
//! three ways that an erasing may end; after each the outbox must have what it promised. Then a long run for the wear.
//!
//! What was promised lies in memory that a reset leaves alone. Ends with status 0 and the figures, or 1 at the first
//! promise that was broken.
#![no_std]
#![no_main]

mod ledger;

use core::{fmt::Write, ops::Range};

use embassy_futures::block_on;
use mps2_an505::{
    entry, exit,
    flash::{self, PAGE, Part, Torn},
    say, stack,
};
use towpath::outbox::{
    Bounds, Drop,
    flash::{Error, FlashOutbox},
};

use crate::ledger::{Entry, Ledger, ROOM, Slot};

type Outbox<'b> = FlashOutbox<'b, Part>;
type Broken = Error<flash::Error>;

/// Few pages, so that a script goes round them.
const SMALL: Range<u32> = flash::SPARE.start..flash::SPARE.start + 5 * PAGE;
/// Of the numbers, before those of the queue.
const NUMBERS: u32 = 2 * PAGE;
/// The shortest body.
const SHORTEST: usize = 200;
/// Messages of the long run.
const LONG: u32 = 3000;

const BOUNDS: Bounds = Bounds {
    bytes: u64::MAX,
    age: None,
    full: Drop::Oldest,
};

#[entry]
fn main() -> ! {
    let Some((mut ledger, interrupted)) = Ledger::open() else {
        exit(1)
    };
    let done = block_on(async {
        if interrupted {
            after_the_cut(&mut ledger).await?;
        }
        cut_everywhere(&mut ledger).await?;
        wear().await
    });
    match done {
        Ok(()) => {
            say!("stack: {} bytes", stack::high_water());
            exit(0)
        }
        Err(error) => {
            say!("cut in operation {}: {error}", ledger.at(Slot::Cut));
            exit(1)
        }
    }
}

/// The next cut, and the next; each of them ends in a reset, except the one that the script is too short for.
async fn cut_everywhere(ledger: &mut Ledger) -> Result<(), Broken> {
    while let Some((cut, torn)) = ledger.next_cut() {
        flash::cut(0, torn).map_err(Error::Flash)?;
        Outbox::erase(&mut Part::new(SMALL), 0..SMALL.end - SMALL.start).await?;
        ledger.clear();
        flash::cut(cut, torn).map_err(Error::Flash)?;
        script(ledger).await?;
        ledger.set(Slot::Operations, cut);
    }
    flash::cut(0, Torn::Start).map_err(Error::Flash)?;
    say!(
        "cuts: {}, of them {} in an erasing",
        ledger.at(Slot::Cuts),
        ledger.at(Slot::Erasings)
    );
    Ok(())
}

/// What was promised is there, and the outbox goes on working.
async fn after_the_cut(ledger: &mut Ledger) -> Result<(), Broken> {
    ledger.was_cut(flash::was_cut_erasing().map_err(Error::Flash)?);
    let cuts = ledger.at(Slot::Cuts);
    if cuts.is_multiple_of(25) {
        say!("{cuts} cuts so far");
    }
    let mut buffer = [0; 1024];
    let mut outbox = open(SMALL, &mut buffer).await?;
    check(ledger, &mut outbox).await?;
    for _ in 0..4 {
        push(ledger, &mut outbox).await?;
    }
    remove(ledger, &mut outbox, 0).await?;
    check(ledger, &mut outbox).await
}

async fn open(region: Range<u32>, buffer: &mut [u8]) -> Result<Outbox<'_>, Broken> {
    let len = region.end - region.start;
    FlashOutbox::open(Part::new(region), 0..len, BOUNDS, buffer).await
}

/// Goes round the region with some that wait, then again until the oldest make room.
async fn script(ledger: &mut Ledger) -> Result<(), Broken> {
    let mut buffer = [0; 1024];
    let mut outbox = open(SMALL, &mut buffer).await?;
    for round in 0..12 {
        push(ledger, &mut outbox).await?;
        push(ledger, &mut outbox).await?;
        if round % 4 == 1 {
            // Not the oldest one.
            remove(ledger, &mut outbox, 1).await?;
        }
        remove(ledger, &mut outbox, 0).await?;
        remove(ledger, &mut outbox, 0).await?;
    }
    for _ in 0..24 {
        push(ledger, &mut outbox).await?;
    }
    assert!(outbox.counts().dropped_oldest > 0, "it was full");
    Ok(())
}

/// Text for a message's number.
#[derive(Default)]
struct Digits([u8; 10], usize);

impl Write for Digits {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            *self.0.get_mut(self.1).ok_or(core::fmt::Error)? = byte;
            self.1 += 1;
        }
        Ok(())
    }
}

/// The body of a message: its length and its bytes follow from its number.
fn body(number: u32, room: &mut [u8; 800]) -> &[u8] {
    for (byte, at) in room.iter_mut().zip(0_u32..) {
        *byte = at.wrapping_mul(31).wrapping_add(number) as u8;
    }
    let len = SHORTEST + (number as usize * 37) % 600;
    room.get(..len).unwrap_or_default()
}

async fn push(ledger: &mut Ledger, outbox: &mut Outbox<'_>) -> Result<(), Broken> {
    let number = ledger.at(Slot::Next);
    ledger.set(Slot::Next, number + 1);
    ledger.set(Slot::Pushing, number + 1);
    let dropped = outbox.counts().dropped_oldest;
    let mut digits = Digits::default();
    let _ = write!(digits, "{number}");
    let text = digits.0.get(..digits.1).unwrap_or_default();
    let text = core::str::from_utf8(text).unwrap_or_default();
    let mut room = [0; 800];
    let pushed = outbox.push(Some(1), None, text, body(number, &mut room));
    let sequence = pushed.await? as u32;
    for _ in dropped..outbox.counts().dropped_oldest {
        ledger.remove(0);
    }
    assert!(sequence > ledger.at(Slot::Last), "a number was given twice");
    ledger.set(Slot::Last, sequence);
    ledger.push(Entry { sequence, number });
    ledger.set(Slot::Pushing, 0);
    Ok(())
}

async fn remove(ledger: &mut Ledger, outbox: &mut Outbox<'_>, at: usize) -> Result<(), Broken> {
    let Some(entry) = ledger.entry(at) else {
        return Ok(());
    };
    ledger.set(Slot::Removing, entry.sequence);
    let removed = outbox.remove(entry.sequence.into()).await?;
    assert!(removed, "{entry:?} was there");
    ledger.remove(at);
    ledger.set(Slot::Removing, 0);
    Ok(())
}

/// All that waits, each with the body that belongs to it.
async fn all(outbox: &mut Outbox<'_>) -> Result<([Entry; ROOM], usize), Broken> {
    let mut found = [Entry::default(); ROOM];
    let mut len = 0;
    let mut after = None;
    while let Some(next) = outbox.next_after(after, None).await? {
        assert!(after < Some(next.sequence), "in order");
        after = Some(next.sequence);
        let number = next.properties.parse().expect("a number");
        let mut room = [0; 800];
        assert_eq!(
            next.body,
            body(number, &mut room),
            "message {number} is intact"
        );
        let entry = found.get_mut(len).expect("no more than were pushed");
        let sequence = next.sequence as u32;
        *entry = Entry { sequence, number };
        len += 1;
    }
    Ok((found, len))
}

/// What waits is what was promised, in order; only what was under way in the cut may be either way.
async fn check(ledger: &mut Ledger, outbox: &mut Outbox<'_>) -> Result<(), Broken> {
    let (found, len) = all(outbox).await?;
    let found = found.get(..len).unwrap_or_default();
    let removing = ledger.at(Slot::Removing);
    if !found.iter().any(|entry| entry.sequence == removing) {
        let gone = (0..ledger.len())
            .find(|index| ledger.entry(*index).map(|entry| entry.sequence) == Some(removing));
        ledger.remove(gone.unwrap_or(ROOM));
    }
    ledger.set(Slot::Removing, 0);
    let pushing = ledger.at(Slot::Pushing);
    if pushing > 0 {
        if let Some(last) = found.last().filter(|last| last.number + 1 == pushing) {
            ledger.push(*last);
            ledger.set(Slot::Last, last.sequence.max(ledger.at(Slot::Last)));
        }
        // It may have made room for itself before, by the oldest.
        let mut dropped = 0;
        while len > 0 && ledger.entry(0).as_ref() != found.first() && dropped < DROPPED {
            ledger.remove(0);
            dropped += 1;
        }
    }
    ledger.set(Slot::Pushing, 0);
    for index in 0..len.max(ledger.len()) {
        let (promised, there) = (ledger.entry(index), found.get(index).copied());
        let cut = ledger.at(Slot::Cut);
        assert_eq!(
            there, promised,
            "message {index} of {len}, cut in operation {cut}"
        );
    }
    assert_eq!(outbox.len(), len as u64, "the count");
    Ok(())
}

/// How many of the oldest one message may push out: those of one page, as a flash is erased by pages.
const DROPPED: usize = PAGE as usize / SHORTEST;

/// Many messages through the whole region: its pages wear alike.
async fn wear() -> Result<(), Broken> {
    let region = flash::OUTBOX;
    let mut part = Part::new(region.clone());
    Outbox::erase(&mut part, 0..region.end - region.start).await?;
    let queue = Part::new(region.start + NUMBERS..region.end);
    let mut buffer = [0; 1024];
    let mut outbox = open(region, &mut buffer).await?;
    for number in 0..LONG {
        let mut room = [0; 800];
        let sequence = outbox
            .push(Some(1), None, "", body(number, &mut room))
            .await?;
        // A few wait, as on a slow network.
        if number >= 8 {
            outbox.remove(sequence - 8).await?;
        }
    }
    let (least, most) = queue.wear().map_err(Error::Flash)?;
    say!("wear: {LONG} messages, a page erased {least} to {most} times");
    Ok(())
}
