//! Flows in memory, and what mimic-core puts over a flow: halves, a buffer, devices.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use mimic_core::embedded_io_async::Read;
use mimic_core::io::{BufReader, CancelSafeDevice, Memory, OwnedReadHalf, OwnedWriteHalf, Split, memory_pair, pump};
use mimic_core::{Error, Flow, Local, Mode, Shared};
use mimic_tests::conformance::{End, Ends, Fixture, Kind, pairs};

fn in_memory() -> Kind {
    Kind::default().without_addresses()
}

pub(crate) fn memory() -> impl Fixture {
    pairs(in_memory(), || async {
        let (client, server) = memory_pair::<Shared>(4096);
        Ok(Ends::shared(client, server))
    })
}

/// In mode `Local`, with little room.
pub(crate) fn narrow() -> impl Fixture {
    pairs(in_memory(), || async {
        let (client, server) = memory_pair::<Local>(61);
        Ok(Ends::local(client, server))
    })
}

/// The halves of one flow, used as one flow again. A half can be neither aborted nor asked.
#[derive(Debug)]
struct Halves<M: Mode>(OwnedReadHalf<Memory<M>, M>, OwnedWriteHalf<Memory<M>, M>);

impl<M: Mode> Flow for Halves<M> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.0.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.1.poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.1.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.1.poll_shutdown(cx)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        self.1.poll_write_vectored(cx, bufs)
    }
}

pub(crate) fn owned_halves() -> impl Fixture {
    pairs(in_memory().without_reset(), || async {
        let (client, server) = memory_pair::<Shared>(4096);
        let [client, server] = [client, server].map(|flow| {
            let (reader, writer) = Split::<_, Shared>::new(flow).into_halves();
            Halves(reader, writer)
        });
        Ok(Ends::shared(client, server))
    })
}

/// Halves that are borrowed anew for each poll.
#[derive(Debug)]
struct Borrowed(Split<Memory<Local>, Local>);

impl Flow for Borrowed {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.0.halves().0.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.0.halves().1.poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.halves().1.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.halves().1.poll_shutdown(cx)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<Result<usize, Error>> {
        self.0.halves().1.poll_write_vectored(cx, bufs)
    }
}

pub(crate) fn borrowed_halves() -> impl Fixture {
    pairs(in_memory().without_reset(), || async {
        let (client, server) = memory_pair::<Local>(4096);
        let [client, server] = [client, server].map(|flow| {
            End::local(Borrowed(Split::new(flow))).opened_by(|flow| {
                let borrowed = flow.downcast::<Borrowed>().ok()?;
                Some(Box::new(borrowed.0.into_inner()))
            })
        });
        Ok(Ends { client, server })
    })
}

/// A flow that is read through a buffer; each poll reads anew, for a dropped read of a `BufReader`
/// loses nothing.
struct Buffered(BufReader<Memory<Shared>>);

impl Flow for Buffered {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        pin!(self.0.read(buf)).poll(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.0.get_mut().poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.get_mut().poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.get_mut().poll_shutdown(cx)
    }

    fn abort(&mut self) {
        self.0.get_mut().abort();
    }
}

impl fmt::Debug for Buffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

pub(crate) fn buf_reader() -> impl Fixture {
    pairs(in_memory(), || async {
        let (client, server) = memory_pair::<Shared>(4096);
        let [client, server] = [client, server].map(|flow| {
            End::shared(Buffered(BufReader::with_capacity(300, flow))).opened_by(|flow| {
                let buffered = flow.downcast::<Buffered>().ok()?;
                // Or what is in it would be lost.
                buffered.0.buffered().is_empty().then(|| Box::new(buffered.0.into_inner()) as _)
            })
        });
        Ok(Ends { client, server })
    })
}

/// A device with one half per direction: dropping the writing half hangs up.
pub(crate) fn pumped() -> impl Fixture {
    pairs(in_memory().without_reset().with_passing_errors(), || async {
        let (client_out, server_in) = memory_pair::<Shared>(100);
        let (server_out, client_in) = memory_pair::<Shared>(100);
        Ok(Ends::shared(pump(client_in, client_out, 64), pump(server_in, server_out, 300)))
    })
}

/// A device that cannot be split, and cannot hang up but by being dropped.
pub(crate) fn repolled() -> impl Fixture {
    pairs(in_memory().without_half_close().without_reset(), || async {
        let (client, server) = memory_pair::<Shared>(4096);
        let [client, server] = [client, server].map(|device| {
            End::shared(CancelSafeDevice::new(device)).opened_by(|flow| {
                let flow = flow.downcast::<CancelSafeDevice<Memory<Shared>>>().ok()?;
                Some(Box::new(flow.into_inner()))
            })
        });
        Ok(Ends { client, server })
    })
}
