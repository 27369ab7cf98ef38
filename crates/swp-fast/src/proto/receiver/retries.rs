//! When a control frame is sent again that has not been answered: SYN and FIN-ACK.

use std::time::Duration;

use crate::time::Time;

/// The longest interval between two transmissions. A publisher that starts later goes unnoticed for
/// this long if its announcement is lost.
pub(super) const MAX_INTERVAL: Duration = Duration::from_secs(1);

/// A first transmission at once, and further ones at intervals that double up to [`MAX_INTERVAL`]
/// (exponential back-off, RFC 6298 section 5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Retries {
    at: Time,
    interval: Duration,
}

impl Retries {
    /// The first transmission is due at `now`, the second `interval` later.
    pub(super) fn starting_at(now: Time, interval: Duration) -> Retries {
        Retries { at: now, interval }
    }

    /// When the next transmission is due.
    pub(super) fn due_at(&self) -> Time {
        self.at
    }

    /// Makes the next transmission due at `now`. The interval after it stays.
    pub(super) fn expedite(&mut self, now: Time) {
        self.at = now;
    }

    /// Returns true if a transmission is due, and schedules the one after it.
    ///
    /// The pause is never longer than `keep_alive`. A longer one would look to [`super::liveness`]
    /// as if the process had been stopped, which would put off the time-out for ever.
    pub(super) fn take_due(&mut self, now: Time, keep_alive: Duration) -> bool {
        let due = self.at <= now;
        if due {
            self.at = now + self.interval.min(keep_alive);
            self.interval = (self.interval * 2).min(MAX_INTERVAL);
        }
        due
    }
}

#[cfg(test)]
mod tests;
