//! The memory of the sockets.

use core::fmt;

/// The buffers of `N` sockets: `RX` bytes each to receive into, and `TX` to send from. All the
/// memory that connections take, but for a few words; it is zero at first, so that a static of it
/// takes no flash.
///
/// `RX` is the window that the peer is offered, and so the throughput per round trip; 1,460 is the
/// payload of an Ethernet frame over IPv4.
///
/// ```
/// use mimic_embassy::Buffers;
/// use static_cell::ConstStaticCell;
///
/// // Made where it stays: `StaticCell::init` would build it on the stack first.
/// static BUFFERS: ConstStaticCell<Buffers<4, 2048, 2048>> = ConstStaticCell::new(Buffers::new());
///
/// let buffers: &'static mut Buffers<4, 2048, 2048> = BUFFERS.take();
/// # let _ = buffers;
/// ```
///
/// None of the three may be 0; the compiler says so:
///
/// ```compile_fail
/// static NONE: mimic_embassy::Buffers<0, 2048, 2048> = mimic_embassy::Buffers::new();
/// ```
pub struct Buffers<const N: usize, const RX: usize, const TX: usize> {
    pub(crate) rx: [[u8; RX]; N],
    pub(crate) tx: [[u8; TX]; N],
}

impl<const N: usize, const RX: usize, const TX: usize> Buffers<N, RX, TX> {
    /// Empty buffers.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N > 0 && RX > 0 && TX > 0, "a pool needs a socket, and a socket needs buffers") };
        Self { rx: [[0; RX]; N], tx: [[0; TX]; N] }
    }
}

impl<const N: usize, const RX: usize, const TX: usize> Default for Buffers<N, RX, TX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, const RX: usize, const TX: usize> fmt::Debug for Buffers<N, RX, TX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("sockets", &N).field("rx", &RX).field("tx", &TX).finish()
    }
}
