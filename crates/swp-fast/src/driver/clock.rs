//! The one place where the library asks what time it is, and for random numbers.

use tokio::time::Instant;

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

/// 64 random bits from the system, for the ids of sessions and peers.
#[expect(clippy::disallowed_methods, reason = "the driver is where chance comes from")]
pub(crate) fn random_id() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}
