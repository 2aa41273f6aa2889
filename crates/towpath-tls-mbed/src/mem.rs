//! Memory from Mbed TLS's own allocator: what C keeps pointers to must not move, and a device may have no Rust
//! allocator.

use core::{
    ffi::c_void,
    mem::{align_of, size_of},
    ops::{Deref, DerefMut},
    ptr::NonNull,
    slice,
};

use mbedtls_rs_sys as sys;

/// Zeroed memory for `len` values of `T`, or `None` when there is none that fits.
fn allocate<T>(len: usize) -> Option<NonNull<T>> {
    // SAFETY: calloc takes any two sizes; it checks their product.
    let memory = unsafe { sys::mbedtls_calloc(len.max(1), size_of::<T>().max(1)) };
    let memory = NonNull::new(memory.cast::<T>())?;
    if memory.as_ptr().addr() % align_of::<T>() == 0 {
        return Some(memory);
    }
    // An allocator of a device may align to four bytes only.
    // SAFETY: it was given by mbedtls_calloc just now, and nobody else knows it.
    unsafe { sys::mbedtls_free(memory.as_ptr().cast::<c_void>()) };
    None
}

/// One value that stays where it is.
pub(crate) struct Own<T>(NonNull<T>);

impl<T> Own<T> {
    pub(crate) fn new(value: T) -> Option<Self> {
        let memory = allocate::<T>(1)?;
        // SAFETY: the memory is large enough and aligned, see `allocate`.
        unsafe { memory.as_ptr().write(value) };
        Some(Self(memory))
    }

    /// Where it is, as C wants it. References made from it must not overlap with what C does.
    pub(crate) const fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }

    /// Lets go of the value without dropping it.
    pub(crate) const fn leak(self) -> NonNull<T> {
        let memory = self.0;
        core::mem::forget(self);
        memory
    }

    /// Takes back what was leaked.
    ///
    /// # Safety
    /// `memory` comes from [`leak`](Self::leak), and is taken back once.
    pub(crate) const unsafe fn back(memory: NonNull<T>) -> Self {
        Self(memory)
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        // SAFETY: `new` wrote a value here, which nobody else drops or frees.
        unsafe {
            self.0.as_ptr().drop_in_place();
            sys::mbedtls_free(self.0.as_ptr().cast::<c_void>());
        }
    }
}

/// Types that are valid when all their bytes are zero, and that need no drop.
///
/// # Safety
/// As it says.
pub(crate) unsafe trait Zeroed: Copy {}
// SAFETY: numbers.
unsafe impl Zeroed for u8 {}
// SAFETY: numbers.
unsafe impl Zeroed for u16 {}
// SAFETY: numbers. This is also what `c_int` is.
unsafe impl Zeroed for i32 {}
// SAFETY: null.
unsafe impl<T> Zeroed for *const T {}

/// A list that stays where it is, and is wiped when it is dropped.
pub(crate) struct List<T: Zeroed> {
    memory: NonNull<T>,
    len: usize,
}

impl<T: Zeroed> List<T> {
    /// `len` values, all zero.
    pub(crate) fn zeroed(len: usize) -> Option<Self> {
        let memory = allocate::<T>(len)?;
        Some(Self { memory, len })
    }
}

impl List<u8> {
    /// These bytes and a zero behind them.
    pub(crate) fn text(bytes: &[u8]) -> Option<Self> {
        let mut list = Self::zeroed(bytes.len().checked_add(1)?)?;
        for (to, from) in list.iter_mut().zip(bytes) {
            *to = *from;
        }
        Some(list)
    }
}

impl<T: Zeroed> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `allocate` gave room for `len` values, and zero is a valid one.
        unsafe { slice::from_raw_parts(self.memory.as_ptr(), self.len) }
    }
}

impl<T: Zeroed> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.memory.as_ptr(), self.len) }
    }
}

impl<T: Zeroed> Drop for List<T> {
    fn drop(&mut self) {
        let memory = self.memory.as_ptr().cast::<c_void>();
        // SAFETY: the memory is that many bytes long, and freed once.
        unsafe {
            sys::mbedtls_platform_zeroize(memory, self.len * size_of::<T>());
            sys::mbedtls_free(memory);
        }
    }
}
