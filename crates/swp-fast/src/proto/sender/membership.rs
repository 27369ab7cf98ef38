//! What the publisher remembers of its consumers as a whole: whether enough have joined, how many
//! they were told they are, and who was evicted.

use std::collections::VecDeque;

use crate::wire::PeerId;

/// Evicted consumers whose reason is kept, the newest: as many as may take part by default. An
/// older consumer is answered as any stranger is.
const MAX_EVICTED: usize = 64;

#[derive(Debug)]
struct Evicted {
    id: PeerId,
    reason: String,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Membership {
    started: bool,
    consumers_told: u32,
    /// The RESET to an evicted consumer may be lost with a connection that the broker cut. The
    /// consumer must not rejoin then as if it had only been out of reach.
    evicted: VecDeque<Evicted>,
}

impl Membership {
    pub(super) fn new() -> Membership {
        Membership { started: false, consumers_told: 1, evicted: VecDeque::new() }
    }

    /// Whether enough consumers have joined once, so that data may flow.
    pub(super) fn has_started(&self) -> bool {
        self.started
    }

    pub(super) fn start(&mut self) {
        self.started = true;
    }

    /// How many consumers share the way back, as the group was last told. The delay of their acks
    /// follows.
    pub(super) fn consumers_told(&self) -> u32 {
        self.consumers_told
    }

    /// The group is told of this number.
    pub(super) fn tell(&mut self, consumers: u32) {
        self.consumers_told = consumers;
    }

    /// A consumer that joins is told of this number. The others may still go by a larger one.
    pub(super) fn tell_joining(&mut self, consumers: u32) {
        self.consumers_told = self.consumers_told.max(consumers);
    }

    pub(super) fn note_evicted(&mut self, id: PeerId, reason: String) {
        if self.evicted.len() == MAX_EVICTED {
            self.evicted.pop_front();
        }
        self.evicted.push_back(Evicted { id, reason });
    }

    /// Why this consumer was evicted, if it was.
    pub(super) fn eviction(&self, id: PeerId) -> Option<&str> {
        let evicted = self.evicted.iter().find(|evicted| evicted.id == id);
        evicted.map(|evicted| evicted.reason.as_str())
    }
}

#[cfg(test)]
mod tests;
