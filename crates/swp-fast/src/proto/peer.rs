//! The publisher's view of one consumer: what it holds, what it allows, and what it missed.
//!
//! Loss is never guessed from silence. A frame counts as lost when something sent later than it has
//! arrived (RFC 8985, RACK), and a time-out only asks a question (a probe), whose answer is such
//! evidence. So a consumer that is slow, or stopped for a while, causes no retransmission at all.
//!
//! Everything in `cumulative..evidence_end` is either held by the consumer or in `missing`; each frame
//! enters `missing` at most once, so the work per ACK follows what is new in it, not the window.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::ACK_DELAY;
use super::retransmit::RetransmitQueue;
use super::rtt::RttEstimator;
use crate::time::Time;
use crate::wire::{Ack, Credit, MAX_SACK_RANGES, PeerId, Seq};

/// After this many frames above a gap it is taken for a loss at once, as long as the path has never
/// reordered (RFC 8985 section 6.2 step 4, "DupThresh").
const DUP_THRESHOLD: u64 = 3;

/// The most that the reordering window grows, in quarters of the minimum round trip
/// (RFC 8985 section 6.2 step 4 bounds it by SRTT).
const MAX_REORDER_QUARTERS: u32 = 16;

/// Where a consumer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerState {
    /// Its SYN was answered; its first ACK has not come.
    Joining,
    /// It takes part.
    Live,
    /// It has consumed everything and said so.
    Finished,
}

/// A frame that the consumer is known not to hold.
#[derive(Debug)]
struct Missing {
    sent_at: Time,
    repairs: u32,
    queued: bool,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) name: String,
    pub(super) state: PeerState,
    pub(super) start: Seq,
    pub(super) start_bytes: u64,
    pub(super) window_frames: u64,
    pub(super) credit: Credit,
    pub(super) cumulative: Seq,
    pub(super) last_heard: Time,
    pub(super) rtt: RttEstimator,
    evidence_end: Seq,
    missing: BTreeMap<Seq, Missing>,
    /// Lost frames in the order of their repair; those found meanwhile are passed over.
    repair_queue: VecDeque<Seq>,
    queued: usize,
    newest_ack: Option<Seq>,
    probe_answered: u64,
    /// The newest send time of anything that is known to have arrived (RACK.xmit_ts).
    delivered_sent_at: Option<Time>,
    reordering_seen: bool,
    reorder_quarters: u32,
    loss_check_at: Option<Time>,
    /// Time-outs since the last answer.
    pub(super) backoff: u32,
    /// When the running time-out began.
    pub(super) waiting_since: Time,
    /// Frames and probes since anything was heard, and when the first of them went out.
    pub(super) unheard: u32,
    pub(super) unheard_since: Time,
    pub(super) repairs: u64,
    pub(super) duplicates: u64,
    pub(super) dropped: u64,
}

/// A probe that was sent: what an answer to it proves.
#[derive(Debug, Clone, Copy)]
pub(super) struct SentProbe {
    pub(super) number: u64,
    pub(super) sent_at: Time,
    pub(super) next: Seq,
}

/// What an ACK brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AckOutcome {
    /// A round trip that is not in doubt.
    pub(super) rtt: Option<Duration>,
    /// The cumulative ack moved.
    pub(super) advanced: bool,
    /// It says more than was known of what arrived.
    pub(super) news: bool,
}

/// Where a consumer joins: see the fields of [`Peer`] with the same names.
#[derive(Debug)]
pub(super) struct Joining {
    pub(super) id: PeerId,
    pub(super) name: String,
    pub(super) start: Seq,
    pub(super) start_bytes: u64,
    pub(super) window_frames: u64,
    pub(super) window_bytes: u64,
}

impl Peer {
    pub(super) fn new(joining: Joining, now: Time) -> Peer {
        let Joining { id, name, start, start_bytes, window_frames, window_bytes } = joining;
        Peer {
            id,
            name,
            state: PeerState::Joining,
            start,
            start_bytes,
            window_frames,
            credit: Credit {
                frames: start.advance(window_frames),
                bytes: start_bytes.saturating_add(window_bytes),
            },
            cumulative: start,
            last_heard: now,
            rtt: RttEstimator::default(),
            evidence_end: start,
            missing: BTreeMap::new(),
            repair_queue: VecDeque::new(),
            queued: 0,
            newest_ack: None,
            probe_answered: 0,
            delivered_sent_at: None,
            reordering_seen: false,
            reorder_quarters: 1,
            loss_check_at: None,
            backoff: 0,
            waiting_since: now,
            unheard: 0,
            unheard_since: now,
            repairs: 0,
            duplicates: 0,
            dropped: 0,
        }
    }

    /// Whether the stream still has to wait for it and keep frames for it.
    pub(super) fn counts(&self) -> bool {
        self.state != PeerState::Finished
    }

    /// Something was heard: it lives.
    pub(super) fn heard(&mut self, now: Time) {
        self.last_heard = now;
        self.unheard = 0;
    }

    /// Something was sent that it should answer sooner or later.
    pub(super) fn note_sent(&mut self, now: Time) {
        if self.unheard == 0 {
            self.unheard_since = now;
        }
        self.unheard = self.unheard.saturating_add(1);
    }

    /// Takes a report. `ack` was checked against what was sent: it names no frame at or beyond
    /// `queue`'s first unsent one.
    pub(super) fn handle_ack(
        &mut self,
        now: Time,
        ack_seq: Seq,
        ack: &Ack,
        queue: &RetransmitQueue,
        probes: impl Iterator<Item = SentProbe>,
    ) -> AckOutcome {
        self.heard(now);
        // What it holds and has not consumed cannot be negative, so more than this it cannot mean.
        let most =
            Credit { frames: ack.cumulative.advance(self.window_frames), bytes: ack.credit.bytes };
        self.credit = self.credit.max(ack.credit.min(most));
        let advanced = ack.cumulative > self.cumulative;
        if self.newest_ack.is_some_and(|newest| ack_seq <= newest) {
            // An older report can still be right about what it says arrived, and about nothing else.
            self.advance(ack.cumulative);
            return AckOutcome { rtt: None, advanced, news: advanced };
        }
        self.newest_ack = Some(ack_seq);
        if ack.duplicates > self.duplicates && self.reordering_seen {
            // Something was repaired that had only been late (RFC 8985 section 6.2 step 4).
            self.reorder_quarters = (self.reorder_quarters + 1).min(MAX_REORDER_QUARTERS);
        }
        self.duplicates = self.duplicates.max(ack.duplicates);
        self.dropped = self.dropped.max(ack.dropped);

        let mut news = advanced;
        let mut rtt = self.newest_evidence(now, ack, queue);
        let mut end = ack.latest.map_or(ack.cumulative, Seq::next).max(ack.cumulative);
        if let Some(probe) = self.answered_probe(ack, probes) {
            rtt = Some(now.since(probe.sent_at));
            self.delivered_sent_at = self.delivered_sent_at.max(Some(probe.sent_at));
            end = end.max(probe.next);
            self.backoff = 0;
            news = true;
        }
        if advanced {
            self.backoff = 0;
        }
        if let Some((_, last_end)) = ack.sack.iter().next_back() {
            // With its ranges used up the report says nothing of what lies above them.
            end = if ack.sack.len() == MAX_SACK_RANGES { last_end } else { end.max(last_end) };
        }
        if let Some(rtt) = rtt {
            self.rtt.sample(rtt);
        }
        news |= end > self.evidence_end;
        self.advance(ack.cumulative);
        self.take_sack(ack, end, queue);
        self.detect_losses(now);
        AckOutcome { rtt, advanced, news }
    }

    /// Uses the frame that arrived last: its send time is RACK's evidence, and a round-trip sample where
    /// the frame went out only once (Karn's rule).
    fn newest_evidence(
        &mut self,
        now: Time,
        ack: &Ack,
        queue: &RetransmitQueue,
    ) -> Option<Duration> {
        let latest = ack.latest?;
        if latest >= self.evidence_end {
            let sent_at = queue.get(latest)?.sent_at?;
            self.delivered_sent_at = self.delivered_sent_at.max(Some(sent_at));
            let delay = Duration::from_micros(u64::from(ack.delay_us));
            return Some(now.since(sent_at).saturating_sub(delay));
        }
        let missing = self.missing.get(&latest)?;
        // A repair answered sooner than any round trip was the original, late (RFC 8985 6.2 step 2).
        if missing.repairs > 0 && now.since(missing.sent_at) >= self.rtt.min() {
            self.delivered_sent_at = self.delivered_sent_at.max(Some(missing.sent_at));
        }
        None
    }

    fn answered_probe(
        &mut self,
        ack: &Ack,
        mut probes: impl Iterator<Item = SentProbe>,
    ) -> Option<SentProbe> {
        if ack.probe <= self.probe_answered {
            return None;
        }
        let probe = probes.find(|probe| probe.number == ack.probe)?;
        self.probe_answered = ack.probe;
        Some(probe)
    }

    /// Everything below `cumulative` is held.
    fn advance(&mut self, cumulative: Seq) {
        if cumulative <= self.cumulative {
            return;
        }
        self.cumulative = cumulative;
        self.evidence_end = self.evidence_end.max(cumulative);
        while let Some(entry) = self.missing.first_entry() {
            if *entry.key() >= cumulative {
                break;
            }
            let missing = entry.remove();
            self.found(&missing);
        }
    }

    /// Notes what the report says of the frames up to `end`.
    fn take_sack(&mut self, ack: &Ack, end: Seq, queue: &RetransmitQueue) {
        let mut gap_start = self.cumulative;
        let closing = std::iter::once((end, end));
        for (start, range_end) in ack.sack.iter().chain(closing) {
            // New gaps: frames never reported on before that lie between the ranges.
            let mut seq = gap_start.max(self.evidence_end);
            while seq < start.min(end) {
                if let Some(sent_at) = queue.get(seq).and_then(|slot| slot.sent_at) {
                    self.missing.insert(seq, Missing { sent_at, repairs: 0, queued: false });
                }
                seq = seq.next();
            }
            // Old gaps that this range has closed.
            while let Some((&seq, _)) = self.missing.range(start..range_end.max(start)).next() {
                if let Some(missing) = self.missing.remove(&seq) {
                    self.found(&missing);
                }
            }
            gap_start = range_end.max(gap_start);
        }
        self.evidence_end = self.evidence_end.max(end);
    }

    /// A missing frame has turned up.
    fn found(&mut self, missing: &Missing) {
        if missing.queued {
            self.queued -= 1;
        }
        if missing.repairs == 0 {
            self.reordering_seen = true;
        }
    }

    /// RFC 8985 section 6.2 step 5: lost is what was sent before something that has arrived, and has had a
    /// round trip and the reordering window to arrive itself.
    pub(super) fn detect_losses(&mut self, now: Time) {
        self.loss_check_at = None;
        let Some(delivered) = self.delivered_sent_at else { return };
        let window = self.reorder_window();
        let patience = self.rtt.latest() + window;
        let evidence_end = self.evidence_end;
        let reordering_seen = self.reordering_seen;
        for (seq, missing) in &mut self.missing {
            if missing.queued || missing.sent_at > delivered {
                continue;
            }
            let overtaken = evidence_end.since(*seq) > DUP_THRESHOLD;
            // A repair does not travel with what proves it lost, and its report may be held back.
            let held_back = if missing.repairs > 0 { ACK_DELAY * 2 } else { Duration::ZERO };
            let due = missing.sent_at + patience + held_back;
            if due <= now || (!reordering_seen && missing.repairs == 0 && overtaken) {
                missing.queued = true;
                self.queued += 1;
                self.repair_queue.push_back(*seq);
            } else {
                self.loss_check_at = Some(self.loss_check_at.map_or(due, |at| at.min(due)));
            }
        }
    }

    fn reorder_window(&self) -> Duration {
        let window = self.rtt.min() / 4 * self.reorder_quarters;
        window.min(self.rtt.smoothed().unwrap_or(window))
    }

    /// When [`Self::detect_losses`] wants to be called next.
    pub(super) fn loss_check_at(&self) -> Option<Time> {
        self.loss_check_at
    }

    /// Whether a repair waits to be sent.
    pub(super) fn has_repairs(&self) -> bool {
        self.queued > 0
    }

    /// The next frame to repeat to this consumer; it counts as sent now.
    pub(super) fn next_repair(&mut self, now: Time) -> Option<Seq> {
        let (seq, missing) = loop {
            let seq = self.repair_queue.pop_front()?;
            match self.missing.get_mut(&seq) {
                Some(missing) if missing.queued => break (seq, missing),
                _ => {}
            }
        };
        missing.queued = false;
        missing.repairs += 1;
        missing.sent_at = now;
        self.queued -= 1;
        self.repairs += 1;
        self.note_sent(now);
        Some(seq)
    }

    /// Whether frames were sent that it is not known to hold.
    pub(super) fn has_unacked(&self, sent_end: Seq) -> bool {
        self.counts() && self.cumulative < sent_end
    }
}
