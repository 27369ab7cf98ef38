//! A lock that is held for nanoseconds and taken for every message.
//!
//! A mutex that can put its waiters to sleep has to check for sleepers when it unlocks. That check
//! is a second atomic read-modify-write, which also waits until earlier writes have reached the
//! cache. Unlocking this lock is a plain store. `cargo bench -p swp-bench --bench try_send`
//! compares costs.

use std::time::Duration;

use spin::mutex::{SpinMutex, SpinMutexGuard};

/// Tries before the thread yields: a few microseconds, as long as the longest copy into a frame
/// takes.
const SPINS: u32 = 100;

/// Yields before the thread sleeps, for a holder that waits for this processor.
const YIELDS: u32 = 10;

/// How long the thread sleeps between further tries, so that a holder of lower priority runs as
/// well, however threads are scheduled. Timers of Linux are late by as much by default.
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
        reason = "a mutex would sleep here as well, until its holder has run"
    )]
    fn wait(&self) -> SpinMutexGuard<'_, T> {
        let mut tries = 0;
        loop {
            // A read leaves the cache line with the holder. A try takes the line away.
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
