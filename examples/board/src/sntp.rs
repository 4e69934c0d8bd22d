//! The time of day by SNTP: a client that asks once ([RFC 5905
//! §14](https://www.rfc-editor.org/rfc/rfc5905#section-14)).
//!
//! An answer counts if it comes from the server's address and repeats the request's transmit
//! timestamp, which is random: who cannot see the request cannot forge it. Who can, may set this
//! clock, for SNTP has no signatures: certificates are then judged by a wrong time, and an expired
//! one may pass. Whom that concerns takes a clock with a battery.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use embassy_net::dns::DnsQueryType;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpAddress, IpEndpoint, Stack};
use embassy_time::{Instant, with_timeout};

use crate::random::Random;

const PORT: u16 = 123;
/// Without extensions and authentication.
const HEADER: usize = 48;

/// How long all of it may take.
const LIMIT: embassy_time::Duration = embassy_time::Duration::from_secs(12);
/// How long a server may take to answer.
const ANSWER: embassy_time::Duration = embassy_time::Duration::from_secs(2);
/// How many requests are sent at most.
const ATTEMPTS: usize = 4;

/// From the start of 1900, where NTP counts from, to that of 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;
/// The seconds of an era, of which the first began in 1900.
const ERA: u64 = 1 << 32;

const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;
const VERSION: u8 = 4;
const NOT_SYNCHRONIZED: u8 = 3;
/// Of a server that is not synchronized (§7.3).
const STRATUM_MAX: u8 = 15;

/// Why the time is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The server's name has no address.
    NoAddress,
    /// The stack has no socket, or no way to the server.
    Unreachable,
    /// No server has answered in time.
    Silent,
    /// The server's answer gives no time.
    Refused(Refusal),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the time server's name has no address"),
            Self::Unreachable => f.write_str("there is no way to the time server"),
            Self::Silent => f.write_str("the time server has not answered"),
            Self::Refused(refusal) => write!(f, "the time server's answer gives no time: {refusal}"),
        }
    }
}

impl core::error::Error for Failure {}

/// Why an answer gives no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It is too short, or not of a server of version 3 or 4.
    Malformed,
    /// It answers another request.
    NotOurs,
    /// The server wants to be asked no more; the code is one of §7.4.
    KissOfDeath([u8; 4]),
    /// The server does not know the time.
    NotSynchronized,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("it is malformed"),
            Self::NotOurs => f.write_str("it answers another request"),
            Self::KissOfDeath(code) => write!(f, "it wants to be asked no more ({})", code.escape_ascii()),
            Self::NotSynchronized => f.write_str("the server does not know the time"),
        }
    }
}

impl core::error::Error for Refusal {}

/// The time since the start of 1970, by the server of this name or address. Takes 12 s at most.
///
/// # Errors
/// If there is no answer in that time that gives one.
pub async fn ask(stack: Stack<'static>, server: &str, random: &Random) -> Result<Duration, Failure> {
    with_timeout(LIMIT, ask_all(stack, server, random)).await.unwrap_or(Err(Failure::Silent))
}

async fn ask_all(stack: Stack<'static>, server: &str, random: &Random) -> Result<Duration, Failure> {
    let mut failure = Failure::NoAddress;
    // Names are asked for in the families that the stack has an address of.
    let families = [(DnsQueryType::A, stack.config_v4().is_some()), (DnsQueryType::Aaaa, stack.config_v6().is_some())];
    for (family, _) in families.into_iter().filter(|(_, configured)| *configured) {
        let literal = server.parse::<IpAddr>().ok().map(IpAddress::from);
        let found = match literal {
            Some(_) => Default::default(),
            None => stack.dns_query(server, family).await.unwrap_or_default(),
        };
        let addresses = literal.iter().chain(&found);
        for &address in addresses.cycle().take(ATTEMPTS) {
            failure = match ask_one(stack, IpEndpoint::new(address, PORT), random).await {
                Ok(time) => return Ok(time),
                // It is not asked again, nor are those of the same name.
                Err(failure @ Failure::Refused(Refusal::KissOfDeath(_))) => return Err(failure),
                Err(failure) => failure,
            };
        }
    }
    Err(failure)
}

async fn ask_one(stack: Stack<'static>, server: IpEndpoint, random: &Random) -> Result<Duration, Failure> {
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 4], [PacketMetadata::EMPTY; 1]);
    // Room for an answer with extensions, of which none is read, and for what others send
    // meanwhile.
    let (mut rx, mut tx) = ([0; 8 * HEADER], [0; HEADER]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    socket.bind(0).map_err(|_| Failure::Unreachable)?;
    let mut cookie = [0; 8];
    random.fill(&mut cookie);
    let asked = Instant::now();
    socket.send_to(&request(cookie), server).await.map_err(|_| Failure::Unreachable)?;
    let answered = async {
        let mut answer = [0; 4 * HEADER];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut answer).await else { continue };
            if from.endpoint != server {
                continue;
            }
            match read_answer(answer.get(..length).unwrap_or_default(), cookie) {
                // Anyone may have sent these.
                Err(Refusal::Malformed | Refusal::NotOurs) => {}
                Ok(time) => return Ok(time),
                Err(refusal) => return Err(Failure::Refused(refusal)),
            }
        }
    };
    let time = with_timeout(ANSWER, answered).await.unwrap_or(Err(Failure::Silent))?;
    // The answer took half of the way there and back.
    Ok(time + Duration::from_micros(asked.elapsed().as_micros() / 2))
}

/// A request. Its transmit timestamp is this cookie, and not the time, which the client does not
/// know and the server does not need.
#[must_use]
pub fn request(cookie: [u8; 8]) -> [u8; HEADER] {
    let mut request = [0; HEADER];
    let (head, transmit) = request.split_at_mut(HEADER - cookie.len());
    if let Some(first) = head.first_mut() {
        *first = VERSION << 3 | MODE_CLIENT;
    }
    transmit.copy_from_slice(&cookie);
    request
}

/// The time since the start of 1970 that the answer to the request with this cookie gives.
///
/// # Errors
/// If it gives none.
pub fn read_answer(answer: &[u8], cookie: [u8; 8]) -> Result<Duration, Refusal> {
    // Figure 8: LI, VN, mode; stratum, poll, precision; root delay and dispersion; the reference's
    // ID and timestamp; then the origin, receive and transmit timestamps.
    let &[flags, stratum, ..] = answer else { return Err(Refusal::Malformed) };
    let field = |at: usize| answer.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Refusal::Malformed);
    let (origin, [s0, s1, s2, s3, f0, f1, f2, f3]): (&[u8; 8], &[u8; 8]) = (field(24)?, field(40)?);
    let (leap, version, mode) = (flags >> 6, flags >> 3 & 7, flags & 7);
    if mode != MODE_SERVER || !(3..=VERSION).contains(&version) {
        return Err(Refusal::Malformed);
    }
    if *origin != cookie {
        return Err(Refusal::NotOurs);
    }
    if stratum == 0 {
        let code = answer.get(12..).and_then(|rest| rest.first_chunk()).ok_or(Refusal::Malformed)?;
        return Err(Refusal::KissOfDeath(*code));
    }
    let seconds = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
    let fraction = u32::from_be_bytes([*f0, *f1, *f2, *f3]);
    if leap == NOT_SYNCHRONIZED || stratum > STRATUM_MAX || (seconds, fraction) == (0, 0) {
        return Err(Refusal::NotSynchronized);
    }
    // Era 0 ends in 2036; what would be before 1968 is of era 1 (RFC 4330 §3).
    let seconds = u64::from(seconds) + if seconds >> 31 == 0 { ERA } else { 0 };
    let since_1970 = seconds.checked_sub(UNIX_EPOCH).ok_or(Refusal::NotSynchronized)?;
    Ok(Duration::from_secs(since_1970) + Duration::from_nanos(u64::from(fraction) * 1_000_000_000 / ERA))
}
