//! All consumers of a stream, and what they add up to.
//!
//! Every frame that is sent asks how far all of them let the stream go, and is waited for by each of them. With
//! many consumers neither must be a walk over them, a frame; only what changes one of them (a report, a
//! time-out, a repair) is followed by one.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::peer::{Peer, Waiting};
use crate::time::Time;
use crate::wire::{Credit, PeerId};

/// What all of them add up to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    /// How far those that set the pace let the stream go; `None` where there is none.
    pub(super) limit: Option<Credit>,
    /// A repair waits to be sent to one of them.
    pub(super) repairs: bool,
}

/// What was sent to the group since any of them was touched.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupSends {
    pub(super) count: u32,
    pub(super) first_at: Time,
    pub(super) last_at: Time,
}

/// See the module. Whoever takes one of them to change it finds it as if each frame had been noted in each of
/// them at once; what they add up to counts as unknown from then on.
#[derive(Debug, Default)]
pub(super) struct Peers {
    all: BTreeMap<PeerId, Peer>,
    sum: Option<Sum>,
    sends: Option<GroupSends>,
}

impl Peers {
    /// What they add up to.
    pub(super) fn sum(&self) -> Sum {
        match self.sum {
            Some(sum) => sum,
            None => self.added_up(),
        }
    }

    fn added_up(&self) -> Sum {
        let pacing = self.all.values().filter(|peer| peer.paces());
        Sum {
            limit: pacing.map(|peer| peer.credit).reduce(Credit::min),
            repairs: self.all.values().any(|peer| peer.losses.has_repairs()),
        }
    }

    /// Adds them up, and keeps the sum until one of them is touched.
    pub(super) fn add_up(&mut self) {
        if self.sum.is_none() {
            self.sum = Some(self.added_up());
        }
    }

    /// Something was sent to everybody: time-outs count from here for whoever was not already waited for.
    pub(super) fn note_group_send(&mut self, now: Time) {
        let before = self.sends.unwrap_or(GroupSends { count: 0, first_at: now, last_at: now });
        let count = before.count.saturating_add(1);
        self.sends = Some(GroupSends { count, last_at: now, ..before });
    }

    /// How long one of them has been waited for.
    pub(super) fn waiting(&self, peer: &Peer) -> Waiting {
        peer.waiting_after(self.sends)
    }
}

impl Deref for Peers {
    type Target = BTreeMap<PeerId, Peer>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl DerefMut for Peers {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.sum = None;
        let sends = self.sends.take();
        if sends.is_some() {
            for peer in self.all.values_mut() {
                peer.waiting = peer.waiting_after(sends);
            }
        }
        &mut self.all
    }
}

#[cfg(test)]
mod tests;
