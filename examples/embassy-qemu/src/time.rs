//! The time driver of embassy: SysTick at 1 kHz.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

/// The clock of the processor on QEMU's mps2-an386.
const CLOCK_HZ: u32 = 25_000_000;
const TICKS_PER_SECOND: u32 = 1_000;
const _: () = assert!(TICK_HZ == TICKS_PER_SECOND as u64);

struct SysTickDriver {
    // The processor has no atomic operations on 64 bits.
    now: Mutex<Cell<u64>>,
    /// When the first of the queue is due.
    next: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static DRIVER: SysTickDriver = SysTickDriver {
    now: Mutex::new(Cell::new(0)),
    next: Mutex::new(Cell::new(u64::MAX)),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

/// Starts the clock.
pub(crate) fn start(mut syst: SYST) {
    syst.set_clock_source(SystClkSource::Core);
    syst.set_reload(CLOCK_HZ / TICKS_PER_SECOND - 1);
    syst.clear_current();
    syst.enable_counter();
    syst.enable_interrupt();
}

/// Nanoseconds since the start, in steps of 40.
#[must_use]
pub fn clock() -> u64 {
    critical_section::with(|cs| {
        let reload = CLOCK_HZ / TICKS_PER_SECOND - 1;
        let left = SYST::get_current();
        // A tick that has come and was not counted yet, for interrupts are masked.
        let pending = u64::from(cortex_m::peripheral::SCB::is_pendst_pending());
        let left = if pending == 1 { SYST::get_current() } else { left };
        let ticks = (DRIVER.now.borrow(cs).get() + pending) * u64::from(reload + 1);
        (ticks + u64::from(reload - left)) * (1_000_000_000 / u64::from(CLOCK_HZ))
    })
}

impl SysTickDriver {
    fn tick(&self) {
        critical_section::with(|cs| {
            let now = self.now.borrow(cs).get() + 1;
            self.now.borrow(cs).set(now);
            if now >= self.next.borrow(cs).get() {
                self.wake_due(cs, now);
            }
        });
    }

    fn wake_due(&self, cs: CriticalSection<'_>, now: u64) {
        let next = self.queue.borrow_ref_mut(cs).next_expiration(now);
        self.next.borrow(cs).set(next);
    }
}

impl Driver for SysTickDriver {
    fn now(&self) -> u64 {
        critical_section::with(|cs| self.now.borrow(cs).get())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            let changed = self.queue.borrow_ref_mut(cs).schedule_wake(at, waker);
            if changed {
                self.wake_due(cs, self.now.borrow(cs).get());
            }
        });
    }
}

#[cortex_m_rt::exception]
fn SysTick() {
    DRIVER.tick();
}
