//! The firmware for the W5500-EVB-Pico2: its random number generator, and its Ethernet behind SPI.
//! The client, and all else that is not of this board, is `mimic_example_board`.

#![no_std]
#![no_main]

use defmt_rtt as _;
use embassy_executor::Spawner;
use embassy_net_wiznet::chip::W5500;
use embassy_net_wiznet::{Device, State};
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, SPI0, TRNG};
use embassy_rp::spi::{self, Spi};
use embassy_rp::trng::{self, Trng};
use embassy_rp::{bind_interrupts, dma, otp};
use embassy_time::{Delay, Duration, with_timeout};
use embedded_hal_bus::spi::ExclusiveDevice;
use mimic_example_board::{Random, mac_address, run, start, start_heap};
use panic_probe as _;
use static_cell::ConstStaticCell;

bind_interrupts!(struct Irqs {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
    TRNG_IRQ => trng::InterruptHandler<TRNG>;
});

type Bus = ExclusiveDevice<Spi<'static, SPI0, spi::Async>, Output<'static>, Delay>;
type Chip = embassy_net_wiznet::Runner<'static, W5500, Bus, Input<'static>, Output<'static>>;

/// Frames on their way, each way.
static FRAMES: ConstStaticCell<State<8, 8>> = ConstStaticCell::new(State::new());

#[embassy_executor::task]
async fn ethernet(runner: Chip) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn network(mut runner: embassy_net::Runner<'static, Device<'static>>) -> ! {
    runner.run().await
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    start_heap();
    let p = embassy_rp::init(Default::default());

    let mut seed = [0; 32];
    let mut trng = Trng::new(p.TRNG, Irqs, trng::Config::default());
    if with_timeout(Duration::from_secs(5), trng.fill_bytes(&mut seed)).await.is_err() {
        defmt::panic!("there is no entropy: the random number generator does not answer");
    }
    let random = Random::from_seed(seed);
    let chip = defmt::unwrap!(otp::get_chipid()).to_be_bytes();

    let mut config = spi::Config::default();
    config.frequency = 50_000_000;
    let (miso, cs, clk, mosi) = (p.PIN_16, p.PIN_17, p.PIN_18, p.PIN_19);
    let spi = Spi::new(p.SPI0, clk, mosi, miso, p.DMA_CH0, p.DMA_CH1, Irqs, config);
    let bus = match ExclusiveDevice::new(spi, Output::new(cs, Level::High), Delay) {
        Ok(bus) => bus,
        Err(error) => match error {},
    };
    let (reset, interrupt) = (Output::new(p.PIN_20, Level::High), Input::new(p.PIN_21, Pull::Up));
    let frames = FRAMES.take();
    let (device, runner) = match embassy_net_wiznet::new(mac_address(&chip), frames, bus, interrupt, reset).await {
        Ok(both) => both,
        Err(error) => defmt::panic!("the W5500 does not answer: {}", defmt::Debug2Format(&error)),
    };
    spawner.spawn(defmt::unwrap!(ethernet(runner)));

    let (stack, runner) = start(device, &random);
    spawner.spawn(defmt::unwrap!(network(runner)));
    run(stack, random).await;
}
