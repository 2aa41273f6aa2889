//! Buffers as a device has them and as a host has them.

use towpath_proto::{Buffer, Buffers};

/// One buffer for the client.
#[derive(Debug, Clone)]
pub struct Memory {
    bytes: Vec<u8>,
    /// The largest size it may grow to; its own size for a fixed one.
    max: usize,
}

impl Memory {
    /// Filled with this, so that reading what was never written shows.
    const UNTOUCHED: u8 = 0xA5;

    /// A buffer of `len` bytes for ever.
    #[must_use]
    pub fn fixed(len: usize) -> Self {
        Self {
            bytes: vec![Self::UNTOUCHED; len],
            max: len,
        }
    }

    /// A buffer that begins with `len` bytes and grows to what is needed, up to a mebibyte.
    #[must_use]
    pub fn growing(len: usize) -> Self {
        Self {
            bytes: vec![Self::UNTOUCHED; len],
            max: 1 << 20,
        }
    }

    /// Four buffers that grow.
    #[must_use]
    pub fn host() -> Buffers<Self> {
        Buffers {
            rx: Self::growing(512),
            tx: Self::growing(512),
            store: Self::growing(0),
            aliases: Self::growing(0),
        }
    }

    /// Four buffers of these sizes: receive, transmit, store, aliases.
    #[must_use]
    pub fn device(rx: usize, tx: usize, store: usize, aliases: usize) -> Buffers<Self> {
        Buffers {
            rx: Self::fixed(rx),
            tx: Self::fixed(tx),
            store: Self::fixed(store),
            aliases: Self::fixed(aliases),
        }
    }
}

impl Buffer for Memory {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn grow(&mut self, len: usize) -> bool {
        if self.bytes.len() < len && len <= self.max {
            self.bytes.resize(len, Self::UNTOUCHED);
        }
        self.bytes.len() >= len
    }

    fn release(&mut self) {
        // Nothing may be needed of it: make sure that it is not.
        self.bytes.fill(Self::UNTOUCHED);
        if self.bytes.len() < self.max {
            self.bytes.clear();
        }
    }
}
