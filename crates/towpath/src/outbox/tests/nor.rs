//! A NOR flash in memory that loses its power at any of its operations, in the middle of it.

use std::{cell::RefCell, rc::Rc};

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use super::platter::Random;

pub(super) const PAGE: usize = 512;
const WORD: usize = 4;

/// What an erasing that was cut off leaves of a page. All of them happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Erasing {
    /// The first words are erased, the others are as before.
    FromTheStart,
    /// The last words are erased.
    FromTheEnd,
    /// Any bits are.
    Anywhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoPower;

impl NorFlashError for NoPower {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

#[derive(Debug)]
struct Inside {
    bytes: Vec<u8>,
    /// Words written and pages erased so far.
    operations: u64,
    cut: Option<u64>,
    erasing: Erasing,
    random: Random,
    erased: Vec<u64>,
}

/// Clones are the same flash: it outlives whoever used it when the power went.
#[derive(Debug, Clone)]
pub(super) struct Flash(Rc<RefCell<Inside>>);

impl Flash {
    pub(super) fn new(pages: usize) -> Self {
        Self(Rc::new(RefCell::new(Inside {
            bytes: vec![0xff; pages * PAGE],
            operations: 0,
            cut: None,
            erasing: Erasing::Anywhere,
            random: Random::new(7),
            erased: vec![0; pages],
        })))
    }

    /// Cuts the power in the operation of this number, from 0.
    pub(super) fn cut_at(self, operation: u64, erasing: Erasing) -> Self {
        {
            let mut inside = self.0.borrow_mut();
            inside.cut = Some(operation);
            inside.erasing = erasing;
            inside.random = Random::new(operation);
        }
        self
    }

    /// The power comes back.
    pub(super) fn power_on(&self) {
        self.0.borrow_mut().cut = None;
    }

    pub(super) fn operations(&self) -> u64 {
        self.0.borrow().operations
    }

    /// How often each page was erased.
    pub(super) fn erased(&self) -> Vec<u64> {
        self.0.borrow().erased.clone()
    }

    /// Spoils one byte.
    pub(super) fn spoil(&self, at: usize, bits: u8) {
        self.0.borrow_mut().bytes[at] ^= bits;
    }
}

impl Inside {
    /// Whether the operation that begins now is whole, cut off in the middle, or not done at all.
    fn operate(&mut self) -> Result<bool, NoPower> {
        let own = self.operations;
        self.operations += 1;
        match self.cut {
            Some(cut) if own > cut => Err(NoPower),
            cut => Ok(cut == Some(own)),
        }
    }

    fn erase_partly(&mut self, page: usize) {
        let bytes = &mut self.bytes[page * PAGE..][..PAGE];
        let words = usize::try_from(self.random.below((PAGE / WORD) as u64)).expect("it is small");
        match self.erasing {
            Erasing::FromTheStart => bytes[..words * WORD].fill(0xff),
            Erasing::FromTheEnd => bytes[PAGE - words * WORD..].fill(0xff),
            Erasing::Anywhere => {
                let often = self.random.below(101);
                for byte in bytes {
                    for bit in 0..8 {
                        if self.random.below(100) < often {
                            *byte |= 1 << bit;
                        }
                    }
                }
            }
        }
    }
}

impl ErrorType for Flash {
    type Error = NoPower;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = WORD;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NoPower> {
        let from = offset as usize;
        assert!(from.is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        bytes.copy_from_slice(&self.0.borrow().bytes[from..from + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.borrow().bytes.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NoPower> {
        let (from, to) = (from as usize, to as usize);
        assert!(from.is_multiple_of(PAGE) && to.is_multiple_of(PAGE));
        let mut inside = self.0.borrow_mut();
        for page in from / PAGE..to / PAGE {
            if inside.operate()? {
                inside.erase_partly(page);
                return Err(NoPower);
            }
            inside.bytes[page * PAGE..][..PAGE].fill(0xff);
            inside.erased[page] += 1;
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
        let at = offset as usize;
        assert!(at.is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD));
        let mut inside = self.0.borrow_mut();
        for (number, word) in bytes.chunks(WORD).enumerate() {
            let cut = inside.operate()?;
            for (index, byte) in word.iter().enumerate() {
                let kept = if cut {
                    inside.random.below(256) as u8
                } else {
                    0
                };
                // Ones become zeros; in a word that was cut off only some do.
                inside.bytes[at + number * WORD + index] &= byte | kept;
            }
            if cut {
                return Err(NoPower);
            }
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Flash {}
