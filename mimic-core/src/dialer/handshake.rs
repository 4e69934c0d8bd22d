//! Handshakes that are passed down with a target, so that the race of addresses can wait for them.
//!
//! ```text
//! Secure "tls"                    dials example.org:443 with the handshake of TLS
//!   Transport "socks5"            has the need handshake(): takes it. Dials the proxy
//!                                 with one of its own: first SOCKS, then that of TLS
//!     Transport "happy-eyeballs"  has the need: runs it on each address that connects
//!       Tcp "tcp"                 has no such need, and never sees one
//! ```

use core::fmt;
use core::marker::PhantomData;

#[cfg(target_has_atomic = "ptr")]
use crate::Shared;
use crate::mode::Input;
use crate::sync::Arc;
use crate::{Error, Local, Mode, Phase};

/// A handshake that the dialling layer would do on the flow that it asks for.
///
/// [`Dialer::dial_with`](crate::Dialer::dial_with) passes it down. A candidate or layer receives it
/// by the need [`handshake`](crate::handshake()). A candidate that races several addresses runs it
/// on each flow that connects, and takes the first flow on which it succeeds: a server that accepts
/// connections and says no more loses.
///
/// - The receiver may run it or not. The layer that passed it down finds out from the flow, and
///   does the handshake if it was not done.
/// - It is for the target that it came with. A layer without the need drops it, so a proxy never
///   gets the handshake of the server.
/// - A layer with the need may pass another handshake to what it dials below: one that goes through
///   the proxy first. The flow that it returns names the flow below by
///   [`Flow::inner`](crate::Flow::inner).
pub struct Handshake<M: Mode>(Arc<Function<M>>);

type Function<M> = <M as Mode>::Function<Shaking<M>, Shaken<M>>;
type Shaken<M> = <M as Mode>::Future<Result<<M as Mode>::Flow, Error>>;

/// The input of a handshake: the flow below.
#[derive(Debug)]
pub(crate) struct Shaking<M>(PhantomData<M>);

impl<M: Mode> Input for Shaking<M> {
    type At<'a> = M::Flow;
}

impl<M: Mode> Handshake<M> {
    /// Does the handshake on `flow`.
    ///
    /// # Errors
    /// Returns the error of the handshake, in [`Phase::Handshake`] unless it names another phase.
    /// The flow is closed.
    pub async fn run(&self, flow: M::Flow) -> Result<M::Flow, Error> {
        (self.0)(flow).await.map_err(|error| error.in_phase(Phase::Handshake))
    }
}

macro_rules! new {
    ($mode:ident $(, $send:ident + $sync:ident)?) => {
        impl Handshake<$mode> {
            /// Makes a handshake of a function from the flow below to the flow above.
            pub fn new<F, Fut>(handshake: F) -> Self
            where
                F: Fn(<$mode as Mode>::Flow) -> Fut $(+ $send + $sync)? + 'static,
                Fut: Future<Output = Result<<$mode as Mode>::Flow, Error>> $(+ $send)? + 'static,
            {
                Self(Arc::new(alloc::boxed::Box::new(move |flow| alloc::boxed::Box::pin(handshake(flow)))))
            }
        }
    };
}

new!(Local);
#[cfg(target_has_atomic = "ptr")]
new!(Shared, Send + Sync);

impl<M: Mode> Clone for Handshake<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Mode> fmt::Debug for Handshake<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}
