//! The Ethernet of the board: an SMSC LAN9118, as a driver of embassy-net.
//!
//! Frames go through two FIFOs of 32-bit registers. The names of registers and bits are those of
//! the data sheet.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Context;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;

/// Where the mps2-an386 has it.
const BASE: usize = 0x4020_0000;
/// The longest Ethernet frame without its checksum, which the controller makes and checks.
const MTU: usize = 1514;
/// Bytes of checksum that are behind each received frame.
const FCS: usize = 4;

const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const TX_STATUS: usize = 0x48;
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5c;
const TX_CFG: usize = 0x70;
const RX_FIFO_INF: usize = 0x7c;
const TX_FIFO_INF: usize = 0x80;
const MAC_CSR_CMD: usize = 0xa4;
const MAC_CSR_DATA: usize = 0xa8;

/// IRQ_CFG: enabled, active high, push-pull. Active low, which it is after a reset, is an interrupt
/// without end.
const IRQ_EN_POL_TYPE: u32 = 0x111;
/// INT_STS and INT_EN: a frame has arrived; the PHY has news.
const RSFL: u32 = 1 << 3;
const PHY_INT: u32 = 1 << 18;
/// RX_STATUS: the frame is damaged.
const RX_ERROR: u32 = 1 << 15;
/// TX_CFG: transmit.
const TX_ON: u32 = 1 << 1;
/// MAC_CSR_CMD: busy, and to read.
const CSR_BUSY: u32 = 1 << 31;
const CSR_READ: u32 = 1 << 30;
/// The registers of the MAC, which are reached through MAC_CSR_CMD.
const MAC_CR: u32 = 1;
const ADDRH: u32 = 2;
const ADDRL: u32 = 3;
const MII_ACC: u32 = 6;
const MII_DATA: u32 = 7;
/// MAC_CR: full duplex, all multicast (IPv6 finds its neighbours by it), transmit, receive.
const FDPX_MCPAS_TXEN_RXEN: u32 = 1 << 20 | 1 << 19 | 1 << 3 | 1 << 2;

/// MII_ACC: the PHY of the controller, to write to, busy; the register is in bits 6 to 10.
const MII_PHY: u32 = 1 << 11;
const MII_WRITE: u32 = 1 << 1;
const MII_BUSY: u32 = 1;
/// The registers of the PHY: its status, of which a bit says whether the link is up; what it
/// interrupted for, which is cleared by reading; and what it may interrupt for: the link came up,
/// or went down.
const BSR: u32 = 1;
const BSR_LINK_UP: u32 = 1 << 2;
const PHY_SOURCE: u32 = 29;
const PHY_MASK: u32 = 30;
const PHY_UP_DOWN: u32 = 1 << 6 | 1 << 4;

/// Its interrupt.
#[derive(Clone, Copy)]
struct Interrupt;

// SAFETY: the number is the one of the board, and always the same.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        13
    }
}

static RECEIVED: AtomicWaker = AtomicWaker::new();
/// The PHY is to be asked about the link.
static LINK_CHANGED: AtomicBool = AtomicBool::new(true);

fn read(register: usize) -> u32 {
    // SAFETY: all callers name a register of the controller, which is there on this board.
    unsafe { ((BASE + register) as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as in `read`; no register makes the controller touch the memory.
    unsafe { ((BASE + register) as *mut u32).write_volatile(value) }
}

fn mac_read(register: u32) -> u32 {
    write(MAC_CSR_CMD, CSR_BUSY | CSR_READ | register);
    while read(MAC_CSR_CMD) & CSR_BUSY != 0 {}
    read(MAC_CSR_DATA)
}

fn mac_write(register: u32, value: u32) {
    write(MAC_CSR_DATA, value);
    write(MAC_CSR_CMD, CSR_BUSY | register);
    while read(MAC_CSR_CMD) & CSR_BUSY != 0 {}
}

fn phy_read(register: u32) -> u32 {
    mac_write(MII_ACC, MII_PHY | register << 6 | MII_BUSY);
    while mac_read(MII_ACC) & MII_BUSY != 0 {}
    mac_read(MII_DATA)
}

fn phy_write(register: u32, value: u32) {
    mac_write(MII_DATA, value);
    mac_write(MII_ACC, MII_PHY | register << 6 | MII_WRITE | MII_BUSY);
    while mac_read(MII_ACC) & MII_BUSY != 0 {}
}

/// The controller, and room for one frame each way.
#[derive(Debug)]
pub(crate) struct Lan9118 {
    address: [u8; 6],
    is_link_up: bool,
    received: [u8; FRAME],
    to_send: [u8; FRAME],
}

/// Whole words for a frame and its checksum.
const FRAME: usize = (MTU + FCS).next_multiple_of(4);

impl Lan9118 {
    /// Starts the controller. To be called once.
    #[must_use]
    pub(crate) fn start() -> Self {
        let [low, high] = [mac_read(ADDRL).to_le_bytes(), mac_read(ADDRH).to_le_bytes()];
        write(TX_CFG, TX_ON);
        mac_write(MAC_CR, FDPX_MCPAS_TXEN_RXEN);
        write(IRQ_CFG, IRQ_EN_POL_TYPE);
        phy_write(PHY_MASK, PHY_UP_DOWN);
        write(INT_STS, u32::MAX);
        write(INT_EN, RSFL | PHY_INT);
        // SAFETY: its handler is below, and the level is set by now.
        unsafe { NVIC::unmask(Interrupt) };
        let address = [low[0], low[1], low[2], low[3], high[0], high[1]];
        Self { address, is_link_up: false, received: [0; FRAME], to_send: [0; FRAME] }
    }
}

/// To be called by the handler of the interrupt.
fn on_interrupt() {
    if read(INT_STS) & PHY_INT != 0 {
        LINK_CHANGED.store(true, Ordering::Release);
    }
    // Masked until the FIFO was found empty and the PHY was asked: the level stays while they were
    // not.
    write(INT_EN, 0);
    RECEIVED.wake();
}

#[cortex_m_rt::exception]
unsafe fn DefaultHandler(number: i16) {
    if number == 13 {
        on_interrupt();
    } else {
        panic!("interrupt {number} has no handler");
    }
}

/// Whether a frame of any length can be sent.
fn has_room_to_send() -> bool {
    // Each frame that was sent leaves a word that says how it went; nobody asks, and they must not
    // pile up.
    while TX_STATUSES.of(read(TX_FIFO_INF)) > 0 {
        read(TX_STATUS);
    }
    // Two words go before each frame.
    TX_FREE.of(read(TX_FIFO_INF)) >= FRAME + 8
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, ToSend<'_>)> {
        if RX_USED.of(read(RX_FIFO_INF)) == 0 {
            RECEIVED.register(cx.waker());
            write(INT_STS, RSFL);
            write(INT_EN, RSFL | if LINK_CHANGED.load(Ordering::Acquire) { 0 } else { PHY_INT });
            // What came between the look and the clearing has no interrupt any more.
            if RX_USED.of(read(RX_FIFO_INF)) == 0 {
                return None;
            }
        }
        if !has_room_to_send() {
            cx.waker().wake_by_ref();
            return None;
        }
        let status = read(RX_STATUS);
        let length = RX_LENGTH.of(status);
        // Whatever its length, all of it must leave the FIFO.
        for at in (0..length).step_by(4) {
            let word = read(RX_DATA).to_le_bytes();
            if let Some(room) = self.received.get_mut(at..at + 4) {
                room.copy_from_slice(&word);
            }
        }
        // A damaged frame becomes an empty one, which is nothing to any protocol.
        let kept = if status & RX_ERROR == 0 { length.saturating_sub(FCS) } else { 0 };
        let frame = self.received.get_mut(..kept).unwrap_or_default();
        Some((Received(frame), ToSend(&mut self.to_send)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<ToSend<'_>> {
        if !has_room_to_send() {
            cx.waker().wake_by_ref();
            return None;
        }
        Some(ToSend(&mut self.to_send))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        if LINK_CHANGED.swap(false, Ordering::AcqRel) {
            phy_read(PHY_SOURCE);
            self.is_link_up = phy_read(BSR) & BSR_LINK_UP != 0;
            // Once more to `receive`, which lets the PHY interrupt again.
            cx.waker().wake_by_ref();
        }
        if self.is_link_up { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = MTU;
        // It bounds the window of TCP: four frames fit into the FIFO of 10 KiB with room for what
        // else comes, six do not always, and with one the peer waits for each.
        capabilities.max_burst_size = Some(4);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

/// Some bits of a register.
struct Field {
    shift: u32,
    mask: u32,
}

impl Field {
    const fn of(&self, value: u32) -> usize {
        (value >> self.shift & self.mask) as usize
    }
}

const RX_USED: Field = Field { shift: 16, mask: 0xff };
const RX_LENGTH: Field = Field { shift: 16, mask: 0x3fff };
const TX_STATUSES: Field = Field { shift: 16, mask: 0xff };
const TX_FREE: Field = Field { shift: 0, mask: 0xffff };

/// A frame that has arrived.
#[derive(Debug)]
pub(crate) struct Received<'a>(&'a mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame to send.
#[derive(Debug)]
pub(crate) struct ToSend<'a>(&'a mut [u8; FRAME]);

impl TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let result = f(&mut self.0[..length]);
        // Lengths are below 2 KiB.
        let length_bits = length as u32;
        // Command A: first and last segment, and its length. Command B: the length of the frame.
        write(TX_DATA, 1 << 13 | 1 << 12 | length_bits);
        write(TX_DATA, length_bits);
        for word in self.0[..length.next_multiple_of(4)].as_chunks::<4>().0 {
            write(TX_DATA, u32::from_le_bytes(*word));
        }
        result
    }
}
