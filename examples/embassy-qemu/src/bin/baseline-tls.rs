//! The baseline of TLS: what `ping` does over TLS, written by hand on embassy-net and rustls's
//! unbuffered connection.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_net::tcp::{Error as TcpError, TcpSocket};
use embassy_time::with_timeout;
use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};
use mimic_example_app::{self as app, AppError};
use mimic_example_embassy_qemu::by_hand::{self, connect};
use mimic_example_embassy_qemu::semihosting::Output;
use mimic_example_embassy_qemu::trust::{self, Untrusted};
use mimic_example_embassy_qemu::{Options, finish, run};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

/// The longest record of TLS, with its header.
const RECORD: usize = 16 * 1024 + 256 + 5;

enum Failure {
    Trust(Option<Untrusted>),
    Connect(by_hand::Failure),
    App(AppError<TlsError>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trust(None) => f.write_str("there is nobody to trust: give --ca PEM"),
            Self::Trust(Some(untrusted)) => untrusted.fmt(f),
            Self::Connect(failure) => failure.fmt(f),
            Self::App(AppError::Io(error)) => error.fmt(f),
            Self::App(error) => error.fmt(f),
        }
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self::App(AppError::Io(error))
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    run(|spawner: Spawner, stack, options| {
        spawner.spawn(client(stack, options).unwrap_or_else(|_| unreachable!("it is spawned once")));
    })
}

#[embassy_executor::task]
async fn client(stack: Stack<'static>, options: Options<'static>) {
    let ping = ping(stack, options);
    finish(
        options,
        match options.timeout.and_then(|limit| limit.try_into().ok()) {
            Some(limit) => with_timeout(limit, ping).await.unwrap_or(Err(Failure::Connect(by_hand::Failure::Timeout))),
            None => ping.await,
        },
    );
}

async fn ping(stack: Stack<'static>, options: Options<'static>) -> Result<(), Failure> {
    let mut stdout = Output::stdout().map_err(|_| Failure::App(AppError::Transcript))?;
    let ca = options.ca.ok_or(Failure::Trust(None))?;
    let config = trust::config(ca, options.time).map_err(|error| Failure::Trust(Some(error)))?;
    let (socket, host) = connect(stack, "tls", options.url).await.map_err(Failure::Connect)?;
    let name = ServerName::try_from(host.to_string()).map_err(|_| Failure::Connect(by_hand::Failure::Url))?;
    let connection = UnbufferedClientConnection::new(Arc::new(config), name).map_err(TlsError::Tls)?;
    let mut tls = TlsStream::new(socket, connection);
    tls.handshake().await?;
    app::ping(&mut tls, &mut stdout).await.map_err(Failure::App)?;
    let _ = tls.close().await;
    Ok(())
}

#[derive(Debug)]
enum TlsError {
    Tcp(TcpError),
    Tls(rustls::Error),
    /// The peer ended without close_notify.
    Truncated,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(error) => write!(f, "the stream failed: {error:?}"),
            Self::Tls(error) => error.fmt(f),
            Self::Truncated => f.write_str("the peer closed the connection without close_notify"),
        }
    }
}

impl core::error::Error for TlsError {}

impl Error for TlsError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

struct TlsStream {
    socket: TcpSocket<'static>,
    connection: UnbufferedClientConnection,
    incoming: Vec<u8>,
    filled: usize,
    outgoing: Vec<u8>,
    plain: Vec<u8>,
    peer_closed: bool,
}

/// What a turn is for.
enum Goal<'a> {
    Handshake,
    Read,
    Write(&'a [u8]),
    Close,
}

impl TlsStream {
    fn new(socket: TcpSocket<'static>, connection: UnbufferedClientConnection) -> Self {
        let (outgoing, plain) = (Vec::new(), Vec::new());
        Self { socket, connection, incoming: alloc::vec![0; RECORD], filled: 0, outgoing, plain, peer_closed: false }
    }

    async fn handshake(&mut self) -> Result<(), TlsError> {
        self.turn(Goal::Handshake).await
    }

    async fn close(&mut self) -> Result<(), TlsError> {
        self.turn(Goal::Close).await?;
        self.socket.close();
        self.socket.flush().await.map_err(TlsError::Tcp)
    }

    async fn turn(&mut self, goal: Goal<'_>) -> Result<(), TlsError> {
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut self.incoming[..self.filled]);
            let (mut done, mut send, mut receive, mut failed) = (false, false, false, None);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => self.plain.extend_from_slice(record.payload),
                            Err(error) => failed = Some(error),
                        }
                    }
                    done = matches!(goal, Goal::Read);
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let start = self.outgoing.len();
                    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
                        self.outgoing.resize(start + size.required_size, 0);
                        let _ = data.encode(&mut self.outgoing[start..]);
                    }
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    send = true;
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let start = self.outgoing.len();
                    let mut seal = |room: &mut [u8]| match goal {
                        Goal::Write(bytes) => traffic.encrypt(bytes, room),
                        _ => traffic.queue_close_notify(room),
                    };
                    match goal {
                        Goal::Read => receive = true,
                        Goal::Handshake => done = true,
                        Goal::Write(_) | Goal::Close => {
                            if let Err(EncryptError::InsufficientSize(size)) = seal(&mut []) {
                                self.outgoing.resize(start + size.required_size, 0);
                                let sealed = seal(&mut self.outgoing[start..]).unwrap_or(0);
                                self.outgoing.truncate(start + sealed);
                            }
                            (done, send) = (true, true);
                        }
                    }
                }
                Ok(ConnectionState::BlockedHandshake) => receive = true,
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.peer_closed = true;
                    done = true;
                }
                Ok(_) => failed = Some(rustls::Error::HandshakeNotComplete),
                Err(error) => failed = Some(error),
            }
            self.incoming.copy_within(discard..self.filled, 0);
            self.filled -= discard;
            if let Some(error) = failed {
                self.alert().await;
                return Err(TlsError::Tls(error));
            }
            if send {
                self.send().await?;
            }
            if done {
                return Ok(());
            }
            if receive {
                let room = &mut self.incoming[self.filled..];
                match self.socket.read(room).await.map_err(TlsError::Tcp)? {
                    0 => return Err(TlsError::Truncated),
                    n => self.filled += n,
                }
            }
        }
    }

    /// Sends the alert that goes with an error.
    async fn alert(&mut self) {
        while let Ok(ConnectionState::EncodeTlsData(mut data)) = self.connection.process_tls_records(&mut []).state {
            let start = self.outgoing.len();
            if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
                self.outgoing.resize(start + size.required_size, 0);
                let _ = data.encode(&mut self.outgoing[start..]);
            }
        }
        let _ = self.send().await;
        self.socket.close();
        let _ = self.socket.flush().await;
    }

    async fn send(&mut self) -> Result<(), TlsError> {
        self.socket.write_all(&self.outgoing).await.map_err(TlsError::Tcp)?;
        self.outgoing.clear();
        self.socket.flush().await.map_err(TlsError::Tcp)
    }
}

impl ErrorType for TlsStream {
    type Error = TlsError;
}

impl Read for TlsStream {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TlsError> {
        while self.plain.is_empty() && !self.peer_closed {
            self.turn(Goal::Read).await?;
        }
        let n = buffer.len().min(self.plain.len());
        buffer[..n].copy_from_slice(&self.plain[..n]);
        self.plain.drain(..n);
        Ok(n)
    }
}

impl Write for TlsStream {
    async fn write(&mut self, buffer: &[u8]) -> Result<usize, TlsError> {
        self.turn(Goal::Write(buffer)).await?;
        Ok(buffer.len())
    }

    async fn flush(&mut self) -> Result<(), TlsError> {
        self.send().await
    }
}
