//! The roles that the parts of an adapter make.

use std::net::{SocketAddr, TcpListener};

#[cfg(unix)]
use mimic_core::keys::UnixMode;
use mimic_core::keys::V6Only;
use mimic_core::needs::opt;
use mimic_core::roles::{Lookup, Sleep, Tcp, TcpListen};
#[cfg(unix)]
use mimic_core::roles::{Unix, UnixListen};
use mimic_core::{Ctx, Error, Install, Mode, Phase, for_each_mode};
#[cfg(feature = "happy-eyeballs")]
use mimic_happy_eyeballs::SourceAddress;
use socket2::SockRef;

use crate::acceptor::Acceptor;
use crate::adapter::{Adapter, Listens};
use crate::clock::Clock;
#[cfg(unix)]
use crate::connect_unix::connect_unix;
use crate::inherited::Inherited;
use crate::itself::refuse_itself;
use crate::listening::bind_tcp;
#[cfg(unix)]
use crate::listening::bind_unix;
use crate::tcp_options::TcpOptions;

/// The roles of an adapter, each at priority 100: [`Tcp`], [`TcpListen`], [`Lookup`] and [`Sleep`];
/// and [`Unix`](mimic_core::roles::Unix) and [`UnixListen`](mimic_core::roles::UnixListen) where
/// the system has them.
#[derive(Clone, Copy, Debug)]
pub struct Hosted<A>(pub A);

/// The role `SourceAddress`, for an adapter whose contexts race addresses. Not a part of
/// [`Hosted`]: the features of one adapter must not decide for another in the same program.
#[cfg(feature = "happy-eyeballs")]
#[derive(Clone, Copy, Debug)]
pub struct SourceAddresses;

const PRIORITY: i32 = 100;

for_each_mode!(M => {
    impl<A: Adapter> Install<M> for Hosted<A> {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let epoch = A::now();
            let ctx = ctx
                .register(Tcp, "tcp", PRIORITY, TcpOptions::needs(), |to, options| async move {
                    Ok(Box::new(connect::<A>(to, options).await?) as <M as Mode>::Flow)
                })
                .register(TcpListen, "tcp", PRIORITY, (TcpOptions::needs(), opt(V6Only), opt(Inherited)), |at, (options, v6_only, inherited)| async move {
                    A::check()?;
                    let listener = bind_tcp(at, v6_only, inherited)?;
                    Ok(Box::new(Acceptor::<A, _>::new(None, listener, options)?) as <M as Mode>::Listener)
                })
                .register(Lookup, "system", PRIORITY, (), |question, ()| crate::lookup(question))
                .register(Sleep, "timer", PRIORITY, (), move |(), ()| async move {
                    A::check()?;
                    Ok(Box::new(Clock::<A>::new(epoch)) as <M as Mode>::Timer)
                });
            #[cfg(unix)]
            let ctx = ctx
                .register(Unix, "unix", PRIORITY, (), |to, ()| async move {
                    Ok(Box::new(connect_unix::<A>(&to).await?) as <M as Mode>::Flow)
                })
                .register(UnixListen, "unix", PRIORITY, (opt(UnixMode), opt(Inherited)), |at, (mode, inherited)| async move {
                    A::check()?;
                    let (file, listener) = bind_unix(&at, mode, inherited)?;
                    Ok(Box::new(Acceptor::<A, _>::new(file, listener, (true, None).into())?) as <M as Mode>::Listener)
                });
            ctx
        }
    }

    #[cfg(feature = "happy-eyeballs")]
    impl Install<M> for SourceAddresses {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.register(SourceAddress, "udp", PRIORITY, (), |to, ()| async move { Ok(crate::source(to)) })
        }
    }
});

async fn connect<A: Adapter>(to: SocketAddr, options: TcpOptions) -> Result<<A as Listens<TcpListener>>::Flow, Error> {
    A::check()?;
    let socket = <A as Adapter>::connect(to).await;
    let set_up = |socket: <A as Listens<TcpListener>>::Stream| {
        refuse_itself(&SockRef::from(&socket), to)?;
        options.set_on(&SockRef::from(&socket))?;
        Ok(socket.into())
    };
    socket.and_then(set_up).map_err(|error| Error::from(error).in_phase(Phase::Connect))
}
