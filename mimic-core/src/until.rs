//! What has to succeed on a new flow before it counts as connected.

use core::fmt;

#[cfg(target_has_atomic = "ptr")]
use crate::Shared;
use crate::sync::Arc;
use crate::{Error, Local, Mode, Phase};

/// A handshake that a layer above does on the flow it asks for, handed down to whoever connects.
///
/// Who races several addresses runs it on each flow that connects, and the first that gets through
/// wins: a server, or a box on the way, that accepts connections and says no more loses.
/// [`HostPort::until`](crate::HostPort::until) puts it into a target.
///
/// The rules, for protocols and layers of [`Transport`](crate::Transport):
/// - Nobody has to run it. Who asks finds out from the flow, and does the handshake if it was not
///   done.
/// - It is for the end of the way, and never done with a proxy instead: a layer's targets have none
///   unless the layer [takes](crate::HostPort::take_handshake) the one it was dialled with and says
///   [`until`](crate::HostPort::until) again, for the same target, or by a handshake that goes
///   through the proxy first.
/// - A layer that does so gets back a flow on which the handshake was done, and its own flow must
///   answer [`Flow::inner`](crate::Flow::inner). Nobody has to run what it made either: it finds
///   out as everybody does.
#[derive(Clone)]
pub struct Handshake<M: Mode>(M::Handshake);

impl<M: Mode> Handshake<M> {
    /// Does it.
    ///
    /// # Errors
    /// That of the handshake, in [`Phase::Handshake`] unless it says otherwise; the flow is closed.
    pub async fn run(&self, flow: M::Flow) -> Result<M::Flow, Error> {
        M::shake(&self.0, flow).await.map_err(|error| error.in_phase(Phase::Handshake))
    }
}

macro_rules! new {
    ($mode:ident $(+ $send:ident)?) => {
        impl Handshake<$mode> {
            /// A handshake made of a function from the flow below to the flow above. The function
            /// is `Send + Sync` in both modes, because targets are.
            pub fn new<F, Fut>(handshake: F) -> Self
            where
                F: Fn(<$mode as Mode>::Flow) -> Fut + Send + Sync + 'static,
                Fut: Future<Output = Result<<$mode as Mode>::Flow, Error>> $(+ $send)? + 'static,
            {
                Self(Arc::new(move |flow| alloc::boxed::Box::pin(handshake(flow))))
            }
        }
    };
}

new!(Local);
#[cfg(target_has_atomic = "ptr")]
new!(Shared + Send);

impl<M: Mode> fmt::Debug for Handshake<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

/// A handshake of either mode: targets have none. Without atomics there is nothing that targets
/// could share.
#[derive(Clone, Debug)]
#[doc(hidden)]
#[allow(missing_docs, reason = "named only by hidden methods of the sealed trait `Mode`")]
pub enum Until {
    #[cfg(target_has_atomic = "ptr")]
    Local(Handshake<Local>),
    #[cfg(target_has_atomic = "ptr")]
    Shared(Handshake<Shared>),
}
