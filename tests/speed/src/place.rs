//! On which processor a thread runs. Left alone, the system puts the two ends of a connection onto
//! one in some runs and apart in others, and a round trip takes several times as long apart.

/// An end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// On the first processor that this program may use.
    Client,
    /// On the last one, which may be the same.
    Server,
}

/// Keeps this thread, and those that it starts, where its end belongs. Other systems than Linux
/// place it as they like.
pub fn stay(place: Place) {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

        let allowed = sched_getaffinity(None).unwrap();
        let mut usable = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
        let cpu = match place {
            Place::Client => usable.next(),
            Place::Server => usable.next_back(),
        };
        let mut only = CpuSet::new();
        only.set(cpu.unwrap());
        sched_setaffinity(None, &only).unwrap();
    }
    #[cfg(not(target_os = "linux"))]
    let _ = place;
}
