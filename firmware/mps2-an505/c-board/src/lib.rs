//! The board for programs in C, as `include/board.h` declares it.
//!
//! The stack is smoltcp, polled by whoever waits; in between the processor sleeps until the next tick or frame.
#![no_std]

mod device;
mod net;

use core::{
    cell::UnsafeCell,
    ffi::{CStr, c_char, c_int},
    mem::MaybeUninit,
    slice,
};

use mps2_an505::{exit, say};

use crate::net::Net;

unsafe extern "C" {
    /// The program in C.
    fn application() -> c_int;
}

/// The network, which exists once the program runs. There is one thread and no interrupt that comes here.
struct Only(UnsafeCell<MaybeUninit<Net>>);

// SAFETY: one thread alone gets at it, by `net`; interrupts of this board never do.
unsafe impl Sync for Only {}

static NET: Only = Only(UnsafeCell::new(MaybeUninit::uninit()));

/// Starts the clock and the network, runs the program in C, and ends the emulator with what it returns.
pub fn start() -> ! {
    mps2_an505::run(|_| {
        let Some(net) = Net::new() else {
            say!("no Ethernet controller answers");
            exit(1)
        };
        // SAFETY: nobody has called into this crate from C yet, and `start` runs once: `Net::new` takes the controller.
        unsafe { (*NET.0.get()).write(net) };
        // SAFETY: it is a C function of this type, by the header.
        let answer = unsafe { application() };
        exit(u8::try_from(answer).unwrap_or(1))
    })
}

/// # Safety
/// Called by a function that C calls, so after `start` has made it, and dropped before that function returns.
unsafe fn net<'a>() -> &'a mut Net {
    // SAFETY: it was written before the program in C began; there is one thread, and no function here calls another
    // that C may call.
    unsafe { (*NET.0.get()).assume_init_mut() }
}

/// # Safety
/// `text` is null or ends with a zero.
unsafe fn text<'a>(text: *const c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("")
}

/// See `board.h`.
///
/// # Safety
/// `address` is null or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn board_open(address: *const c_char, port: u16, until_ms: u64) -> c_int {
    // SAFETY: the caller's promise.
    let (net, address) = unsafe { (net(), text(address)) };
    net.open(address, port, until_ms).into()
}

/// See `board.h`.
///
/// # Safety
/// `data` leads to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn board_send(data: *const u8, len: usize) -> i32 {
    // SAFETY: the caller's promise.
    let (net, data) = unsafe { (net(), slice::from_raw_parts(data, len)) };
    net.send(data)
}

/// See `board.h`.
///
/// # Safety
/// `room` leads to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn board_receive(room: *mut u8, len: usize) -> i32 {
    // SAFETY: the caller's promise.
    let (net, room) = unsafe { (net(), slice::from_raw_parts_mut(room, len)) };
    net.receive(room)
}

/// See `board.h`.
#[unsafe(no_mangle)]
pub extern "C" fn board_wait(until_ms: u64, sending: u8) {
    // SAFETY: C calls.
    unsafe { net() }.wait(until_ms, sending != 0);
}

/// See `board.h`.
#[unsafe(no_mangle)]
pub extern "C" fn board_close() {
    // SAFETY: C calls.
    unsafe { net() }.close();
}

/// See `board.h`.
#[unsafe(no_mangle)]
pub extern "C" fn board_now_ms() -> u64 {
    embassy_time_driver::now()
}

/// See `board.h`.
///
/// # Safety
/// `room` leads to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn board_random(room: *mut u8, len: usize) {
    // SAFETY: the caller's promise.
    mps2_an505::random::fill(unsafe { slice::from_raw_parts_mut(room, len) });
}

/// See `board.h`.
///
/// # Safety
/// `name` is null or ends with a zero; `room` leads to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn board_setting(name: *const c_char, room: *mut u8, len: usize) -> bool {
    // SAFETY: the caller's promise.
    let (name, room) = unsafe { (text(name), slice::from_raw_parts_mut(room, len)) };
    let Some(value) = mps2_an505::settings::text(name) else {
        return false;
    };
    let Some((value_room, [end, ..])) = room.split_at_mut_checked(value.len()) else {
        return false;
    };
    value_room.copy_from_slice(value.as_bytes());
    *end = 0;
    true
}

/// See `board.h`.
///
/// # Safety
/// `line` is null or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn board_say(line: *const c_char) {
    // SAFETY: the caller's promise.
    say!("{}", unsafe { text(line) });
}

/// See `board.h`.
#[unsafe(no_mangle)]
pub extern "C" fn board_stack() -> usize {
    mps2_an505::stack::high_water()
}
