//! Decides whether a consumer's frames come as a stream, or one at a time as answers do.

use std::time::Duration;

use crate::time::Time;

/// More frames than this in [`PACE_OVER`] are a stream. At 50 us from one frame to the next no
/// application waits for an answer to each: a round trip through a broker on the same machine takes
/// twice that.
const STREAM_FRAMES: u64 = 20;

/// The time over which frames are counted. It is the resolution of the task's timers, so that each
/// look of the task decides anew.
const PACE_OVER: Duration = Duration::from_millis(1);

/// How fast frames come. See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pace {
    since: Time,
    frames: u64,
    streaming: bool,
}

impl Pace {
    /// Counts frames that have arrived by `now`. Decides once enough time has passed.
    pub(super) fn note(&mut self, now: Time, frames: u64) {
        self.frames += frames;
        let elapsed = now.since(self.since);
        if elapsed >= PACE_OVER {
            let most = elapsed.as_nanos() * u128::from(STREAM_FRAMES) / PACE_OVER.as_nanos();
            *self = Pace { since: now, frames: 0, streaming: u128::from(self.frames) > most };
        }
    }

    /// Returns what was decided last.
    pub(super) fn is_streaming(&self) -> bool {
        self.streaming
    }
}

#[cfg(test)]
mod tests;
