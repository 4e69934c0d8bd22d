//! Connects to a URL a number of times, and prints what happened, for `tests/namespaces/run`.
//!
//! `timeline tcp://example.org:7 50`: a line per connect. Its events are separated by `; `, each
//! with its time in
//! microseconds since the connect began: `250312 start   192.0.2.1:443`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's tool: who calls it reads the panic")]

use std::env;
use std::fmt::Write as _;

use mimic_core::FlowExt;
use mimic_happy_eyeballs::Timeline;

fn main() {
    let mut args = env::args().skip(1);
    let (url, count) = (args.next().expect("a URL"), args.next().expect("a count"));
    let ctx = mimic_tokio::context().with_url(&url).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        for _ in 0..count.parse().expect("a number") {
            let flow = ctx.connect().await.unwrap();
            let mut line = String::new();
            for event in flow.attribute(Timeline).expect("a flow of Happy Eyeballs") {
                let text = event.to_string();
                let (_, what) = text.split_once(" ms  ").expect("a time and an event");
                write!(line, "{} {what}; ", event.at().as_micros()).unwrap();
            }
            println!("{}", line.trim_end_matches("; "));
        }
    });
}
