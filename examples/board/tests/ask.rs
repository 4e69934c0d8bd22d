//! The SNTP client against a scripted server: two stacks of embassy-net, joined in memory.

#![allow(clippy::expect_used, reason = "a test that fails panics")]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use embassy_net::driver::{HardwareAddress, LinkState};
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{Config, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_net_driver_channel::{Device, RxRunner, State, TxRunner};
use futures_lite::future::{block_on, or, zip};
use mimic_example_board::Random;
use mimic_example_board::sntp::{Failure, Refusal, ask};

const MTU: usize = 1514;
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// 2026-01-01 00:00:00 UTC.
const NEW_YEAR: u64 = 1_767_225_600;

fn end(address: Ipv4Addr) -> (Device<'static, MTU>, RxRunner<'static, MTU>, TxRunner<'static, MTU>) {
    let state = Box::leak(Box::new(State::<MTU, 8, 8>::new()));
    let [.., last] = address.octets();
    let hardware = HardwareAddress::Ethernet([2, 0, 0, 0, 0, last]);
    let (runner, device) = embassy_net_driver_channel::new(state, hardware);
    let (link, rx, tx) = runner.split();
    link.set_link_state(LinkState::Up);
    (device, rx, tx)
}

async fn carry(mut from: TxRunner<'static, MTU>, mut to: RxRunner<'static, MTU>) {
    loop {
        let frame = from.tx_buf().await.to_vec();
        from.tx_done();
        to.rx_buf().await[..frame.len()].copy_from_slice(&frame);
        to.rx_done(frame.len());
    }
}

fn config(address: Ipv4Addr) -> Config {
    let address = Ipv4Cidr::new(address, 24);
    Config::ipv4_static(StaticConfigV4 { address, gateway: None, dns_servers: Default::default() })
}

/// Asks a server that answers each request with these datagrams.
fn asked(name: &str, answers: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Result<Duration, Failure> {
    let (device, rx, tx) = end(CLIENT);
    let (device2, rx2, tx2) = end(SERVER);
    let resources = || Box::leak(Box::new(StackResources::<4>::new()));
    let (client, mut runner) = embassy_net::new(device, config(CLIENT), resources(), 1);
    let (server, mut runner2) = embassy_net::new(device2, config(SERVER), resources(), 2);
    let network = zip(zip(runner.run(), runner2.run()), zip(carry(tx, rx2), carry(tx2, rx)));
    let network = async {
        network.await;
        unreachable!("stacks run for ever")
    };
    block_on(or(ask(client, name, &Random::from_seed([7; 32])), or(network, serve(server, answers))))
}

async fn serve<T>(stack: Stack<'static>, answers: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> T {
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 8], [PacketMetadata::EMPTY; 8]);
    let (mut rx, mut tx) = ([0; 512], [0; 512]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    socket.bind(123).expect("the port is free");
    let mut request = [0; 512];
    loop {
        let (length, from) = socket.recv_from(&mut request).await.expect("it is short");
        for answer in answers(&request[..length]) {
            socket.send_to(&answer, from.endpoint).await.expect("it answers who asked");
        }
    }
}

fn good(request: &[u8]) -> Vec<u8> {
    let mut answer = vec![0; 48];
    (answer[0], answer[1]) = (4 << 3 | 4, 1);
    answer[24..32].copy_from_slice(&request[40..48]);
    answer[40..44].copy_from_slice(&(NEW_YEAR + 2_208_988_800).to_be_bytes()[4..]);
    answer
}

fn forged(request: &[u8]) -> Vec<u8> {
    let mut answer = good(request);
    answer[24] ^= 1;
    answer[43] ^= 1;
    answer
}

#[test]
fn the_time_is_the_server_s() {
    let time = asked("10.0.0.2", |request| vec![good(request)]).expect("it answers");
    assert_eq!(time.as_secs(), NEW_YEAR);
}

#[test]
fn what_is_no_answer_to_the_request_is_passed_over() {
    let answers = |request: &[u8]| vec![b"noise".to_vec(), forged(request), good(request)];
    assert_eq!(asked("10.0.0.2", answers).expect("the third counts").as_secs(), NEW_YEAR);
}

#[test]
fn a_server_that_wants_no_more_is_asked_once() {
    let count = std::cell::Cell::new(0);
    let failure = asked("10.0.0.2", |request| {
        count.set(count.get() + 1);
        let mut kiss = good(request);
        kiss[1] = 0;
        kiss[12..16].copy_from_slice(b"DENY");
        vec![kiss]
    });
    assert_eq!(failure, Err(Failure::Refused(Refusal::KissOfDeath(*b"DENY"))));
    assert_eq!(count.get(), 1);
}

#[test]
fn silence_is_an_error_in_time() {
    let began = Instant::now();
    assert_eq!(asked("10.0.0.2", |_| Vec::new()), Err(Failure::Silent));
    assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
}

#[test]
fn a_name_without_dns_has_no_address() {
    assert_eq!(asked("time.example", |_| Vec::new()), Err(Failure::NoAddress));
}
