//! When messages are due, and a sender that keeps to it without spinning.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Failure;

/// Messages sent before the backlog is looked at again, where the sender is behind.
const CHUNK: u64 = 1024;

/// Messages 0, 1, 2 ... fall due at a steady rate, the first at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Messages a second.
    pub(super) rate: f64,
    pub(super) count: u64,
}

impl Schedule {
    /// When a message is due, from the start.
    pub(super) fn intended(&self, index: u64) -> Duration {
        Duration::from_secs_f64(index as f64 / self.rate)
    }

    /// How many messages are due after `elapsed`.
    pub(super) fn due(&self, elapsed: Duration) -> u64 {
        ((elapsed.as_secs_f64() * self.rate) as u64 + 1).min(self.count)
    }
}

/// Sends what is due, then sleeps for a tick or until the next message is due, whichever is later. `send`
/// may block: what falls due meanwhile is sent after, and is late by its schedule. Returns the most
/// messages that were due and had not arrived.
pub(super) fn run(
    schedule: Schedule,
    start: Instant,
    tick: Duration,
    received: &AtomicU64,
    mut send: impl FnMut(Range<u64>) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let (mut next, mut max_backlog) = (0, 0);
    while next < schedule.count {
        let due = schedule.due(start.elapsed());
        max_backlog = max_backlog.max(due.saturating_sub(received.load(Ordering::Relaxed)));
        if next < due {
            let end = due.min(next + CHUNK);
            send(next..end)?;
            next = end;
        }
        if next >= due && next < schedule.count {
            let now = start.elapsed();
            let wake = schedule.intended(next).max(now + tick);
            std::thread::sleep(wake - now);
        }
    }
    Ok(max_backlog)
}

#[cfg(test)]
mod tests;
