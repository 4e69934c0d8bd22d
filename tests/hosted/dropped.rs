//! Dropping a flow over a socket: it never waits, it leaves alone what was taken out, and a panic
//! is no clean end.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::adapter::TcpFlow;

const PATIENCE: Duration = Duration::from_secs(10);

/// A flow, and its peer, which has sent something that the flow has not read.
fn pair() -> (TcpFlow, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut far = listener.accept().unwrap().0;
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    far.write_all(b"question").unwrap();
    near.peek(&mut [0]).unwrap();
    near.set_nonblocking(true).unwrap();
    (TcpFlow::new(near.try_into().unwrap()), far)
}

pub(crate) async fn a_drop_of_a_socket_that_was_made_blocking_does_not_block() {
    let (flow, mut far) = pair();
    let shared = TcpStream::from(flow.get_ref().as_fd().try_clone_to_owned().unwrap());
    shared.set_nonblocking(false).unwrap();
    let (done, waits) = mpsc::channel();
    thread::spawn(move || {
        drop(flow);
        let _ = done.send(());
    });
    waits.recv_timeout(PATIENCE).expect("the drop waits");
    // The other descriptor goes on, without the bytes that it shared.
    far.write_all(b"more").unwrap();
    let mut came = [0; 4];
    (&shared).read_exact(&mut came).unwrap();
    assert_eq!(&came, b"more");
}

pub(crate) async fn a_socket_that_is_taken_out_keeps_its_input() {
    let (flow, _far) = pair();
    let shared = TcpStream::from(flow.get_ref().as_fd().try_clone_to_owned().unwrap());
    drop(flow.into_inner());
    let mut came = [0; 8];
    (&shared).read_exact(&mut came).unwrap();
    assert_eq!(&came, b"question");
}

pub(crate) async fn a_panic_is_no_clean_end() {
    for panics in [true, false] {
        let (flow, mut far) = pair();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let _flow = flow;
            assert!(!panics, "as a handler may");
        }));
        assert_eq!(ended.is_err(), panics);
        match far.read(&mut [0]) {
            Ok(n) => assert!(n == 0 && !panics, "{n} bytes"),
            Err(error) => assert!(error.kind() == io::ErrorKind::ConnectionReset && panics, "{error}"),
        }
    }
}
