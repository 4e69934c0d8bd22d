//! The firmware for the NUCLEO-H743ZI: its clocks, its random number generator and its Ethernet.
//! The client, and all else that is not of this board, is `mimic_example_board`.

#![no_std]
#![no_main]

use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net::Runner;
use embassy_stm32::eth::{self, Ethernet, GenericPhy, PacketQueue, Sma};
use embassy_stm32::peripherals::{ETH, ETH_SMA, RNG};
use embassy_stm32::rcc::{
    AHBPrescaler, APBPrescaler, HSIPrescaler, Pll, PllDiv, PllMul, PllPreDiv, PllSource, Sysclk, VoltageScale,
};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::{Config, bind_interrupts, uid};
use embassy_time::{Duration, with_timeout};
use mimic_example_board::{Random, mac_address, run, start, start_heap};
use panic_probe as _;
use static_cell::ConstStaticCell;

bind_interrupts!(struct Irqs {
    ETH => eth::InterruptHandler;
    RNG => rng::InterruptHandler<RNG>;
});

type Device = Ethernet<'static, ETH, GenericPhy<Sma<'static, ETH_SMA>>>;

/// Frames on their way, each way. In AXI SRAM, as all that `memory-x` places: the DMA of the
/// Ethernet reaches it.
static FRAMES: ConstStaticCell<PacketQueue<4, 8>> = ConstStaticCell::new(PacketQueue::new());

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Device>) -> ! {
    runner.run().await
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    start_heap();
    let p = embassy_stm32::init(clocks());

    let mut seed = [0; 32];
    let mut rng = Rng::new(p.RNG, Irqs);
    match with_timeout(Duration::from_secs(1), rng.async_fill_bytes(&mut seed)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => defmt::panic!("there is no entropy: {}", error),
        Err(_) => defmt::panic!("there is no entropy: the random number generator does not answer"),
    }
    let random = Random::from_seed(seed);

    let device = Ethernet::new(
        FRAMES.take(),
        p.ETH,
        Irqs,
        p.PA1,  // REF_CLK
        p.PA7,  // CRS_DV
        p.PC4,  // RXD0
        p.PC5,  // RXD1
        p.PG13, // TXD0
        p.PB13, // TXD1
        p.PG11, // TX_EN
        mac_address(&uid::uid()),
        p.ETH_SMA,
        p.PA2, // MDIO
        p.PC1, // MDC
    );
    let (stack, runner) = start(device, &random);
    spawner.spawn(defmt::unwrap!(network(runner)));
    run(stack, random).await;
}

/// 400 MHz from the internal oscillator, which needs nothing of the board.
fn clocks() -> Config {
    let mut config = Config::default();
    config.rcc.hsi = Some(HSIPrescaler::DIV1);
    // Of the random number generator.
    config.rcc.hsi48 = Some(Default::default());
    config.rcc.pll1 = Some(Pll {
        source: PllSource::HSI,
        prediv: PllPreDiv::DIV4,
        mul: PllMul::MUL50,
        fracn: None,
        divp: Some(PllDiv::DIV2),
        divq: None,
        divr: None,
    });
    config.rcc.sys = Sysclk::PLL1_P;
    config.rcc.ahb_pre = AHBPrescaler::DIV2;
    config.rcc.apb1_pre = APBPrescaler::DIV2;
    config.rcc.apb2_pre = APBPrescaler::DIV2;
    config.rcc.apb3_pre = APBPrescaler::DIV2;
    config.rcc.apb4_pre = APBPrescaler::DIV2;
    config.rcc.voltage_scale = VoltageScale::Scale1;
    config
}
