//! A set of sequence numbers as ranges: the frames that a receiver holds above its cumulative ack.
//!
//! Most frames extend the highest range, and most removals concern the lowest. The ranges stand in
//! a queue, so neither operation looks further than an end of it.

use std::collections::VecDeque;

use crate::wire::{SackRanges, Seq};

/// The sequence numbers from `start` to below `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: Seq,
    end: Seq,
}

/// Disjoint ranges that ascend and never touch each other. Bounded by half the receive window.
#[derive(Debug, Default)]
pub(super) struct RangeSet(VecDeque<Range>);

impl RangeSet {
    /// Adds a sequence number that is not in the set. Returns true if it stands in a range of its
    /// own.
    pub(super) fn insert(&mut self, seq: Seq) -> bool {
        let above = match self.0.back() {
            Some(highest) if highest.start > seq => self.position(seq),
            _ => self.0.len(),
        };
        let end = seq.next();
        let touches_above = self.0.get(above).is_some_and(|range| range.start == end);
        let below = above.checked_sub(1).filter(|&at| self.0[at].end == seq);
        match (below, touches_above) {
            (Some(below), true) => {
                if let Some(merged) = self.0.remove(above) {
                    self.0[below].end = merged.end;
                }
            }
            (Some(below), false) => self.0[below].end = end,
            (None, true) => self.0[above].start = seq,
            (None, false) => self.0.insert(above, Range { start: seq, end }),
        }
        below.is_none() && !touches_above
    }

    /// Returns how many ranges start at or below `seq`.
    fn position(&self, seq: Seq) -> usize {
        self.0.partition_point(|range| range.start <= seq)
    }

    /// Removes every sequence number below `seq`.
    pub(super) fn remove_below(&mut self, seq: Seq) {
        while let Some(lowest) = self.0.front_mut() {
            if lowest.end > seq {
                lowest.start = lowest.start.max(seq);
                break;
            }
            self.0.pop_front();
        }
    }

    /// Removes every sequence number from `seq` on.
    pub(super) fn remove_from(&mut self, seq: Seq) {
        while let Some(highest) = self.0.back_mut() {
            if highest.start < seq {
                highest.end = highest.end.min(seq);
                break;
            }
            self.0.pop_back();
        }
    }

    /// Returns how many sequence numbers below `seq` are in the set.
    pub(super) fn count_below(&self, seq: Seq) -> u64 {
        self.0.iter().map(|range| range.end.min(seq).since(range.start.min(seq))).sum()
    }

    /// Returns the lowest ranges, as many as an ACK carries.
    pub(super) fn to_sack(&self) -> SackRanges {
        let mut sack = SackRanges::with_capacity(self.0.len());
        for range in &self.0 {
            if !sack.push(range.start, range.end) {
                break;
            }
        }
        sack
    }
}

#[cfg(test)]
mod tests;
