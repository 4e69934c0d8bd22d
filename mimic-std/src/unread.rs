//! Bytes that nobody will read.

use std::mem::MaybeUninit;

use socket2::Socket;

/// How often, and how much at a time. A peer that sends without end must not keep the thread.
const RECEIVES: usize = 64;
const SCRATCH: usize = 4 * 1024;

/// Discards what has arrived at a socket that does not block, up to 256 KiB: for adapters, before they close it.
///
/// Systems reset a connection whose socket is closed over unread bytes. The peer then loses what it has not read yet,
/// although it was sent and flushed long before. Bytes that arrive after the close have the same effect; only a close
/// that waits for the peer ([`FlowExt::close`](mimic_core::FlowExt::close)) is safe from those.
///
/// The socket is asked itself, not the runtime, which learns of bytes only between two turns of its tasks.
pub fn discard_unread(socket: &Socket) {
    let mut scratch = [MaybeUninit::uninit(); SCRATCH];
    for _ in 0..RECEIVES {
        if !matches!(socket.recv(&mut scratch), Ok(1..)) {
            break;
        }
    }
}
