//! Attributes, layers, and the way back to the concrete type.

use std::task::{Context, Poll};

use mimic_core::adapter::AttributeRequest;
use mimic_core::embedded_io_async::{Read, Write};
use mimic_core::keys::{LocalAddr, PeerAddr};
use mimic_core::{Error, Flow, FlowExt, key};

use super::ends::{Check, Pair, both, greet, pass, settle};
use super::failure::ensure;
use super::tasks::Task;
use super::{BoxFlow, Failure, Rig};

key! {
    /// No flow knows it.
    Unheard: u64;
    /// A layer of the kit knows it.
    Told: u64;
}

/// A layer that passes everything on. With a number, it answers [`Told`].
#[derive(Debug)]
struct Layer(BoxFlow, Option<u64>);

impl Flow for Layer {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize, Error>> {
        self.0.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        self.0.poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_shutdown(cx)
    }

    fn inner(&self) -> Option<&dyn Flow> {
        Some(&*self.0)
    }

    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_value(Told, || self.1);
    }
}

pub(super) async fn addresses_are_those_of_the_peer(rig: &Rig<'_>) -> Check {
    let Pair { near, far } = rig.fresh_pair().await?;
    let [near, far] = [&near, &far].map(|flow| (flow.attribute(LocalAddr), flow.attribute(PeerAddr)));
    if rig.kind().addresses {
        ensure!(near.0.is_some() && near.1.is_some(), "its addresses are unknown: {near:?}");
        ensure!(near == (far.1, far.0), "it says that it is between {near:?}, and its peer, between {far:?}");
    } else {
        ensure!(near == (None, None), "it knows its addresses, and its kind says that it does not: {near:?}");
    }
    Ok(())
}

pub(super) async fn an_unknown_key_is_not_answered(rig: &Rig<'_>) -> Check {
    let Pair { near, far: _far } = rig.pair().await?;
    let answer = near.attribute(Unheard);
    ensure!(answer.is_none(), "a key that nobody knows is answered: {answer:?}");
    Ok(())
}

pub(super) async fn attributes_stay_while_bytes_flow(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let before = (near.attribute(LocalAddr), near.attribute(PeerAddr));
    greet(&mut near, &mut far).await?;
    near.shutdown().await?;
    let after = (near.attribute(LocalAddr), near.attribute(PeerAddr));
    ensure!(before == after, "{before:?} became {after:?}");
    Ok(())
}

pub(super) async fn attributes_come_through_layers(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let bare = (near.attribute(LocalAddr), near.attribute(PeerAddr));
    for told in [Some(1), None, Some(3), None] {
        near = Box::new(Layer(near, told));
    }
    let layered = (near.attribute(LocalAddr), near.attribute(PeerAddr));
    ensure!(bare == layered, "{bare:?} became {layered:?} through layers");
    ensure!(near.attribute(Told) == Some(3), "not the first layer that knows answers: {:?}", near.attribute(Told));
    ensure!(near.attribute(Unheard).is_none(), "a key that nobody knows is answered through layers");
    greet(&mut near, &mut far).await
}

/// Asked from the top, the first layer that knows answers; and the layers come to an end.
pub(super) async fn the_layers_below_come_to_an_end(rig: &Rig<'_>) -> Check {
    let Pair { near, far: _far } = rig.pair().await?;
    // Counted first: a question would go round for ever.
    let mut layers = vec![];
    let mut below = near.inner();
    while let Some(flow) = below {
        layers.push(flow);
        ensure!(layers.len() < 100, "a hundred layers, and no end");
        below = flow.inner();
    }
    for flow in layers {
        ensure!(flow.attribute(Unheard).is_none(), "a layer answers a key that nobody knows");
        ensure!(!format!("{flow:?}").is_empty(), "a layer has nothing to say of itself");
    }
    Ok(())
}

pub(super) async fn a_box_knows_its_concrete_type(rig: &Rig<'_>) -> Check {
    let (near, far) = rig.ends().await?;
    let (is_concrete, moved) = (near.is_concrete(), near.moved());
    let (mut near, mut far) = (near.flow(), far.flow());
    ensure!(is_concrete(&*near), "the boxed flow is not of the type that was boxed");
    ensure!(near.downcast_ref::<Layer>().is_none(), "it says that it is of another type");
    ensure!(near.downcast_mut::<Layer>().is_none(), "it says that it is of another type");
    // The wrong type gives the flow back as it was.
    near = match near.downcast::<Layer>() {
        Ok(_) => return Err(Failure::new("it says that it is of another type")),
        Err(near) => near,
    };
    ensure!(is_concrete(&*near), "the flow that came back is not of the type that was boxed");
    greet(&mut near, &mut far).await?;
    // Out of its box, it is at another place, and goes on there; even one that waited.
    let task = Task::new();
    ensure!(near.poll_read(&mut task.cx(), &mut [0; 8]).is_pending(), "a read is answered although nothing was sent");
    near = moved(near).ok_or_else(|| Failure::new("the concrete flow does not come out of its box"))?;
    greet(&mut near, &mut far).await
}

pub(super) async fn debug_tells_nothing_of_what_is_sent(rig: &Rig<'_>) -> Check {
    let Pair { mut near, mut far } = rig.pair().await?;
    let secret = b"correct horse battery staple";
    let came = pass(&mut far, &mut near, secret).await?;
    ensure!(came == secret, "{came:?} came");
    // Now some of it is still to be read when it is asked.
    both(
        async {
            far.write_all(secret).await?;
            Ok(far.flush().await?)
        },
        async {
            near.read_exact(&mut [0]).await?;
            settle().await;
            for text in [format!("{near:?}"), format!("{near:#?}")] {
                ensure!(!text.is_empty(), "it has nothing to say of itself");
                let text: String = text.split_whitespace().collect();
                let tells = text.contains("horse") || text.contains("104,111,114,115,101");
                ensure!(!rig.kind().discreet || !tells, "its Debug shows what was sent");
                ensure!(
                    rig.kind().discreet || tells,
                    "its Debug is discreet, and its kind says that it is not: {text}"
                );
            }
            let mut rest = [0; 27];
            near.read_exact(&mut rest).await?;
            ensure!(rest == secret[1..], "{rest:?} came");
            Ok(())
        },
    )
    .await
}

pub(super) async fn the_flow_below_goes_on_by_itself(rig: &Rig<'_>) -> Check {
    let (near, far) = rig.ends().await?;
    let opened = near.inner().zip(far.inner());
    let (mut near, mut far) = (near.flow(), far.flow());
    greet(&mut near, &mut far).await?;
    if let Some((open_near, open_far)) = opened {
        let taken = open_near(near).zip(open_far(far));
        (near, far) = taken.ok_or_else(|| Failure::new("the flow does not open to the one below"))?;
    }
    greet(&mut near, &mut far).await
}
