//! What catching up means for the rest of a [`Peer`]: which frames it is sent, and which it needs
//! retained.

use bytes::Bytes;

use super::catch_up::Next;
use super::{CatchUp, Peer, PeerState};
use crate::proto::retransmit::RetransmitQueue;
use crate::time::Time;
use crate::wire::Seq;

impl Peer {
    /// Whether the consumer is sent what goes to the group, and is expected to take it.
    pub(in crate::proto) fn is_caught_up(&self) -> bool {
        self.catch_up.as_ref().is_none_or(CatchUp::is_caught_up)
    }

    /// Whether the consumer listens to the group. It may not have done so yet where it was told to.
    pub(in crate::proto) fn listens_to_group(&self) -> bool {
        self.catch_up.as_ref().is_none_or(CatchUp::listens)
    }

    /// Whether the consumer was told to listen to the group.
    pub(in crate::proto) fn is_told_to_listen(&self) -> bool {
        self.catch_up.as_ref().is_none_or(CatchUp::is_told_to_listen)
    }

    /// Whether the consumer takes part, was told to listen to this generation of the group, and has
    /// not confirmed that it does.
    pub(in crate::proto) fn has_to_confirm(&self, generation: u32) -> bool {
        let listens = self.state == PeerState::Live && self.is_told_to_listen();
        listens && self.generation < generation
    }

    /// The lowest frame that the shared queue has to retain for this consumer, or `None` where it
    /// retains none. `first` is the lowest frame in the shared queue.
    pub(in crate::proto) fn retains_from(&self, first: Seq) -> Option<Seq> {
        if !self.is_unfinished() || !self.identity.counts {
            return None;
        }
        // Below `first` a consumer that catches up depends on the source, and the queue can do
        // nothing for it.
        let from = self.needs_from();
        (self.catch_up.is_none() || from >= first).then_some(from)
    }

    /// The lowest frame that the consumer is not known to hold, and that is not retained for it
    /// alone.
    fn needs_from(&self) -> Seq {
        let cumulative = self.cumulative();
        let Some(catch_up) = &self.catch_up else { return cumulative };
        let (from, end) =
            (catch_up.reread().next_seq().max(cumulative), self.holdings.evidence_end());
        if from >= end {
            return from;
        }
        // Frames that were not sent to the consumer yet begin at the end of the evidence.
        self.losses.first_missing_from(from).unwrap_or(end)
    }

    /// Whether the consumer needs frames that the shared queue, which begins at `first`, does not
    /// hold any more.
    pub(in crate::proto) fn needs_source(&self, first: Seq) -> bool {
        self.is_unfinished() && self.needs_from() < first
    }

    /// The queue of frames that were read again, where the consumer needs more of them.
    pub(in crate::proto) fn needs_reread(&self, first: Seq) -> Option<&RetransmitQueue> {
        let catch_up = self.catch_up.as_ref().filter(|catch_up| !catch_up.is_caught_up())?;
        self.needs_source(first).then_some(catch_up.reread())
    }

    /// Retains a frame that was read again from the source for this consumer.
    pub(in crate::proto) fn push_reread(&mut self, frame: Bytes, end_bytes: u64) {
        let cumulative = self.cumulative();
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.push_reread(frame, end_bytes);
            catch_up.release_below(cumulative);
        }
    }

    /// Whether the consumer catches up, and its window has no space for the frame that comes next.
    pub(in crate::proto) fn is_shut(&self, shared: &RetransmitQueue) -> bool {
        let Some(catch_up) = &self.catch_up else { return false };
        let reread = catch_up.reread();
        match self.find(shared, self.holdings.evidence_end()) {
            Some(slot) => !self.credit.allows(slot),
            None => !self.credit.is_open_at(reread.next_seq(), reread.end_bytes()),
        }
    }

    /// Returns the next frame for the inbox of a consumer that catches up; `sent_end` is where the
    /// frames end that were sent to the group. Returns `None` also when the consumer has caught up
    /// with this call.
    pub(in crate::proto) fn poll_catch_up(&mut self, sent_end: Seq) -> Option<Seq> {
        let catch_up = self.catch_up.as_mut().filter(|catch_up| !catch_up.is_caught_up())?;
        let next = catch_up.poll_next(self.holdings.skip_held(), sent_end);
        self.catch_up.take_if(|catch_up| catch_up.is_over());
        match next {
            Next::Frame(seq) => Some(seq),
            Next::Nothing | Next::CaughtUp => None,
        }
    }

    /// The frame that [`Self::poll_catch_up`] named is sent.
    pub(in crate::proto) fn note_catch_up_sent(&mut self, now: Time) {
        let seq = self.holdings.note_sent_next();
        self.losses.add_sent_to_inbox(seq, now);
        self.liveness.note_sent_first(now);
    }

    /// Returns true if the consumer has caught up with this call: it says that it listens to the
    /// group, and was sent all frames before. This is looked at with each ack, before more is sent:
    /// otherwise the inbox would get all of that as well.
    pub(in crate::proto) fn try_finish_catch_up(&mut self, sent_end: Seq) -> bool {
        let listens = |catch_up: &CatchUp| !catch_up.is_caught_up() && catch_up.listens();
        self.catch_up.as_ref().is_some_and(listens)
            && self.poll_catch_up(sent_end).is_none()
            && self.is_caught_up()
    }

    /// Returns true once, when the consumer is to be told to listen to the group.
    pub(in crate::proto) fn take_tell_to_listen(&mut self) -> bool {
        self.catch_up.as_mut().is_some_and(CatchUp::take_tell)
    }

    /// An ack says that the consumer listens to this generation of the group, and so to the one
    /// before as well while the group moves. `sending` is the generation that frames go to now,
    /// with frame `sent_end` as the next.
    pub(in crate::proto) fn note_generation(
        &mut self,
        generation: u32,
        sending: u32,
        sent_end: Seq,
    ) {
        self.generation = self.generation.max(generation);
        if let Some(catch_up) = self.catch_up.as_mut().filter(|_| self.generation >= sending) {
            catch_up.note_listens(sent_end);
        }
    }

    /// Where the frames end that were sent to this consumer; `sent_end` is where those end that
    /// were sent to the group.
    pub(in crate::proto) fn sent_end(&self, sent_end: Seq) -> Seq {
        if self.is_caught_up() { sent_end } else { self.holdings.evidence_end() }
    }
}
