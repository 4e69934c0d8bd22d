//! Discarding unread bytes before a socket is closed.

use std::io;
use std::mem::MaybeUninit;
use std::thread;

use socket2::Socket;

/// The number of receives, and the bytes of each. A peer that sends without end must not keep the
/// thread.
const RECEIVES: usize = 64;
const SCRATCH: usize = 4 * 1024;

/// Discards what has arrived at a socket, up to 256 KiB (64 receives of 4 KiB). Adapters call it
/// before they close one.
///
/// Systems reset a connection if its socket is closed over unread bytes. The peer then loses the
/// bytes that it has not read yet, although they were sent and flushed long before. Bytes that
/// arrive after the close have the same effect; only a close that waits for the peer
/// ([`FlowExt::close`](mimic_core::FlowExt::close)) is safe from those.
///
/// - It asks the socket itself. The runtime notices bytes only between two turns of its tasks.
/// - It never waits on Unix, even if another descriptor of the same socket made it blocking.
///   Elsewhere the socket must be non-blocking.
/// - It takes the bytes from every descriptor and process that shares the socket.
/// - It does nothing while the thread panics: a reset then tells the peer that the end is not
///   clean.
pub fn discard_unread(socket: &Socket) {
    if thread::panicking() {
        return;
    }
    let mut scratch = [MaybeUninit::uninit(); SCRATCH];
    for _ in 0..RECEIVES {
        if !matches!(receive(socket, &mut scratch), Ok(1..)) {
            break;
        }
    }
}

#[cfg(unix)]
fn receive(socket: &Socket, scratch: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    // Descriptors of one socket share `O_NONBLOCK`, and any of them may clear it.
    socket.recv_with_flags(scratch, libc::MSG_DONTWAIT)
}

#[cfg(not(unix))]
fn receive(socket: &Socket, scratch: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    socket.recv(scratch)
}
