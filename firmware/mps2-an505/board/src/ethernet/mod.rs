//! The Ethernet controller LAN9118 as a driver for embassy-net: frames come and go through its FIFOs, by the processor.

mod registers;

use core::{
    cell::RefCell,
    task::{Context, Waker},
};

use critical_section::Mutex;
use embassy_net_driver::{
    Capabilities, Driver, HardwareAddress, LinkState, RxToken as Received, TxToken as Room,
};
use static_cell::ConstStaticCell;

use self::registers::Registers;

/// The largest frame without its checksum, and room for the last word to be a whole one.
const FRAME: usize = 1514;
const WORDS: usize = FRAME.div_ceil(4) + 1;
type Frame = [u32; WORDS];

/// The frames are no part of the driver, which moves while a program starts: they would be copied on the stack.
static RECEIVED: ConstStaticCell<Frame> = ConstStaticCell::new([0; WORDS]);
static SENT: ConstStaticCell<Frame> = ConstStaticCell::new([0; WORDS]);

/// The checksum at the end of a received frame.
const CHECKSUM: usize = 4;

/// Who waits for a frame.
static WAITING: Mutex<RefCell<Option<Waker>>> = Mutex::new(RefCell::new(None));

/// Says that a frame has come. What is in the FIFO keeps the interrupt up, so it is masked until that is read.
pub(crate) extern "C" fn interrupt() {
    registers::mask();
    let waiting = critical_section::with(|section| WAITING.borrow_ref_mut(section).take());
    if let Some(waker) = waiting {
        waker.wake();
    }
}

/// The controller, and a frame for each direction.
#[derive(Debug)]
pub struct Ethernet {
    registers: Registers,
    address: [u8; 6],
    received: &'static mut Frame,
    sent: &'static mut Frame,
    /// A frame was handed out since the FIFO was last empty.
    delivered: bool,
}

impl Ethernet {
    /// Starts the controller; `None` if there is none that answers, or if it was taken before.
    pub fn new() -> Option<Self> {
        let mut registers = Registers::take()?;
        let address = registers.start()?;
        registers::enable_interrupt();
        Some(Self {
            registers,
            address,
            received: RECEIVED.try_take()?,
            sent: SENT.try_take()?,
            delivered: false,
        })
    }

    /// Its address on the network.
    pub const fn address(&self) -> [u8; 6] {
        self.address
    }

    /// Nothing is there to receive: the waker is called for the next frame.
    fn wait(&mut self, context: &Context<'_>) {
        critical_section::with(|section| {
            *WAITING.borrow_ref_mut(section) = Some(context.waker().clone());
        });
        self.registers.unmask();
        // smoltcp applies a router's advertisement in the poll after the one that took it in, and asks for none: so
        // there is one more behind each burst of frames. A frame may also have come just before the unmasking.
        if core::mem::take(&mut self.delivered) || self.registers.has_frame() {
            context.waker().wake_by_ref();
        }
    }
}

impl Driver for Ethernet {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(RxToken<'_>, TxToken<'_>)> {
        if !self.registers.has_room() {
            context.waker().wake_by_ref();
            return None;
        }
        loop {
            if !self.registers.has_frame() {
                self.wait(context);
                return None;
            }
            if let Some(len) = self.registers.receive(self.received) {
                self.delivered = true;
                let frame = RxToken {
                    words: self.received,
                    len,
                };
                let room = TxToken {
                    registers: &mut self.registers,
                    words: self.sent,
                };
                return Some((frame, room));
            }
        }
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<TxToken<'_>> {
        if !self.registers.has_room() {
            // It drains by itself; there is no interrupt for it.
            context.waker().wake_by_ref();
            return None;
        }
        Some(TxToken {
            registers: &mut self.registers,
            words: self.sent,
        })
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        // The emulated cable is always plugged.
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

/// The words as the bytes that lie in them. The processor is little endian, as the controller is.
fn bytes(words: &mut [u32]) -> &mut [u8] {
    let len = size_of_val(words);
    // SAFETY: the same memory, for as long; bytes may lie anywhere and have no forbidden values, neither do words.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}

/// A frame that has come.
#[derive(Debug)]
pub struct RxToken<'a> {
    words: &'a mut Frame,
    len: usize,
}

impl Received for RxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, take: F) -> R {
        let frame = bytes(self.words).get_mut(..self.len);
        take(frame.unwrap_or_default())
    }
}

/// Room for a frame to send.
#[derive(Debug)]
pub struct TxToken<'a> {
    registers: &'a mut Registers,
    words: &'a mut Frame,
}

impl Room for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let len = len.min(FRAME);
        let frame = bytes(self.words).get_mut(..len);
        let answer = fill(frame.unwrap_or_default());
        self.registers.send(self.words, len);
        answer
    }
}
