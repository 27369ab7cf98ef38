//! Which probes are due, and the FIN that goes before them. A probe asks for an ack.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;
use crate::wire::PeerId;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct ProbeSchedule {
    /// The number of the newest probe.
    last: u64,
    /// One probe to all consumers is due ...
    all: bool,
    /// ... or one to the inbox of each of these.
    inboxes: VecDeque<PeerId>,
    /// The FIN is due once everything is sent.
    fin: bool,
    last_group_send: Time,
    keep_alive: Duration,
}

impl ProbeSchedule {
    pub(super) fn new(keep_alive: Duration, now: Time) -> ProbeSchedule {
        ProbeSchedule {
            last: 0,
            all: false,
            inboxes: VecDeque::new(),
            fin: false,
            last_group_send: now,
            keep_alive,
        }
    }

    /// Something is sent to the whole group.
    pub(super) fn note_group_send(&mut self, now: Time) {
        self.last_group_send = now;
    }

    /// When the group is to be sent something so that it hears of its publisher.
    pub(super) fn keep_alive_at(&self) -> Time {
        self.last_group_send + self.keep_alive
    }

    pub(super) fn request_all(&mut self) {
        self.all = true;
    }

    /// Requests a probe to each of these inboxes, where none is due there already.
    pub(super) fn request(&mut self, ids: &[PeerId]) {
        for id in ids {
            if !self.inboxes.contains(id) {
                self.inboxes.push_back(*id);
            }
        }
    }

    pub(super) fn request_fin(&mut self) {
        self.fin = true;
    }

    /// Whether the FIN was due; not any more.
    pub(super) fn take_fin(&mut self) -> bool {
        std::mem::take(&mut self.fin)
    }

    /// Whether a probe to all was due; not any more.
    pub(super) fn take_all(&mut self) -> bool {
        std::mem::take(&mut self.all)
    }

    /// Takes the next inbox to which a probe is due.
    pub(super) fn take_inbox(&mut self) -> Option<PeerId> {
        self.inboxes.pop_front()
    }

    /// Returns the number of a new probe. Probes count from 1.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

#[cfg(test)]
mod tests;
