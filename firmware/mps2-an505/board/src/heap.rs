//! Memory for the C library that asks for some: `calloc` and `free` of Mbed TLS over a block that the application lends.
//! Nothing else can allocate, because there is no global allocator.

use core::{
    alloc::Layout,
    cell::RefCell,
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use critical_section::Mutex;
use linked_list_allocator::Heap;
// What else Mbed TLS wants of a C library, for the linker.
use tinyrlibc as _;

/// In front of each block is its size; as long as the alignment that C expects.
const HEAD: usize = 8;

struct State {
    heap: Heap,
    peak: usize,
    failed: u32,
}

// SAFETY: the pointers of the heap lead into the block that `init` got for ever, so any context may follow them; one at
// a time does, because of the mutex around it.
unsafe impl Send for State {}

static STATE: Mutex<RefCell<State>> = Mutex::new(RefCell::new(State {
    heap: Heap::empty(),
    peak: 0,
    failed: 0,
}));

/// How much was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in use, with what each block costs beside its own size.
    pub now: usize,
    /// The most that was in use at a time.
    pub peak: usize,
    /// How often there was not enough.
    pub failed: u32,
}

/// Lends the memory. To be called once, before the first use.
pub fn init(memory: &'static mut [MaybeUninit<u8>]) {
    critical_section::with(|section| {
        STATE.borrow_ref_mut(section).heap.init_from_slice(memory);
    });
}

/// How much is and was in use.
pub fn usage() -> Usage {
    critical_section::with(|section| {
        let state = STATE.borrow_ref(section);
        Usage {
            now: state.heap.used(),
            peak: state.peak,
            failed: state.failed,
        }
    })
}

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.checked_add(HEAD)?, HEAD).ok()
}

/// C's `calloc`: zeroed memory, or null.
// SAFETY: there is no C library beside this with a `calloc` of its own.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let wanted = count.checked_mul(size).and_then(layout);
    let block = critical_section::with(|section| {
        let state = &mut *STATE.borrow_ref_mut(section);
        let block = wanted.and_then(|layout| state.heap.allocate_first_fit(layout).ok());
        match block {
            Some(_) => state.peak = state.peak.max(state.heap.used()),
            None => state.failed = state.failed.saturating_add(1),
        }
        block.zip(wanted)
    });
    let Some((block, layout)) = block else {
        return ptr::null_mut();
    };
    let block = block.as_ptr();
    // SAFETY: the block is as large as the layout says and nobody else's; it is aligned to the head, which is larger
    // than a `usize`.
    unsafe {
        ptr::write_bytes(block, 0, layout.size());
        block.cast::<usize>().write(layout.size());
        block.add(HEAD).cast()
    }
}

/// C's `free`.
///
/// # Safety
/// `memory` is null or came from `calloc` and was not freed since.
// SAFETY: as for `calloc`.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(memory: *mut c_void) {
    let Some(memory) = NonNull::new(memory.cast::<u8>()) else {
        return;
    };
    // SAFETY: the head of the block lies in front, as `calloc` has written it.
    let (block, size) = unsafe {
        let block = memory.sub(HEAD);
        (block, block.cast::<usize>().read())
    };
    let Ok(layout) = Layout::from_size_align(size, HEAD) else {
        return;
    };
    // SAFETY: the block came from this heap with this layout.
    critical_section::with(|section| unsafe {
        STATE.borrow_ref_mut(section).heap.deallocate(block, layout);
    });
}
