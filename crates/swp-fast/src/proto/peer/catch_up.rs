//! A consumer's way from where it joined to the present.
//!
//! ```text
//!   joins behind --> sent to its inbox, up to all that there was --> told to listen to the group
//!                                                                        |
//!        as the others are <-- sent what went to the group before <-- says that it listens
//! ```

use super::{Peer, PeerState};
use crate::proto::retransmit::RetransmitQueue;
use crate::time::Time;
use crate::wire::Seq;

/// A consumer on its way from where it joined to the present. Frames up to `Peer::evidence_end` were sent
/// to its inbox; it has caught up once that is all that was sent to the group before it listened there.
#[derive(Debug)]
pub(in crate::proto) struct CatchUp {
    /// Frames read again from the source for this consumer alone, until it holds them. Where it ends the
    /// shared queue takes over, which keeps everything from there on for this consumer too.
    pub(in crate::proto) reread: RetransmitQueue,
    /// It was sent all that there was: it is to be told to listen to the group ...
    pub(in crate::proto) reached: bool,
    /// ... and was.
    pub(in crate::proto) told_live: bool,
    /// The first frame not yet sent when it said that it listens to the group.
    live_from: Option<Seq>,
    /// Everything was sent; only what lies in `reread` may still be wanted again.
    pub(in crate::proto) caught_up: bool,
}

impl CatchUp {
    /// Of one that joins there; `at_present` where it misses nothing that was sent.
    pub(in crate::proto) fn new(start: Seq, start_bytes: u64, at_present: bool) -> CatchUp {
        CatchUp {
            reread: RetransmitQueue::starting_at(start, start_bytes),
            reached: at_present,
            told_live: at_present,
            live_from: None,
            caught_up: false,
        }
    }
}

impl Peer {
    /// Whether it is sent what goes to the group and is expected to take it.
    pub(in crate::proto) fn is_caught_up(&self) -> bool {
        self.catch_up.as_ref().is_none_or(|catch_up| catch_up.caught_up)
    }

    /// The lowest frame that the shared queue has to keep for it; `None` where it keeps none. `first` is
    /// the lowest that there is.
    pub(in crate::proto) fn retains_from(&self, first: Seq) -> Option<Seq> {
        if !self.counts() || !self.required {
            return None;
        }
        // Below the first one that catches up depends on the source, and keeping could do nothing for it.
        let from = self.lacks_from();
        (self.catch_up.is_none() || from >= first).then_some(from)
    }

    /// The lowest frame that it is not known to hold, and that is not kept for it alone.
    fn lacks_from(&self) -> Seq {
        let Some(catch_up) = &self.catch_up else { return self.cumulative };
        let from = catch_up.reread.next_seq().max(self.cumulative);
        if from >= self.evidence_end {
            return from;
        }
        // What it was not sent yet begins at the evidence's end.
        self.losses.first_missing_from(from).unwrap_or(self.evidence_end)
    }

    /// Whether it lacks frames that the shared queue, which begins at `first`, does not hold any more.
    pub(in crate::proto) fn needs_source(&self, first: Seq) -> bool {
        self.counts() && self.lacks_from() < first
    }

    /// Whether it catches up, and its window has no room for what it would be sent next.
    pub(in crate::proto) fn is_shut(&self, shared: &RetransmitQueue) -> bool {
        let Some(CatchUp { reread, .. }) = &self.catch_up else { return false };
        match self.find(shared, self.evidence_end) {
            Some(slot) => !self.allows(slot),
            None => {
                reread.next_seq() >= self.credit.frames || reread.end_bytes() >= self.credit.bytes
            }
        }
    }

    /// The next frame to be sent to it alone on its way to the present, which ends at `sent_end`. Has no
    /// frame to give where it has caught up, and is told so once it has.
    pub(in crate::proto) fn next_behind(&mut self, sent_end: Seq) -> Option<Seq> {
        let catch_up = self.catch_up.as_mut().filter(|catch_up| !catch_up.caught_up)?;
        for (start, end) in self.held.iter() {
            if start <= self.evidence_end && self.evidence_end < end {
                self.evidence_end = end;
            }
        }
        // What was sent since it said that it listens to the group, it has from there; it may lack some of
        // that as anybody may.
        let present = catch_up.live_from.unwrap_or(sent_end);
        if self.evidence_end < present {
            return Some(self.evidence_end);
        }
        catch_up.reached = true;
        catch_up.live_from?;
        catch_up.caught_up = true;
        if catch_up.reread.len() == 0 {
            self.catch_up = None;
        }
        None
    }

    /// It was told to listen to the group, and says that it does when it was sent all before: from here on it
    /// is as the others are. At once, before more is sent, or all of that would go to its inbox as well.
    pub(in crate::proto) fn notes_present(&mut self, sent_end: Seq) -> bool {
        let listens = |behind: &CatchUp| !behind.caught_up && behind.live_from.is_some();
        self.catch_up.as_ref().is_some_and(listens)
            && self.next_behind(sent_end).is_none()
            && self.is_caught_up()
    }

    /// Whether it listens to the group; it may not have done so yet where it was told to.
    pub(in crate::proto) fn is_live(&self) -> bool {
        self.catch_up.as_ref().is_none_or(|catch_up| catch_up.live_from.is_some())
    }

    /// Whether it was told to listen to the group.
    pub(in crate::proto) fn is_told_to_listen(&self) -> bool {
        self.catch_up.as_ref().is_none_or(|catch_up| catch_up.told_live)
    }

    /// Whether it should listen to this generation of the group, takes part, and has not said that it does.
    pub(in crate::proto) fn is_deaf_to(&self, generation: u32) -> bool {
        let listens = self.state == PeerState::Live && self.is_told_to_listen();
        listens && self.generation < generation
    }

    /// It says that it listens to this generation, and so to the one before as well while the group moves;
    /// `sending` goes to the group now, with frame `sent_end` as the next.
    pub(in crate::proto) fn note_generation(
        &mut self,
        generation: u32,
        sending: u32,
        sent_end: Seq,
    ) {
        self.generation = self.generation.max(generation);
        let hears = self.generation >= sending;
        if let Some(catch_up) = self.catch_up.as_mut().filter(|behind| behind.told_live && hears) {
            catch_up.live_from.get_or_insert(sent_end);
        }
    }

    /// The frame that [`Self::next_behind`] named goes out.
    pub(in crate::proto) fn note_sent_behind(&mut self, now: Time) {
        self.losses.add_sent_alone(self.evidence_end, now);
        self.evidence_end = self.evidence_end.next();
        self.note_sent(now);
        if self.backoff == 0 {
            self.waiting.since = now;
        }
    }

    /// Where that which was sent to it ends; `sent_end` is where that which was sent to the group does.
    pub(in crate::proto) fn sent_end(&self, sent_end: Seq) -> Seq {
        if self.is_caught_up() { sent_end } else { self.evidence_end }
    }
}
