//! The client in the caller's memory: its size, its making, and who may touch it.

use core::{
    cell::{Cell, UnsafeCell},
    ffi::c_int,
    mem::{align_of, size_of},
    slice,
};

use towpath_proto::{Backoff, Fault, Instant, buffers, client, mqtt::property::Properties};

use crate::types::{Buffers, Random, Status, TOWPATH_ABI};

/// Eight-byte words of a client.
#[cfg(target_pointer_width = "64")]
pub const TOWPATH_CLIENT_WORDS: usize = 144;

/// Eight-byte words of a client.
#[cfg(not(target_pointer_width = "64"))]
pub const TOWPATH_CLIENT_WORDS: usize = 120;

/// Memory for a client: a session, and the attempt that carries it. `towpath_init` makes it one. It may not be moved.
/// Memory full of zeros is a client that is not initialised; other memory has to be initialised before anything else.
#[derive(Debug)]
#[repr(C)]
pub struct Client {
    /// The library's own.
    pub opaque: [u64; TOWPATH_CLIENT_WORDS],
}

/// Says that the memory is a client.
const MADE: u32 = 0x746f_7770;

/// What lies in a [`Client`].
pub(crate) struct State {
    made: Cell<u32>,
    busy: Cell<bool>,
    inner: UnsafeCell<Inner>,
}

/// What a call works on.
pub(crate) struct Inner {
    pub(crate) core: client::Client<&'static mut [u8], Source>,
    /// How much `towpath_rx_space` last offered; 0 after any other call.
    pub(crate) room: usize,
    /// The properties of the last event, until the next call.
    pub(crate) properties: Properties<'static>,
    /// The fault that ended the last attempt.
    pub(crate) fault: Option<Fault>,
    pub(crate) backoff: Backoff,
    /// When CONNACK came, in this attempt.
    pub(crate) since: Option<Instant>,
}

const _: () = assert!(size_of::<State>() <= size_of::<Client>());
const _: () = assert!(align_of::<State>() <= align_of::<Client>());

/// Random numbers from the caller's callback.
pub(crate) struct Source {
    callback: Random,
    /// The callback could not.
    pub(crate) failed: bool,
}

impl Source {
    fn new(callback: Random) -> Self {
        Self {
            callback,
            failed: false,
        }
    }
}

impl buffers::Random for Source {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        let answer: c_int = match self.callback.fill {
            // SAFETY: whoever called `towpath_init` promised a function of this kind, and a context that it takes; the
            // place for the bytes is as long as is said.
            Some(fill) => unsafe { fill(self.callback.context, bytes.as_mut_ptr(), bytes.len()) },
            None => -1,
        };
        self.failed |= answer != 0;
        u32::from_ne_bytes(bytes)
    }
}

impl Inner {
    /// Forgets what the last call lent.
    pub(crate) const fn lend_no_more(&mut self) {
        self.room = 0;
        self.properties = Properties::NONE;
    }
}

/// Runs `body` on the client at `client`.
///
/// # Safety
/// `client` is null, or leads to a [`Client`] that is zero or was initialised, and that no other thread uses.
pub(crate) unsafe fn with<T>(
    client: *const Client,
    body: impl FnOnce(&mut Inner) -> Result<T, Status>,
) -> Result<T, Status> {
    if client.is_null() {
        return Err(Status::Null);
    }
    if !client.is_aligned() {
        return Err(Status::Argument);
    }
    // SAFETY: the caller says where it leads; `State` is no larger and no more aligned. `made` lies in it as a plain
    // number, so it may be read whatever the memory holds.
    let made = unsafe { (*client.cast::<State>()).made.get() };
    if made != MADE {
        return Err(Status::NotInitialised);
    }
    // SAFETY: `towpath_init` has written a whole `State` there.
    let state = unsafe { &*client.cast::<State>() };
    if state.busy.replace(true) {
        return Err(Status::Busy);
    }
    // SAFETY: `busy` keeps callbacks out that come back, the caller other threads: this is the only way in.
    let answer = body(unsafe { &mut *state.inner.get() });
    state.busy.set(false);
    answer
}

/// The number of the interface that this library was built with; compare it with `TOWPATH_ABI`.
#[unsafe(no_mangle)]
pub extern "C" fn towpath_abi() -> u32 {
    TOWPATH_ABI
}

/// Makes a client in `client`, with an empty session. `buffers` and `random` are copied; the memory that they lead to
/// has to stay. Whatever was in `client` before is forgotten.
///
/// # Safety
/// Each pointer is null or leads to what its type says. The buffers don't overlap, and nobody else uses them for as
/// long as the client is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn towpath_init(
    client: *mut Client,
    buffers: *const Buffers,
    random: *const Random,
) -> Status {
    // SAFETY: the caller's promises are those of `init`.
    unsafe { init(client, buffers, random) }.map_or_else(|status| status, |()| Status::Ok)
}

/// # Safety
/// As [`towpath_init`].
unsafe fn init(
    client: *mut Client,
    buffers: *const Buffers,
    random: *const Random,
) -> Result<(), Status> {
    if client.is_null() {
        return Err(Status::Null);
    }
    if !client.is_aligned() {
        return Err(Status::Argument);
    }
    // SAFETY: the caller says that a pointer that is not null leads to these.
    let (given, random) = unsafe { (buffers.as_ref(), random.as_ref()) };
    let (Some(given), Some(random)) = (given, random) else {
        return Err(Status::Null);
    };
    if random.fill.is_none() {
        return Err(Status::Null);
    }
    // SAFETY: the caller gives these buffers away for as long as the client is used, and they don't overlap.
    let buffers = unsafe {
        buffers::Buffers {
            rx: memory(given.rx, given.rx_len)?,
            tx: memory(given.tx, given.tx_len)?,
            store: memory(given.store, given.store_len)?,
            aliases: memory(given.aliases, given.aliases_len)?,
        }
    };
    let state = State {
        made: Cell::new(MADE),
        busy: Cell::new(false),
        inner: UnsafeCell::new(Inner {
            core: client::Client::new(buffers, Source::new(*random)),
            room: 0,
            properties: Properties::NONE,
            fault: None,
            backoff: Backoff::new(),
            since: None,
        }),
    };
    // SAFETY: `client` leads to memory that is large and aligned enough, as is asserted above. Nothing that a `State`
    // holds has to be dropped.
    unsafe { client.cast::<State>().write(state) };
    Ok(())
}

/// # Safety
/// `first` is null or leads to `len` bytes that are initialised and nobody else uses from now on.
unsafe fn memory(first: *mut u8, len: usize) -> Result<&'static mut [u8], Status> {
    if len == 0 {
        return Ok(&mut []);
    }
    if first.is_null() {
        return Err(Status::Null);
    }
    if isize::try_from(len).is_err() {
        return Err(Status::Argument);
    }
    // SAFETY: the caller says so; the length is one that a slice may have.
    Ok(unsafe { slice::from_raw_parts_mut(first, len) })
}
