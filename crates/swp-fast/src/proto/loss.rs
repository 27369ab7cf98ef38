//! Which of the frames that one consumer is known not to hold are lost, and which of those wait to be
//! repeated.
//!
//! Loss is never guessed from silence. A frame counts as lost when something sent later than it has
//! arrived (RFC 8985, RACK). Whether it is lost is asked in the order in which frames were sent, up to the
//! first that still has time (section 6.2 step 5 keeps such a list): the work per ACK follows what is new
//! in it, neither the window nor what is missing.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::rtt::RttEstimator;
use crate::time::Time;
use crate::wire::Seq;

/// After this many frames above a gap it is taken for a loss at once, as long as the path has never
/// reordered (RFC 8985 section 6.2 step 4, "DupThresh").
const DUP_THRESHOLD: u64 = 3;

/// The most that the reordering window grows, in quarters of the minimum round trip
/// (RFC 8985 section 6.2 step 4 bounds it by SRTT).
const MAX_REORDER_QUARTERS: u32 = 16;

/// When something was sent. Of what goes to one consumer alone many frames can leave at the same time, so
/// these are numbered (RFC 8985 section 6.2 step 5 compares sequence numbers there).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    at: Time,
    /// 0 for what goes to the group.
    order: u64,
}

/// A frame that the consumer is known not to hold.
#[derive(Debug)]
struct Missing {
    sent: Sent,
    repairs: u32,
    /// Since when it waits to be repeated.
    queued_at: Option<Time>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct LossDetector {
    missing: BTreeMap<Seq, Missing>,
    /// Missing frames that were sent once, in the order of sending; those found meanwhile are passed over.
    suspects: VecDeque<Seq>,
    /// Missing frames that were repeated, in the order of that, likewise.
    repeated: VecDeque<(Sent, Seq)>,
    /// Lost frames in the order of their repair, likewise.
    repair_queue: VecDeque<Seq>,
    queued: usize,
    /// What was sent last of all that is known to have arrived (RACK.xmit_ts).
    delivered: Option<Sent>,
    /// Frames sent to this consumer alone.
    sent_alone: u64,
    reordering_seen: bool,
    reorder_quarters: u32,
    check_at: Option<Time>,
}

impl Default for LossDetector {
    fn default() -> Self {
        LossDetector {
            missing: BTreeMap::new(),
            suspects: VecDeque::new(),
            repeated: VecDeque::new(),
            repair_queue: VecDeque::new(),
            queued: 0,
            delivered: None,
            sent_alone: 0,
            reordering_seen: false,
            reorder_quarters: 1,
            check_at: None,
        }
    }
}

impl LossDetector {
    /// Something sent to the group at that time has arrived. What went to this consumer alone at the same
    /// time may have been sent later.
    pub(super) fn note_delivered(&mut self, at: Time) {
        self.delivered = self.delivered.max(Some(Sent { at, order: 0 }));
    }

    /// A probe sent at that time has arrived; it goes out after everything else.
    pub(super) fn note_probe_delivered(&mut self, at: Time) {
        self.delivered = self.delivered.max(Some(Sent { at, order: u64::MAX }));
    }

    /// A repeated frame has arrived: when its repair went out, unless it was the original, late
    /// (RFC 8985 section 6.2 step 2: sooner than any round trip).
    pub(super) fn note_repair_delivered(&mut self, seq: Seq, now: Time, min_rtt: Duration) {
        if let Some(missing) = self.missing.get(&seq)
            && missing.repairs > 0
            && now.since(missing.sent.at) >= min_rtt
        {
            self.delivered = self.delivered.max(Some(missing.sent));
        }
    }

    /// Something was repaired that had only been late (RFC 8985 section 6.2 step 4).
    pub(super) fn note_spurious_repair(&mut self) {
        if self.reordering_seen {
            self.reorder_quarters = (self.reorder_quarters + 1).min(MAX_REORDER_QUARTERS);
        }
    }

    /// A frame sent once, at that time, is missing. To be told in ascending order.
    pub(super) fn add(&mut self, seq: Seq, sent_at: Time) {
        let sent = Sent { at: sent_at, order: 0 };
        self.missing.insert(seq, Missing { sent, repairs: 0, queued_at: None });
        self.suspects.push_back(seq);
    }

    /// A frame was sent to this consumer alone, and is not known to have arrived.
    pub(super) fn add_sent_alone(&mut self, seq: Seq, now: Time) {
        self.sent_alone += 1;
        let sent = Sent { at: now, order: self.sent_alone };
        self.missing.insert(seq, Missing { sent, repairs: 1, queued_at: None });
        self.repeated.push_back((sent, seq));
    }

    pub(super) fn is_missing(&self, seq: Seq) -> bool {
        self.missing.contains_key(&seq)
    }

    /// The first missing frame from `seq` on.
    pub(super) fn first_missing_from(&self, seq: Seq) -> Option<Seq> {
        self.missing.range(seq..).next().map(|(&missing, _)| missing)
    }

    /// Whether a frame from `start` to below `end` is missing.
    pub(super) fn is_any_missing(&self, start: Seq, end: Seq) -> bool {
        self.missing.range(start..end.max(start)).next().is_some()
    }

    /// Everything below has turned up.
    pub(super) fn found_below(&mut self, seq: Seq) {
        while let Some(entry) = self.missing.first_entry() {
            if *entry.key() >= seq {
                break;
            }
            let missing = entry.remove();
            self.found(&missing);
        }
    }

    /// Everything from `start` to below `end` has turned up.
    pub(super) fn found_range(&mut self, start: Seq, end: Seq) {
        while let Some((&seq, _)) = self.missing.range(start..end.max(start)).next() {
            if let Some(missing) = self.missing.remove(&seq) {
                self.found(&missing);
            }
        }
    }

    fn found(&mut self, missing: &Missing) {
        if missing.queued_at.is_some() {
            self.queued -= 1;
            if self.queued == 0 {
                // Only passed-over entries are left, and nobody would come by to take them out.
                self.repair_queue.clear();
            }
        }
        if missing.repairs == 0 {
            self.reordering_seen = true;
        }
        if self.missing.is_empty() {
            self.suspects.clear();
            self.repeated.clear();
        }
    }

    /// RFC 8985 section 6.2 step 5: lost is what was sent before something that has arrived, and has had a
    /// round trip and the reordering window to arrive itself. `end` is where the evidence ends; reports
    /// may be held back for `ack_delay`.
    pub(super) fn detect(&mut self, now: Time, rtt: &RttEstimator, end: Seq, ack_delay: Duration) {
        self.check_at = None;
        let Some(delivered) = self.delivered else { return };
        let window = rtt.min() / 4 * self.reorder_quarters;
        let patience = rtt.latest() + window.min(rtt.smoothed().unwrap_or(window));
        let originals = self.detect_lost_originals(now, delivered, patience, end);
        // A repair does not travel with what proves it lost, and its report may be held back.
        let repairs = self.detect_lost_repairs(now, delivered, patience + ack_delay * 2);
        self.check_at = originals.into_iter().chain(repairs).min();
    }

    /// Returns when the first frame that may still come will be overdue.
    fn detect_lost_originals(
        &mut self,
        now: Time,
        delivered: Sent,
        patience: Duration,
        end: Seq,
    ) -> Option<Time> {
        while let Some(&seq) = self.suspects.front() {
            if let Some(missing) = self.missing.get_mut(&seq)
                && missing.repairs == 0
            {
                if missing.sent.at > delivered.at {
                    return None;
                }
                let overtaken = end.since(seq) > DUP_THRESHOLD;
                let due = missing.sent.at + patience;
                if due > now && (self.reordering_seen || !overtaken) {
                    return Some(due);
                }
                missing.queued_at = Some(now);
                self.queued += 1;
                self.repair_queue.push_back(seq);
            }
            self.suspects.pop_front();
        }
        None
    }

    /// Likewise for frames that were repeated.
    fn detect_lost_repairs(
        &mut self,
        now: Time,
        delivered: Sent,
        patience: Duration,
    ) -> Option<Time> {
        while let Some(&(sent, seq)) = self.repeated.front() {
            if let Some(missing) = self.missing.get_mut(&seq)
                && missing.sent == sent
                && missing.queued_at.is_none()
            {
                if sent > delivered {
                    return None;
                }
                let due = sent.at + patience;
                if due > now {
                    return Some(due);
                }
                missing.queued_at = Some(now);
                self.queued += 1;
                self.repair_queue.push_back(seq);
            }
            self.repeated.pop_front();
        }
        None
    }

    /// When [`Self::detect`] wants to be called next.
    pub(super) fn check_at(&self) -> Option<Time> {
        self.check_at
    }

    /// Whether a repair waits to be sent.
    pub(super) fn has_repairs(&self) -> bool {
        self.queued > 0
    }

    /// The frame to be repeated next, and since when it waits.
    pub(super) fn next_repair(&mut self) -> Option<(Seq, Time)> {
        while let Some(&seq) = self.repair_queue.front() {
            if let Some(queued_at) = self.missing.get(&seq).and_then(|missing| missing.queued_at) {
                return Some((seq, queued_at));
            }
            self.repair_queue.pop_front();
        }
        None
    }

    /// The first missing frame, where it waits to be repeated.
    pub(super) fn first_repair(&self) -> Option<(Seq, Time)> {
        let (&seq, missing) = self.missing.first_key_value()?;
        missing.queued_at.map(|queued_at| (seq, queued_at))
    }

    /// A missing frame was sent again, whether it was due or not; `false` where it is not missing.
    pub(super) fn note_repaired(&mut self, seq: Seq, now: Time) -> bool {
        let Some(missing) = self.missing.get_mut(&seq) else { return false };
        self.sent_alone += 1;
        let sent = Sent { at: now, order: self.sent_alone };
        if missing.queued_at.take().is_some() {
            self.queued -= 1;
        }
        missing.repairs += 1;
        missing.sent = sent;
        self.repeated.push_back((sent, seq));
        true
    }
}

#[cfg(test)]
mod tests;
