//! A lock for what is held for nanoseconds, and taken for every message.
//!
//! A mutex that can put its waiters to sleep has to ask, when it is let go, whether one does: a second locked
//! operation, which also waits until all that was written has reached the cache. Letting go of this one is a plain
//! store: `try_send` of 64 B took 51 ns with a mutex and 38 with this (`cargo bench -p swp-bench --bench try_send`).

use std::time::Duration;

use spin::mutex::{SpinMutex, SpinMutexGuard};

/// Tries before the processor is given up: a few microseconds, as long as the longest copy into a frame takes.
const SPINS: u32 = 100;

/// Times that the processor is given up, for a holder that waits for it.
const YIELDS: u32 = 10;

/// Then the wait is slept through, so that a holder of lower priority gets the processor too, however threads are
/// scheduled. As long as Linux' timers are late by default.
const NAP: Duration = Duration::from_micros(50);

pub(crate) struct SpinLock<T>(SpinMutex<T>);

impl<T> SpinLock<T> {
    pub(crate) fn new(value: T) -> SpinLock<T> {
        SpinLock(SpinMutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> SpinMutexGuard<'_, T> {
        self.0.try_lock().unwrap_or_else(|| self.wait())
    }

    #[cold]
    #[expect(
        clippy::disallowed_methods,
        reason = "a mutex would sleep here too, until its holder has run"
    )]
    fn wait(&self) -> SpinMutexGuard<'_, T> {
        let mut tries = 0;
        loop {
            // Reading leaves the cache line with the holder, trying takes it away.
            if !self.0.is_locked()
                && let Some(guard) = self.0.try_lock()
            {
                return guard;
            }
            if tries < SPINS {
                std::hint::spin_loop();
            } else if tries < SPINS + YIELDS {
                std::thread::yield_now();
            } else {
                std::thread::sleep(NAP);
            }
            tries = tries.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests;
