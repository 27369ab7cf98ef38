//! The way of a late or resumed consumer to the newest frame.
//!
//! ```text
//!   joins --> frames to its inbox, up to the newest --> told to listen to the group
//!                                                          |
//!   as the other consumers <-- frames that were sent to the group before <-- says that it listens
//! ```

use crate::proto::Position;
use crate::proto::retransmit::RetransmitQueue;
use crate::wire::Seq;
use bytes::Bytes;

/// What a consumer that catches up is to be sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// This frame, to its inbox.
    Frame(Seq),
    /// Nothing now. The consumer is to be told to listen to the group, or has not confirmed that it
    /// does.
    Nothing,
    /// Nothing any more. The consumer has caught up.
    CaughtUp,
}

/// See the [module](self). The frames below `Holdings::evidence_end` were sent to the inbox.
#[derive(Debug)]
pub(in crate::proto) struct CatchUp {
    /// Frames read again from the source for this consumer alone, until it holds them. Where this
    /// queue ends the shared queue begins, which retains everything from there on for this consumer
    /// too.
    reread: RetransmitQueue,
    /// Everything was sent once: the consumer is to be told to listen to the group ...
    reached: bool,
    /// ... and was told.
    told: bool,
    /// The first frame that was not yet sent to the group when the consumer said that it listens.
    listens_from: Option<Seq>,
    /// Everything was sent. Only frames in `reread` may have to be retransmitted.
    caught_up: bool,
}

impl CatchUp {
    /// The way of a consumer that joins at `start`. `misses_nothing` is true where no frame was
    /// sent that the consumer misses.
    pub(super) fn new(start: Seq, start_bytes: u64, misses_nothing: bool) -> CatchUp {
        CatchUp {
            reread: RetransmitQueue::starting_at(start, start_bytes),
            reached: misses_nothing,
            told: misses_nothing,
            listens_from: None,
            caught_up: false,
        }
    }

    /// The frames that are retained for this consumer alone.
    pub(in crate::proto) fn reread(&self) -> &RetransmitQueue {
        &self.reread
    }

    pub(super) fn is_told_to_listen(&self) -> bool {
        self.told
    }

    pub(super) fn listens(&self) -> bool {
        self.listens_from.is_some()
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.caught_up
    }

    /// Whether nothing is left that sets this consumer apart from the others.
    pub(super) fn is_over(&self) -> bool {
        self.caught_up && self.reread.len() == 0
    }

    /// Returns what is sent next, where `next` is the first frame that was not sent to the inbox,
    /// and `sent_end` is where the frames end that were sent to the group.
    pub(super) fn poll_next(&mut self, next: Seq, sent_end: Seq) -> Next {
        // The consumer has from the group what was sent since it listens there, and may miss some
        // of that as any other consumer may.
        if next < self.listens_from.unwrap_or(sent_end) {
            return Next::Frame(next);
        }
        self.reached = true;
        if self.listens_from.is_none() {
            return Next::Nothing;
        }
        self.caught_up = true;
        Next::CaughtUp
    }

    /// Returns true once, when the consumer is to be told to listen to the group.
    pub(super) fn take_tell(&mut self) -> bool {
        let tell = self.reached && !self.told;
        self.told |= tell;
        tell
    }

    /// The consumer says that it listens to the group; `sent_end` is the next frame that goes
    /// there. It counts only once the consumer was told to listen.
    pub(super) fn note_listens(&mut self, sent_end: Seq) {
        if self.told {
            self.listens_from.get_or_insert(sent_end);
        }
    }

    /// Retains a frame that was read again from the source.
    pub(super) fn push_reread(&mut self, frame: Bytes, end_bytes: u64) {
        self.reread.push(frame, end_bytes, Position::default());
    }

    /// The consumer holds everything below `seq`.
    pub(super) fn release_below(&mut self, seq: Seq) {
        self.reread.release_below(seq);
    }
}

#[cfg(test)]
mod tests;
