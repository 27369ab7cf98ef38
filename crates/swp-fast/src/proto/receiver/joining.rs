//! The time between a consumer's first SYN and the publisher's SYN-ACK, at first and after a
//! removal.

use std::time::Duration;

use super::retries::Retries;
use crate::time::Time;

/// The second SYN follows after this long. A broker on the same host answers in 0.3 ms.
const SYN_INTERVAL: Duration = Duration::from_millis(100);

/// A removal by the publisher, which may readmit the consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Removal {
    reason: String,
    /// The consumer waits for readmission until then.
    until: Time,
}

/// See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Joining {
    syn: Retries,
    /// `None` while this consumer joins for the first time, which has no deadline here.
    removal: Option<Removal>,
}

impl Joining {
    /// Joins a stream from `now` on.
    pub(super) fn starting_at(now: Time) -> Joining {
        Joining { syn: Retries::starting_at(now, SYN_INTERVAL), removal: None }
    }

    /// Joins again after the publisher removed this consumer for this reason, until `until`.
    pub(super) fn after_removal(now: Time, reason: String, until: Time) -> Joining {
        let removal = Some(Removal { reason, until });
        Joining { removal, ..Joining::starting_at(now) }
    }

    /// Makes the next SYN due at `now`.
    pub(super) fn expedite(&mut self, now: Time) {
        self.syn.expedite(now);
    }

    /// Returns true if a SYN is due, and schedules the next one, at most `keep_alive` later.
    pub(super) fn take_due_syn(&mut self, now: Time, keep_alive: Duration) -> bool {
        self.syn.take_due(now, keep_alive)
    }

    /// Returns the reason for the removal once the time for readmission is over.
    pub(super) fn expired(&self, now: Time) -> Option<&str> {
        let removal = self.removal.as_ref().filter(|removal| removal.until <= now)?;
        Some(&removal.reason)
    }

    /// Puts the deadline off, because this process was stopped for `leap`.
    pub(super) fn postpone(&mut self, leap: Duration) {
        if let Some(removal) = &mut self.removal {
            removal.until = removal.until + leap;
        }
    }

    /// The next SYN, or the deadline if that comes first.
    pub(super) fn next_at(&self) -> Time {
        let syn_at = self.syn.due_at();
        self.removal.as_ref().map_or(syn_at, |removal| removal.until.min(syn_at))
    }
}

#[cfg(test)]
mod tests;
