//! Look-ups by embassy-net's DNS.

use alloc::vec::Vec;
use core::future::poll_fn;
use core::net::IpAddr;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use embassy_net::dns::{self, DnsQueryType};
use embassy_net::{DNS_MAX_SERVER_COUNT, Stack};
use embassy_time::{Instant, Timer};
use mimic_core::roles::{Question, Record, RecordType};
use mimic_core::{Error, ErrorKind, Phase};

use crate::address;
use crate::neighbor_turns::NeighborTurn;
use crate::network;
use crate::pool::Pool;
use crate::socket::poll_once;

/// How long smoltcp asks each server.
const PER_SERVER: embassy_time::Duration = embassy_time::Duration::from_secs(10);

pub(crate) async fn lookup(
    pool: &'static Pool,
    question: Question,
    deadline: Option<Duration>,
) -> Result<Vec<Record>, Error> {
    let name = &*question.name;
    let (a, aaaa) = match question.record_type {
        RecordType::A => (true, false),
        RecordType::Aaaa => (false, true),
        RecordType::Addresses => (true, true),
        other => {
            let reason = alloc::format!("embassy-net's DNS has no look-ups of {other:?}");
            return Err(Error::new(ErrorKind::Unsupported, reason).in_phase(Phase::Lookup));
        }
    };
    // There is one interface, so it is the zone, whatever name it goes by.
    if let Some(address) = name.split_once('%').and_then(|(address, _)| address.parse().ok()) {
        return Ok(if aaaa { [Record::Aaaa(address)].into() } else { Vec::new() });
    }
    let stack = pool.stack();
    network::wait(stack, deadline).await?;
    let (ipv4, ipv6) = address::families(stack);
    let mut aaaa = pin!(query(stack, name, DnsQueryType::Aaaa, aaaa && ipv6));
    let mut a = pin!(query(stack, name, DnsQueryType::A, a && ipv4));
    // Connects step back for as long as the server's neighbour may take.
    let mut turn = Some(pool.neighbor_turns().begin());
    // Both at once.
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if let Some(ends) = turn.as_ref().map(NeighborTurn::ends) {
            if Instant::now() >= ends {
                turn = None;
            } else {
                let _ = poll_once(cx, Timer::at(ends));
            }
        }
        if first.is_none() {
            first = ready(aaaa.as_mut().poll(cx));
        }
        if second.is_none() {
            second = ready(a.as_mut().poll(cx));
        }
        if first.is_some() && second.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let (mut records, mut failed) = (Vec::new(), None);
    for result in [first, second].into_iter().flatten() {
        match result {
            Ok(mut found) => records.append(&mut found),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        // The other family has some.
        Some(error) if records.is_empty() => Err(error),
        _ => Ok(records),
    }
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

async fn query(stack: Stack<'static>, name: &str, kind: DnsQueryType, ask: bool) -> Result<Vec<Record>, Error> {
    let fault = |kind, reason| Error::new(kind, reason).in_phase(Phase::Lookup);
    if !ask {
        return Ok(Vec::new());
    }
    let servers = address::dns_servers(stack).min(DNS_MAX_SERVER_COUNT);
    if servers == 0 {
        return Err(fault(ErrorKind::NotConnected, "no DNS server is known")
            .advise("give one in the configuration of the stack, or by DHCP; addresses need none"));
    }
    let patience = PER_SERVER * u32::try_from(servers).unwrap_or(u32::MAX);
    let started = Instant::now();
    let (kind, reason) = match stack.dns_query(name, kind).await {
        Ok(found) => return Ok(found.into_iter().map(|found| IpAddr::from(found).into()).collect()),
        Err(dns::Error::InvalidName) => (ErrorKind::InvalidInput, "it is no name that DNS can have"),
        Err(dns::Error::NameTooLong) => {
            let error = fault(ErrorKind::InvalidInput, "the name is too long for the DNS client");
            return Err(error.advise("a feature of smoltcp, dns-max-name-size-255, makes room"));
        }
        Err(dns::Error::Failed) if started.elapsed() >= patience => (ErrorKind::TimedOut, "no DNS server answered"),
        // smoltcp has one failure for all of these.
        Err(dns::Error::Failed) => {
            (ErrorKind::NotFound, "DNS gave no address: no such name, no such record, or the server failed")
        }
    };
    Err(fault(kind, reason))
}
