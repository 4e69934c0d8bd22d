//! What is made of flows and devices: halves, flows in memory, a buffered reader, wakers.

mod buf_reader;
mod cancel_safe_device;
#[cfg(target_has_atomic = "ptr")]
mod duplex_waker;
mod memory;
mod pump;
mod split;

pub use buf_reader::BufReader;
pub use cancel_safe_device::CancelSafeDevice;
#[cfg(target_has_atomic = "ptr")]
pub use duplex_waker::DuplexWaker;
pub use memory::{Memory, memory_pair};
pub use pump::pump;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, Split, SplitRef, WriteHalf};
