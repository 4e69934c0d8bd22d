//! TLS with a hostile peer, and TLS between honest ones with somebody in between: nothing panics or
//! hangs, and whatever is read is a beginning of what was said, all of it if it ends as it should.

use std::cell::RefCell;
use std::task::Poll;

use mimic_core::io::{Memory, memory_pair};
use mimic_core::{Flow, Local};

use super::script::Script;
use super::tasks::{Tasks, nobody};
use super::tls_peers::{Fate, client, request, response, server};

/// What a server, or somebody who pretends, sends to our client.
pub fn tls_server(data: &[u8]) {
    let mut script = Script::new(data);
    match script.below(4) {
        0 => hostile(&mut script, true, false),
        1 => hostile(&mut script, true, true),
        _ => tampered(&mut script, true),
    }
}

/// What a client, or somebody who pretends, sends to our server.
pub fn tls_client(data: &[u8]) {
    let mut script = Script::new(data);
    match script.below(4) {
        0 => hostile(&mut script, false, false),
        1 => hostile(&mut script, false, true),
        _ => tampered(&mut script, false),
    }
}

/// The peer sends what the script says: as it is, or as records whose headers fit.
fn hostile(script: &mut Script<'_>, to_client: bool, in_records: bool) {
    let version = script.below(3);
    let mut bytes = Vec::new();
    if in_records {
        while !script.is_over() {
            record(script, &mut bytes);
        }
    } else {
        bytes.extend_from_slice(script.rest());
    }
    let fate = RefCell::new(Fate::default());
    let (ours, mut theirs) = memory_pair::<Local>(1 << 16);
    {
        let mut tasks = Tasks::new(vec![match to_client {
            true => Box::pin(client(ours, version, true, &fate)),
            false => Box::pin(server(ours, version, true, &fate)),
        }]);
        for part in bytes.chunks(1500) {
            let _ = theirs.poll_write(&mut nobody(), part);
            tasks.run();
            // Who does not read what it is told gives us no room.
            let _ = theirs.poll_read(&mut nobody(), &mut [0; 1 << 14]);
        }
        drop(theirs);
        tasks.run();
    }
    let fate = fate.into_inner();
    assert!(fate.done, "it hangs");
    assert!(!fate.met && fate.received.is_empty(), "nobody can guess a handshake");
}

/// A record, or a handshake message in one: kind, body, and the lengths that fit.
fn record(script: &mut Script<'_>, out: &mut Vec<u8>) {
    let kind = script.byte();
    let body = script.bytes();
    let message: Vec<u8> = match kind & 0x80 {
        0 => body.to_vec(),
        _ => [&[kind & 0x3f, 0, (body.len() >> 8) as u8, body.len() as u8], body].concat(),
    };
    let outer = if kind & 0x80 == 0 { 20 + kind % 5 } else { 22 };
    out.extend_from_slice(&[outer, 3, 3, (message.len() >> 8) as u8, message.len() as u8]);
    out.extend_from_slice(&message);
}

/// Both are honest, and somebody in between changes what goes one way.
fn tampered(script: &mut Script<'_>, to_client: bool) {
    let versions = (script.below(3), script.below(3));
    let fates = (RefCell::new(Fate::default()), RefCell::new(Fate::default()));
    let (ours, client_side) = memory_pair::<Local>(1 << 16);
    let (theirs, server_side) = memory_pair::<Local>(1 << 16);
    let mut wire = Some((client_side, server_side));
    let mut tamper = Tamper::new(script);
    // With debug assertions, rustls panics at a bad record that comes after it has sent
    // close_notify (rustls#959).
    let half_close = !to_client || tamper.changes.is_empty();
    {
        let mut tasks = Tasks::new(vec![
            Box::pin(client(ours, versions.0, half_close, &fates.0)),
            Box::pin(server(theirs, versions.1, half_close, &fates.1)),
        ]);
        loop {
            tasks.run();
            if tasks.are_done() {
                break;
            }
            let moved = wire.as_mut().is_some_and(|(client, server)| {
                let mut honest = Tamper::default();
                let (down, up) = if to_client { (&mut tamper, &mut honest) } else { (&mut honest, &mut tamper) };
                // Both, whether the first moved or not.
                forward(server, client, down) | forward(client, server, up)
            });
            if !moved {
                // Both wait for more: the line is cut, and then nobody may wait any longer.
                assert!(wire.take().is_some(), "somebody waits at a line that was cut: {fates:?}");
                tamper.cut = true;
            }
        }
    }
    let (client, server) = (fates.0.into_inner(), fates.1.into_inner());
    for (fate, said) in [(&client, response()), (&server, request())] {
        assert!(said.starts_with(&fate.received), "something was read that nobody said");
        assert!(!fate.ended || fate.received == said, "an end too early, and taken for one in order");
    }
    let agree = versions.0 == 0 || versions.1 == 0 || versions.0 == versions.1;
    assert!(agree || !client.met && !server.met, "no version in common");
    if agree && !tamper.changed && !tamper.cut {
        assert!(
            client.ended && server.ended && client.closed && server.closed,
            "nobody tampered: {client:?} {server:?}"
        );
    }
}

/// Moves what is there, and says whether something was.
fn forward(from: &mut Memory<Local>, to: &mut Memory<Local>, tamper: &mut Tamper) -> bool {
    if tamper.ended {
        return false;
    }
    let mut buf = [0; 1 << 15];
    let n = match from.poll_read(&mut nobody(), &mut buf) {
        Poll::Ready(Ok(n)) => n,
        _ => return false,
    };
    let passed = tamper.pass(&buf[..n]);
    tamper.ended |= n == 0;
    if !passed.is_empty() {
        // There is room for all, unless nobody is left to read.
        let _ = to.poll_write(&mut nobody(), &passed);
    }
    if tamper.ended {
        let _ = to.poll_shutdown(&mut nobody());
    }
    true
}

/// What is done to the bytes that pass: at most so many changes, each some bytes after the last.
#[derive(Default)]
struct Tamper {
    changes: std::collections::VecDeque<(usize, Change)>,
    /// How many bytes pass before the next change.
    wait: usize,
    changed: bool,
    /// Nothing passes any more.
    ended: bool,
    cut: bool,
}

enum Change {
    Flip(u8),
    Insert(Vec<u8>),
    Delete(usize),
    Repeat(usize),
    End,
}

impl Tamper {
    fn new(script: &mut Script<'_>) -> Self {
        let mut changes = std::collections::VecDeque::new();
        while !script.is_over() && changes.len() < 16 {
            let wait = match script.byte() {
                near @ 0..192 => usize::from(near),
                far => usize::from(far - 192) << 8 | usize::from(script.byte()),
            };
            let change = match script.below(6) {
                0 | 1 => Change::Flip(script.byte()),
                2 => Change::Insert(script.bytes().to_vec()),
                3 => Change::Delete(script.byte().into()),
                4 => Change::Repeat(script.byte().into()),
                _ => Change::End,
            };
            changes.push_back((wait, change));
        }
        let wait = changes.front().map_or(0, |change| change.0);
        Self { changes, wait, ..Self::default() }
    }

    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = bytes;
        while !self.changes.is_empty() && self.wait < rest.len() && !self.ended {
            let (before, after) = rest.split_at(self.wait);
            out.extend_from_slice(before);
            rest = after;
            let Some((_, change)) = self.changes.pop_front() else { break };
            self.wait = self.changes.front().map_or(0, |change| change.0);
            match change {
                Change::Flip(bits) => {
                    out.push(rest[0] ^ bits);
                    rest = &rest[1..];
                    self.changed |= bits != 0;
                }
                Change::Insert(more) => {
                    self.changed |= !more.is_empty();
                    out.extend_from_slice(&more);
                }
                Change::Delete(n) => {
                    rest = &rest[n.min(rest.len())..];
                    self.changed |= n > 0;
                }
                Change::Repeat(n) => {
                    let again = out[out.len().saturating_sub(n)..].to_vec();
                    self.changed |= !again.is_empty();
                    out.extend_from_slice(&again);
                }
                Change::End => {
                    self.changed = true;
                    self.ended = true;
                    return out;
                }
            }
        }
        self.wait = self.wait.saturating_sub(rest.len());
        out.extend_from_slice(rest);
        out
    }
}
