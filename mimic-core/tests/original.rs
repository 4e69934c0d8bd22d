//! The seven tests of the original, OCaml mimic 0.0.9, on this API. They are re-expressed from what
//! they assert; where ours differs on purpose, a note says so.
//!
//! What is an endpoint value there (`Mimic.add edn v ctx`) is a key here that a candidate of
//! [`Connect`] requires.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod common;

use std::sync::{Arc, Mutex};
use std::task::{Context as Task, Poll};

use common::{block_on, plan_error};
use embedded_io_async::{Read, Write};
use mimic_core::explain::PlanError;
use mimic_core::needs::{or_default, req};
use mimic_core::roles::Connect;
use mimic_core::{Context, Error, ErrorKind, Flow, FlowExt, Key, Priority, Text, key, read_write};

/// Reads what it was made with; keeps what is written, up to its room, and then drops the rest.
#[derive(Clone, Debug, Default)]
struct Strings {
    input: Vec<u8>,
    output: Arc<Mutex<Vec<u8>>>,
    room: usize,
    closed: bool,
}

impl Flow for Strings {
    fn poll_read(&mut self, _: &mut Task<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        let n = self.input.len().min(buf.len());
        buf[..n].copy_from_slice(&self.input[..n]);
        self.input.drain(..n);
        self.closed |= n == 0;
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, _: &mut Task<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        if self.closed {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let mut output = self.output.lock().unwrap();
        let n = buf.len().min(self.room - output.len());
        output.extend_from_slice(&buf[..n]);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        self.closed = true;
        Poll::Ready(Ok(()))
    }
}

read_write!(Strings);

/// A flow that is nothing but the value it was connected with.
#[derive(Debug, PartialEq)]
struct Is<T>(T);

impl<T: std::fmt::Debug + 'static> Flow for Is<T> {
    fn poll_read(&mut self, _: &mut Task<'_>, _: &mut [u8]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Ok(0))
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

key! {
    StringsEndpoint: Strings;
    Int: i32;
    Float: f64;
    Str: Text;
    KeyA: i32;
    KeyB: i32;
    Int01: i32;
    Int02: i32;
}

/// Registers the protocol whose endpoint is `key` and whose flow is the value of it.
fn protocol<K>(ctx: Context, key: K, priority: impl Into<Priority>) -> Context
where
    K: Key + Copy + Send + Sync,
    K::Value: std::fmt::Debug,
{
    ctx.register(Connect, K::NAME, priority, req(key), |(), value| async move { Ok(Is(value).boxed()) })
}

fn resolved<T: PartialEq + std::fmt::Debug + 'static>(ctx: &Context, wanted: T) {
    let flow = block_on(ctx.connect()).unwrap();
    assert_eq!(flow.downcast_ref::<Is<T>>(), Some(&Is(wanted)));
}

fn strings(endpoint: Strings) -> Box<dyn Flow + Send> {
    let ctx = Context::new()
        .register(Connect, "memory0", Priority::NONE, req(StringsEndpoint), |(), flow| async move { Ok(flow.boxed()) })
        .with(StringsEndpoint, endpoint);
    block_on(ctx.connect()).unwrap()
}

#[test]
fn input_string() {
    let mut flow = strings(Strings { input: b"Hello World!".into(), ..Strings::default() });
    let mut buf = [0; 12];
    block_on(async {
        assert_eq!(flow.read(&mut buf).await.unwrap(), 12);
        assert_eq!(&buf, b"Hello World!");
        // There: `End_of_flow. Here: zero bytes.
        assert_eq!(flow.read(&mut buf).await.unwrap(), 0);
        // There: `Closed. Here: the kind says it.
        assert_eq!(flow.write(b"Hello World!").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn output_string() {
    let output = Arc::default();
    let mut flow = strings(Strings { output: Arc::clone(&output), room: 12, ..Strings::default() });
    block_on(async {
        for part in ["Hell", "o Wo", "rld!", "?!?!"] {
            assert_eq!(flow.write(part.as_bytes()).await.unwrap(), 4);
        }
        assert_eq!(flow.read(&mut []).await.unwrap(), 0);
        flow.shutdown().await.unwrap();
    });
    assert_eq!(*output.lock().unwrap(), b"Hello World!");
}

#[test]
fn values() {
    let ctx =
        protocol(protocol(protocol(Context::new(), Int, Priority::NONE), Str, Priority::NONE), Float, Priority::NONE);
    resolved(&ctx.clone().with(Int, 42), 42);
    resolved(&ctx.clone().with(Str, "Hello World!".into()), Text::from("Hello World!"));
    resolved(&ctx.with(Float, 0.42), 0.42);
}

#[test]
fn functions() {
    let ctx = protocol(Context::new(), Int, Priority::NONE)
        .derive(Int, (req(KeyA), req(KeyB)), |(a, b)| async move { Ok(Some(a + b)) })
        .with(KeyA, 2)
        .with(KeyB, 3);
    resolved(&ctx, 5);
    let ctx = protocol(Context::new(), Str, Priority::NONE)
        .derive(Str, or_default(Int, 42), |int| async move { Ok(Some(int.to_string().into())) });
    resolved(&ctx, Text::from("42"));
    resolved(&ctx.with(Int, 51), Text::from("51"));
}

#[test]
fn topological_sort() {
    let ctx = protocol(protocol(Context::new(), Str, Priority::NONE), Int, Priority::NONE)
        .derive(Str, req(Int01), |int: i32| async move { Ok(Some(int.to_string().into())) })
        .derive(Int01, req(Int02), |int| async move { Ok(Some(int + 1)) });
    resolved(&ctx.clone().with(Int01, 5), Text::from("5"));
    resolved(&ctx.clone().with(Int02, 4), Text::from("5"));
    // There: `Not_found, and nothing more. Here the error says what was tried.
    let error = block_on(ctx.connect()).unwrap_err();
    assert_eq!(plan_error(&error), PlanError::NoCandidate { role: "Connect".into() });
    assert!(format!("{error:#}").contains("req Int02: not given"), "{error:#}");
}

#[test]
fn priority() {
    key! { Int0: i32; Int1: i32; Int2: i32; Int3: i32 }
    let ctx = protocol(protocol(Context::new(), Int0, 10), Int1, 20);
    resolved(&ctx.clone().with(Int0, 1).with(Int1, 2), 1);
    resolved(&ctx.clone().with(Int1, 2).with(Int0, 1), 1);
    let ctx = protocol(ctx, Int2, Priority::NONE);
    resolved(&ctx.clone().with(Int1, 2).with(Int2, 3), 2);
    resolved(&ctx.clone().with(Int2, 3).with(Int1, 2).with(Int0, 1), 1);
    // Of equal priorities the latest registered, whatever the order of the values.
    let ctx = protocol(ctx, Int3, 20);
    resolved(&ctx.clone().with(Int1, 2).with(Int3, 4), 4);
    resolved(&ctx.with(Int3, 4).with(Int1, 2), 4);
}

#[test]
fn recent_values() {
    let ctx = protocol(Context::new(), Int, Priority::NONE).with(Int, 5).with(Int, 6);
    resolved(&ctx, 6);
    // There `get` answers the oldest value, though resolve uses the newest. Here both answer the
    // newest.
    assert_eq!(ctx.get(Int), Some(6));
}
