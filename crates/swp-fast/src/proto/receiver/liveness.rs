//! Whether the publisher can still be heard, and whether this consumer must be heard.
//!
//! The publisher and the consumer each send something within every keep-alive interval. Each times
//! the other out after a silence of the idle time-out. The publisher sets both durations.

use std::time::Duration;

use crate::time::Time;

/// A clock that leaps by more than this many keep-alive intervals shows that the process was
/// stopped. Deadlines lie at most one interval apart, so the caller calls more often than that.
const LEAP_KEEP_ALIVES: u32 = 2;

/// The session's durations, as the publisher has set them.
#[derive(Debug, Clone, Copy)]
struct Durations {
    keep_alive: Duration,
    idle_timeout: Duration,
}

/// See the [module](self). Has no deadlines before the first session begins.
#[derive(Debug)]
pub(super) struct Liveness {
    durations: Option<Durations>,
    last_sent: Time,
    last_heard: Time,
    last_now: Time,
}

impl Liveness {
    /// Begins at `now`.
    pub(super) fn new(now: Time) -> Liveness {
        Liveness { durations: None, last_sent: now, last_heard: now, last_now: now }
    }

    /// A publisher has accepted this consumer, and has set the durations.
    pub(super) fn begin_session(
        &mut self,
        now: Time,
        keep_alive: Duration,
        idle_timeout: Duration,
    ) {
        self.durations = Some(Durations { keep_alive, idle_timeout });
        self.last_heard = now;
    }

    /// To be called with the time of every input. Returns by how much the clock leapt, if this
    /// process was stopped. Frames that arrived meanwhile have not been read, so the silence is not
    /// the publisher's, and the deadline is put off.
    pub(super) fn note_now(&mut self, now: Time) -> Option<Duration> {
        let gap = now.since(self.last_now);
        self.last_now = self.last_now.max(now);
        let longest = self.durations?.keep_alive * LEAP_KEEP_ALIVES;
        if gap <= longest {
            return None;
        }
        // A reconnect may have been noted since the clock was last looked at.
        self.last_heard = (self.last_heard + gap).min(now);
        Some(gap)
    }

    /// The publisher was heard, or cannot be heard through no fault of its own.
    pub(super) fn note_heard(&mut self, now: Time) {
        self.last_heard = now;
    }

    /// A frame was handed out to be sent.
    pub(super) fn note_sent(&mut self, now: Time) {
        self.last_sent = now;
    }

    /// When the publisher was last heard.
    pub(super) fn last_heard(&self) -> Time {
        self.last_heard
    }

    /// The latest time that the caller has told.
    pub(super) fn last_now(&self) -> Time {
        self.last_now
    }

    /// The longest time between two frames of this consumer.
    pub(super) fn keep_alive(&self) -> Duration {
        self.durations.map_or(Duration::MAX, |durations| durations.keep_alive)
    }

    /// For how long the publisher may be silent, or may take to readmit this consumer.
    pub(super) fn idle_timeout(&self) -> Duration {
        self.durations.map_or(Duration::ZERO, |durations| durations.idle_timeout)
    }

    /// When this consumer must have sent a frame.
    pub(super) fn keep_alive_at(&self) -> Option<Time> {
        self.durations.map(|durations| self.last_sent + durations.keep_alive)
    }

    /// When the publisher times out.
    pub(super) fn times_out_at(&self) -> Option<Time> {
        self.durations.map(|durations| self.last_heard + durations.idle_timeout)
    }
}

#[cfg(test)]
mod tests;
