//! The memory of Mbed TLS, and of nothing else: `calloc` and `free` over a region of fixed size. There is no Rust
//! allocator in this image.

use core::{
    alloc::Layout,
    cell::RefCell,
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{self, NonNull},
};

use critical_section::Mutex;
use rlsf::Tlsf;
use static_cell::StaticCell;

/// What TLS takes at its peak with buffers of 4 KiB, and some room.
const SIZE: usize = 48 * 1024;
/// Enough for every type of C.
const ALIGN: usize = 8;

/// Sizes up to 64 KiB in classes of an eighth.
type Heap = Tlsf<'static, u32, u32, 13, 8>;

static REGION: StaticCell<[MaybeUninit<u8>; SIZE]> = StaticCell::new();
static HEAP: Mutex<RefCell<Heap>> = Mutex::new(RefCell::new(Heap::new()));

/// Gives the region to the heap. Comes first, and once.
pub(crate) fn init() {
    let region = REGION.init([MaybeUninit::uninit(); SIZE]);
    critical_section::with(|section| {
        HEAP.borrow_ref_mut(section).insert_free_block(region);
    });
}

/// `calloc` of C.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let layout = count
        .checked_mul(size)
        .and_then(|bytes| Layout::from_size_align(bytes.max(1), ALIGN).ok());
    let Some(layout) = layout else {
        return ptr::null_mut();
    };
    let found = critical_section::with(|section| HEAP.borrow_ref_mut(section).allocate(layout));
    let Some(memory) = found else {
        defmt::error!("heap: no room for {=usize} bytes", layout.size());
        return ptr::null_mut();
    };
    // SAFETY: the block is that large, and nobody else has it.
    unsafe { memory.as_ptr().write_bytes(0, layout.size()) };
    memory.as_ptr().cast()
}

/// `free` of C.
///
/// # Safety
/// `memory` is null, or was given by [`calloc`] and not freed since.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(memory: *mut c_void) {
    let Some(memory) = NonNull::new(memory.cast::<u8>()) else {
        return;
    };
    critical_section::with(|section| {
        // SAFETY: the caller's promise; all blocks have this alignment.
        unsafe { HEAP.borrow_ref_mut(section).deallocate(memory, ALIGN) };
    });
}
