//! Connecting.

use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use embassy_net::tcp::State;
use embassy_time::{Instant, Timer};
use mimic_core::{Error, ErrorKind, Phase};

use crate::flow::TcpFlow;
use crate::pool::{Pool, PooledSocket, close_quietly};
use crate::socket::{CONNECT, Options, duration, link_down, poll_once, start};
use crate::{address, network};

pub(crate) async fn connect(pool: &'static Pool, to: SocketAddr, options: Options) -> Result<TcpFlow, Error> {
    let fault = |kind, reason| Error::new(kind, reason).in_phase(Phase::Connect);
    network::wait(pool.stack(), options.deadline).await?;
    let Some(endpoint) = address::route(pool.stack(), to) else {
        return Err(fault(ErrorKind::AddrNotAvailable, "the stack has no address of the family, or no route")
            .advise("give it an address of the family, and a gateway"));
    };
    // Given back, and not connected any further, if this is dropped.
    let socket = pool.take().await?;
    options.connecting(&mut socket.get());
    // It is given up here, where it is known from a refusal.
    socket.get().set_timeout(None);
    let from = address::local(pool.stack(), to.ip());
    let mut attempt = pool.neighbor_turns().begin();
    let gives_up = attempt.started() + duration(CONNECT);
    let mut sending = false;
    poll_fn(|cx| {
        if sending && let Poll::Ready(connected) = poll_connected(&socket, cx) {
            log!(debug, "connect to {}: {}", endpoint, connected);
            return Poll::Ready(match connected {
                true => Ok(()),
                // smoltcp closes what has lost its address, as DHCP takes it when the link goes
                // down.
                false if address::local(pool.stack(), to.ip()) != from => Err(link_down(
                    pool.stack(),
                    fault(ErrorKind::NotConnected, "the stack lost the address that it connected from"),
                )),
                false => Err(fault(ErrorKind::ConnectionRefused, "the peer refused the connection")),
            });
        }
        let now = Instant::now();
        if now >= gives_up {
            let silent = fault(ErrorKind::TimedOut, "the peer did not answer");
            return Poll::Ready(Err(link_down(pool.stack(), silent)));
        }
        let (may_send, until) = attempt.may_send(now);
        if sending && !may_send {
            log!(debug, "no answer yet from {}: others take their turn", endpoint);
            close_quietly(&mut socket.get());
        } else if may_send && !sending {
            // The rest of embassy-net's future only waits for the state to change.
            if let Poll::Ready(Err(_)) = start(socket.get().connect(endpoint)) {
                return Poll::Ready(Err(fault(ErrorKind::AddrNotAvailable, "the address cannot be connected to")));
            }
            let _ = poll_connected(&socket, cx);
        }
        sending = may_send;
        let _ = poll_once(cx, Timer::at(until.min(gives_up)));
        Poll::Pending
    })
    .await?;
    socket.keep();
    Ok(TcpFlow::new(socket, options))
}

/// Waits until the socket is connected, or never will be.
fn poll_connected(socket: &PooledSocket, cx: &mut Context<'_>) -> Poll<bool> {
    let socket = socket.get();
    match socket.state() {
        State::SynSent | State::SynReceived => {
            // Wakes when the state changes.
            let _ = poll_once(cx, socket.wait_write_ready());
            Poll::Pending
        }
        State::Closed | State::Listen | State::TimeWait => Poll::Ready(false),
        _ => Poll::Ready(true),
    }
}
