//! A consumer in a session, as the checker sees it.

use super::Admission;
use crate::wire::{Credit, Seq};

/// What a consumer was promised, was handed, and said.
pub(super) struct Peer {
    /// Where the stream begins for the consumer.
    pub(super) start: Credit,
    pub(super) window: Credit,
    /// The most that the consumer ever allowed.
    pub(super) credit: Credit,
    /// The consumer acked everything below this.
    pub(super) acked: Seq,
    /// Frames that the network handed to the consumer, by their distance from the start.
    handed: Vec<bool>,
    /// Everything below this was handed to the consumer.
    pub(super) handed_end: Seq,
    /// The application consumed everything below this.
    pub(super) consumed: Seq,
    /// The epoch in which the consumer was admitted. Its acks in another epoch are not judged.
    pub(super) epoch: u32,
    /// The publisher removed the consumer, so that its credit does not bind any more.
    pub(super) removed: bool,
    /// The group waits for the consumer, and retains what the consumer lacks.
    pub(super) counts: bool,
    /// The consumer joined in the past. The group need not wait until the consumer has caught up.
    pub(super) catching_up: bool,
    /// The consumer has done so at some time, so that part of what it lacks may be retained for it
    /// alone.
    pub(super) was_catching_up: bool,
}

impl Peer {
    pub(super) fn new(admission: &Admission) -> Peer {
        let Admission { start, window, live, counts, epoch, .. } = *admission;
        let whole = Credit {
            frames: start.frames.advance(window.frames.get()),
            bytes: start.bytes.saturating_add(window.bytes),
        };
        Peer {
            start,
            window,
            // Of a consumer that catches up, part of the window may be in use.
            credit: if live { whole } else { start },
            acked: Seq::ZERO,
            handed: Vec::new(),
            handed_end: start.frames,
            consumed: start.frames,
            epoch,
            removed: false,
            counts,
            catching_up: !live,
            was_catching_up: !live,
        }
    }

    /// The consumer was removed, and is admitted again with what it holds.
    pub(super) fn come_back(&mut self, start: Credit, live: bool) {
        let passed = start.frames.since(self.start.frames) as usize;
        self.handed.drain(..passed.min(self.handed.len()));
        let held_before = self.start.frames.since(start.frames) as usize;
        self.handed.splice(..0, std::iter::repeat_n(true, held_before));
        self.start = start;
        self.handed_end = start.frames;
        self.move_handed_end();
        self.removed = false;
        self.catching_up = !live;
        self.was_catching_up |= !live;
    }

    /// The network hands a frame to the consumer.
    pub(super) fn note_handed(&mut self, seq: Seq) {
        let distance = seq.since(self.start.frames) as usize;
        if self.handed.len() <= distance {
            self.handed.resize(distance + 1, false);
        }
        self.handed[distance] = true;
        self.move_handed_end();
    }

    fn move_handed_end(&mut self) {
        while self.was_handed(self.handed_end) {
            self.handed_end = self.handed_end.next();
        }
    }

    pub(super) fn was_handed(&self, seq: Seq) -> bool {
        let distance = seq.since(self.start.frames) as usize;
        seq >= self.start.frames && self.handed.get(distance).is_some_and(|handed| *handed)
    }

    /// Returns true if the publisher is bound by the consumer's credit for what goes to the group.
    pub(super) fn paces(&self) -> bool {
        self.counts && !self.removed && !self.catching_up
    }
}
