//! Random numbers for keys, masks and ports: the host's generator stands for the one in the chip.

use core::cell::RefCell;

use critical_section::Mutex;

use crate::host::{File, Mode};

/// Numbers that were fetched and not yet given out.
struct Pool {
    source: Option<File>,
    bytes: [u8; 64],
    used: usize,
}

static POOL: Mutex<RefCell<Pool>> = Mutex::new(RefCell::new(Pool {
    source: None,
    bytes: [0; 64],
    used: 64,
}));

impl Pool {
    /// One byte, which is forgotten here.
    fn take(&mut self) -> u8 {
        if self.used >= self.bytes.len() {
            let source = &mut self.source;
            let source = match source {
                Some(source) => source,
                None => source.insert(
                    // Without it no key is safe: there is nothing to go on with.
                    File::open(c"/dev/urandom", Mode::Read).expect("the host has /dev/urandom"),
                ),
            };
            let len = source.read(&mut self.bytes);
            assert_eq!(len, self.bytes.len(), "/dev/urandom ends");
            self.used = 0;
        }
        let byte = self.bytes.get_mut(self.used).map(core::mem::take);
        self.used += 1;
        byte.unwrap_or_default()
    }
}

/// Fills `room`.
///
/// # Panics
/// If the host has no random numbers.
pub fn fill(room: &mut [u8]) {
    critical_section::with(|section| {
        let pool = &mut *POOL.borrow_ref_mut(section);
        room.fill_with(|| pool.take());
    });
}

/// 32 bits; as a function it is the `Random` that towpath asks for.
pub fn next_u32() -> u32 {
    let mut bytes = [0; 4];
    fill(&mut bytes);
    u32::from_ne_bytes(bytes)
}

/// 64 bits, for the seed of a network stack.
pub fn next_u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}
