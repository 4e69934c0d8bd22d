//! Devices of `embedded-io-async` as flows.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that fails panics")]

mod uart;
mod world;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use embassy_net::tcp::TcpSocket;
use futures_lite::future::{block_on, yield_now, zip};
use mimic_core::embedded_io_async::{ErrorType, Read, Write};
use mimic_core::io::{CancelSafeDevice, pump};
use mimic_core::{FlowExt, LocalContext};
use mimic_embassy::context;
use uart::with_uart;
use world::{SERVER, World, at, buffers, url};

/// One direction of a serial line: a FIFO of 16 bytes.
#[derive(Clone, Default)]
struct Line(Rc<RefCell<(VecDeque<u8>, Vec<Waker>)>>);

impl Line {
    async fn change<T>(&self, mut change: impl FnMut(&mut VecDeque<u8>) -> Option<T>) -> T {
        poll_fn(|cx| {
            let mut line = self.0.borrow_mut();
            match change(&mut line.0) {
                Some(output) => {
                    line.1.drain(..).for_each(Waker::wake);
                    Poll::Ready(output)
                }
                None => {
                    line.1.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// The half of a UART that reads, or the one that writes.
struct Uart(Line);

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let byte = self.0.change(VecDeque::pop_front).await;
        // Off the line, and not handed out yet: a future that is dropped here would lose it.
        yield_now().await;
        buf[0] = byte;
        Ok(1)
    }
}

impl Write for Uart {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        let mut push = |fifo: &mut VecDeque<u8>| (fifo.len() < 16).then(|| fifo.push_back(buf[0]));
        self.0.change(&mut push).await;
        Ok(1)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        self.0.change(|fifo| fifo.is_empty().then_some(())).await;
        Ok(())
    }
}

#[test]
fn the_application_runs_over_a_uart() {
    let (there, back) = (Line::default(), Line::default());
    let ctx = at(&with_uart(LocalContext::new(), Uart(back.clone()), Uart(there.clone())), "uart:/");
    let peer = pump(Uart(there), Uart(back), 32);
    block_on(async {
        let mut flow = ctx.connect().await.unwrap();
        let mut transcript = String::new();
        let ping = mimic_example_app::ping(&mut flow, &mut transcript);
        let mut peer: Box<dyn mimic_core::Flow> = Box::new(peer);
        let served = futures_lite::future::or(async { ping.await.unwrap() }, async {
            mimic_example_app::serve(&mut peer).await.unwrap();
        });
        served.await;
        assert_eq!(transcript, "> ping\n< pong\n> pong\n< ping\n> mimic\n< mimic\n");
        let error = ctx.connect().await.unwrap_err();
        assert!(error.to_string().contains("the UART is in use"), "{error}");
    });
}

/// embassy-net's socket keeps nothing in its futures, and has no `Debug`.
struct Socket(TcpSocket<'static>);

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl ErrorType for Socket {
    type Error = embassy_net::tcp::Error;
}

impl Read for Socket {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        self.0.read(buf).await
    }
}

impl Write for Socket {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.0.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.0.flush().await
    }
}

#[test]
fn a_socket_of_ones_own_is_a_flow_too() {
    let mut world = World::new();
    let client = at(&context(world.client, buffers::<1>()), &url(SERVER, 7));
    let server = world.server;
    world.run(async {
        let (rx, tx) = (Box::leak(Box::new([0; 1000])), Box::leak(Box::new([0; 1000])));
        let mut socket = TcpSocket::new(server, rx, tx);
        let (flow, accepted) = zip(client.connect(), socket.accept(7)).await;
        accepted.unwrap();
        let mut flow = flow.unwrap();
        let mut own: Box<dyn mimic_core::Flow> = Box::new(CancelSafeDevice::new(Socket(socket)));
        let mut transcript = String::new();
        let pinged = async {
            mimic_example_app::ping(&mut flow, &mut transcript).await.unwrap();
            flow.shutdown().await.unwrap();
        };
        let (served, ()) = zip(mimic_example_app::serve(&mut own), pinged).await;
        served.unwrap();
        assert!(transcript.ends_with("< mimic\n"));
    });
}
