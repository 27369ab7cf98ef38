//! Control frames of a consumer: sealed for its session, counted, and sent in order.

use std::collections::VecDeque;

use crate::proto::{Dest, Transmit};
use crate::wire::{Control, Sealer, Seq, SessionId, Syn};

/// Seals control frames, and queues them until they are sent.
///
/// Only a RESET waits here, and the session is over then, so the queue holds at most one frame.
/// Other control frames are made when they are due.
#[derive(Debug)]
pub(super) struct Outgoing {
    sealer: Sealer,
    session: SessionId,
    epoch: u32,
    /// The sequence number of the last control frame. The publisher tells from it which of two acks
    /// is older.
    last_seq: Seq,
    queue: VecDeque<Transmit>,
}

impl Outgoing {
    /// Before [`Self::begin_session`], only a SYN can be sealed.
    pub(super) fn new(sealer: Sealer) -> Outgoing {
        Outgoing {
            sealer,
            session: SessionId(0),
            epoch: 0,
            last_seq: Seq::ZERO,
            queue: VecDeque::new(),
        }
    }

    /// Seals for this session from now on. Sequence numbers continue.
    pub(super) fn begin_session(&mut self, session: SessionId, epoch: u32) {
        (self.session, self.epoch) = (session, epoch);
    }

    /// Seals a control frame and queues it.
    pub(super) fn push(&mut self, control: &Control) {
        let transmit = self.seal(control);
        self.queue.push_back(transmit);
    }

    /// Takes the next frame from the queue.
    pub(super) fn pop(&mut self) -> Option<Transmit> {
        self.queue.pop_front()
    }

    /// Returns true if no frame waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Seals a control frame with the next sequence number.
    pub(super) fn seal(&mut self, control: &Control) -> Transmit {
        self.last_seq = self.last_seq.next();
        let frame = self.sealer.seal_control(self.session, self.epoch, self.last_seq, control);
        Transmit { to: Dest::Publisher, frame }
    }

    /// Seals a SYN. A SYN belongs to no session, so the consumer's own id stands in its place.
    pub(super) fn seal_syn(&self, syn: Syn) -> Transmit {
        let session = SessionId(syn.peer.0);
        let frame = self.sealer.seal_control(session, 0, Seq::ZERO, &Control::Syn(syn));
        Transmit { to: Dest::Publisher, frame }
    }
}

#[cfg(test)]
mod tests;
