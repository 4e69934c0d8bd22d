//! The heap, and how much of it and of the stack was used at most.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use embedded_alloc::LlffHeap;

/// An allocator that counts.
struct Heap {
    heap: LlffHeap,
    used: AtomicUsize,
    peak: AtomicUsize,
    /// How much may be in use.
    limit: AtomicUsize,
    /// What was asked for last and not there.
    refused: AtomicUsize,
}

#[global_allocator]
static HEAP: Heap = Heap {
    heap: LlffHeap::empty(),
    used: AtomicUsize::new(0),
    peak: AtomicUsize::new(0),
    limit: AtomicUsize::new(usize::MAX),
    refused: AtomicUsize::new(0),
};

// Out of line: the compiler puts an allocator that it sees into every place that allocates, 6 KiB
// in all.
// SAFETY: every call is passed on to an allocator that keeps the contract.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = self.limit.load(Ordering::Relaxed).saturating_sub(self.used.load(Ordering::Relaxed));
        let pointer = match layout.size() <= left {
            // SAFETY: the caller keeps the same contract.
            true => unsafe { self.heap.alloc(layout) },
            false => core::ptr::null_mut(),
        };
        if pointer.is_null() {
            self.refused.store(layout.size(), Ordering::Relaxed);
        } else {
            let used = self.used.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
            self.peak.fetch_max(used, Ordering::Relaxed);
        }
        pointer
    }

    #[inline(never)]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same contract.
        unsafe { self.heap.dealloc(pointer, layout) };
        self.used.fetch_sub(layout.size(), Ordering::Relaxed);
    }
}

unsafe extern "C" {
    // Symbols of `memory.x`; their addresses are what they say.
    static _heap_start: u8;
    static _heap_size: u8;
    // Symbols of cortex-m-rt's `link.x`: the ends of the stack, which grows downwards.
    static _stack_end: u32;
    static _stack_start: u32;
}

/// Gives the allocator its memory. To be called once, before anything is allocated.
pub(crate) fn start() {
    let (start, size) = (&raw const _heap_start as usize, &raw const _heap_size as usize);
    // SAFETY: `memory.x` sets this region aside for the heap, it is not empty, and the caller calls
    // once.
    unsafe { HEAP.heap.init(start, size) };
}

/// Leaves so many bytes of the heap, as if there were no more.
pub(crate) fn leave(bytes: usize) {
    HEAP.limit.store(heap_in_use().saturating_add(bytes), Ordering::Relaxed);
}

/// How many bytes were asked for last and not there, if that has happened.
pub(crate) fn refused() -> Option<usize> {
    Some(HEAP.refused.load(Ordering::Relaxed)).filter(|bytes| *bytes != 0)
}

/// How much of the heap is in use, in bytes.
#[must_use]
pub fn heap_in_use() -> usize {
    HEAP.used.load(Ordering::Relaxed)
}

/// What memory was used, in bytes.
pub(crate) struct Usage {
    /// Of the heap, now.
    heap: usize,
    /// Of the heap, at most, without what the allocator itself needs.
    heap_peak: usize,
    /// Of the stack, at most.
    stack_peak: usize,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heap, heap_peak, stack_peak } = self;
        write!(f, "memory: heap {heap_peak} bytes at most, {heap} now; stack {stack_peak} bytes at most")
    }
}

/// The use of memory until now.
pub(crate) fn usage() -> Usage {
    let (end, start) = (&raw const _stack_end, &raw const _stack_start);
    let mut lowest = end;
    // The start-up code has painted the stack; what is still paint was never used.
    while lowest < start {
        // SAFETY: it is a word between the ends of the stack, aligned as they are, and read behind
        // the compiler's back.
        if unsafe { lowest.read_volatile() } != cortex_m_rt::STACK_PAINT_VALUE {
            break;
        }
        lowest = lowest.wrapping_add(1);
    }
    Usage {
        heap: heap_in_use(),
        heap_peak: HEAP.peak.load(Ordering::Relaxed),
        stack_peak: start as usize - lowest as usize,
    }
}
