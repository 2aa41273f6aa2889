//! The registers of the LAN9118, as its data sheet (https://www.microchip.com/en-us/product/LAN9118) names them.

use core::{
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use cortex_m::{interrupt::InterruptNumber, peripheral::NVIC};

use super::{CHECKSUM, FRAME};
use crate::vectors;

/// Where it lies in this board's memory.
const BASE: usize = 0x4200_0000;

/// A register's offset from there.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Register {
    RxData = 0x00,
    TxData = 0x20,
    RxStatus = 0x40,
    TxStatus = 0x48,
    IrqCfg = 0x54,
    IntSts = 0x58,
    IntEn = 0x5c,
    ByteTest = 0x64,
    FifoInt = 0x68,
    RxCfg = 0x6c,
    TxCfg = 0x70,
    HwCfg = 0x74,
    RxFifoInf = 0x7c,
    TxFifoInf = 0x80,
    MacCsrCmd = 0xa4,
    MacCsrData = 0xa8,
    AfcCfg = 0xac,
}

/// A register of the MAC behind the other ones.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Mac {
    Control = 1,
    AddressHigh = 2,
    AddressLow = 3,
}

const BYTE_ORDER: u32 = 0x8765_4321;
/// A frame is in the receive FIFO.
const RX_STATUS_LEVEL: u32 = 1 << 3;
/// So often a register is asked before the controller counts as dead.
const PATIENCE: u32 = 100_000;
/// What the transmit FIFO has to have free: a frame with its two commands.
const ROOM: u32 = 1600;

static TAKEN: AtomicBool = AtomicBool::new(false);

fn read(register: Register) -> u32 {
    // SAFETY: the device's registers lie there, a word each; reading has no effect on memory.
    unsafe { ptr::read_volatile((BASE + register as usize) as *const u32) }
}

fn write(register: Register, value: u32) {
    // SAFETY: as for `read`: the device has no access to memory of its own.
    unsafe { ptr::write_volatile((BASE + register as usize) as *mut u32, value) }
}

fn wait(ready: impl Fn() -> bool) -> Option<()> {
    (0..PATIENCE).any(|_| ready()).then_some(())
}

/// Lets no interrupt through.
pub(super) fn mask() {
    write(Register::IntEn, 0);
}

#[derive(Clone, Copy)]
struct Line;

// SAFETY: the vector table has an entry for this number.
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        vectors::ETHERNET
    }
}

/// Lets the processor hear the controller.
pub(super) fn enable_interrupt() {
    // SAFETY: no critical section depends on this interrupt being off.
    unsafe { NVIC::unmask(Line) };
}

/// The right to use them: there is one in a program.
#[derive(Debug)]
pub(super) struct Registers(());

impl Registers {
    pub(super) fn take() -> Option<Self> {
        (!TAKEN.swap(true, Ordering::AcqRel)).then_some(Self(()))
    }

    /// Resets the controller and starts it: its address.
    pub(super) fn start(&mut self) -> Option<[u8; 6]> {
        if read(Register::ByteTest) != BYTE_ORDER {
            return None;
        }
        write(Register::HwCfg, 1);
        wait(|| read(Register::HwCfg) & 1 == 0)?;
        // A bit that must be one, and 5 KiB for the transmit FIFO.
        write(Register::HwCfg, 1 << 20 | 5 << 16);
        write(Register::AfcCfg, 0x006e_3740);
        mask();
        write(Register::IntSts, u32::MAX);
        // The output is on, active high, push-pull; any frame raises it.
        write(Register::IrqCfg, 0x111);
        write(Register::FifoInt, 0x4800_0000);
        write(Register::RxCfg, 0);
        write(Register::TxCfg, 1 << 1);
        // All multicast, because IPv6 finds its neighbours by it; transmitter and receiver on.
        let control = self.mac(Mac::Control)?;
        self.set_mac(Mac::Control, control | 1 << 19 | 1 << 3 | 1 << 2)?;
        let low = self.mac(Mac::AddressLow)?.to_le_bytes();
        let high = self.mac(Mac::AddressHigh)?.to_le_bytes();
        Some([low[0], low[1], low[2], low[3], high[0], high[1]])
    }

    fn mac(&mut self, register: Mac) -> Option<u32> {
        write(Register::MacCsrCmd, 0xc000_0000 | register as u32);
        wait(|| read(Register::MacCsrCmd) >> 31 == 0)?;
        Some(read(Register::MacCsrData))
    }

    fn set_mac(&mut self, register: Mac, value: u32) -> Option<()> {
        write(Register::MacCsrData, value);
        write(Register::MacCsrCmd, 0x8000_0000 | register as u32);
        wait(|| read(Register::MacCsrCmd) >> 31 == 0)
    }

    /// Forgets the last frame's interrupt and lets the next one through.
    pub(super) fn unmask(&mut self) {
        write(Register::IntSts, RX_STATUS_LEVEL);
        write(Register::IntEn, RX_STATUS_LEVEL);
    }

    /// Whether a frame is in the receive FIFO.
    pub(super) fn has_frame(&self) -> bool {
        read(Register::RxFifoInf) >> 16 & 0xff != 0
    }

    /// Takes a frame out of the FIFO: its length, or `None` if it is broken or too long.
    pub(super) fn receive(&mut self, room: &mut [u32]) -> Option<usize> {
        let status = read(Register::RxStatus);
        let len = (status >> 16 & 0x3fff) as usize;
        // A broken frame has to be taken out too.
        let mut places = room.iter_mut();
        for _ in 0..len.div_ceil(4) {
            let word = read(Register::RxData);
            if let Some(place) = places.next() {
                *place = word;
            }
        }
        let len = len.checked_sub(CHECKSUM)?;
        let whole = status & 1 << 15 == 0 && len <= FRAME;
        whole.then_some(len)
    }

    /// Whether a frame can be sent.
    pub(super) fn has_room(&self) -> bool {
        let mut state = read(Register::TxFifoInf);
        // What became of earlier frames has to be taken out, though nobody asks.
        while state >> 16 & 0xff != 0 {
            read(Register::TxStatus);
            state = read(Register::TxFifoInf);
        }
        state & 0xffff >= ROOM
    }

    /// Sends the first `len` bytes that lie in the words.
    pub(super) fn send(&mut self, words: &[u32], len: usize) {
        // At most 1,514, so it is the same as a word.
        let bytes = len as u32;
        // The first and the last segment at once.
        write(Register::TxData, 1 << 13 | 1 << 12 | bytes);
        write(Register::TxData, bytes);
        for word in words.iter().take(len.div_ceil(4)) {
            write(Register::TxData, *word);
        }
    }
}
