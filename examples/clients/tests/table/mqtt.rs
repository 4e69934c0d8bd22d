//! Rows of MQTT, against mosquitto.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join;
use mimic_core::Context;
use mimic_example_mqtt::{publish, receive_one};
use minimq::{Buffers, ConfigBuilder, Publication, QoS, Session, TopicFilter};
use tokio::sync::oneshot;

use crate::rows::Talked;

/// Returns a topic that no other cell has.
fn topic() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("cell/{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn rust_mqtt(ctx: Context) -> Talked {
    let topic = topic();
    let (subscribed, when_subscribed) = oneshot::channel();
    let receive = receive_one(&ctx, &topic, || subscribed.send(()).unwrap());
    let publish = async {
        let _ = when_subscribed.await;
        publish(&ctx, &topic, b"any transport").await
    };
    let (message, ()) = try_join(receive, publish).await?;
    assert_eq!((message.topic.as_str(), &*message.payload), (&*topic, b"any transport".as_slice()));
    Ok(())
}

pub(crate) async fn minimq(ctx: Context) -> Talked {
    let topic = topic();
    let (mut incoming, mut outgoing) = ([0; 1024], [0; 1024]);
    let config = ConfigBuilder::new(Buffers::new(&mut incoming, &mut outgoing)).client_id(&topic)?;
    let mut session = Session::new(config);
    let mut connection = session.connect(ctx.connect().await?).await?;
    connection.subscribe(&[TopicFilter::new(&topic)], &[]).await?;
    connection.publish(Publication::text(&topic, "any transport").qos(QoS::AtLeastOnce)).await?;
    let message = connection.recv().await?;
    assert_eq!((message.topic(), message.payload()), (&*topic, b"any transport".as_slice()));
    Ok(())
}
