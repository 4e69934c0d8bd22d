//! Contexts to resolve: the benchmark graph of the original, and ones that grow.
//!
//! The benchmark graph has the keys scheme, host and port; `ip` derived from host; a candidate
//! `tls` for "https" and a candidate `tcp` for "http", each over scheme, ip and port with a
//! default. Its flows do nothing. The original (OCaml 4.13, native) takes 780 to 860 ns to resolve
//! it, and 1.0 to 1.2 us with three values added before.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::task::{Context as Task, Poll, Waker};

use mimic_core::keys::{Host, Port, Scheme};
use mimic_core::needs::{is, or_default, req, when};
use mimic_core::roles::Connect;
use mimic_core::{Context, Dialer, FlowExt, Key, Shared, key};

use crate::calls::Nothing;

key! { Ip: IpAddr }

/// A key of many.
#[derive(Clone, Copy, Debug)]
struct Nth(u32);

impl Key for Nth {
    type Value = u32;
    const NAME: &'static str = "Nth";
    fn instance(&self) -> u32 {
        self.0
    }
}

/// The benchmark graph, without values.
#[must_use]
pub fn graph() -> Context {
    Context::new()
        .derive(Ip, req(Host), |host| async move { Ok((!host.is_empty()).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))) })
        .register(
            Connect,
            "tcp",
            20,
            when(is(Scheme, "http")).needs((req(Ip), or_default(Port, 80))),
            |(), (_ip, _port)| async { Ok(Nothing.boxed()) },
        )
        .register(
            Connect,
            "tls",
            10,
            when(is(Scheme, "https")).needs((req(Host), req(Ip), or_default(Port, 443))),
            |(), (_host, _ip, _port)| async { Ok(Nothing.boxed()) },
        )
}

/// Its three values.
#[must_use]
pub fn filled(ctx: Context) -> Context {
    ctx.with(Scheme, "http".into()).with(Host, "example.org".into()).with(Port, 8080)
}

/// A kept dialer of the benchmark graph.
#[must_use]
pub fn kept() -> Dialer<Connect, Shared> {
    now(filled(graph()).dialer(Connect)).unwrap()
}

/// The benchmark graph among `count` other values.
#[must_use]
pub fn bindings(count: u32) -> Context {
    (0..count).fold(filled(graph()), |ctx, n| ctx.with(Nth(n), n))
}

/// A candidate that needs the last of `length` functions, each of which needs the one before.
#[must_use]
pub fn chain(length: u32) -> Context {
    (1..=length)
        .fold(Context::new(), |ctx, n| ctx.derive(Nth(n), req(Nth(n - 1)), |n| async move { Ok(Some(n + 1)) }))
        .with(Nth(0), 0)
        .register(Connect, "end", 0, req(Nth(length)), |(), _| async { Ok(Nothing.boxed()) })
}

/// The benchmark graph behind `count` candidates that do not apply.
#[must_use]
pub fn protocols(count: u32) -> Context {
    (0..count).fold(filled(graph()), |ctx, n| {
        ctx.register(Connect, format!("other {n}"), 5, when(is(Scheme, "other")), |(), ()| async {
            Ok(Nothing.boxed())
        })
    })
}

/// Polls once: nothing in these graphs ever waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing waits"),
    }
}
