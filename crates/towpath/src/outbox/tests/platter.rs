//! A disk in memory, which forgets what was not synced when its power is cut, or has no space for a while.

use std::{
    io, mem,
    sync::{Arc, Mutex, MutexGuard},
};

use redb::StorageBackend;

use super::super::database::{Opener, create};

/// What happens at one of the operations that change the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The power goes. Nothing works after that.
    Cut,
    /// So many operations find no space.
    Full(u64),
}

#[derive(Debug, Clone)]
enum Unsynced {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Debug, Default)]
struct Inside {
    synced: Vec<u8>,
    now: Vec<u8>,
    unsynced: Vec<Unsynced>,
    operations: u64,
    fails: Option<(u64, Failure)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Platter(Arc<Mutex<Inside>>);

impl Platter {
    /// Fails at the operation of this number, from 0.
    pub(super) fn failing(self, at: u64, failure: Failure) -> Self {
        self.inside().fails = Some((at, failure));
        self
    }

    pub(super) fn opener(&self) -> Opener {
        let own = self.clone();
        Box::new(move || create(own.clone()))
    }

    /// How many operations changed it so far.
    pub(super) fn operations(&self) -> u64 {
        self.inside().operations
    }

    /// The same contents, and counting begins anew.
    pub(super) fn again(&self) -> Self {
        Self::of(self.inside().now.clone())
    }

    /// The disk after the power came back: of what was not synced, any part may have arrived, in sectors.
    pub(super) fn after_the_cut(&self, random: &mut Random) -> Self {
        let inside = self.inside();
        let mut bytes = inside.synced.clone();
        let everything = random.below(4);
        for operation in &inside.unsynced {
            match operation {
                Unsynced::Length(length) if everything == 0 || random.below(2) == 0 => {
                    bytes.resize(*length, 0);
                }
                Unsynced::Length(_) => {}
                Unsynced::Write(at, data) => {
                    for (sector, part) in data.chunks(512).enumerate() {
                        let at = at + 512 * sector;
                        let fits = at + part.len() <= bytes.len();
                        if fits && (everything == 0 || everything < 3 && random.below(2) == 0) {
                            bytes[at..at + part.len()].copy_from_slice(part);
                        }
                    }
                }
            }
        }
        Self::of(bytes)
    }

    fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Inside {
            synced: bytes.clone(),
            now: bytes,
            ..Inside::default()
        })))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().expect("no test panics with it")
    }
}

impl Inside {
    /// One operation that changes the disk.
    fn operate(&mut self) -> Result<(), io::Error> {
        let own = self.operations;
        self.operations += 1;
        match self.fails {
            Some((at, Failure::Cut)) if own >= at => Err(io::Error::other("the power is cut")),
            Some((at, Failure::Full(long))) if own >= at && own < at + long => {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            _ => Ok(()),
        }
    }
}

impl StorageBackend for Platter {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.inside().now.len() as u64)
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, io::Error> {
        let from = usize::try_from(offset).expect("it is small");
        let inside = self.inside();
        let bytes = inside.now.get(from..from + len);
        bytes
            .map(<[u8]>::to_vec)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        let len = usize::try_from(len).expect("it is small");
        let mut inside = self.inside();
        let done = inside.operate();
        if done.is_ok() {
            inside.now.resize(len, 0);
            inside.unsynced.push(Unsynced::Length(len));
        }
        done
    }

    fn sync_data(&self, _: bool) -> Result<(), io::Error> {
        let mut inside = self.inside();
        inside.operate()?;
        for operation in mem::take(&mut inside.unsynced) {
            match operation {
                Unsynced::Length(length) => inside.synced.resize(length, 0),
                Unsynced::Write(at, data) => {
                    inside.synced[at..at + data.len()].copy_from_slice(&data);
                }
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let at = usize::try_from(offset).expect("it is small");
        let mut inside = self.inside();
        let done = inside.operate();
        // A write that the power cut off may have arrived in part.
        if done.is_ok()
            || matches!(inside.fails, Some((at, Failure::Cut)) if inside.operations == at + 1)
        {
            inside.unsynced.push(Unsynced::Write(at, data.to_vec()));
        }
        if done.is_ok() {
            inside.now[at..at + data.len()].copy_from_slice(data);
        }
        done
    }
}

/// Numbers from a seed (xorshift64*).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }
}
