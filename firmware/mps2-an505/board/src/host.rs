//! Semihosting: the debugger's side, which is QEMU, does what the program asks for at a breakpoint.

use core::ffi::CStr;

use cortex_m_semihosting::{nr, syscall, syscall1};

/// How a [`File`] is opened, as `fopen` counts its modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Mode {
    /// `rb`
    Read = nr::open::R_BINARY,
    /// `r+b`: it has to be there.
    Update = nr::open::RW_BINARY,
    /// `w+b`: empty at first.
    Create = nr::open::RW_TRUNC_BINARY,
    /// `w`; `:tt` is standard output then.
    Write = nr::open::W_TRUNC,
    /// `a`; `:tt` is standard error then.
    Append = nr::open::W_APPEND,
}

/// A file of the host, by its path from QEMU's working directory. It is closed when it is dropped.
#[derive(Debug)]
pub struct File(usize);

impl File {
    /// Opens `path`; `None` if the host can't.
    pub fn open(path: &CStr, mode: Mode) -> Option<Self> {
        let len = path.count_bytes();
        // SAFETY: the host reads `len` bytes at the pointer and the zero behind them, which a `CStr` has.
        let handle = unsafe { syscall!(OPEN, path.as_ptr(), mode as usize, len) };
        (handle != usize::MAX).then_some(Self(handle))
    }

    /// Reads into `room`: how much of it is filled, which is less than all of it only at the end of the file.
    pub fn read(&mut self, room: &mut [u8]) -> usize {
        // SAFETY: the host writes at most `room.len()` bytes at the pointer.
        let left = unsafe { syscall!(READ, self.0, room.as_mut_ptr(), room.len()) };
        room.len().saturating_sub(left)
    }

    /// Writes all of `bytes`; false if the host could not.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        // SAFETY: the host reads `bytes.len()` bytes at the pointer.
        let left = unsafe { syscall!(WRITE, self.0, bytes.as_ptr(), bytes.len()) };
        left == 0
    }

    /// Goes to `offset` from the start; false if the host could not.
    pub fn seek(&mut self, offset: usize) -> bool {
        // SAFETY: two numbers go to the host.
        let end = unsafe { syscall!(SEEK, self.0, offset) };
        end == 0
    }

    /// The length of the file.
    pub fn len(&mut self) -> Option<usize> {
        // SAFETY: a number goes to the host.
        let len = unsafe { syscall!(FLEN, self.0) };
        (len != usize::MAX).then_some(len)
    }

    /// Whether the file is empty, or can't be asked.
    pub fn is_empty(&mut self) -> bool {
        self.len().is_none_or(|len| len == 0)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the handle came from the host and goes back to it.
        unsafe { syscall!(CLOSE, self.0) };
    }
}

/// Seconds since 1970, as the host's clock has it.
pub(crate) fn seconds() -> u32 {
    // SAFETY: the call has no argument.
    let seconds = unsafe { syscall1!(TIME, 0) };
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// Ends the emulator with this exit status.
pub(crate) fn exit(code: u8) -> ! {
    /// `SYS_EXIT_EXTENDED`, which has a status, and "the application has ended".
    const EXIT_EXTENDED: usize = 0x20;
    const APPLICATION_EXIT: usize = 0x20026;
    let end = [APPLICATION_EXIT, usize::from(code)];
    loop {
        // SAFETY: the host reads two words at the pointer.
        unsafe { syscall(EXIT_EXTENDED, &end) };
    }
}
