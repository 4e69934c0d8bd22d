//! Does one thing so many times, for callgrind to count instructions: `counts WHAT TIMES`.
//! `tests/speed/counts` calls it.
//!
//! Making what is used is the same however often it is used, and so drops out of the difference of
//! two runs.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program that measures stops at a failure")]

use mimic_speed::calls::{Nothing, boxed, read, through_futures, through_tokio, write};
use mimic_speed::graph::{filled, graph, kept, now};

fn main() {
    let mut args = std::env::args().skip(1);
    let (what, times) = (args.next().expect("what"), args.next().expect("how often").parse::<u32>().expect("a number"));
    let (ctx, empty, dialer) = (filled(graph()), graph(), kept());
    match what.as_str() {
        "direct-write" => write(&mut Nothing, times),
        "direct-read" => read(&mut Nothing, times),
        "boxed-write" => write(&mut boxed(), times),
        "boxed-read" => read(&mut boxed(), times),
        "tokio-write" => write(&mut through_tokio(), times),
        "tokio-read" => read(&mut through_tokio(), times),
        "futures-write" => write(&mut through_futures(), times),
        "futures-read" => read(&mut through_futures(), times),
        "resolve" => (0..times).for_each(|_| drop(now(ctx.connect()).unwrap())),
        "with-and-resolve" => (0..times).for_each(|_| drop(now(filled(empty.clone()).connect()).unwrap())),
        "kept-dial" => (0..times).for_each(|_| drop(now(dialer.dial(())).unwrap())),
        _ => unreachable!("nothing is called {what}"),
    }
}
