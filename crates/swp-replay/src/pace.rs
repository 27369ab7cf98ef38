//! Holds a consumer to a number of bytes a second. The protocol's credit then holds the publisher to it.

use std::time::Duration;

use tokio::time::Instant;

/// What may be made up after a pause: enough for a timer's granularity, too little for a burst.
const SLACK: Duration = Duration::from_millis(50);

/// A clock that advances by the bytes taken.
pub(crate) struct Pace {
    bytes_per_s: Option<u64>,
    due: Instant,
}

impl Pace {
    /// `None` is as fast as it goes.
    pub(crate) fn new(bytes_per_s: Option<u64>) -> Pace {
        Pace { bytes_per_s, due: Instant::now() }
    }

    /// When the next bytes may be taken, `bytes` having been taken now.
    pub(crate) fn took(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let rate = self.bytes_per_s?;
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        self.due = self.due.max(earliest) + cost;
        (self.due > now).then_some(self.due)
    }
}

#[cfg(test)]
mod tests;
