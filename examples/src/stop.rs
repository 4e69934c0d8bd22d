//! One signal for many: it is time to stop.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_channel::{Receiver, Sender};
use futures_lite::Stream;

/// Tells all [`Stopped`] at once that it is time. So does dropping it.
#[derive(Debug)]
pub(crate) struct Stop(Sender<Infallible>);

/// Waits for its [`Stop`].
#[derive(Clone, Debug)]
pub(crate) struct Stopped(Pin<Box<Receiver<Infallible>>>);

/// A signal, and the first of those who wait for it.
pub(crate) fn stop() -> (Stop, Stopped) {
    let (sender, receiver) = async_channel::bounded(1);
    (Stop(sender), Stopped(Box::pin(receiver)))
}

impl Stop {
    pub(crate) fn now(&self) {
        self.0.close();
    }
}

impl Stopped {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll_next(cx).map(|_closed| ())
    }
}

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Stopped::poll(&mut self, cx)
    }
}
