//! Which frames that one peer is known to miss are lost, and which of those wait for
//! retransmission.
//!
//! Silence is no evidence of loss. A frame counts as lost when something that was sent later has
//! arrived (RFC 8985, RACK). The detector looks at frames in the order in which they were sent, and
//! stops at the first frame that still has time (section 6.2 step 5 keeps such a list). So the work
//! for an ack follows what is new in the ack, and neither the window nor the number of missing
//! frames.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::rtt::RttEstimator;
use crate::time::Time;
use crate::wire::Seq;

/// A gap with this many frames above it counts as a loss at once, as long as the path has never
/// reordered frames (RFC 8985 section 6.2 step 4, "DupThresh").
const DUP_THRESHOLD: u64 = 3;

/// The bound of the reordering window, in quarters of the minimum round trip (RFC 8985 section 6.2
/// step 4 bounds the window by SRTT).
const MAX_REORDER_QUARTERS: u32 = 16;

/// When a frame was sent. Several frames to one peer's inbox can leave at the same time, so those
/// are numbered (RFC 8985 section 6.2 step 5 compares sequence numbers there).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    at: Time,
    /// Counts the frames to the peer's inbox. 0 for a frame to the group.
    order: u64,
}

/// A frame that the peer is known to miss.
#[derive(Debug)]
struct Missing {
    sent: Sent,
    retransmissions: u32,
    /// When the frame was queued for retransmission.
    queued_at: Option<Time>,
}

/// A lost frame that waits for retransmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) seq: Seq,
    /// When the frame was queued for retransmission.
    pub(super) queued_at: Time,
}

/// Loss detection for one peer; see the [module](self).
#[derive(Debug)]
pub(super) struct LossDetector {
    missing: BTreeMap<Seq, Missing>,
    /// Missing frames that were sent once, in the order of sending. Entries of frames that have
    /// arrived meanwhile are skipped.
    sent_once: VecDeque<Seq>,
    /// Missing frames that were retransmitted, in the order of retransmission, likewise.
    retransmitted: VecDeque<(Sent, Seq)>,
    /// Lost frames in the order of their retransmission, likewise.
    due: VecDeque<Seq>,
    /// Entries of `due` that are not to be skipped.
    due_count: usize,
    /// The send time of the latest frame that is known to have arrived (RACK.xmit_ts).
    delivered: Option<Sent>,
    /// Frames sent to the peer's inbox so far.
    inbox_frames: u64,
    reordering_seen: bool,
    reorder_quarters: u32,
    check_at: Option<Time>,
}

impl Default for LossDetector {
    fn default() -> Self {
        LossDetector {
            missing: BTreeMap::new(),
            sent_once: VecDeque::new(),
            retransmitted: VecDeque::new(),
            due: VecDeque::new(),
            due_count: 0,
            delivered: None,
            inbox_frames: 0,
            reordering_seen: false,
            reorder_quarters: 1,
            check_at: None,
        }
    }
}

impl LossDetector {
    /// A frame that was sent to the group at that time has arrived. A frame to the inbox with the
    /// same time may have been sent later.
    pub(super) fn note_delivered(&mut self, at: Time) {
        self.delivered = self.delivered.max(Some(Sent { at, order: 0 }));
    }

    /// A probe that was sent at that time has arrived. A probe is sent after everything else.
    pub(super) fn note_probe_delivered(&mut self, at: Time) {
        self.delivered = self.delivered.max(Some(Sent { at, order: u64::MAX }));
    }

    /// A missing frame has arrived. This counts as the arrival of its retransmission, unless the
    /// arrival is sooner than any round trip: then the original was late (RFC 8985 section 6.2 step
    /// 2).
    pub(super) fn note_retransmission_delivered(&mut self, seq: Seq, now: Time, min_rtt: Duration) {
        if let Some(missing) = self.missing.get(&seq)
            && missing.retransmissions > 0
            && now.since(missing.sent.at) >= min_rtt
        {
            self.delivered = self.delivered.max(Some(missing.sent));
        }
    }

    /// A frame was retransmitted that had only been late (RFC 8985 section 6.2 step 4).
    pub(super) fn note_spurious(&mut self) {
        if self.reordering_seen {
            self.reorder_quarters = (self.reorder_quarters + 1).min(MAX_REORDER_QUARTERS);
        }
    }

    /// Adds a missing frame that was sent once, at that time. Called in ascending
    /// order within one walk.
    pub(super) fn add(&mut self, seq: Seq, sent_at: Time) {
        let sent = Sent { at: sent_at, order: 0 };
        self.missing.insert(seq, Missing { sent, retransmissions: 0, queued_at: None });
        self.sent_once.push_back(seq);
    }

    /// Adds a frame that was sent to the peer's inbox for the first time.
    pub(super) fn add_sent_to_inbox(&mut self, seq: Seq, now: Time) {
        self.inbox_frames += 1;
        let sent = Sent { at: now, order: self.inbox_frames };
        self.missing.insert(seq, Missing { sent, retransmissions: 1, queued_at: None });
        self.retransmitted.push_back((sent, seq));
    }

    /// Whether the frame is missing.
    pub(super) fn is_missing(&self, seq: Seq) -> bool {
        self.missing.contains_key(&seq)
    }

    /// Returns the first missing frame from `seq` on.
    pub(super) fn first_missing_from(&self, seq: Seq) -> Option<Seq> {
        self.missing.range(seq..).next().map(|(&missing, _)| missing)
    }

    /// Whether a frame from `start` to below `end` is missing.
    pub(super) fn is_any_missing(&self, start: Seq, end: Seq) -> bool {
        self.missing.range(start..end.max(start)).next().is_some()
    }

    /// Everything below `seq` has arrived.
    pub(super) fn note_arrived_below(&mut self, seq: Seq) {
        while let Some(entry) = self.missing.first_entry() {
            if *entry.key() >= seq {
                break;
            }
            let missing = entry.remove();
            self.note_arrived(&missing);
        }
    }

    /// Everything from `start` to below `end` has arrived.
    pub(super) fn note_arrived_range(&mut self, start: Seq, end: Seq) {
        while let Some((&seq, _)) = self.missing.range(start..end.max(start)).next() {
            if let Some(missing) = self.missing.remove(&seq) {
                self.note_arrived(&missing);
            }
        }
    }

    fn note_arrived(&mut self, missing: &Missing) {
        if missing.queued_at.is_some() {
            self.due_count -= 1;
            if self.due_count == 0 {
                // Only entries to be skipped are left, and no later call would take them out.
                self.due.clear();
            }
        }
        if missing.retransmissions == 0 {
            self.reordering_seen = true;
        }
        if self.missing.is_empty() {
            self.sent_once.clear();
            self.retransmitted.clear();
        }
    }

    /// Queues lost frames for retransmission. A frame is lost when a frame that was sent later has
    /// arrived, and when the frame has had a round trip and the reordering window to arrive itself
    /// (RFC 8985 section 6.2 step 5). `end` is where the evidence ends. The peer may delay an ack
    /// by `ack_delay`.
    pub(super) fn detect(&mut self, now: Time, rtt: &RttEstimator, end: Seq, ack_delay: Duration) {
        self.check_at = None;
        let Some(delivered) = self.delivered else { return };
        let window = rtt.min() / 4 * self.reorder_quarters;
        let patience = rtt.latest() + window.min(rtt.smoothed().unwrap_or(window));
        let originals = self.detect_lost_originals(now, delivered, patience, end);
        // A retransmission takes another way than the frames that prove it lost, and its ack may be
        // delayed.
        let again = self.detect_lost_retransmissions(now, delivered, patience + ack_delay * 2);
        self.check_at = originals.into_iter().chain(again).min();
    }

    /// Returns when the first frame that may still arrive will be overdue.
    fn detect_lost_originals(
        &mut self,
        now: Time,
        delivered: Sent,
        patience: Duration,
        end: Seq,
    ) -> Option<Time> {
        while let Some(&seq) = self.sent_once.front() {
            if let Some(missing) = self.missing.get_mut(&seq)
                && missing.retransmissions == 0
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
                self.due_count += 1;
                self.due.push_back(seq);
            }
            self.sent_once.pop_front();
        }
        None
    }

    /// As [`Self::detect_lost_originals`], for frames that were retransmitted.
    fn detect_lost_retransmissions(
        &mut self,
        now: Time,
        delivered: Sent,
        patience: Duration,
    ) -> Option<Time> {
        while let Some(&(sent, seq)) = self.retransmitted.front() {
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
                self.due_count += 1;
                self.due.push_back(seq);
            }
            self.retransmitted.pop_front();
        }
        None
    }

    /// Returns when [`Self::detect`] is to be called next.
    pub(super) fn check_at(&self) -> Option<Time> {
        self.check_at
    }

    /// Whether a frame waits for retransmission.
    pub(super) fn has_due(&self) -> bool {
        self.due_count > 0
    }

    /// Returns the frame to be retransmitted next.
    pub(super) fn next_due(&mut self) -> Option<Due> {
        while let Some(&seq) = self.due.front() {
            if let Some(queued_at) = self.missing.get(&seq).and_then(|missing| missing.queued_at) {
                return Some(Due { seq, queued_at });
            }
            self.due.pop_front();
        }
        None
    }

    /// Returns the lowest missing frame, if that frame waits for retransmission.
    pub(super) fn lowest_due(&self) -> Option<Due> {
        let (&seq, missing) = self.missing.first_key_value()?;
        missing.queued_at.map(|queued_at| Due { seq, queued_at })
    }

    /// A frame was retransmitted, whether that was due or not. Returns false where the frame is not
    /// missing.
    pub(super) fn note_retransmitted(&mut self, seq: Seq, now: Time) -> bool {
        let Some(missing) = self.missing.get_mut(&seq) else { return false };
        self.inbox_frames += 1;
        let sent = Sent { at: now, order: self.inbox_frames };
        if missing.queued_at.take().is_some() {
            self.due_count -= 1;
        }
        missing.retransmissions += 1;
        missing.sent = sent;
        self.retransmitted.push_back((sent, seq));
        true
    }
}

#[cfg(test)]
mod tests;
