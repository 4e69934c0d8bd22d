//! The network: embassy-net over the LAN9118, with the addresses of QEMU's user-mode network, or
//! (feature `dhcp`) what DHCP says.

use embassy_executor::Spawner;
use embassy_net::{Config, Runner, Stack, StackResources};
#[cfg(not(feature = "dhcp"))]
use embassy_net::{ConfigV4, ConfigV6, Ipv4Cidr, Ipv6Cidr, StaticConfigV4, StaticConfigV6};
use static_cell::StaticCell;

use crate::lan9118::Lan9118;

/// Sockets of the stack: those of the pool, the one that asks for names, and the one of DHCP.
const SOCKETS: usize = 6;

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, Lan9118>) -> ! {
    runner.run().await
}

/// Starts the network. To be called once.
pub(crate) fn start(spawner: Spawner, seed: u64) -> Stack<'static> {
    static RESOURCES: StaticCell<StackResources<SOCKETS>> = StaticCell::new();
    let (stack, runner) = embassy_net::new(Lan9118::start(), addresses(), RESOURCES.init(StackResources::new()), seed);
    spawner.spawn(run(runner).unwrap_or_else(|_| unreachable!("it is spawned once")));
    stack
}

#[cfg(feature = "dhcp")]
fn addresses() -> Config {
    Config::dhcpv4(Default::default())
}

/// What QEMU's user-mode network gives its first guest. The host's loopback is 10.0.2.2 and
/// fec0::2.
#[cfg(not(feature = "dhcp"))]
fn addresses() -> Config {
    let mut config = Config::default();
    config.ipv4 = ConfigV4::Static(StaticConfigV4 {
        address: Ipv4Cidr::new([10, 0, 2, 15].into(), 24),
        gateway: Some([10, 0, 2, 2].into()),
        dns_servers: [[10, 0, 2, 3].into()].into_iter().collect(),
    });
    config.ipv6 = ConfigV6::Static(StaticConfigV6 {
        address: Ipv6Cidr::new([0xfec0, 0, 0, 0, 0, 0, 0, 0x15].into(), 64),
        gateway: Some([0xfec0, 0, 0, 0, 0, 0, 0, 2].into()),
        dns_servers: Default::default(),
    });
    config
}
