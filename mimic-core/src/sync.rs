//! The reference counter: `Arc`, or `Rc` on targets without compare-and-swap, where only `Local`
//! exists.

#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) use alloc::rc::Rc as Arc;
#[cfg(target_has_atomic = "ptr")]
pub(crate) use alloc::sync::Arc;
