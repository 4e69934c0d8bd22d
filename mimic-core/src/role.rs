//! Roles: keys whose value is a dialer.

use core::any::TypeId;
use core::fmt::Debug;

use crate::id::Id;
use crate::{Error, Mode};

/// A job that candidates compete for: from a target to an output. [`Transport`](crate::Transport)
/// goes from a host and port to a flow.
///
/// Roles are the security boundary: what must hold of an output is checked by
/// [`verify`](Role::verify), whatever made it. Identity is the Rust type together with
/// [`instance`](Role::instance). Roles whose output is a flow are made by [`role!`](crate::role).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a role",
    note = "roles are types like `Transport`; a key is not a role, and `over(…)` takes the role itself"
)]
pub trait Role: Clone + Send + Sync + 'static {
    /// What to reach. Always an argument, never a key: the layers of one stack have different
    /// targets. Errors print its `Debug` form.
    type Target: Clone + Debug + Send + Sync + 'static;

    /// What dialling gives.
    // Without `'static`, which the compiler would have to prove of erased lifetimes whenever a dial
    // is spawned.
    type Output<M: Mode>;

    /// The name that errors and explanations print.
    const NAME: &'static str;

    /// Tells roles of one type apart; 0 unless the role is made at run time.
    fn instance(&self) -> u32 {
        0
    }

    /// Checks what the role promises of an output; called after every candidate, layer and given
    /// dialer.
    ///
    /// # Errors
    /// Says what is missing; the output is dropped.
    fn verify<M: Mode>(&self, target: &Self::Target, output: &Self::Output<M>) -> Result<(), Error> {
        let _ = (target, output);
        Ok(())
    }
}

impl Id {
    pub(crate) fn role<R: Role>(role: &R) -> Self {
        Self { ty: TypeId::of::<R>(), instance: role.instance(), is_role: true, name: R::NAME }
    }
}

/// Declares roles, each a unit struct. The output is a flow,
/// `role!(/** VM sockets. */ pub Vsock: VsockAddr);`, unless another is named, where `M` is the
/// mode: `role!(/** Their listeners. */ pub BindVsock: VsockAddr => M::Listener);`
#[macro_export]
macro_rules! role {
    (@output) => { M::Flow };
    (@output $output:ty) => { $output };
    ($($(#[$meta:meta])* $vis:vis $name:ident : $target:ty $(=> $output:ty)?);+ $(;)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        $vis struct $name;
        impl $crate::Role for $name {
            type Target = $target;
            type Output<M: $crate::Mode> = $crate::role!(@output $($output)?);
            const NAME: &'static str = ::core::stringify!($name);
        }
    )+};
}
