//! The frames of the stream: written, sent to the group, and retained until every consumer holds
//! them.
//!
//! ```text
//!   queue.first            unsent                queue.next
//!   ---|--------------------|--------------------|----> sequence numbers
//!      |  sent, retained    |  wait for credit   |
//! ```

use bytes::Bytes;

use crate::config::PublishConfig;
use crate::proto::Position;
use crate::proto::retransmit::{RetransmitQueue, Slot};
use crate::time::Time;
use crate::wire::{Credit, Seq};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct SendWindow {
    queue: RetransmitQueue,
    /// The first frame that was not yet sent to the group.
    unsent: Seq,
    /// The byte offset behind the last frame sent.
    sent_bytes: u64,
    /// The position behind the last frame sent.
    sent_position: Position,
    /// The bounds of what is sent and not yet held by every consumer.
    max_frames: u64,
    max_bytes: u64,
}

impl SendWindow {
    /// The window of a session that begins, or that is resumed where `config` says.
    pub(super) fn new(config: &PublishConfig) -> SendWindow {
        let resume = config.resume;
        let (next, next_bytes) =
            resume.map_or((Seq::ZERO, 0), |resume| (resume.next, resume.next_bytes));
        SendWindow {
            queue: RetransmitQueue::starting_at(next, next_bytes),
            unsent: next,
            sent_bytes: next_bytes,
            sent_position: Position::default(),
            max_frames: config.retained_frames,
            max_bytes: config.retained_bytes,
        }
    }

    /// The frames that are retained or wait.
    pub(super) fn queue(&self) -> &RetransmitQueue {
        &self.queue
    }

    /// The first frame that was not yet sent to the group.
    pub(super) fn unsent(&self) -> Seq {
        self.unsent
    }

    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    pub(super) fn sent_position(&self) -> Position {
        self.sent_position
    }

    /// Whether everything written was sent.
    pub(super) fn is_drained(&self) -> bool {
        self.unsent == self.queue.next_seq()
    }

    /// Appends a sealed frame. Its sequence number is `queue().next_seq()`, its body begins where
    /// the last body ended.
    pub(super) fn push(&mut self, frame: Bytes, body_len: usize, position: Position) {
        let end_bytes = self.queue.end_bytes() + body_len as u64;
        self.queue.push(frame, end_bytes, position);
    }

    /// The frame that is sent next, where one waits.
    pub(super) fn next(&self) -> Option<&Slot> {
        self.queue.get(self.unsent)
    }

    /// The byte offset at which the next frame ends. Where none waits, a frame of one byte is
    /// assumed.
    pub(super) fn next_end_bytes(&self) -> u64 {
        self.next().map_or(self.sent_bytes + 1, |slot| slot.end_bytes)
    }

    /// Whether `limit`, and the bound on what is retained, allow a frame with a body of
    /// `body_bytes`.
    pub(super) fn allows(&self, limit: Credit, body_bytes: u64) -> bool {
        let end_bytes = self.sent_bytes + body_bytes;
        self.unsent < limit.frames && end_bytes <= limit.bytes && self.may_retain(end_bytes)
    }

    /// Whether a next frame that ends at `end_bytes` may be retained.
    pub(super) fn may_retain(&self, end_bytes: u64) -> bool {
        self.unsent.since(self.queue.first_seq()) < self.max_frames
            && end_bytes - self.queue.first_bytes() <= self.max_bytes
    }

    /// Whether a queue of frames that were read again for one consumer may grow: it has the same
    /// bounds.
    pub(super) fn may_reread(&self, reread: &RetransmitQueue) -> bool {
        (reread.len() as u64) < self.max_frames
            && reread.end_bytes() - reread.first_bytes() < self.max_bytes
    }

    /// Takes the next frame to be sent to the group.
    pub(super) fn send(&mut self, now: Time) -> Option<Bytes> {
        let slot = self.queue.get_mut(self.unsent)?;
        slot.sent_at = Some(now);
        let (frame, end_bytes, position) = (slot.frame.clone(), slot.end_bytes, slot.position);
        self.step(end_bytes, position);
        Some(frame)
    }

    /// Passes over the next frame: every consumer holds it already.
    pub(super) fn skip(&mut self) {
        if let Some(slot) = self.queue.get(self.unsent) {
            let (end_bytes, position) = (slot.end_bytes, slot.position);
            self.step(end_bytes, position);
        }
    }

    fn step(&mut self, end_bytes: u64, position: Position) {
        self.unsent = self.unsent.next();
        self.sent_bytes = end_bytes;
        self.sent_position = position;
    }

    /// Releases the frames below `seq`, which no consumer needs.
    pub(super) fn release_below(&mut self, seq: Seq) {
        self.queue.release_below(seq.min(self.unsent));
    }
}

#[cfg(test)]
mod tests;
