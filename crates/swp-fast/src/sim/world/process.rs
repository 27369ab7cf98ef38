//! The process of an endpoint: what arrives waits here until the process runs.

use std::collections::{BTreeSet, VecDeque};

use crate::sim::network::Delivery;
use crate::time::Time;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Process {
    pub(super) stopped: bool,
    pub(super) killed: bool,
    pub(super) inbox: VecDeque<Delivery>,
    pub(super) overflowed: u64,
    /// The bus was away and is back, and the process was not told yet.
    pub(super) reconnected: bool,
    /// When the process wants to be woken next.
    pub(super) wake_at: Option<Time>,
    /// How often the process was started again.
    pub(super) restarts: u32,
}

impl Process {
    pub(super) fn starting_at(now: Time) -> Process {
        Process { wake_at: Some(now), ..Process::default() }
    }

    /// Another process takes the place of a process that died.
    pub(super) fn start_again(&mut self, now: Time) {
        *self = Process { restarts: self.restarts + 1, ..Process::starting_at(now) };
    }

    pub(super) fn runs(&self) -> bool {
        !self.stopped && !self.killed
    }

    /// Puts a frame into the queue before the process. Returns false if the queue is full.
    pub(super) fn queue(&mut self, delivery: Delivery, capacity: usize) -> bool {
        if self.killed {
            return true;
        }
        let alike = |queued: &&Delivery| queued.direct == delivery.direct;
        let fits =
            self.inbox.len() < capacity || self.inbox.iter().filter(alike).count() < capacity;
        match fits {
            true => self.inbox.push_back(delivery),
            false => self.overflowed += 1,
        }
        fits
    }

    /// Returns true if two copies of one data frame wait.
    pub(super) fn queues_copies(&self) -> bool {
        let labels = self.inbox.iter().filter_map(|delivery| delivery.label);
        let mut seen = BTreeSet::new();
        labels
            .filter(|label| label.kind.is_data())
            .any(|label| !seen.insert((label.session, label.seq)))
    }
}
