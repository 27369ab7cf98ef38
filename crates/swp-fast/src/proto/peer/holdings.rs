//! Which frames one consumer is known to hold.
//!
//! ```text
//!   start         cumulative              evidence_end
//!   ---|---------------|---------------------|--------> sequence numbers
//!      | all are held  | held, or missing    | unknown
//! ```
//!
//! What is missing between `cumulative` and `evidence_end` is in the [`LossDetector`].

use crate::proto::loss::LossDetector;
use crate::time::Time;
use crate::wire::{SackRanges, Seq};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Holdings {
    start: Seq,
    held_end: Seq,
    cumulative: Seq,
    evidence_end: Seq,
    /// The SACK ranges of the newest ack, or of the SYN. No frame in them is missing. While the
    /// consumer catches up, these frames are not sent.
    sack: SackRanges,
    /// Where the evidence of the newest ack ended. Below this, every frame from `cumulative` on is
    /// either in `sack` or missing. An ack that lists fewer ranges may end below `evidence_end`.
    listed_end: Seq,
    newest_ack: Option<Seq>,
}

impl Holdings {
    /// The holdings of a consumer that joins at `start`, with `sack` above that.
    pub(super) fn new(start: Seq, sack: SackRanges) -> Holdings {
        Holdings {
            start,
            held_end: sack.end_or(start),
            cumulative: start,
            evidence_end: start,
            sack,
            listed_end: start,
            newest_ack: None,
        }
    }

    /// The first frame for this consumer.
    pub(super) fn start(&self) -> Seq {
        self.start
    }

    /// Where the frames ended that the consumer held when it joined.
    pub(super) fn held_end(&self) -> Seq {
        self.held_end
    }

    /// All frames below this are held.
    pub(super) fn cumulative(&self) -> Seq {
        self.cumulative
    }

    /// Nothing is known of the frames from this on.
    pub(super) fn evidence_end(&self) -> Seq {
        self.evidence_end
    }

    /// Returns true if no newer ack has arrived. Later calls compare with this ack.
    pub(super) fn note_ack(&mut self, seq: Seq) -> bool {
        let newest = self.newest_ack.is_none_or(|newest| seq > newest);
        if newest {
            self.newest_ack = Some(seq);
        }
        newest
    }

    /// Everything below `cumulative` is held. Returns true if that is news.
    pub(super) fn advance(&mut self, cumulative: Seq) -> bool {
        let advanced = cumulative > self.cumulative;
        if advanced {
            self.cumulative = cumulative;
            self.evidence_end = self.evidence_end.max(cumulative);
        }
        advanced
    }

    /// The consumer has consumed everything below `end`, the whole stream.
    pub(super) fn complete(&mut self, end: Seq) {
        self.cumulative = end;
    }

    /// Takes what the newest ack says of the frames from the cumulative ack up to `end`. Missing
    /// frames are added to `losses` with the time at which they were sent. Frames that have arrived
    /// are taken out.
    pub(super) fn take_sack(
        &mut self,
        sack: &SackRanges,
        end: Seq,
        losses: &mut LossDetector,
        sent_at: impl Fn(Seq) -> Option<Time>,
    ) {
        let before = std::mem::replace(&mut self.sack, sack.clone());
        let mut gap_start = self.cumulative;
        let mut known = before.iter().peekable();
        for (start, range_end) in sack.iter().chain(std::iter::once((end, end))) {
            // A new gap: no ack has told of these frames before.
            let mut seq = gap_start.max(self.evidence_end);
            while seq < start.min(end) {
                if let Some(sent_at) = sent_at(seq) {
                    losses.add(seq, sent_at);
                }
                seq = seq.next();
            }
            // This range closes old gaps, unless an ack has told of the same range before.
            while known.next_if(|&(known_start, _)| known_start < start).is_some() {}
            if known.next_if_eq(&(start, range_end)).is_none() {
                losses.note_arrived_range(start, range_end);
            }
            debug_assert!(!losses.is_any_missing(start, range_end));
            gap_start = range_end.max(gap_start);
        }
        // What the ack before listed may have been discarded, and of the frames behind that it said
        // nothing. All other frames below `end` are known to be missing.
        let known_end = end.min(self.evidence_end);
        let silent = (self.listed_end.min(known_end), known_end);
        self.add_discarded(before.iter().chain([silent]), known_end, losses, sent_at);
        self.listed_end = end;
        self.evidence_end = self.evidence_end.max(end);
    }

    /// Adds the frames of `ranges` below `end` that the newest ack does not list: the consumer has
    /// discarded them since an ack listed them. That ack may be from before a rejoin, and may have
    /// arrived after it. The ranges ascend.
    fn add_discarded(
        &self,
        ranges: impl Iterator<Item = (Seq, Seq)>,
        end: Seq,
        losses: &mut LossDetector,
        sent_at: impl Fn(Seq) -> Option<Time>,
    ) {
        let mut listed = self.sack.iter().peekable();
        let mut seq = self.cumulative;
        for (start, range_end) in ranges {
            seq = seq.max(start);
            while seq < range_end.min(end) {
                while listed.next_if(|&(_, listed_end)| listed_end <= seq).is_some() {}
                if let Some(&(_, listed_end)) = listed.peek().filter(|(start, _)| *start <= seq) {
                    seq = listed_end;
                    continue;
                }
                if !losses.is_missing(seq) {
                    losses.add(seq, sent_at(seq).unwrap_or(Time::ZERO));
                }
                seq = seq.next();
            }
        }
    }

    /// Replaces what is known to be held above the cumulative ack by `sack`. All else up to the end
    /// of the evidence is missing.
    pub(super) fn replace_sack(
        &mut self,
        sack: &SackRanges,
        losses: &mut LossDetector,
        sent_at: impl Fn(Seq) -> Option<Time>,
    ) {
        self.sack = sack.clone();
        for (start, end) in sack.iter() {
            losses.note_arrived_range(start, end);
        }
        let all = (self.cumulative, self.evidence_end);
        self.add_discarded(std::iter::once(all), self.evidence_end, losses, sent_at);
        self.listed_end = self.evidence_end;
    }

    /// Moves the end of the evidence over the frames that are held, for a consumer that catches up:
    /// they need not be sent. Returns the new end, which is the frame to be sent next.
    pub(super) fn skip_held(&mut self) -> Seq {
        for (start, end) in self.sack.iter() {
            if start <= self.evidence_end && self.evidence_end < end {
                self.evidence_end = end;
            }
        }
        self.evidence_end
    }

    /// The frame at the end of the evidence is sent to the consumer's inbox. Returns its sequence
    /// number.
    pub(super) fn note_sent_next(&mut self) -> Seq {
        let seq = self.evidence_end;
        self.evidence_end = seq.next();
        seq
    }
}

#[cfg(test)]
mod tests;
