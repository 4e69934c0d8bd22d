//! The MQTT client of the examples: publishes a message, or receives one, over any transport.
//!
//! ```text
//!   ctx, with the URL of the broker
//!    │ connect          TCP, TLS, a Unix socket: the context decides
//!    ▼
//!   flow
//!    │ Packets          writes each packet at once, remembers how the flow failed
//!    ▼
//!   rust_mqtt::Client   MQTT 5
//!    CONNECT ──► ◄── CONNACK   PUBLISH ──► ◄── PUBACK   DISCONNECT ──►
//! ```
//!
//! Firmware and hosts share it: it names no transport, no runtime and no operating system.
//!
//! ```no_run
//! # use mimic_core::{Ctx, Error, Mode};
//! # async fn report<M: Mode>(ctx: Ctx<M>) -> Result<(), Error> {
//! let broker = ctx.with_url("tls://sensor-7:secret@broker.example:8883")?;
//! mimic_example_mqtt::publish(&broker, "sensors/7/temperature", b"21.5").await?;
//! # Ok(()) }
//! ```
//!
//! # The context
//! It names the broker, as for every client of mimic. [`User`] and [`Password`], which a URL sets,
//! go into CONNECT. [`Deadline`] covers the whole call: look-ups, connecting, handshakes, and all
//! that the broker has to answer. [`Sleep`] must be filled, as it is by every adapter.
//!
//! # Errors
//! Errors of connecting, and of the flow, are passed on: they name the layer that failed. Those of
//! MQTT are located at `mqtt`. The caller knows the endpoint, and adds it by [`Error::to_target`].
//!
//! # Limits
//! - Delivery is at least once (QoS 1).
//! - The futures are not `Send`, for rust-mqtt's client holds a `&dyn Fn`: await them in place.
//! - A packet of the broker has at most 64 KiB.
//! - A hostile broker can panic rust-mqtt 0.6.0, by a user property that is longer than its packet
//!   (`BodyReader::skip` subtracts without a check). TLS keeps others than the broker from it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod fault;
mod packets;

use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZero;
use core::time::Duration;

use fault::{answer, fault, invalid, login_fault};
use mimic_core::keys::{Deadline, Password, User};
use mimic_core::roles::Sleep;
use mimic_core::{Ctx, Error, FlowExt, Mode, Timer, timeout};
use packets::Packets;
use rust_mqtt::buffer::AllocBuffer;
use rust_mqtt::client::MqttError;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::types::{MqttBinary, MqttString, TopicFilter, TopicName};

/// The largest packet that is accepted from a broker.
const PACKET_MAX: NonZero<u32> = NonZero::<u32>::MIN.saturating_add(65_535);

/// How long the end of a connection may take, after all that matters is done.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One subscription, one message in either direction at a time, no properties and no aliases.
type Client<'c, 'n, M> =
    rust_mqtt::client::Client<'c, 'c, &'n mut Packets<<M as Mode>::Flow>, AllocBuffer, 1, 1, 1, 0, 0, 0, 0>;

/// A message of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic that it was published to.
    pub topic: String,
    /// The message itself.
    pub payload: Vec<u8>,
}

/// Publishes a message, and waits until the broker has it.
///
/// Afterwards it disconnects, and waits at most a second for the broker to close; how that ends
/// does not matter any more.
///
/// # Errors
/// Those of connecting and of the flow; [`PermissionDenied`](mimic_core::ErrorKind) if the broker
/// refuses the user or the message; [`TimedOut`](mimic_core::ErrorKind) by the deadline. After an
/// error the broker may have the message.
pub async fn publish<M: Mode>(ctx: &Ctx<M>, topic: &str, payload: &[u8]) -> Result<(), Error> {
    let name = TopicName::new(text(topic)?)
        .ok_or_else(|| invalid("a topic to publish to is not empty and has no wildcard").to_target(topic))?;
    session(ctx, async |client: &mut Client<'_, '_, M>| {
        let options = PublicationOptions::new(TopicReference::Name(name)).at_least_once();
        client.publish(&options, payload.into()).await.map_err(fault)?;
        loop {
            match client.poll().await.map_err(fault)? {
                Event::PublishAcknowledged(_) => return Ok(()),
                Event::PublishRejected(rejected) => return Err(answer("refused the message", rejected.reason_code)),
                _ => {}
            }
        }
    })
    .await
}

/// Subscribes, and waits for one message. Calls `subscribed` when the broker has acknowledged the
/// subscription: what is published from then on arrives.
///
/// # Errors
/// As those of [`publish`].
pub async fn receive_one<M: Mode>(ctx: &Ctx<M>, filter: &str, subscribed: impl FnOnce()) -> Result<Message, Error> {
    let topics =
        TopicFilter::new(text(filter)?).ok_or_else(|| invalid("it is no filter of topics").to_target(filter))?;
    session(ctx, async |client: &mut Client<'_, '_, M>| {
        let options = SubscriptionOptions::new().at_least_once();
        client.subscribe(topics, &options).await.map_err(fault)?;
        let mut subscribed = Some(subscribed);
        loop {
            match client.poll().await.map_err(fault)? {
                Event::Suback(ack) if ack.reason_code.is_erroneous() => {
                    return Err(answer("refused the subscription", ack.reason_code));
                }
                Event::Suback(_) => {
                    if let Some(subscribed) = subscribed.take() {
                        subscribed();
                    }
                }
                Event::Publish(message) => {
                    let topic = match message.topic {
                        TopicReference::Name(name) | TopicReference::Mapping(name, _) => MqttString::from(name),
                        // No aliases were offered.
                        TopicReference::Alias(_) => return Err(fault(MqttError::Server)),
                    };
                    return Ok(Message { topic: topic.as_str().into(), payload: message.message.to_vec() });
                }
                _ => {}
            }
        }
    })
    .await
}

/// Connects to the broker, logs in, talks and says goodbye.
async fn session<M: Mode, T>(
    ctx: &Ctx<M>,
    talk: impl for<'c, 'n, 'm> AsyncFnOnce(&'m mut Client<'c, 'n, M>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut timer = ctx.resolve(Sleep, ()).await?;
    let started = timer.now();
    let (user, password) = (ctx.value(User).await?, ctx.value(Password).await?);
    let mut options = ConnectOptions::new().clean_start().maximum_packet_size(PACKET_MAX);
    options.user_name = user.as_deref().map(text).transpose()?;
    options.password = match &password {
        None => None,
        Some(password) => {
            let bytes = MqttBinary::from_slice(password.expose().as_bytes());
            Some(bytes.map_err(|_| invalid("the password is too long for MQTT"))?)
        }
    };
    let deadline = ctx.value(Deadline).await?;
    // By the same deadline.
    let mut packets = Packets::new(ctx.connect().await?);
    let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_sub(timer.now() - started));

    let talked = timeout(&mut timer, left, async {
        let mut buffer = AllocBuffer;
        let mut client = Client::<M>::new(&mut buffer);
        client.connect(&mut packets, &options, None).await.map_err(login_fault)?;
        let output = talk(&mut client).await?;
        // All is done. A broker that has gone meanwhile is no error.
        let _ = client.disconnect(&DisconnectOptions::new()).await;
        Ok(output)
    })
    .await;
    match talked {
        Ok(output) => {
            let _ = timeout(&mut timer, LAST_WORDS, packets.flow.close()).await;
            Ok(output)
        }
        // The client tells the kind alone.
        Err(error) => Err(packets.failed.unwrap_or(error).located_at("mqtt")),
    }
}

fn text(text: &str) -> Result<MqttString<'_>, Error> {
    MqttString::from_str(text).map_err(|_| invalid("MQTT's strings have at most 65,535 bytes and no NUL"))
}
