//! The one place where the library asks what time it is, and for random numbers.

use std::pin::Pin;

use tokio::time::{Instant, Sleep};

use crate::time::Time;

/// Maps tokio's clock (which tests can pause) to the protocol's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    pub(crate) fn now(self) -> Time {
        Time::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    pub(crate) fn instant(self, time: Time) -> Instant {
        self.0 + time.since(Time::ZERO)
    }
}

/// A task's one timer. A protocol's deadline moves with every frame, mostly to later; the runtime's timers are
/// shared by its threads, and setting one may wake another. So it is set again only when it has fired or would
/// fire too late, and may fire too early: whoever waits looks again then.
pub(super) struct Alarm {
    clock: Clock,
    at: Time,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    pub(super) fn new(clock: Clock) -> Alarm {
        let at = Time::ZERO;
        Alarm { clock, at, sleep: Box::pin(tokio::time::sleep_until(clock.instant(at))) }
    }

    /// Sees to it that it fires at `deadline` at the latest; returns when it will.
    pub(super) fn set(&mut self, deadline: Time) -> Time {
        if self.sleep.is_elapsed() || deadline < self.at {
            self.at = deadline;
            self.sleep.as_mut().reset(self.clock.instant(deadline));
        }
        self.at
    }

    pub(super) async fn fired(&mut self) {
        self.sleep.as_mut().await;
    }
}

/// 64 random bits from the system, for the ids of sessions and peers.
#[expect(clippy::disallowed_methods, reason = "the driver is where chance comes from")]
pub(crate) fn random_id() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}

#[cfg(test)]
mod tests;
