//! The only place where the library reads the clock and draws random numbers.

use std::pin::Pin;

use tokio::time::{Instant, Sleep};

use crate::time::Time;

/// Maps tokio's clock, which tests can pause, to the protocol's time.
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

/// The timer of a task.
///
/// The protocol's deadline moves with every frame, mostly to a later time. The threads of a runtime
/// share its timers, and setting one may wake another thread. So this timer is set again only after
/// it has fired, or where it would fire too late. It may fire too early: the task looks again then.
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

    /// Makes the timer fire at `deadline` at the latest. Returns when it fires.
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

/// Returns 64 random bits from the system, for the ids of sessions and peers.
#[expect(clippy::disallowed_methods, reason = "the driver is where chance comes from")]
pub(crate) fn random_id() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}

#[cfg(test)]
mod tests;
