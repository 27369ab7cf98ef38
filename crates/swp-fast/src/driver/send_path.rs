//! The one way from the packer to the link, for the publisher's task and for producers' threads.
//!
//! ```text
//!   try_send --> packer --+
//!                         +--> SendPath --try_publish--> link --> socket
//!   acks, timers --> Sender       |                       ^
//!                                 +--no space--> waiting --+  publish, by the task
//! ```
//!
//! A flush of the link is the batch clock. While a flush is under way messages gather in the
//! packer, and when it returns everything that has gathered leaves. Where no flush is under way a
//! message leaves at once, in the thread that sends it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::{Outbox, SpinLock, Subjects};
use crate::link::{Link, LinkState, Subject};
use crate::proto::{Position, Sender, Transmit};
use crate::time::Time;

/// Frames taken from the packer for one flush. Full frames for one consumer are 1 MiB then, which
/// keeps the socket busy while the next batch gathers, and an ack that arrives meanwhile does not
/// wait long. Frames for several consumers are larger, and the packer holds 1 MiB of them in all.
pub(super) const FRAMES_PER_FLUSH: usize = 64;

/// A turn that has handed this many frames to the link hands over no further retransmissions, and
/// the rest leave after the next flush. Frames that the turn took from the packer are handed over
/// in any case. Without this bound a consumer that catches up while the group is silent could fill
/// the link with all that its credit allows.
const FRAMES_PER_TURN: usize = 2 * FRAMES_PER_FLUSH;

/// What a producer's thread takes: one frame, so that it never hashes a batch.
const FRAMES_PER_PRODUCER: usize = 1;

/// A publisher's sender, and what is on its way from the sender to the socket.
///
/// It stands behind one mutex. Call order:
/// - [`Self::sender`] for every input of the protocol, then [`Self::send`] or [`Self::send_lone`];
/// - the task then publishes [`Self::next_waiting`] until there is none, and calls
///   [`Self::note_published`] after each;
/// - the task then flushes the link where [`Self::start_flush`] says so, and calls
///   [`Self::finish_flush`] when the flush has returned.
///
/// Frames reach the link in the order in which the sender gives them out. What waits is bounded by
/// the consumers' credit, and by one turn of retransmissions and control frames.
pub(crate) struct SendPath {
    sender: Sender,
    link: Arc<dyn Link>,
    subjects: Subjects,
    /// Frames that the link had no space for, and all that came after them.
    waiting: VecDeque<Addressed>,
    /// Frames were handed over since the last flush started.
    owes_flush: bool,
    /// The position that the flush under way covers.
    flushing: Option<Position>,
    stopped: bool,
}

/// A frame and its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addressed {
    pub(super) subject: Subject,
    pub(super) frame: Bytes,
}

/// What one call of [`SendPath::send`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// How many frames or blocks were taken from the packer, which has space for others now.
    pub(super) taken: usize,
    /// Call again, for no flush will end the next wait: a frame was taken without being handed to
    /// the link, or the packer still has a frame that may be taken.
    pub(super) again: bool,
}

impl SendPath {
    pub(crate) fn new(sender: Sender, link: Arc<dyn Link>, subjects: Subjects) -> SendPath {
        SendPath {
            sender,
            link,
            subjects,
            waiting: VecDeque::new(),
            owes_flush: false,
            flushing: None,
            stopped: false,
        }
    }

    pub(super) fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// Takes from the packer what may be sent, at most `most` frames or blocks, and hands it to the
    /// link with what else the sender has to send, up to [`FRAMES_PER_TURN`]. Takes nothing from
    /// the packer while a flush is under way.
    ///
    /// The open frame is taken only where nothing else waits. Behind other frames it is filled
    /// while they are flushed, because a full frame is hashed faster.
    pub(super) fn send(&mut self, now: Time, outbox: &SpinLock<Outbox>, most: usize) -> Sent {
        let mut handed = 0;
        let mut taken = 0;
        self.sender.handle_link(self.is_busy());
        if self.flushing.is_none() {
            while taken < most && self.sender.can_write() {
                let Some(packed) = outbox.lock().packer.take(taken == 0) else { break };
                if let Err(error) = self.sender.write(packed) {
                    // The packer has checked the size, and `can_write` the state. A stream without
                    // this frame would have a gap.
                    self.sender.abort(&error.to_string());
                    break;
                }
                taken += 1;
                while let Some(transmit) = self.sender.poll_transmit(now) {
                    self.hand_over(transmit);
                    handed += 1;
                }
            }
        }
        // The last frames of a session leave at once, however many: there is no other turn.
        while (handed < FRAMES_PER_TURN || self.sender.is_over())
            && let Some(transmit) = self.sender.poll_transmit(now)
        {
            self.hand_over(transmit);
            handed += 1;
        }
        Sent { taken, again: self.flushing.is_none() && self.look_again(taken, outbox) }
    }

    /// Sends from a producer's thread: the only frame in the packer, if nothing is under way.
    /// Returns how many frames were taken. The caller wakes the task in any case: to flush, or to
    /// send.
    pub(super) fn send_lone(&mut self, now: Time, outbox: &SpinLock<Outbox>) -> usize {
        let is_open = self.nothing_under_way() && !self.stopped && self.sender.can_write();
        if !is_open || self.link.state() == LinkState::Down {
            return 0;
        }
        let is_lone = outbox.lock().packer.holds_one_frame();
        if is_lone { self.send(now, outbox, FRAMES_PER_PRODUCER).taken } else { 0 }
    }

    /// Tells the sender whether messages wait for credit. Where nothing is under way, no flush ends
    /// the next wait: then the next message that is accepted has to wake the task. Returns whether
    /// the caller has to look again instead.
    ///
    /// Both follow from one look at the packer. A message that is accepted between two looks would
    /// wake nobody, and the sender would not know of its backlog.
    fn look_again(&mut self, taken: usize, outbox: &SpinLock<Outbox>) -> bool {
        let nothing_under_way = self.nothing_under_way();
        let waits = {
            let mut outbox = outbox.lock();
            let waits = !outbox.packer.is_empty();
            if nothing_under_way && !waits {
                outbox.await_more();
            }
            waits
        };
        let can_write = self.sender.can_write();
        self.sender.set_backlog(waits && !can_write);
        // A request to finish may have waited for what was taken.
        nothing_under_way && (taken > 0 || (waits && can_write))
    }

    /// Returns the position up to which nothing is left to be flushed, if nothing is under way.
    /// Frames that every consumer held when the publisher resumed the stream are not sent, and no
    /// flush covers them.
    pub(super) fn flushed_position(&self) -> Option<Position> {
        self.nothing_under_way().then(|| self.sender.sent_position())
    }

    fn hand_over(&mut self, transmit: Transmit) {
        self.owes_flush = true;
        let subject = self.subjects.of(transmit.to);
        // After one frame that the link did not accept, all later frames wait as well, to preserve
        // their order.
        let refused = match self.waiting.is_empty() {
            true => self.link.try_publish(&subject, transmit.frame).err(),
            false => Some(transmit.frame),
        };
        if let Some(frame) = refused {
            self.waiting.push_back(Addressed { subject, frame });
        }
    }

    /// Returns the first frame that waits for space. It keeps its place until
    /// [`Self::note_published`].
    pub(super) fn next_waiting(&self) -> Option<Addressed> {
        self.waiting.front().cloned()
    }

    /// The link has accepted the first frame that waited. Hands over what follows, as far as there
    /// is space.
    pub(super) fn note_published(&mut self) {
        self.waiting.pop_front();
        while let Some(Addressed { subject, frame }) = self.waiting.pop_front() {
            if let Err(frame) = self.link.try_publish(&subject, frame) {
                self.waiting.push_front(Addressed { subject, frame });
                return;
            }
        }
    }

    /// Returns true if the caller has to flush the link now. The flush covers everything that was
    /// handed over.
    pub(super) fn start_flush(&mut self) -> bool {
        if !self.owes_flush || self.flushing.is_some() || !self.waiting.is_empty() {
            return false;
        }
        self.owes_flush = false;
        self.flushing = Some(self.sender.sent_position());
        true
    }

    /// The flush has returned. Returns the position up to which everything has gone to the socket.
    pub(super) fn finish_flush(&mut self) -> Position {
        self.flushing.take().unwrap_or_default()
    }

    /// The task has ended: producers send nothing any more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// The link has yet to send what it was handed, or to take what waits.
    fn is_busy(&self) -> bool {
        self.flushing.is_some() || !self.waiting.is_empty()
    }

    fn nothing_under_way(&self) -> bool {
        !self.is_busy() && !self.owes_flush
    }
}

#[cfg(test)]
mod tests;
