//! What the types promise to the compiler: `Send`, `Sync`, `Unpin`, `Debug` and sizes. Most of it
//! is checked by compiling.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use embedded_io_async::{ErrorType, Read, Write};
use futures_lite::future::block_on;
use mimic_core::adapter::*;
use mimic_core::explain::*;
use mimic_core::io::*;
use mimic_core::keys::*;
use mimic_core::needs::*;
use mimic_core::roles::*;
use mimic_core::*;
use static_assertions::{assert_eq_size, assert_impl_all, assert_not_impl_any, assert_obj_safe};

// Contexts are values; the local one stays where it is.
assert_impl_all!(Context: Send, Sync, Clone, Unpin, Default, Debug);
assert_impl_all!(LocalContext: Clone, Unpin, Default, Debug);
assert_not_impl_any!(LocalContext: Send, Sync);

// One small error in both modes.
assert_impl_all!(Error: Send, Sync, Unpin, std::error::Error, embedded_io_async::Error);
assert_eq_size!(Error, Option<Error>, Result<(), Error>, usize);
#[cfg(feature = "std")]
assert_impl_all!(std::io::Error: From<Error>, Into<Error>);

// Flows: one thread at a time in Shared, one thread in Local, never pinned.
assert_obj_safe!(Flow, Timer, Listener<Shared>, Listener<Local>);
assert_impl_all!(Box<dyn Flow + Send>: Flow, FlowExt, Read, Write, Send, Unpin, Debug);
assert_impl_all!(Box<dyn Flow>: Flow, FlowExt, Read, Write, Unpin, Debug);
assert_not_impl_any!(Box<dyn Flow + Send>: Sync);
assert_not_impl_any!(Box<dyn Flow>: Send, Sync);
assert_impl_all!(Memory<Shared>: Flow, Send, Sync, Unpin, Debug);
assert_impl_all!(Memory<Local>: Flow, Unpin, Debug);
assert_not_impl_any!(Memory<Local>: Send, Sync);
assert_impl_all!(SyncFlow<Box<dyn Flow + Send>>: Flow, Read, Write, Send, Sync, Unpin, Debug);
assert_not_impl_any!(SyncFlow<Box<dyn Flow>>: Send, Sync);

// Halves of either kind can be spawned in Shared although the flow is only `Send`.
type Boxed = Box<dyn Flow + Send>;
type Owned = Arc<Split<Boxed, Shared>>;
type Borrowed<'a> = &'a Split<Boxed, Shared>;
assert_impl_all!(Split<Boxed, Shared>: Send, Sync, Unpin, Debug);
assert_impl_all!(ReadHalf<Owned>: Read, Send, Sync, Unpin, Debug);
assert_impl_all!(WriteHalf<Owned>: Write, Send, Sync, Unpin, Debug);
assert_impl_all!(ReadHalf<Borrowed<'static>>: Read, Send, Sync, Unpin, Debug);
assert_impl_all!(WriteHalf<Borrowed<'static>>: Write, Send, Sync, Unpin, Debug);
assert_not_impl_any!(ReadHalf<Owned>: Clone);
assert_not_impl_any!(WriteHalf<Owned>: Clone);
assert_not_impl_any!(OwnedReadHalf<Boxed, Local>: Send, Sync);
assert_not_impl_any!(WriteHalf<&'static Split<Boxed, Local>>: Send, Sync);

assert_impl_all!(Dialer<Transport, Shared>: Send, Sync, Clone, Unpin, Debug);
assert_impl_all!(Dialer<Transport, Local>: Clone, Unpin, Debug);
assert_not_impl_any!(Dialer<Transport, Local>: Send, Sync);
assert_impl_all!(DuplexWaker: Send, Sync, Unpin, Debug);
assert_impl_all!(BufReader<Boxed>: Read, Write, Send, Unpin, Debug);
assert_impl_all!(Explanation: Send, Sync, Clone, Debug);
assert_impl_all!(Report: Send, Sync, Clone, Debug);
assert_impl_all!(Text: Send, Sync, Clone, Ord, Debug);
// A password that is formatted into a command would be sent as `…`.
assert_impl_all!(Secret: Send, Sync, Clone, Unpin, Eq, std::hash::Hash, Debug);
assert_not_impl_any!(Secret: std::fmt::Display, std::ops::Deref, AsRef<str>, PartialOrd);
assert_impl_all!(Listeners<Shared>: Listener<Shared>, Send, Unpin, Debug);
assert_impl_all!(Listeners<Local>: Listener<Local>, Unpin, Debug);
assert_not_impl_any!(Listeners<Local>: Send, Sync);
assert_impl_all!(Handshake<Shared>: Send, Sync, Clone, Unpin, Debug);
assert_impl_all!(HostPort: Send, Sync, Clone, Eq, std::hash::Hash, Debug, std::fmt::Display);
assert_impl_all!(mimic_core::keys::Protected: Send, Sync, Clone, Eq, std::hash::Hash, Debug);
assert_impl_all!(Endpoint: Send, Sync, Clone, Eq, Debug);

/// The needs, whose types have no names.
#[test]
fn needs_can_be_cloned_and_printed() {
    fn check(need: impl Clone + Debug + Send + Sync) -> String {
        format!("{:?}", need.clone())
    }
    let all = (req(Port), opt(Port), or_default(Port, 7), given(Port), over(Transport), handshake());
    assert_eq!(check(all), "(req Port, opt Port, or_default Port, given Port, Over(Transport), TakeHandshake(()))");
    assert_eq!(check(Schemes::clients()) + &check(Schemes::servers()), "ClientSchemes(())ServerSchemes(())");
}

macro_rules! all_debug {
    ($($type:ty),+ $(,)?) => { $(assert_impl_all!($type: Debug);)+ };
}

// Every public type that is not above.
all_debug!(
    AttributeRequest<'static>,
    Phase,
    PlanError,
    Choice,
    ChoiceKind,
    Goal,
    GoalKind,
    NeedOutcome,
    Verdict,
    Local,
    Shared,
    Gate,
    When<()>,
    Priority,
    Schemes,
    InOrder,
    CancelSafeDevice<Vec<u8>>,
    Attempt,
    Outcome,
    Instant,
    HostPort,
    UnixPath,
    Question,
    RecordType,
    mimic_core::roles::Record,
    mimic_core::roles::Service,
    (Scheme, Host, Port, Path, Deadline, NoDelay, KeepAlive, V6Only, UnixMode),
    (User, Password, Query),
    (PeerAddr, LocalAddr, Via, TlsVersion, Alpn, AlpnProtocol, Protection, ServerName, RequestedName),
    mimic_core::keys::Protected,
    (Connect, Transport, Tcp, Unix, Secure, Lookup, Sleep),
    (Listen, TcpListen, UnixListen),
);

fn spawnable<T: Send + 'static>(_: T) {}

/// Generic over the mode without a bound, and still `Send` when the mode is `Shared`.
async fn generic<M: Mode>(ctx: &Ctx<M>) -> Result<(), Error> {
    let mut flow = ctx.connect().await?;
    flow.write_all(b"ping\n").await?;
    flow.read(&mut [0; 8]).await?;
    FlowExt::shutdown(&mut flow).await?;
    let dialer = ctx.dialer(Transport).await?;
    let mut split = Split::<_, M>::new(dialer.dial(HostPort::new("h", 1)).await?);
    let (mut reader, mut writer) = split.halves();
    reader.read(&mut [0; 8]).await?;
    writer.write_all(b"x").await?;
    writer.shutdown().await?;
    let (mut reader, mut writer) = split.into_halves();
    reader.read(&mut [0; 8]).await?;
    writer.shutdown().await?;
    ctx.listen().await?.accept().await?.close().await?;
    let mut timer = ctx.resolve(Sleep, ()).await?;
    sleep(&mut timer, Duration::ZERO).await;
    ctx.listen().await?.accept_ok(&mut timer, |_| ()).await.close().await?;
    timeout(&mut timer, Duration::ZERO, async { Ok(()) }).await
}

#[test]
fn what_a_shared_context_does_can_be_spawned() {
    let ctx = Context::new();
    let clone = ctx.clone();
    spawnable(async move { generic(&clone).await });
    let clone = ctx.clone();
    spawnable(async move { clone.resolve(Transport, HostPort::new("h", 1)).await });
    let clone = ctx.clone();
    spawnable(async move { clone.connect().await });
    let clone = ctx.clone();
    spawnable(async move { clone.listen().await });
    let clone = ctx.clone();
    spawnable(async move { clone.dialer(Secure).await });
    let clone = ctx.clone();
    spawnable(async move { clone.dialer(Transport).await?.dial(HostPort::new("h", 1)).await });
    // And what borrows it is `Send` as well.
    fn send<T: Send>(_: T) {}
    send(ctx.connect());
    send(ctx.resolve(Lookup, Question { name: "h".into(), record_type: RecordType::A }));
    send(generic(&ctx));
}

#[test]
fn registered_functions_may_use_what_is_below_them() {
    let ctx = Context::new()
        .register(Connect, "outer", 0, over(Transport), |(), transport| async move {
            let mut flow = transport.dial(HostPort::new("h", 1)).await?;
            flow.write_all(b"hello").await?;
            Ok(flow)
        })
        .layer(Transport, "layer", opt(Host), |to, below, _host| async move { below.dial(to).await });
    spawnable(async move { ctx.connect().await });
}

struct Device;

impl ErrorType for Device {
    type Error = ErrorKind;
}

impl Read for Device {
    async fn read(&mut self, _: &mut [u8]) -> Result<usize, ErrorKind> {
        Ok(0)
    }
}

impl Write for Device {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, ErrorKind> {
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

#[test]
fn a_pump_is_send_if_its_device_is_and_debug_whatever_it_is() {
    let pumped: Box<dyn Flow + Send> = Box::new(pump(Device, Device, 1));
    assert!(format!("{pumped:?}").starts_with("Pump"));
    spawnable(async move { pumped.close().await });
}

/// A registration from another crate, for every mode.
struct Echo;

for_each_mode!(M => {
    impl Install<M> for Echo {
        fn install(self, ctx: Ctx<M>) -> Ctx<M> {
            ctx.register(Transport, "echo", 0, when(is(Scheme, "tcp")).needs((opt(Host),)), |to: HostPort, (host,)| async move {
                let (here, there) = memory_pair::<M>(8);
                let mut there: <M as Mode>::Flow = Box::new(there);
                assert_eq!(host, Some(to.host));
                there.write_all(b"echo").await?;
                Ok(Box::new(here) as _)
            })
        }
    }
});

#[test]
fn one_registration_serves_both_modes() {
    async fn read<M: Mode>(ctx: Ctx<M>) -> Result<Vec<u8>, Error> {
        let mut buf = [0; 8];
        let n = ctx.with_url("tcp://h:1")?.connect().await?.read(&mut buf).await?;
        Ok(buf[..n].to_vec())
    }
    let shared = Context::new().install(Schemes).install(Echo);
    assert_eq!(std::thread::spawn(|| block_on(read(shared))).join().unwrap().unwrap(), b"echo");
    let local = LocalContext::new().install(Schemes).install(Echo);
    assert_eq!(block_on(read(local)).unwrap(), b"echo");
}

#[test]
fn a_local_context_takes_what_is_not_send() {
    let name = Rc::new("rc");
    let ctx = LocalContext::new().register(Transport, "rc", 0, (), move |_, ()| {
        let name = name.clone();
        async move {
            let (here, there) = memory_pair::<Local>(8);
            let mut there: Box<dyn Flow> = Box::new(there);
            there.write_all(name.as_bytes()).await?;
            Ok(here.boxed_local())
        }
    });
    let mut flow = block_on(ctx.resolve(Transport, HostPort::new("h", 1))).unwrap();
    assert_eq!(block_on(flow.read(&mut [0; 8])).unwrap(), 2);
}

/// Whatever is generic over a boxed flow, or wraps one, can be spawned: the compiler proves `Send`
/// of futures with lifetimes erased, so no trait on the way may ask for `'static` (`Flow: Any` once
/// did).
mod spawned {
    use std::pin::pin;
    use std::task::{Context as Task, Poll, Waker};

    use embedded_io_async::{ErrorType, Read, Write};
    use mimic_core::io::{Split, memory_pair};
    use mimic_core::{Error, Flow, FlowExt, Shared};

    fn spawn<T>(future: impl Future<Output = T> + Send + 'static) -> Poll<T> {
        pin!(future).poll(&mut Task::from_waker(Waker::noop()))
    }

    async fn read<R: Read>(mut reader: R) -> Result<usize, R::Error> {
        reader.read(&mut [0; 8]).await
    }

    async fn read_by_reference<R: Read>(reader: &mut R) -> Result<usize, R::Error> {
        reader.read(&mut [0; 8]).await
    }

    async fn write<W: Write>(mut writer: W) -> Result<(), W::Error> {
        writer.write_all(b"x").await?;
        writer.flush().await
    }

    struct Wrapper<F>(F);

    impl<F> ErrorType for Wrapper<F> {
        type Error = Error;
    }

    impl<F: Flow> Read for Wrapper<F> {
        async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
            std::future::poll_fn(|cx| self.0.poll_read(cx, buf)).await
        }
    }

    fn boxed() -> Box<dyn Flow + Send> {
        let (near, mut far) = memory_pair::<Shared>(8);
        drop(spawn_write(&mut far));
        Box::new(near)
    }

    fn spawn_write(far: &mut impl Flow) -> Poll<Result<usize, Error>> {
        far.poll_write(&mut Task::from_waker(Waker::noop()), b"byte")
    }

    #[test]
    fn generic_functions_over_boxes_halves_and_wrappers() {
        assert!(matches!(spawn(read(boxed())), Poll::Ready(Ok(4))));
        assert!(matches!(spawn(read(Wrapper(boxed()))), Poll::Ready(Ok(4))));
        let (reader, writer) = Split::<_, Shared>::new(boxed()).into_halves();
        assert!(matches!(spawn(read(reader)), Poll::Ready(Ok(4))));
        assert!(matches!(spawn(write(writer)), Poll::Ready(Err(_))), "the peer is gone");
        let borrowed = spawn(async {
            let mut split = Split::<_, Shared>::new(boxed());
            let (mut reader, writer) = split.halves();
            let read = read_by_reference(&mut reader).await;
            (read, write(writer).await.is_err())
        });
        assert!(matches!(borrowed, Poll::Ready((Ok(4), true))));
        assert!(matches!(spawn(async { boxed().shutdown().await }), Poll::Ready(Ok(()))));
    }
}
