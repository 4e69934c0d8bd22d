//! Does the work of one row over loopback, for strace, perf and callgrind: `work NET WORK TIMES`.
//!
//! Nets: `mimic-tokio`, `tokio-rustls`, `mimic-smol`, `futures-rustls`. Work: `full` and `resumed`
//! handshakes, `ping`s of 64 bytes over TLS.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program that measures stops at a failure")]

use mimic_speed::net::{Configs, Net, Work, connect, run};
use mimic_speed::nets::{FuturesRustls, MimicSmolTls, MimicTokioTls, TokioRustls};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [net, work, times] = args.try_into().expect("a net, a work, and how often");
    let times = times.parse::<u32>().expect("a number");
    let configs = Configs::new(work == "resumed");
    match net.as_str() {
        "mimic-tokio" => does(&MimicTokioTls(configs), &work, times),
        "tokio-rustls" => does(&TokioRustls(configs), &work, times),
        "mimic-smol" => does(&MimicSmolTls(configs), &work, times),
        "futures-rustls" => does(&FuturesRustls(configs), &work, times),
        _ => unreachable!("no net is called {net}"),
    }
}

fn does(net: &impl Net, work: &str, times: u32) {
    let took = match work {
        "full" | "resumed" => connect(net, times),
        "ping" => run(net, Work::PingPong(times)) / f64::from(times),
        _ => unreachable!("no work is called {work}"),
    };
    println!("{:.1} us", took * 1e6);
}
