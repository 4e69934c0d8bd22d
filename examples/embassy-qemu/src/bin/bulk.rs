//! A trial: 1 MiB to a peer that echoes it, written and read at the same time; then connecting
//! again and again.
//!
//! It prints what came back and how it was, and, after the connects, how much of the heap is in
//! use: the same each time, or something leaks. Then it opens flows until there is no socket left
//! for one, says what the error was, and drops them: there is one again.
//!
//! `--timeout` is how long the peer may acknowledge nothing.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::Instant;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::io::Split;
use mimic_core::{Error, ErrorKind, Flow, FlowExt, Local, LocalContext};
use mimic_embassy::{Buffers, UserTimeout, context};
use mimic_example_embassy_qemu::semihosting::Output;
use mimic_example_embassy_qemu::{Options, finish, heap_in_use, run};
use static_cell::ConstStaticCell;

const BYTES: u32 = 1 << 20;
/// How often it connects: a handshake takes 0.1 s.
const fn connects(is_tls: bool) -> usize {
    if is_tls { 100 } else { 1_000 }
}

static BUFFERS: ConstStaticCell<Buffers<4, 4096, 4096>> = ConstStaticCell::new(Buffers::new());

#[cortex_m_rt::entry]
fn main() -> ! {
    run(|spawner: Spawner, stack, options| {
        spawner.spawn(trial(stack, options).unwrap_or_else(|_| unreachable!("it is spawned once")));
    })
}

#[embassy_executor::task]
async fn trial(stack: Stack<'static>, options: Options<'static>) {
    let ctx = context(stack, BUFFERS.take());
    #[cfg(feature = "rustls")]
    let ctx = mimic_example_embassy_qemu::trust::apply(ctx, options);
    let ctx = match options.timeout {
        Some(timeout) => ctx.with(UserTimeout, timeout),
        None => ctx,
    };
    finish(options, all(ctx, options.url).await.map_err(|error| error.to_target(options.url)));
}

async fn all(ctx: LocalContext, url: &str) -> Result<(), Error> {
    let ctx = ctx.with_url(url)?;
    let mut stdout = Output::stdout().map_err(|refused| Error::with_source(ErrorKind::Other, refused))?;
    let begun = Instant::now();
    let wrong = echo(&ctx).await?;
    let took = begun.elapsed().as_millis();
    let _ = writeln!(stdout, "{BYTES} bytes echoed, {wrong} of them wrong; {took} ms");

    let connects = connects(url.starts_with("tls:"));
    let mut half = 0;
    for connect in 0..=connects {
        let mut flow = ctx.connect().await?;
        flow.write_all(b"x").await?;
        flow.flush().await?;
        flow.read_exact(&mut [0]).await.map_err(|_| Error::new(ErrorKind::ConnectionAborted, "the echo is missing"))?;
        if connect % 2 == 0 {
            flow.close().await?
        } else {
            drop(flow)
        }
        // The first ones leave what later ones use again, tickets of TLS among them.
        if connect == connects / 2 {
            half = heap_in_use();
        }
    }
    let end = heap_in_use();
    let _ = writeln!(stdout, "{connects} connects; heap in use: {half} bytes after half of them, {end} at the end");

    // By TCP alone: the peer of the tests does one handshake at a time.
    if url.starts_with("tls:") {
        return Ok(());
    }
    let (flows, error) = exhaust(&ctx).await;
    let count = flows.len();
    drop(flows);
    let _ = ctx.connect().await?;
    let _ = writeln!(stdout, "{count} at once, and one after them; between: {error}");
    Ok(())
}

/// All flows that there can be, and why there is no other.
async fn exhaust(ctx: &LocalContext) -> (Vec<Box<dyn Flow>>, Error) {
    let mut flows = Vec::new();
    loop {
        match ctx.connect().await {
            Ok(flow) => flows.push(flow),
            Err(error) => return (flows, error),
        }
    }
}

/// How many bytes came back wrong.
async fn echo(ctx: &LocalContext) -> Result<u32, Error> {
    let mut split = Split::<_, Local>::new(ctx.connect().await?);
    let (mut reader, mut writer) = split.halves();
    let mut writing = pin!(async {
        let mut bytes = Bytes(1);
        let mut piece = [0; 512];
        for _ in 0..BYTES / 512 {
            piece.fill_with(|| bytes.next());
            writer.write_all(&piece).await?;
        }
        writer.shutdown().await
    });
    let mut reading = pin!(async {
        let (mut bytes, mut wrong, mut read) = (Bytes(1), 0, 0);
        let mut piece = [0; 700];
        loop {
            match reader.read(&mut piece).await? {
                0 if read == BYTES => return Ok(wrong),
                0 => return Err(Error::new(ErrorKind::ConnectionAborted, "the echo ended early")),
                count => {
                    for byte in &piece[..count] {
                        wrong += u32::from(*byte != bytes.next());
                        read += 1;
                    }
                }
            }
        }
    });
    let mut written = false;
    poll_fn(|cx| {
        if !written && let Poll::Ready(result) = writing.as_mut().poll(cx) {
            written = true;
            if let Err(error) = result {
                return Poll::Ready(Err(error));
            }
        }
        reading.as_mut().poll(cx)
    })
    .await
}

/// A sequence of bytes in which a lost or doubled piece shows (xorshift).
struct Bytes(u32);

impl Bytes {
    fn next(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0.to_le_bytes()[1]
    }
}
