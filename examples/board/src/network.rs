//! The network: embassy-net, IPv4 by DHCP and IPv6 by SLAAC.

use embassy_net::driver::Driver;
use embassy_net::{Config, ConfigV6, Runner, Stack, StackResources};
use embassy_time::{Duration, Instant, Timer};
use static_cell::StaticCell;

use crate::console;
use crate::random::Random;

/// Sockets of mimic's pool: as many addresses of a host may be tried at one time.
pub(crate) const POOL: usize = 4;
/// And those of DHCP, DNS and SNTP.
const SOCKETS: usize = POOL + 3;

/// How long the network may take to give any address.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long DHCP may take beyond IPv6: a server may try for 3 s whether anybody has the address
/// that it is about to give.
const DHCP: Duration = Duration::from_secs(5);

/// The network over this driver. To be called once; the runner runs in a task of its own.
pub fn start<D: Driver>(driver: D, random: &Random) -> (Stack<'static>, Runner<'static, D>) {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    let mut config = Config::dhcpv4(Default::default());
    config.ipv6 = ConfigV6::Slaac;
    embassy_net::new(driver, config, RESOURCES.init(StackResources::new()), random.u64())
}

/// Waits for an address, as [`configured`] does, and says what addresses there are.
pub(crate) async fn settle(stack: Stack<'static>) {
    if !configured(stack).await {
        console::error(if stack.is_link_up() { "the network gives no address" } else { "the link is down" });
    }
    if let Some(config) = stack.config_v4() {
        console::info(format_args!("IPv4: {}", config.address));
    }
    if let Some(config) = stack.config_v6() {
        console::info(format_args!("IPv6: {}", config.address));
    }
}

/// Waits for an address, 15 s at most, and says whether there is one. With IPv4 it returns at once;
/// with IPv6 alone after 5 s more. For a router's advertisement may be there before DHCP has
/// answered: whoever connected then would find IPv6 alone, and no name server. Connects of
/// mimic-embassy wait for an address by themselves, and take the first.
pub async fn configured(stack: Stack<'_>) -> bool {
    let mut ends = Instant::now() + PATIENCE;
    let mut has_ipv6 = false;
    while stack.config_v4().is_none() && Instant::now() < ends {
        if !has_ipv6 && stack.config_v6().is_some() {
            has_ipv6 = true;
            ends = ends.min(Instant::now() + DHCP);
        }
        Timer::after_millis(20).await;
    }
    stack.is_config_up()
}

/// A MAC address from what makes the chip unique: locally administered, hence of no maker, and the
/// same every time.
#[must_use]
pub fn mac_address(chip: &[u8]) -> [u8; 6] {
    // FNV-1a, for some chips differ in a few bits only.
    let hash = chip
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let [a, b, c, d, e, ..] = hash.to_be_bytes();
    [0x02, a, b, c, d, e]
}
