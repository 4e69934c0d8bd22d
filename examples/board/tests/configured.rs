//! How long the firmware waits for an address.

use std::future::Future;
use std::time::{Duration, Instant};

use embassy_net::driver::HardwareAddress;
use embassy_net::{
    Config, ConfigV4, ConfigV6, Ipv4Cidr, Ipv6Cidr, Stack, StackResources, StaticConfigV4, StaticConfigV6,
};
use embassy_net_driver_channel::State;
use futures_lite::future::{block_on, or, zip};
use mimic_example_board::configured;

/// Waits on a stack without addresses, to which `then` gives some; what `configured` says, and
/// after how long.
fn waited<F: Future<Output = ()>>(then: impl FnOnce(Stack<'static>) -> F) -> (bool, Duration) {
    let state = Box::leak(Box::new(State::<1514, 8, 8>::new()));
    let hardware = HardwareAddress::Ethernet([2, 0, 0, 0, 0, 1]);
    let (_link, device) = embassy_net_driver_channel::new(state, hardware);
    let resources = Box::leak(Box::new(StackResources::<4>::new()));
    let (stack, mut runner) = embassy_net::new(device, Config::default(), resources, 1);
    let began = Instant::now();
    let network = async {
        runner.run().await;
    };
    let test = async { zip(async { (configured(stack).await, began.elapsed()) }, then(stack)).await.0 };
    block_on(or(test, async {
        network.await;
        unreachable!("stacks run for ever")
    }))
}

async fn sleep(millis: u64) {
    embassy_time::Timer::after_millis(millis).await;
}

fn give_ipv4(stack: Stack<'_>) {
    let address = Ipv4Cidr::new([10, 0, 0, 1].into(), 24);
    stack.set_config_v4(ConfigV4::Static(StaticConfigV4 { address, gateway: None, dns_servers: Default::default() }));
}

fn give_ipv6(stack: Stack<'_>) {
    let address = Ipv6Cidr::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(), 64);
    stack.set_config_v6(ConfigV6::Static(StaticConfigV6 { address, gateway: None, dns_servers: Default::default() }));
}

fn within(took: Duration, from: u64, to: u64) {
    assert!(took >= Duration::from_millis(from) && took < Duration::from_millis(to), "{took:?}");
}

#[test]
fn ipv4_is_enough_at_once() {
    let (is_up, took) = waited(|stack| async move {
        sleep(300).await;
        give_ipv4(stack);
    });
    assert!(is_up);
    within(took, 300, 600);
}

#[test]
fn ipv6_waits_for_ipv4_which_may_come() {
    let (is_up, took) = waited(|stack| async move {
        give_ipv6(stack);
        sleep(1_000).await;
        give_ipv4(stack);
    });
    assert!(is_up);
    within(took, 1_000, 1_300);
}

#[test]
fn ipv6_alone_is_enough_after_a_while() {
    let (is_up, took) = waited(|stack| async move {
        sleep(500).await;
        give_ipv6(stack);
    });
    assert!(is_up);
    within(took, 5_500, 6_000);
}

#[test]
fn it_does_not_wait_for_ever() {
    let (is_up, took) = waited(|_| async {});
    assert!(!is_up);
    within(took, 15_000, 15_500);
}
