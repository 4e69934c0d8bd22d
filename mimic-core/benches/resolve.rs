//! The benchmark graph of the original: keys scheme, host and port; `ip` derived from host; a candidate `tls` for
//! "https" and a candidate `tcp` for "http", each over scheme, ip and port with a default. Flows do nothing.
//!
//! `cargo bench -p mimic-core`. How often it allocates is counted, and asserted, by `tests/allocations.rs`. The original (OCaml 4.13, native) takes 780 to 860 ns for `resolve`, 1.0 to 1.2 us for
//! `with and resolve`, 28 to 31 ns for a 16-byte write and 29 to 35 ns for a read.

#![allow(missing_docs, reason = "the macro's own functions")]

use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context as Task, Poll, Waker};

use criterion::{Criterion, criterion_group, criterion_main};
use mimic_core::{
    Context, Error, Flow, Host, HostPort, Key, Port, Scheme, Stream, Transport, is, key, or_default, req,
};

key! { Ip: IpAddr }

#[derive(Debug)]
struct Nothing;

impl Flow for Nothing {
    fn poll_read(&mut self, _: &mut Task<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write(&mut self, _: &mut Task<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }
}

fn graph() -> Context {
    Context::new()
        .derive(Ip, req(Host), |host| async move { Ok((!host.is_empty()).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))) })
        .register(Stream, "tcp", 20, (is(Scheme, "http"), req(Ip), or_default(Port, 80)), |(), (_ip, _port)| async {
            Ok(Box::new(Nothing) as _)
        })
        .register(
            Stream,
            "tls",
            10,
            (is(Scheme, "https"), req(Host), req(Ip), or_default(Port, 443)),
            |(), (_host, _ip, _port)| async { Ok(Box::new(Nothing) as _) },
        )
}

fn filled(ctx: Context) -> Context {
    ctx.with(Scheme, "http".into()).with(Host, "example.org".into()).with(Port, 8080)
}

/// Polls once: nothing in the graph ever waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing waits"),
    }
}

fn resolve(c: &mut Criterion) {
    let empty = graph();
    let ctx = filled(graph());
    c.bench_function("resolve", |b| b.iter(|| now(ctx.connect())));
    c.bench_function("clone, three withs and resolve", |b| b.iter(|| now(filled(empty.clone()).connect())));
    c.bench_function("clone, three withs", |b| b.iter(|| filled(empty.clone())));
    let kept = ctx.register(Transport, "kept", 0, (), |_, ()| async { Ok(Box::new(Nothing) as _) });
    let dialer = now(kept.dialer(Transport)).unwrap_or_else(|error| unreachable!("{error}"));
    let target = HostPort::new("example.org", 80);
    c.bench_function("a dial through a kept dialer", |b| b.iter(|| now(dialer.dial(target.clone()))));
}

/// Keys, and functions for them, by number.
#[derive(Clone, Copy)]
struct Nth(u32);

impl Key for Nth {
    type Value = u32;
    const NAME: &'static str = "Nth";
    fn instance(&self) -> u32 {
        self.0
    }
}

fn bindings(c: &mut Criterion) {
    for count in [10, 100, 1_000, 10_000] {
        let ctx = (0..count).fold(filled(graph()), |ctx, n| ctx.with(Nth(n), n));
        c.bench_function(&format!("resolve, {count} bindings"), |b| b.iter(|| now(ctx.connect())));
    }
    c.bench_function("10,000 bindings made", |b| b.iter(|| (0..10_000).fold(graph(), |ctx, n| ctx.with(Nth(n), n))));
}

/// Each number is computed from the one before.
fn chain(length: u32) -> Context {
    (1..=length)
        .fold(Context::new(), |ctx, n| ctx.derive(Nth(n), req(Nth(n - 1)), |n| async move { Ok(Some(n + 1)) }))
        .with(Nth(0), 0)
        .register(Stream, "end", 0, req(Nth(length)), |(), _| async { Ok(Box::new(Nothing) as _) })
}

fn chains(c: &mut Criterion) {
    for length in [10, 100, 1_000, 10_000] {
        let ctx = chain(length);
        c.bench_function(&format!("resolve, a chain of {length}"), |b| b.iter(|| now(ctx.connect())));
        c.bench_function(&format!("explain, a chain of {length}"), |b| b.iter(|| ctx.explain(Stream).to_string()));
    }
    c.bench_function("a chain of 10,000 made", |b| b.iter(|| chain(10_000)));
}

/// More candidates, behind those of the graph, which are not looked at, and before them, whose gates are shut.
fn protocols(c: &mut Criterion) {
    for (priority, place) in [(30, "behind"), (5, "before")] {
        for count in [1, 10, 100, 1_000] {
            let ctx = (0..count).fold(filled(graph()), |ctx, n| {
                let needs = (is(Scheme, "other"), req(Nth(n)));
                ctx.register(Stream, "other", priority, needs, |(), _| async { Ok(Box::new(Nothing) as _) })
            });
            c.bench_function(&format!("resolve, {count} protocols {place}"), |b| b.iter(|| now(ctx.connect())));
        }
    }
}

fn flow(c: &mut Criterion) {
    let mut task = Task::from_waker(Waker::noop());
    let mut buf = [0; 16];
    let mut direct = std::hint::black_box(Nothing);
    c.bench_function("a 16-byte write, not boxed", |b| {
        b.iter(|| std::hint::black_box(&mut direct).poll_write(&mut task, std::hint::black_box(&buf)).is_ready());
    });
    c.bench_function("a 16-byte read, not boxed", |b| {
        b.iter(|| std::hint::black_box(&mut direct).poll_read(&mut task, std::hint::black_box(&mut buf)).is_ready());
    });
    let mut flow: Box<dyn Flow + Send> = std::hint::black_box(Box::new(Nothing));
    c.bench_function("a 16-byte write", |b| {
        b.iter(|| std::hint::black_box(&mut flow).poll_write(&mut task, std::hint::black_box(&buf)).is_ready());
    });
    c.bench_function("a 16-byte read", |b| {
        b.iter(|| std::hint::black_box(&mut flow).poll_read(&mut task, std::hint::black_box(&mut buf)).is_ready());
    });
}

criterion_group!(all, resolve, bindings, chains, protocols, flow);
criterion_main!(all);
