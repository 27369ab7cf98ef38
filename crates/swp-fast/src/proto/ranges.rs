//! A set of frame numbers as ranges: what a receiver holds above its cumulative ack.

use std::collections::BTreeMap;

use crate::wire::{SackRanges, Seq};

/// Disjoint ranges `start..end`, never touching each other. Bounded by half the receive window.
#[derive(Debug, Default)]
pub(super) struct RangeSet(BTreeMap<Seq, Seq>);

impl RangeSet {
    /// Adds one number that is not in the set; `true` where it opened a range of its own.
    pub(super) fn insert(&mut self, seq: Seq) -> bool {
        let mut start = seq;
        let mut end = seq.next();
        if let Some((&below, &below_end)) = self.0.range(..=seq).next_back()
            && below_end >= seq
        {
            start = below;
            end = end.max(below_end);
        }
        if let Some(above_end) = self.0.remove(&end) {
            end = above_end;
        }
        self.0.insert(start, end);
        start == seq && end == seq.next()
    }

    /// Forgets everything below `seq`.
    pub(super) fn remove_below(&mut self, seq: Seq) {
        while let Some(entry) = self.0.first_entry() {
            if *entry.key() >= seq {
                break;
            }
            let (_, end) = entry.remove_entry();
            if end > seq {
                self.0.insert(seq, end);
                break;
            }
        }
    }

    /// Forgets everything from `seq` on.
    pub(super) fn remove_from(&mut self, seq: Seq) {
        self.0.split_off(&seq);
        if let Some(mut entry) = self.0.last_entry()
            && *entry.get() > seq
        {
            entry.insert(seq);
        }
    }

    /// The lowest ranges, as many as an ACK carries.
    pub(super) fn to_sack(&self) -> SackRanges {
        let mut sack = SackRanges::default();
        for (&start, &end) in &self.0 {
            if !sack.push(start, end) {
                break;
            }
        }
        sack
    }
}

#[cfg(test)]
mod tests;
