//! Publishes a message to an MQTT broker, or prints the next one: `mqtt mqtt://localhost topic`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mimic_example_clients::{Options, with_schemes};
use mimic_example_mqtt::{publish, receive_one};

/// Publishes a message to an MQTT broker, or prints the next one
#[derive(Parser)]
struct Arguments {
    /// mqtt://[user[:password]@]host[:port], mqtts://…, tcp://…, tls://…, unix:/path
    url: String,
    /// Where to publish, or what to wait for
    topic: String,
    /// What to publish; without it, the next message of the topic is printed
    #[arg(long)]
    publish: Option<String>,
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let Arguments { url, topic, publish: message, options } = Arguments::parse();
    options.run("mqtt", async |ctx, _| {
        let ctx = with_schemes(ctx, ("mqtt", 1883), ("mqtts", 8883)).with_url(&url)?;
        if let Some(message) = message {
            return publish(&ctx, &topic, message.as_bytes()).await;
        }
        let message = receive_one(&ctx, &topic, || eprintln!("subscribed")).await?;
        println!("{}", String::from_utf8_lossy(&message.payload));
        Ok(())
    })
}
