//! The firmware of a sensor: publishes one reading to an MQTT broker, by the client that hosts use
//! too (`examples/mqtt`).
//!
//! The URL is that of the broker, and its path the topic, as mosquitto's own tools have it:
//! `tls://sensor-7:secret@10.0.2.2:8883/sensors/7`.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

use embassy_executor::Spawner;
use embassy_net::Stack;
use embassy_time::{Duration, Timer};
use mimic_core::adapter::percent_decode;
use mimic_core::keys::Deadline;
use mimic_core::{Endpoint, Error, ErrorKind, LocalContext, Phase};
use mimic_embassy::Buffers;
use mimic_example_embassy_qemu::semihosting::Output;
#[cfg(feature = "rustls")]
use mimic_example_embassy_qemu::trust;
use mimic_example_embassy_qemu::{Options, finish, heap_in_use, run};
use mimic_example_mqtt::publish;
use static_cell::ConstStaticCell;

/// One, or as many as may race.
const SOCKETS: usize = if cfg!(feature = "happy-eyeballs") { 4 } else { 1 };

/// How long an alert of TLS, or the end of the connection, may take to reach the peer: the network
/// stops with the firmware.
const FAREWELL: Duration = Duration::from_millis(20);

static BUFFERS: ConstStaticCell<Buffers<SOCKETS, 4096, 4096>> = ConstStaticCell::new(Buffers::new());

#[cortex_m_rt::entry]
fn main() -> ! {
    run(|spawner: Spawner, stack, options| {
        spawner.spawn(sensor(stack, options).unwrap_or_else(|_| unreachable!("it is spawned once")));
    })
}

#[embassy_executor::task]
async fn sensor(stack: Stack<'static>, options: Options<'static>) {
    let ctx = mimic_embassy::client(stack, BUFFERS.take());
    #[cfg(feature = "rustls")]
    let ctx = trust::apply(ctx, options);
    let result = report(ctx, options).await;
    if result.is_err() {
        Timer::after(FAREWELL).await;
    }
    finish(options, result);
}

async fn report(ctx: LocalContext, options: Options<'static>) -> Result<(), Error> {
    let broker: Endpoint = options.url.parse()?;
    let topic = topic(&broker)?;
    let mut ctx = ctx.with_endpoint(&broker);
    if let Some(limit) = options.timeout {
        ctx = ctx.with(Deadline, limit);
    }
    let reading = format!("heap: {} bytes", heap_in_use());
    publish(&ctx, &topic, reading.as_bytes()).await.map_err(|error| error.to_target(&broker))?;
    let said = Output::stdout().map(|mut stdout| writeln!(stdout, "published to {topic}: {reading}"));
    match said {
        Ok(Ok(())) => Ok(()),
        _ => Err(Error::new(ErrorKind::Other, "the machine refused it").to_target("standard output")),
    }
}

fn topic(broker: &Endpoint) -> Result<String, Error> {
    let path = broker.path.as_deref().unwrap_or_default().trim_start_matches('/');
    let topic = String::from_utf8(percent_decode(path)?).unwrap_or_default();
    match topic.is_empty() {
        false => Ok(topic),
        true => Err(Error::new(ErrorKind::InvalidInput, "the path of the URL is no topic")
            .in_phase(Phase::Endpoint)
            .to_target(broker)
            .advise("give one: tcp://10.0.2.2:1883/sensors/7")),
    }
}
