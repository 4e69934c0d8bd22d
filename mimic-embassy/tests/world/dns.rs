//! The DNS server of the tests.

use std::net::{Ipv4Addr, Ipv6Addr};

use embassy_net::Stack;
use embassy_net::udp::{PacketMetadata, UdpSocket};

use super::{DEAD_V6, SERVER, SERVER_V6};

/// What the DNS server of the tests knows of a name.
fn zone(name: &str) -> Option<(Option<Ipv4Addr>, Option<Ipv6Addr>)> {
    match name {
        "both.test" => Some((Some(SERVER), Some(SERVER_V6))),
        "v4.test" => Some((Some(SERVER), None)),
        "dead6.test" => Some((Some(SERVER), Some(DEAD_V6))),
        "empty.test" => Some((None, None)),
        _ => None,
    }
}

/// Answers queries at port 53 of the server, for ever.
pub(crate) async fn serve(stack: Stack<'static>) {
    fn leak<T: Clone>(len: usize, fill: T) -> &'static mut [T] {
        Box::leak(vec![fill; len].into_boxed_slice())
    }
    let (rx_meta, tx_meta) = (leak(8, PacketMetadata::EMPTY), leak(8, PacketMetadata::EMPTY));
    let mut socket = UdpSocket::new(stack, rx_meta, leak(2048, 0), tx_meta, leak(2048, 0));
    socket.bind(53).unwrap();
    let mut query = [0; 512];
    loop {
        let (len, from) = socket.recv_from(&mut query).await.unwrap();
        let (mut labels, mut at) = (Vec::new(), 12);
        while query[at] != 0 {
            let end = at + 1 + usize::from(query[at]);
            labels.push(String::from_utf8(query[at + 1..end].to_vec()).unwrap());
            at = end;
        }
        let (name, kind) = (labels.join("."), query[at + 2]);
        if name == "silent.test" {
            continue;
        }
        // What is no answer, before the one that is.
        if name == "noise.test" || name == "v4.test" {
            let cut = [&query[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], &query[12..len]].concat();
            let looped =
                [&cut[..], &[0xc0, u8::try_from(len).unwrap(), 0, kind, 0, 1, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4]].concat();
            let other = [&[!query[0]], &query[1..len]].concat();
            for noise in [&b"\0"[..], &[0xff; 300], &cut, &looped, &other] {
                socket.send_to(noise, from).await.unwrap();
            }
        }
        if name == "noise.test" {
            continue;
        }
        let known = zone(&name);
        let data = match (known, kind) {
            (Some((Some(ipv4), _)), 1) => Some(ipv4.octets().to_vec()),
            (Some((_, Some(ipv6))), 28) => Some(ipv6.octets().to_vec()),
            _ => None,
        };
        let mut answer = query[..len].to_vec();
        answer[2..4].copy_from_slice(&[0x81, if known.is_some() { 0x80 } else { 0x83 }]);
        if let Some(data) = data {
            answer[7] = 1;
            answer.extend_from_slice(&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
            answer.extend_from_slice(&data);
        }
        socket.send_to(&answer, from).await.unwrap();
    }
}
