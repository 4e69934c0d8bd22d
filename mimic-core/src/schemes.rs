//! The candidates of core itself: schemes in clear text, addresses in order, and fallback.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use embedded_io_async::ErrorKind;

use crate::{
    Connect, Ctx, Dialer, Error, Host, HostPort, Install, Listen, Listener, Listeners, Lookup, Mode, Path, Phase, Port,
    Priority, Query, Question, RecordType, Role, Scheme, Tcp, TcpListen, Text, Transport, Unix, UnixListen, UnixPath,
    is, opt, or_default, over, req, when,
};

/// Installs what the schemes `tcp`, `http` (port 80), `git` (port 9418) and `unix` mean: candidates
/// of [`Connect`] and [`Listen`], each gated on its scheme. [`clients`](Schemes::clients) and
/// [`servers`](Schemes::servers) are its parts without `unix`.
///
/// A scheme of your own is one more candidate:
///
/// ```
/// use mimic_core::{Context, Schemes};
/// use mimic_core::adapter::dial_host;
/// use mimic_core::keys::{Host, Port, Scheme};
/// use mimic_core::needs::{is, or_default, over, req, when};
/// use mimic_core::roles::{Connect, Transport};
///
/// let ctx = Context::new().install(Schemes).register(
///     Connect,
///     "gopher",
///     100,
///     when(is(Scheme, "gopher")).needs((req(Host), or_default(Port, 70), over(Transport))),
///     dial_host,
/// );
/// # let _ = ctx;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Schemes;

impl Schemes {
    /// Returns the part that connects to a host and port. The other part takes no flash.
    #[must_use]
    pub fn clients() -> ClientSchemes {
        ClientSchemes(())
    }

    /// Returns the part that listens at a host and port: at every address of a name, or not at all;
    /// see [`listen_addresses`].
    #[must_use]
    pub fn servers() -> ServerSchemes {
        ServerSchemes(())
    }
}

/// See [`Schemes::clients`].
#[derive(Clone, Copy, Debug)]
pub struct ClientSchemes(());

/// See [`Schemes::servers`].
#[derive(Clone, Copy, Debug)]
pub struct ServerSchemes(());

/// Installs a candidate of [`Transport`] that tries the addresses of a host one after the other, in
/// the order of the look-up. A dead address costs as long as [`Tcp`] takes to give up.
#[derive(Clone, Copy, Debug, Default)]
pub struct InOrder;

const PRIORITY: i32 = 100;

const DEFAULT_PORTS: [(&str, u16); 2] = [("http", 80), ("git", 9418)];

crate::for_each_mode!(M => {
    impl Install<M> for Schemes {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            let needs = when(is(Scheme, "unix")).needs((opt(Host), opt(Path), opt(Query), over(Unix)));
            let ctx = clients(ctx, |ctx| ctx.register(Connect, "unix", PRIORITY, needs, connect_unix));
            let needs = when(is(Scheme, "unix")).needs((opt(Host), opt(Path), opt(Query), over(UnixListen)));
            servers(ctx, |ctx| ctx.register(Listen, "unix", PRIORITY, needs, connect_unix))
        }
    }

    impl Install<M> for ClientSchemes {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            clients(ctx, |ctx| ctx)
        }
    }

    impl Install<M> for ServerSchemes {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            servers(ctx, |ctx| ctx)
        }
    }

    fn clients(ctx: Ctx<M>, unix: impl FnOnce(Ctx<M>) -> Ctx<M>) -> Ctx<M> {
        let needs = when(is(Scheme, "tcp")).needs((req(Host), req(Port), over(Transport)));
        let ctx = unix(ctx.register(Connect, "tcp", PRIORITY, needs, dial_host));
        DEFAULT_PORTS.into_iter().fold(ctx, |ctx, (scheme, port)| {
            let needs = when(is(Scheme, scheme)).needs((req(Host), or_default(Port, port), over(Transport)));
            ctx.register(Connect, scheme, PRIORITY, needs, dial_host)
        })
    }

    fn servers(ctx: Ctx<M>, unix: impl FnOnce(Ctx<M>) -> Ctx<M>) -> Ctx<M> {
        let needs = when(is(Scheme, "tcp")).needs((req(Host), req(Port), over(Lookup), over(TcpListen)));
        let ctx = unix(ctx.register(Listen, "tcp", PRIORITY, needs, listen_host));
        DEFAULT_PORTS.into_iter().fold(ctx, |ctx, (scheme, port)| {
            let needs = when(is(Scheme, scheme)).needs((req(Host), or_default(Port, port), over(Lookup), over(TcpListen)));
            ctx.register(Listen, scheme, PRIORITY, needs, listen_host)
        })
    }

    impl Install<M> for InOrder {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.register(Transport, "in-order", Priority::NONE, (over(Lookup), over(Tcp)), in_order)
        }
    }
});

/// Dials the role below with a host and a port: the connect function for a candidate of
/// [`Connect`] whose scheme names both.
///
/// # Errors
/// That of the role; and [`InvalidInput`](ErrorKind::InvalidInput) for port 0, which only a
/// listener may ask for.
pub async fn dial_host<M: Mode, R: Role<Target = HostPort>>(
    (): (),
    (host, port, role): (Text, u16, Dialer<R, M>),
) -> Result<R::Output<M>, Error> {
    let to = HostPort::new(host, port);
    match to.port {
        0 => Err(Error::new(ErrorKind::InvalidInput, "port 0 cannot be connected to")
            .in_phase(Phase::Endpoint)
            .to_target(&to)
            .advise("give the port that the server listens on")),
        _ => role.dial(to).await,
    }
}

async fn connect_unix<M: Mode, R: Role<Target = UnixPath>>(
    (): (),
    (host, path, query, unix): (Option<Text>, Option<Text>, Option<Text>, Dialer<R, M>),
) -> Result<R::Output<M>, Error> {
    let fault =
        |reason: String, advice| Error::new(ErrorKind::InvalidInput, reason).in_phase(Phase::Endpoint).advise(advice);
    let path_alone = "write `unix:/path` or `unix:///path`";
    match (host, path, query) {
        (Some(host), ..) => {
            Err(fault(format!("a Unix socket has no host, and {host:?} stands where one does"), path_alone))
        }
        (None, None, _) => Err(fault("the path of the Unix socket is missing".into(), path_alone)),
        // Perhaps it was meant for the name of the file: another one must not be opened.
        (None, _, Some(_)) => {
            Err(fault("a Unix socket has no query".into(), "write a `?` that belongs to the path as `%3F`"))
        }
        (None, Some(path), None) => unix.dial(UnixPath::decode(&path)?).await,
    }
}

/// Listens at every address of a host: the connect function for a candidate of [`Listen`] whose
/// scheme names a host and a port. The mirror of [`dial_host`].
///
/// A scheme of your own is one more candidate:
///
/// ```
/// use mimic_core::{Context, Schemes};
/// use mimic_core::adapter::listen_host;
/// use mimic_core::keys::{Host, Port, Scheme};
/// use mimic_core::needs::{is, or_default, over, req, when};
/// use mimic_core::roles::{Listen, Lookup, TcpListen};
///
/// let ctx = Context::new().install(Schemes::servers()).register(
///     Listen,
///     "gopher",
///     100,
///     when(is(Scheme, "gopher"))
///         .needs((req(Host), or_default(Port, 70), over(Lookup), over(TcpListen))),
///     listen_host,
/// );
/// # let _ = ctx;
/// ```
///
/// # Errors
/// As [`listen_addresses`].
pub async fn listen_host<M: Mode>(
    (): (),
    (host, port, lookup, bind): (Text, u16, Dialer<Lookup, M>, Dialer<TcpListen, M>),
) -> Result<M::Listener, Error> {
    listen_addresses(&lookup, &bind, &HostPort::new(host, port)).await
}

/// Listens at every address of a host, or at none; an address is not looked up. One that comes
/// twice is bound once. The mirror of [`dial_addresses`], for a protocol that does more than
/// [`listen_host`].
///
/// For port 0 the first address lets the system choose, and the others take the same port. If it is
/// taken at one of them, another one is chosen, a few times.
///
/// # Errors
/// That of the look-up, or of the first address that cannot be bound, which it names. Then nothing
/// listens.
pub async fn listen_addresses<M: Mode>(
    lookup: &Dialer<Lookup, M>,
    bind: &Dialer<TcpListen, M>,
    at: &HostPort,
) -> Result<M::Listener, Error> {
    let all = addresses(lookup, at).await?;
    let mut addresses = Vec::new();
    for address in all {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let Some((first, others)) = addresses.split_first() else { return Err(no_address(at)) };
    for _ in 1..PORT_TRIES {
        match bind_all(bind, *first, others).await {
            Err(error) if at.port == 0 && error.kind() == ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
    bind_all(bind, *first, others).await
}

/// How many ports are tried where the system may choose one for several addresses.
const PORT_TRIES: u32 = 8;

/// Binds the addresses of one host, all at the port that the first one gets. An error drops those
/// that are bound.
async fn bind_all<M: Mode>(
    bind: &Dialer<TcpListen, M>,
    first: SocketAddr,
    others: &[SocketAddr],
) -> Result<M::Listener, Error> {
    let partial = |error: Error| match (others, error.kind()) {
        ([_, ..], ErrorKind::AddrInUse) => error.advise("free this address, or give one address in place of the name"),
        _ => error,
    };
    let listener = bind.dial(first).await.map_err(partial)?;
    if others.is_empty() {
        return Ok(listener);
    }
    let port = listener.local_addr().map_or(first.port(), |address| address.port());
    let mut listeners = Vec::from([listener]);
    for address in others {
        let mut address = *address;
        address.set_port(port);
        listeners.push(bind.dial(address).await.map_err(partial)?);
    }
    Ok(listeners.into_iter().collect::<Listeners<M>>().into())
}

async fn in_order<M: Mode>(
    to: HostPort,
    (lookup, link): (Dialer<Lookup, M>, Dialer<Tcp, M>),
) -> Result<M::Flow, Error> {
    dial_addresses(&lookup, &link, &to).await
}

/// Dials the addresses of a host in turn, in the order of the look-up, until one answers; an
/// address is not looked up.
///
/// # Errors
/// That of the look-up, or of the last address; the others are in the [report](Error::report).
pub async fn dial_addresses<M: Mode, R: Role<Target = SocketAddr>>(
    lookup: &Dialer<Lookup, M>,
    role: &Dialer<R, M>,
    to: &HostPort,
) -> Result<R::Output<M>, Error> {
    let mut failed = None;
    for address in addresses(lookup, to).await? {
        match role.dial(address).await {
            Ok(output) => return Ok(output),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| no_address(to)))
}

#[cold]
fn no_address(of: &HostPort) -> Error {
    Error::new(ErrorKind::NotFound, "the name has no address").in_phase(Phase::Lookup).to_target(of)
}

async fn addresses<M: Mode>(lookup: &Dialer<Lookup, M>, to: &HostPort) -> Result<Vec<SocketAddr>, Error> {
    if let Some(address) = to.as_addr() {
        return Ok([address].into());
    }
    let question = Question { name: to.host.clone(), record_type: RecordType::Addresses };
    let records = lookup.dial(question).await?;
    Ok(records.iter().filter_map(|record| record.socket_addr(to.port)).collect())
}

/// Dials several roles in turn until one answers: a connect function for fallback, written down.
///
/// ```
/// use mimic_core::{Context, role};
/// use mimic_core::adapter::first_ok;
/// use mimic_core::needs::over;
/// use mimic_core::roles::{HostPort, Transport};
///
/// role! {
///     /// Sockets of the hypervisor.
///     pub Vsock: HostPort;
///     /// Plain TCP.
///     pub Plain: HostPort;
/// }
/// let needs = (over(Vsock), over(Plain));
/// let ctx = Context::new().register(Transport, "vsock, else tcp", 0, needs, first_ok);
/// # let _ = ctx;
/// ```
///
/// # Errors
/// That of the last role; those before it are in the [report](Error::report).
pub async fn first_ok<T: Clone, D: Dialers<T>>(target: T, dialers: D) -> Result<D::Output, Error> {
    dialers.first_ok(target).await
}

/// Tuples of two to four dialers with one type of target and of output; see [`first_ok`].
pub trait Dialers<T> {
    /// What each of them gives.
    type Output;
    #[doc(hidden)]
    fn first_ok(self, target: T) -> impl Future<Output = Result<Self::Output, Error>>;
}

macro_rules! dialers {
    ($first:ident $($role:ident)+) => {
        impl<M, $first, $($role),+> Dialers<$first::Target> for (Dialer<$first, M>, $(Dialer<$role, M>),+)
        where
            M: Mode,
            $first: Role,
            $($role: Role<Target = $first::Target, Output<M> = $first::Output<M>>),+
        {
            type Output = $first::Output<M>;

            #[allow(non_snake_case, reason = "one macro for all lengths")]
            async fn first_ok(self, target: $first::Target) -> Result<Self::Output, Error> {
                let ($first, $($role),+) = self;
                let mut result = $first.dial(target.clone()).await;
                $(
                    if result.is_err() {
                        result = $role.dial(target.clone()).await;
                    }
                )+
                result
            }
        }
    };
}

dialers!(A B);
dialers!(A B C);
dialers!(A B C D);
