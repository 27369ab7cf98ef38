//! The frames that were written and that some consumer does not hold yet.
//!
//! Frames live in a `slab`. Their sequence numbers are dense, so a ring of keys finds a frame in
//! constant time. A key alone is not trusted: the slot's own sequence number is compared. A
//! retransmission to any consumer is one clone of the frame's `Bytes`.

use std::collections::VecDeque;

use bytes::Bytes;
use slab::Slab;

use super::Position;
use crate::time::Time;
use crate::wire::Seq;

/// A sealed frame, and what must be known of the frame until every consumer holds it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) seq: Seq,
    /// Header and body, as they go to the bus.
    pub(super) frame: Bytes,
    /// The byte offset at which the frame's body ends. Credit is compared with this.
    pub(super) end_bytes: u64,
    /// When the frame was sent to the group, or `None` while it waits for credit.
    pub(super) sent_at: Option<Time>,
    /// The position that a consumer has reached when it holds this frame and all before.
    pub(super) position: Position,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct RetransmitQueue {
    slots: Slab<Slot>,
    keys: VecDeque<usize>,
    /// The sequence number of the frame that `keys` begins with.
    first: Seq,
    /// The byte offset at which that frame's body begins.
    first_bytes: u64,
    /// The position of the last frame released.
    released: Position,
}

impl RetransmitQueue {
    /// An empty queue whose first frame will have this sequence number and byte offset.
    pub(super) fn starting_at(first: Seq, first_bytes: u64) -> RetransmitQueue {
        RetransmitQueue { first, first_bytes, ..RetransmitQueue::default() }
    }

    /// The sequence number of the frame that is pushed next.
    pub(super) fn next_seq(&self) -> Seq {
        self.first.advance(self.keys.len() as u64)
    }

    /// The lowest sequence number in the queue, or of the next frame where the queue is empty.
    pub(super) fn first_seq(&self) -> Seq {
        self.first
    }

    /// The byte offset at which that frame begins.
    pub(super) fn first_bytes(&self) -> u64 {
        self.first_bytes
    }

    /// Returns the byte offset at which the frame begins, or will begin; `None` if unknown.
    pub(super) fn start_bytes(&self, seq: Seq) -> Option<u64> {
        if seq == self.first {
            return Some(self.first_bytes);
        }
        // Sequence numbers are dense: a frame begins where the frame before ends.
        let before = seq.get().checked_sub(1).and_then(Seq::new)?;
        self.get(before).map(|slot| slot.end_bytes)
    }

    /// The byte offset at which the last frame ends.
    pub(super) fn end_bytes(&self) -> u64 {
        let last = self.keys.back().and_then(|&key| self.slots.get(key));
        last.map_or(self.first_bytes, |slot| slot.end_bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Appends the frame with the sequence number [`Self::next_seq`].
    pub(super) fn push(&mut self, frame: Bytes, end_bytes: u64, position: Position) {
        let seq = self.next_seq();
        let slot = Slot { seq, frame, end_bytes, sent_at: None, position };
        self.keys.push_back(self.slots.insert(slot));
    }

    /// The position that all consumers have reached.
    pub(super) fn released(&self) -> Position {
        self.released
    }

    pub(super) fn get(&self, seq: Seq) -> Option<&Slot> {
        let key = self.key(seq)?;
        self.slots.get(key).filter(|slot| slot.seq == seq)
    }

    pub(super) fn get_mut(&mut self, seq: Seq) -> Option<&mut Slot> {
        let key = self.key(seq)?;
        self.slots.get_mut(key).filter(|slot| slot.seq == seq)
    }

    /// Releases every frame below `seq`.
    pub(super) fn release_below(&mut self, seq: Seq) {
        while self.first < seq {
            let Some(key) = self.keys.pop_front() else { break };
            let slot = self.slots.remove(key);
            (self.first_bytes, self.released) = (slot.end_bytes, slot.position);
            self.first = self.first.next();
        }
    }

    fn key(&self, seq: Seq) -> Option<usize> {
        if seq < self.first {
            return None;
        }
        self.keys.get(usize::try_from(seq.since(self.first)).ok()?).copied()
    }
}

#[cfg(test)]
mod tests;
