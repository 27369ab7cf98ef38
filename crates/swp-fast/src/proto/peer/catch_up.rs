//! The way of a late or resumed consumer to the newest frame.
//!
//! ```text
//!   joins --> frames to its inbox, up to the newest --> told to listen to the group
//!                                                          |
//!   as the other consumers <-- frames sent to the group before that <-- says that it listens
//! ```

use bytes::Bytes;

use crate::proto::Position;
use crate::proto::retransmit::RetransmitQueue;
use crate::wire::Seq;

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

/// How far a consumer has come. Each stage leads to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Frames go to its inbox.
    Sending,
    /// Every frame was sent to its inbox once: it is to be told to listen to the group.
    Reached,
    /// The publisher has told it to listen.
    Told,
    /// The consumer listens. This frame was the first that had not been sent to the group when the
    /// publisher learned of that. Frames before it still go to the inbox.
    Listens(Seq),
    /// All these were sent to the inbox. From here on the consumer is like the others, but for the
    /// frames that are retained for it alone.
    CaughtUp,
}

/// See the [module](self). The frames below `Holdings::evidence_end` were sent to the inbox.
#[derive(Debug)]
pub(in crate::proto) struct CatchUp {
    /// Frames read again from the source for this consumer alone, until it holds them. Where this
    /// queue ends the shared queue begins, which retains everything from there on for this consumer
    /// too.
    reread: RetransmitQueue,
    stage: Stage,
}

impl CatchUp {
    /// The way of a consumer that joins at `start`. `misses_nothing` is true if no frame was sent
    /// that the consumer misses.
    pub(super) fn new(start: Seq, start_bytes: u64, misses_nothing: bool) -> CatchUp {
        let stage = if misses_nothing { Stage::Told } else { Stage::Sending };
        CatchUp { reread: RetransmitQueue::starting_at(start, start_bytes), stage }
    }

    /// The frames that are retained for this consumer alone.
    pub(in crate::proto) fn reread(&self) -> &RetransmitQueue {
        &self.reread
    }

    pub(super) fn is_told_to_listen(&self) -> bool {
        !matches!(self.stage, Stage::Sending | Stage::Reached)
    }

    pub(super) fn listens(&self) -> bool {
        matches!(self.stage, Stage::Listens(_) | Stage::CaughtUp)
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.stage == Stage::CaughtUp
    }

    /// Whether nothing is left that sets this consumer apart from the others.
    pub(super) fn is_over(&self) -> bool {
        self.is_caught_up() && self.reread.len() == 0
    }

    /// Returns what is sent next, where `next` is the first frame that was not sent to the inbox,
    /// and `sent_end` is where the frames end that were sent to the group.
    pub(super) fn poll_next(&mut self, next: Seq, sent_end: Seq) -> Next {
        let end = match self.stage {
            Stage::CaughtUp => return Next::CaughtUp,
            Stage::Listens(from) => from,
            Stage::Sending | Stage::Reached | Stage::Told => sent_end,
        };
        if next < end {
            return Next::Frame(next);
        }
        match self.stage {
            Stage::Sending => self.stage = Stage::Reached,
            Stage::Listens(_) => self.stage = Stage::CaughtUp,
            Stage::Reached | Stage::Told | Stage::CaughtUp => {}
        }
        if self.is_caught_up() { Next::CaughtUp } else { Next::Nothing }
    }

    /// Returns true once, when the consumer is to be told to listen to the group.
    pub(super) fn take_tell(&mut self) -> bool {
        let tell = self.stage == Stage::Reached;
        if tell {
            self.stage = Stage::Told;
        }
        tell
    }

    /// The consumer says that it listens to the group; `sent_end` is the next frame that goes
    /// there. This counts once the publisher has told the consumer to listen, and only once.
    pub(super) fn note_listens(&mut self, sent_end: Seq) {
        if self.stage == Stage::Told {
            self.stage = Stage::Listens(sent_end);
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
