//! The runtimes' own streams, to compare with.

use std::io;

use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::lines::{Line, Lines};

/// A stream of tokio: TCP, or TLS by tokio-rustls.
pub(crate) struct Tokio<T>(pub(crate) T);

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Lines for Tokio<T> {
    async fn send(&mut self, line: &Line) -> io::Result<()> {
        self.0.write_all(line).await?;
        self.0.flush().await
    }

    async fn receive(&mut self, line: &mut Line) -> io::Result<bool> {
        let n = self.0.read(line).await?;
        if n > 0 {
            self.0.read_exact(&mut line[n..]).await?;
        }
        Ok(n > 0)
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

/// A TCP stream of smol.
pub(crate) struct Smol(pub(crate) smol::net::TcpStream);

impl Lines for Smol {
    async fn send(&mut self, line: &Line) -> io::Result<()> {
        self.0.write_all(line).await
    }

    async fn receive(&mut self, line: &mut Line) -> io::Result<bool> {
        let n = self.0.read(line).await?;
        if n > 0 {
            self.0.read_exact(&mut line[n..]).await?;
        }
        Ok(n > 0)
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown(std::net::Shutdown::Write)
    }
}
