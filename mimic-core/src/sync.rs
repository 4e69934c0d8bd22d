//! The reference counter: `Arc`, or `Rc` on targets without compare-and-swap, where only `Local` exists.

#[cfg(not(target_has_atomic = "ptr"))]
pub(crate) use alloc::rc::Rc as Arc;
#[cfg(target_has_atomic = "ptr")]
pub(crate) use alloc::sync::Arc;

/// What is shared, to be changed, after copying it if it is: `make_mut` without weak references, which there are none
/// of.
pub(crate) fn own<T: Clone>(shared: &mut Arc<T>) -> Option<&mut T> {
    if Arc::get_mut(shared).is_none() {
        *shared = Arc::new((**shared).clone());
    }
    Arc::get_mut(shared)
}
