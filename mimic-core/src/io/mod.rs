//! Types made of flows and devices.
//!
//! ```text
//! halves of a device ─ pump ────────────► Flow ─ Split::halves ─► ReadHalf, WriteHalf
//! a device           ─ CancelSafeDevice ► Flow ─ SyncFlow::new ─► a flow that is Sync
//! nothing            ─ memory_pair ─────► Flow ─ BufReader ─────► lines
//!
//! DuplexWaker: in a layer whose reads write below
//! ```

mod buf_reader;
mod cancel_safe_device;
#[cfg(target_has_atomic = "ptr")]
mod duplex_waker;
mod memory;
mod pump;
mod split;
#[cfg(target_has_atomic = "ptr")]
mod sync_flow;

pub use buf_reader::BufReader;
pub use cancel_safe_device::CancelSafeDevice;
#[cfg(target_has_atomic = "ptr")]
pub use duplex_waker::DuplexWaker;
pub use memory::{Memory, memory_pair};
pub use pump::pump;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, Split, WriteHalf};
#[cfg(target_has_atomic = "ptr")]
pub use sync_flow::SyncFlow;
