//! A set of frame numbers as ranges: what a receiver holds above its cumulative ack.
//!
//! Nearly all of what arrives goes on where the highest range ends, and nearly all that is forgotten lies at
//! the lowest, so the ranges stand in a queue, and neither looks further than its ends.

use std::collections::VecDeque;

use crate::wire::{SackRanges, Seq};

/// Disjoint ranges `start..end`, ascending, never touching each other. Bounded by half the receive window.
#[derive(Debug, Default)]
pub(super) struct RangeSet(VecDeque<(Seq, Seq)>);

impl RangeSet {
    /// Adds one number that is not in the set; `true` where it opened a range of its own.
    pub(super) fn insert(&mut self, seq: Seq) -> bool {
        let above = match self.0.back() {
            Some(&(start, _)) if start > seq => self.position(seq),
            _ => self.0.len(),
        };
        let end = seq.next();
        let touches_above = self.0.get(above).is_some_and(|&(start, _)| start == end);
        let below = above.checked_sub(1).filter(|&at| self.0[at].1 == seq);
        match (below, touches_above) {
            (Some(below), true) => {
                if let Some((_, above_end)) = self.0.remove(above) {
                    self.0[below].1 = above_end;
                }
            }
            (Some(below), false) => self.0[below].1 = end,
            (None, true) => self.0[above].0 = seq,
            (None, false) => self.0.insert(above, (seq, end)),
        }
        below.is_none() && !touches_above
    }

    /// How many ranges begin below `seq`, or with it.
    fn position(&self, seq: Seq) -> usize {
        self.0.partition_point(|&(start, _)| start <= seq)
    }

    /// Forgets everything below `seq`.
    pub(super) fn remove_below(&mut self, seq: Seq) {
        while let Some((start, end)) = self.0.front_mut() {
            if *end > seq {
                *start = (*start).max(seq);
                break;
            }
            self.0.pop_front();
        }
    }

    /// Forgets everything from `seq` on.
    pub(super) fn remove_from(&mut self, seq: Seq) {
        while let Some((start, end)) = self.0.back_mut() {
            if *start < seq {
                *end = (*end).min(seq);
                break;
            }
            self.0.pop_back();
        }
    }

    /// How many numbers below this one they hold.
    pub(super) fn count_below(&self, seq: Seq) -> u64 {
        self.0.iter().map(|&(start, end)| end.min(seq).since(start.min(seq))).sum()
    }

    /// The lowest ranges, as many as an ACK carries.
    pub(super) fn to_sack(&self) -> SackRanges {
        let mut sack = SackRanges::with_capacity(self.0.len());
        for &(start, end) in &self.0 {
            if !sack.push(start, end) {
                break;
            }
        }
        sack
    }
}

#[cfg(test)]
mod tests;
