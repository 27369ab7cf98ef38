//! All consumers of a stream, and what they add up to.
//!
//! Before each frame to the group the sender needs the smallest credit among the consumers, and
//! after the frame each consumer owes an answer. Neither may cost a walk over all consumers for
//! each frame. So [`Peers`] caches the smallest credit until a consumer changes, and counts the
//! sends to the group that are not yet noted in the consumers.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::peer::{Peer, Waiting};
use crate::time::Time;
use crate::wire::{Credit, PeerId};

/// What all consumers add up to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    /// How far the pace-setting consumers let the stream go. `None` where no consumer sets the
    /// pace.
    pub(super) limit: Option<Credit>,
    /// A lost frame waits for its retransmission to one of them.
    pub(super) has_due: bool,
}

/// What was sent to the group since the last settlement.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupSends {
    pub(super) count: u32,
    pub(super) first_at: Time,
    pub(super) last_at: Time,
}

/// See the [module](self). A consumer is changed only through [`Self::update`] or
/// [`Self::for_each_mut`]. Both first note the outstanding sends to the group in every consumer.
#[derive(Debug, Default)]
pub(super) struct Peers {
    all: BTreeMap<PeerId, Peer>,
    /// `None` where a consumer has changed.
    sum: Option<Sum>,
    sends: Option<GroupSends>,
}

impl Peers {
    pub(super) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.all.get(&id)
    }

    pub(super) fn contains(&self, id: PeerId) -> bool {
        self.all.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The consumers, by ascending id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.all.values()
    }

    /// All consumers, beginning behind `last`: who had a turn last is the last again.
    pub(super) fn in_turn(&self, last: PeerId) -> impl Iterator<Item = &Peer> {
        let behind = (Bound::Excluded(last), Bound::Unbounded);
        let before = (Bound::Unbounded, Bound::Included(last));
        [behind, before].into_iter().flat_map(|turn| self.all.range(turn)).map(|(_, peer)| peer)
    }

    /// Changes one consumer. Returns what `change` returns, or `None` where there is no such
    /// consumer.
    pub(super) fn update<T>(
        &mut self,
        id: PeerId,
        change: impl FnOnce(&mut Peer) -> T,
    ) -> Option<T> {
        self.settle();
        self.all.get_mut(&id).map(change)
    }

    /// Changes all consumers, by ascending id.
    pub(super) fn for_each_mut(&mut self, change: impl FnMut(&mut Peer)) {
        self.settle();
        self.all.values_mut().for_each(change);
    }

    pub(super) fn insert(&mut self, peer: Peer) {
        self.settle();
        self.all.insert(peer.id(), peer);
    }

    pub(super) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        self.settle();
        self.all.remove(&id)
    }

    /// The ids of consumers that `wanted` accepts.
    pub(super) fn ids_where(&self, wanted: impl Fn(&Peer) -> bool) -> Vec<PeerId> {
        self.iter().filter(|peer| wanted(peer)).map(Peer::id).collect()
    }

    /// What the consumers add up to.
    pub(super) fn sum(&self) -> Sum {
        match self.sum {
            Some(sum) => sum,
            None => self.added_up(),
        }
    }

    fn added_up(&self) -> Sum {
        let pacing = self.iter().filter(|peer| peer.paces());
        Sum {
            limit: pacing.map(|peer| peer.credit().get()).reduce(Credit::min),
            has_due: self.iter().any(|peer| peer.losses().has_due()),
        }
    }

    /// Adds the consumers up, and keeps the sum until one of them changes.
    pub(super) fn add_up(&mut self) {
        if self.sum.is_none() {
            self.sum = Some(self.added_up());
        }
    }

    /// Something was sent to the group.
    pub(super) fn note_group_send(&mut self, now: Time) {
        let before = self.sends.unwrap_or(GroupSends { count: 0, first_at: now, last_at: now });
        let count = before.count.saturating_add(1);
        self.sends = Some(GroupSends { count, last_at: now, ..before });
    }

    /// How long the publisher has waited for a consumer.
    pub(super) fn waiting(&self, peer: &Peer) -> Waiting {
        peer.liveness().waiting_after(expected_of(peer, self.sends))
    }

    /// A consumer is about to change: the sum is unknown from now on, and sends to the group are
    /// noted in all consumers.
    fn settle(&mut self) {
        self.sum = None;
        let sends = self.sends.take();
        if sends.is_some() {
            for peer in self.all.values_mut() {
                let expected = expected_of(peer, sends);
                peer.liveness_mut().settle(expected);
            }
        }
    }
}

/// The sends to the group that this consumer should answer.
fn expected_of(peer: &Peer, sends: Option<GroupSends>) -> Option<GroupSends> {
    sends.filter(|_| peer.is_unfinished() && peer.is_caught_up())
}

#[cfg(test)]
mod tests;
