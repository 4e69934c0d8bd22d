//! Connecting by hand on embassy-net, for the firmware that mimic is measured against.

use core::fmt;
use core::net::IpAddr;

use embassy_net::dns::{self, DnsQueryType};
use embassy_net::tcp::{ConnectError, TcpSocket};
use embassy_net::{IpAddress, Stack};
use embassy_time::{Duration, TimeoutError, with_timeout};
use static_cell::ConstStaticCell;

/// Of the socket, for each direction; as large as those of the firmware with mimic.
const BUFFER: usize = 4096;

static RX: ConstStaticCell<[u8; BUFFER]> = ConstStaticCell::new([0; BUFFER]);
static TX: ConstStaticCell<[u8; BUFFER]> = ConstStaticCell::new([0; BUFFER]);

/// Why there is no connection.
#[derive(Debug)]
pub enum Failure {
    /// The URL is not one of the scheme, with a host and a port.
    Url,
    /// The name server did not help.
    Dns(dns::Error),
    /// The host has no address.
    NoAddress,
    /// The peer did not accept.
    Connect(ConnectError),
    /// It took too long.
    Timeout,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the URL is not SCHEME://HOST:PORT"),
            Self::Dns(error) => write!(f, "the look-up failed: {error:?}"),
            Self::NoAddress => f.write_str("the host has no address"),
            Self::Connect(error) => write!(f, "connecting failed: {error:?}"),
            Self::Timeout => f.write_str("it took too long"),
        }
    }
}

impl From<TimeoutError> for Failure {
    fn from(_: TimeoutError) -> Self {
        Self::Timeout
    }
}

/// A connected socket, and the host as the URL names it. To be called once.
///
/// # Errors
/// If the URL is not `SCHEME://HOST:PORT`, or it could not be connected to within 30 s.
pub async fn connect<'a>(
    stack: Stack<'static>,
    scheme: &str,
    url: &'a str,
) -> Result<(TcpSocket<'static>, &'a str), Failure> {
    let rest = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
    let (host, port) = rest.and_then(|rest| rest.rsplit_once(':')).ok_or(Failure::Url)?;
    let port: u16 = port.parse().map_err(|_| Failure::Url)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut socket = TcpSocket::new(stack, RX.take(), TX.take());
    let connect = async {
        let address = match host.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => look_up(stack, host).await?,
        };
        socket.connect((address, port)).await.map_err(Failure::Connect)
    };
    with_timeout(Duration::from_secs(30), connect).await??;
    Ok((socket, host))
}

async fn look_up(stack: Stack<'static>, host: &str) -> Result<IpAddress, Failure> {
    let mut failure = Failure::NoAddress;
    for query in [DnsQueryType::Aaaa, DnsQueryType::A] {
        match stack.dns_query(host, query).await {
            Ok(found) => {
                if let Some(&address) = found.first() {
                    return Ok(address);
                }
            }
            Err(error) => failure = Failure::Dns(error),
        }
    }
    Err(failure)
}
