//! What has to succeed on a new flow before it counts as connected.

use core::fmt;

#[cfg(target_has_atomic = "ptr")]
use crate::Shared;
use crate::sync::Arc;
use crate::{Error, Local, Mode};

/// A handshake that a layer above does on the flow it asks for, handed down to whoever connects.
///
/// Who races several addresses runs it on each flow that connects, and the first that gets through wins: a server, or
/// a box on the way, that accepts connections and says no more loses. [`HostPort::until`](crate::HostPort::until) puts
/// it into a target.
///
/// The rules, for protocols and layers of [`Transport`](crate::Transport):
/// - Nobody has to run it. Who asks finds out from the flow, and does the handshake if it was not done.
/// - It is for the end of the way. A layer that dials something else, such as a proxy, makes a target of its own, which
///   has no handshake, or [one](Handshake::after) that first goes through the proxy.
/// - A layer that dials the target it was given passes the handshake on, and gets back a flow on which it was done. To
///   speak before it, take it [out](crate::HostPort::take_handshake).
pub struct Handshake<M: Mode>(M::Handshake);

impl<M: Mode> Handshake<M> {
    /// Does it.
    ///
    /// # Errors
    /// That of the handshake; the flow is closed.
    pub async fn run(&self, flow: M::Flow) -> Result<M::Flow, Error> {
        M::shake(&self.0, flow).await
    }
}

macro_rules! new {
    ($mode:ident $(+ $send:ident)?) => {
        impl Handshake<$mode> {
            /// A handshake made of a function from the flow below to the flow above.
            pub fn new<F, Fut>(handshake: F) -> Self
            where
                F: Fn(<$mode as Mode>::Flow) -> Fut + Send + Sync + 'static,
                Fut: Future<Output = Result<<$mode as Mode>::Flow, Error>> $(+ $send)? + 'static,
            {
                Self(Arc::new(move |flow| alloc::boxed::Box::pin(handshake(flow))))
            }

            /// This handshake, after another that is done first: that with a proxy, on the flow to the proxy.
            #[cfg(target_has_atomic = "ptr")]
            #[must_use]
            pub fn after<F, Fut>(self, first: F) -> Self
            where
                F: Fn(<$mode as Mode>::Flow) -> Fut + Send + Sync + 'static,
                Fut: Future<Output = Result<<$mode as Mode>::Flow, Error>> $(+ $send)? + 'static,
            {
                Self::new(move |flow| {
                    let (first, then) = (first(flow), self.clone());
                    async move { then.run(first.await?).await }
                })
            }
        }
    };
}

new!(Local);
#[cfg(target_has_atomic = "ptr")]
new!(Shared + Send);

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

/// A handshake of either mode: targets have none. Without atomics there is nothing that targets could share.
#[derive(Clone, Debug)]
#[doc(hidden)]
#[allow(missing_docs, reason = "named only by hidden methods of the sealed trait `Mode`")]
pub enum Until {
    #[cfg(target_has_atomic = "ptr")]
    Local(Handshake<Local>),
    #[cfg(target_has_atomic = "ptr")]
    Shared(Handshake<Shared>),
}
