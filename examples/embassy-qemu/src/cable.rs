//! A cable in memory between two stacks, for measurements that want no network.

use core::cell::RefCell;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

/// The longest Ethernet frame without its checksum.
const MTU: usize = 1514;
/// Frames on the way, each way.
const FRAMES: usize = 4;

/// What goes one way.
#[derive(Debug)]
struct Lane {
    frames: [([u8; MTU], usize); FRAMES],
    first: usize,
    count: usize,
    /// Who waits for a frame, and who for room.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    const fn new() -> Self {
        Self { frames: [([0; MTU], 0); FRAMES], first: 0, count: 0, reader: None, writer: None }
    }
}

/// A cable: nothing is lost, and nothing takes time.
#[derive(Debug)]
pub struct Cable {
    lanes: [RefCell<Lane>; 2],
}

impl Cable {
    /// A cable without a frame on it.
    #[must_use]
    pub const fn new() -> Self {
        Self { lanes: [const { RefCell::new(Lane::new()) }; 2] }
    }

    /// Its two ends.
    #[must_use]
    pub fn ends(&'static self) -> [End; 2] {
        let [one, other] = &self.lanes;
        [End { from: one, to: other, number: 1 }, End { from: other, to: one, number: 2 }]
    }
}

impl Default for Cable {
    fn default() -> Self {
        Self::new()
    }
}

/// One end, to give to a stack.
#[derive(Debug)]
pub struct End {
    from: &'static RefCell<Lane>,
    to: &'static RefCell<Lane>,
    number: u8,
}

impl End {
    fn has_room(&self, cx: &Context<'_>) -> bool {
        let mut lane = self.to.borrow_mut();
        if lane.count == FRAMES {
            lane.writer = Some(cx.waker().clone());
        }
        lane.count < FRAMES
    }
}

impl Driver for End {
    type RxToken<'a> = Received;
    type TxToken<'a> = ToSend;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, ToSend)> {
        let is_empty = {
            let mut lane = self.from.borrow_mut();
            if lane.count == 0 {
                lane.reader = Some(cx.waker().clone());
            }
            lane.count == 0
        };
        (!is_empty && self.has_room(cx)).then_some((Received(self.from), ToSend(self.to)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<ToSend> {
        self.has_room(cx).then_some(ToSend(self.to))
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet([2, 0, 0, 0, 0, self.number])
    }
}

/// The oldest frame of a lane.
#[derive(Debug)]
pub struct Received(&'static RefCell<Lane>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        let mut lane = self.0.borrow_mut();
        let first = lane.first;
        let (frame, length) = &mut lane.frames[first];
        let result = f(&mut frame[..*length]);
        lane.first = (first + 1) % FRAMES;
        lane.count -= 1;
        if let Some(writer) = lane.writer.take() {
            writer.wake();
        }
        result
    }
}

/// Room for a frame on a lane.
#[derive(Debug)]
pub struct ToSend(&'static RefCell<Lane>);

impl TxToken for ToSend {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut lane = self.0.borrow_mut();
        let place = (lane.first + lane.count) % FRAMES;
        let (frame, filled) = &mut lane.frames[place];
        let result = f(&mut frame[..length]);
        *filled = length;
        lane.count += 1;
        if let Some(reader) = lane.reader.take() {
            reader.wake();
        }
        result
    }
}
