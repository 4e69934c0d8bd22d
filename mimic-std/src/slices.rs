//! Vectored writes, between `std::io` and [`Flow`](mimic_core::Flow), without allocating.

use std::io::IoSlice;

/// The number of slices that one vectored write takes. More wait for the next.
const SLICES: usize = 16;

/// Calls `write` with `bufs`, or the first sixteen of them that are not empty, as `std` wants them.
#[inline]
pub fn with_io_slices<T>(bufs: &[&[u8]], write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, buf) in slices.iter_mut().zip(bufs.iter().filter(|buf| !buf.is_empty())) {
        *slice = IoSlice::new(buf);
        count += 1;
    }
    write(&slices[..count])
}

/// Calls `write` with `slices`, or the first sixteen of them that are not empty, as
/// [`Flow`](mimic_core::Flow) wants them.
#[inline]
pub fn with_byte_slices<T>(slices: &[IoSlice<'_>], write: impl FnOnce(&[&[u8]]) -> T) -> T {
    let mut bufs: [&[u8]; SLICES] = [&[]; SLICES];
    let mut count = 0;
    for (buf, slice) in bufs.iter_mut().zip(slices.iter().filter(|slice| !slice.is_empty())) {
        *buf = slice;
        count += 1;
    }
    write(&bufs[..count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_skip_what_is_empty() {
        let many: Vec<&[u8]> = (0..40).map(|n| if n % 2 == 0 { &b""[..] } else { b"x" }).collect();
        let lengths = |slices: &[IoSlice<'_>]| slices.iter().map(|slice| slice.len()).collect::<Vec<_>>();
        assert_eq!(with_io_slices(&many, lengths), [1; 16]);
        let slices: Vec<_> = many.iter().map(|buf| IoSlice::new(buf)).collect();
        assert_eq!(with_byte_slices(&slices, |bufs| bufs.concat()), b"x".repeat(16));
    }
}
