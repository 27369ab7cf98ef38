//! The publisher's view of one consumer: what it holds, what it allows, and what it missed.
//!
//! A time-out repeats nothing, it asks a question (a probe), whose answer is evidence of what arrived and
//! what did not; see [`super::loss`]. So a consumer that is slow, or stopped for a while, causes no
//! retransmission at all.
//!
//! A consumer that joins behind the present (it resumes, or wants the stream from its start) is sent what
//! lies between to its inbox first; see [`CatchUp`]. Everything in `cumulative..evidence_end` is either
//! held by the consumer or known to be missing.

mod catch_up;

use std::collections::VecDeque;
use std::time::Duration;

use super::loss::LossDetector;
use super::peers::GroupSends;
use super::retransmit::{RetransmitQueue, Slot};
use super::rtt::RttEstimator;
use crate::time::Time;
use crate::wire::{Ack, Credit, MAX_SACK_RANGES, PeerId, Resume, SackRanges, Seq};

pub(super) use catch_up::CatchUp;

/// Probes whose answers are still told apart. They back off, and an answer settles all before it, so more
/// are out only where no answer comes at all.
const KEPT_PROBES: usize = 16;

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

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) name: String,
    pub(super) tag: String,
    /// Whether the stream goes at its pace and keeps frames for it (see `PublishConfig::tag`).
    pub(super) required: bool,
    pub(super) state: PeerState,
    /// It took part before, under this id, and resumes: lost while it joins again, it is missed like any
    /// other.
    pub(super) replaces: Option<PeerId>,
    pub(super) start: Seq,
    pub(super) start_bytes: u64,
    /// It held frames up to here when it joined: beyond what was sent, where its publisher was replaced.
    pub(super) held_end: Seq,
    pub(super) window_frames: u64,
    pub(super) window_bytes: u64,
    pub(super) credit: Credit,
    pub(super) cumulative: Seq,
    pub(super) last_heard: Time,
    /// When it last received or consumed anything.
    pub(super) progress_at: Time,
    pub(super) rtt: RttEstimator,
    pub(super) losses: LossDetector,
    pub(super) catch_up: Option<CatchUp>,
    /// The newest generation of the group that it said it listens to; 0 before.
    generation: u32,
    evidence_end: Seq,
    /// The ranges of its newest report, or of its wish to join: no frame in them is missing. While it catches
    /// up, these are not to be sent again.
    held: SackRanges,
    newest_ack: Option<Seq>,
    /// Probes that were sent to it and not answered, nor any after them.
    probes: VecDeque<SentProbe>,
    /// Time-outs since the last answer.
    pub(super) backoff: u32,
    /// As of when it was last touched; [`super::peers::Peers::waiting`] knows how it is now.
    pub(super) waiting: Waiting,
    pub(super) repairs: u64,
    /// Frames repeated to the whole group since anything was heard: they fill its subscription beyond its
    /// window.
    pub(super) group_repairs_unheard: u64,
    pub(super) duplicates: u64,
    pub(super) dropped: u64,
}

/// How long a consumer has been waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// When the running time-out began.
    pub(super) since: Time,
    /// Frames and probes since anything was heard, and when the first of them went out.
    pub(super) unheard: u32,
    pub(super) unheard_since: Time,
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
    pub(super) tag: String,
    pub(super) required: bool,
    pub(super) start: Seq,
    pub(super) start_bytes: u64,
    pub(super) window_frames: u64,
    pub(super) window_bytes: u64,
    /// What it holds above `start`, where it resumes, or joins behind the present.
    pub(super) behind: Option<SackRanges>,
    /// It misses nothing that was sent.
    pub(super) at_present: bool,
    /// It took part before, under this id, and resumes.
    pub(super) replaces: Option<PeerId>,
}

impl Peer {
    pub(super) fn new(joining: Joining, now: Time) -> Peer {
        let Joining {
            id,
            name,
            tag,
            required,
            start,
            start_bytes,
            window_frames,
            window_bytes,
            ..
        } = joining;
        let (at_present, replaces) = (joining.at_present, joining.replaces);
        let held_end = joining.behind.as_ref().map_or(start, |held| held.end_or(start));
        let catch_up =
            joining.behind.as_ref().map(|_| CatchUp::new(start, start_bytes, at_present));
        // A consumer that resumes may have part of its window in use, and tells so in its first report.
        let (frames, bytes) = match catch_up {
            None => (window_frames, window_bytes),
            Some(_) => (0, 0),
        };
        Peer {
            id,
            name,
            tag,
            required,
            state: PeerState::Joining,
            replaces,
            start,
            start_bytes,
            held_end,
            window_frames,
            window_bytes,
            credit: Credit {
                frames: start.advance(frames),
                bytes: start_bytes.saturating_add(bytes),
            },
            cumulative: start,
            last_heard: now,
            progress_at: now,
            rtt: RttEstimator::default(),
            losses: LossDetector::default(),
            catch_up,
            generation: 0,
            evidence_end: start,
            held: joining.behind.unwrap_or_default(),
            newest_ack: None,
            probes: VecDeque::new(),
            backoff: 0,
            waiting: Waiting { since: now, unheard: 0, unheard_since: now },
            repairs: 0,
            group_repairs_unheard: 0,
            duplicates: 0,
            dropped: 0,
        }
    }

    /// Whether it asks for something else than it was let in with, because it was cut off since, or what let it in
    /// was a wish of an earlier life that came late: it takes no answer but to what it asks last. Of one that takes
    /// part, a copy of the wish that let it in names where it began, or what lies before: let in anew by that, its
    /// credit would bind nobody until its next report.
    pub(super) fn is_to_join_anew(&self, resume: &Resume) -> bool {
        let elsewhere = resume.next != self.start;
        match self.state {
            PeerState::Joining => elsewhere || resume.held_end() > self.held_end,
            PeerState::Live => elsewhere && resume.next >= self.cumulative,
            PeerState::Finished => false,
        }
    }

    /// It asked again where it began: a copy, come late, or it was cut off there, and has let go of what it had
    /// beyond its credit though it had reported that. Nobody can tell; what it does not name is repeated.
    pub(super) fn take_back(&mut self, resume: &Resume, queue: &RetransmitQueue) {
        if self.state != PeerState::Live || resume.next != self.cumulative {
            return;
        }
        let (mut seq, evidence_end) = (self.cumulative, self.evidence_end);
        for (start, end) in resume.sack.iter().chain(std::iter::once((evidence_end, evidence_end)))
        {
            while seq < start.min(evidence_end) {
                if !self.losses.is_missing(seq) {
                    let sent_at = self.sent_at(seq, queue).unwrap_or(Time::ZERO);
                    self.losses.add(seq, sent_at);
                }
                seq = seq.next();
            }
            seq = seq.max(end);
        }
        self.held = resume.sack.clone();
    }

    /// When a frame went to the group; `None` where it did not, or is not kept. What is kept for this consumer
    /// alone the others hold, so that was long ago; when is not known any more.
    fn sent_at(&self, seq: Seq, queue: &RetransmitQueue) -> Option<Time> {
        let reread = self.catch_up.as_ref().and_then(|catch_up| catch_up.reread.get(seq));
        queue.get(seq).and_then(|slot| slot.sent_at).or(reread.map(|_| Time::ZERO))
    }

    /// Whether the session still has to wait for it.
    pub(super) fn counts(&self) -> bool {
        self.state != PeerState::Finished
    }

    /// Whether its credit bounds the stream: from when it is told to listen to the group, or what it hears
    /// there could fill its window and leave no room for what it lacks.
    pub(super) fn paces(&self) -> bool {
        self.required && self.counts() && self.is_told_to_listen()
    }

    /// Whether the group is to be sent this frame, the next one, for its sake.
    pub(super) fn wants_of_group(&self, next: Seq) -> bool {
        self.counts() && self.is_told_to_listen() && self.cumulative <= next
    }

    /// The frame, from wherever it is kept for this consumer.
    pub(super) fn find<'a>(&'a self, shared: &'a RetransmitQueue, seq: Seq) -> Option<&'a Slot> {
        let own = self.catch_up.as_ref().and_then(|catch_up| catch_up.reread.get(seq));
        own.or_else(|| shared.get(seq))
    }

    /// Whether its window has room for the frame.
    pub(super) fn allows(&self, slot: &Slot) -> bool {
        slot.seq < self.credit.frames && slot.end_bytes <= self.credit.bytes
    }

    /// What of the session's bytes it has consumed.
    pub(super) fn consumed_bytes(&self) -> u64 {
        self.credit.bytes.saturating_sub(self.window_bytes).max(self.start_bytes)
    }

    /// Something was heard: it lives.
    pub(super) fn heard(&mut self, now: Time) {
        self.last_heard = now;
        self.waiting.unheard = 0;
        self.group_repairs_unheard = 0;
    }

    /// Something was sent that it should answer sooner or later.
    pub(super) fn note_sent(&mut self, now: Time) {
        if self.waiting.unheard == 0 {
            self.waiting.unheard_since = now;
        }
        self.waiting.unheard = self.waiting.unheard.saturating_add(1);
    }

    /// How long it has been waited for, with what was sent to the group since it was touched.
    pub(super) fn waiting_after(&self, sends: Option<GroupSends>) -> Waiting {
        let mut waiting = self.waiting;
        if let Some(sends) = sends.filter(|_| self.counts() && self.is_caught_up()) {
            if waiting.unheard == 0 {
                waiting.unheard_since = sends.first_at;
            }
            waiting.unheard = waiting.unheard.saturating_add(sends.count);
            if self.backoff == 0 {
                waiting.since = sends.last_at;
            }
        }
        waiting
    }

    /// Takes a report. `ack` was checked against what was sent: it names no frame at or beyond
    /// `queue`'s first unsent one. Reports may be held back for `ack_delay`.
    pub(super) fn handle_ack(
        &mut self,
        now: Time,
        (ack_seq, ack): (Seq, &Ack),
        queue: &RetransmitQueue,
        ack_delay: Duration,
    ) -> AckOutcome {
        self.heard(now);
        let advanced = ack.cumulative > self.cumulative;
        if self.take_credit(ack) || advanced {
            self.progress_at = now;
        }
        if self.newest_ack.is_some_and(|newest| ack_seq <= newest) {
            // An older report can still be right about what it says arrived, and about nothing else.
            self.advance(ack.cumulative);
            return AckOutcome { rtt: None, advanced, news: advanced };
        }
        self.newest_ack = Some(ack_seq);
        if ack.duplicates > self.duplicates {
            self.losses.note_spurious_repair();
        }
        self.duplicates = self.duplicates.max(ack.duplicates);
        self.dropped = self.dropped.max(ack.dropped);

        let mut news = advanced;
        let mut rtt = self.newest_evidence(now, ack, queue);
        let mut end = ack.latest.map_or(ack.cumulative, Seq::next).max(ack.cumulative);
        if let Some(probe) = self.answered_probe(ack) {
            let delay = Duration::from_micros(u64::from(ack.probe_delay_us));
            rtt = Some(now.since(probe.sent_at).saturating_sub(delay));
            self.losses.note_probe_delivered(probe.sent_at);
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
        self.advance(ack.cumulative);
        if !self.is_caught_up() {
            // What it has of the present is passed over when its turn comes; what it lacks is no loss.
            end = end.min(self.evidence_end);
        }
        news |= end > self.evidence_end;
        self.take_sack(ack, end, queue);
        self.detect_losses(now, ack_delay);
        AckOutcome { rtt, advanced, news }
    }

    /// Time has passed, and what is missing may count as lost now.
    pub(super) fn detect_losses(&mut self, now: Time, ack_delay: Duration) {
        self.losses.detect(now, &self.rtt, self.evidence_end, ack_delay);
    }

    /// `true` where it allows more than before.
    fn take_credit(&mut self, ack: &Ack) -> bool {
        // What it holds and has not consumed cannot be negative, so more than this it cannot mean.
        let most =
            Credit { frames: ack.cumulative.advance(self.window_frames), bytes: ack.credit.bytes };
        let before = self.credit;
        self.credit = before.max(ack.credit.min(most));
        self.credit != before
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
        if latest < self.evidence_end {
            self.losses.note_repair_delivered(latest, now, self.rtt.min());
            return None;
        }
        if !self.is_caught_up() {
            return None;
        }
        let sent_at = queue.get(latest)?.sent_at?;
        self.losses.note_delivered(sent_at);
        let delay = Duration::from_micros(u64::from(ack.delay_us));
        Some(now.since(sent_at).saturating_sub(delay))
    }

    fn answered_probe(&mut self, ack: &Ack) -> Option<SentProbe> {
        let position = self.probes.iter().position(|probe| probe.number == ack.probe)?;
        self.probes.drain(..=position).next_back()
    }

    /// It was asked what arrived.
    pub(super) fn note_probe(&mut self, probe: SentProbe) {
        if self.probes.len() == KEPT_PROBES {
            self.probes.pop_front();
        }
        self.probes.push_back(probe);
        self.note_sent(probe.sent_at);
    }

    /// Everything below `cumulative` is held.
    fn advance(&mut self, cumulative: Seq) {
        if cumulative <= self.cumulative {
            return;
        }
        self.cumulative = cumulative;
        self.evidence_end = self.evidence_end.max(cumulative);
        self.losses.found_below(cumulative);
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.reread.release_below(cumulative);
            if catch_up.caught_up && catch_up.reread.len() == 0 {
                self.catch_up = None;
            }
        }
    }

    /// Notes what the report says of the frames up to `end`.
    fn take_sack(&mut self, ack: &Ack, end: Seq, queue: &RetransmitQueue) {
        let mut gap_start = self.cumulative;
        let held = std::mem::replace(&mut self.held, ack.sack.clone());
        let mut known = held.iter().peekable();
        let closing = std::iter::once((end, end));
        for (start, range_end) in ack.sack.iter().chain(closing) {
            // New gaps: frames never reported on before that lie between the ranges.
            let mut seq = gap_start.max(self.evidence_end);
            while seq < start.min(end) {
                if let Some(sent_at) = self.sent_at(seq, queue) {
                    self.losses.add(seq, sent_at);
                }
                seq = seq.next();
            }
            // Old gaps that this range has closed; none where it was told before.
            while known.next_if(|&(known_start, _)| known_start < start).is_some() {}
            if known.next_if_eq(&(start, range_end)).is_none() {
                self.losses.found_range(start, range_end);
            }
            debug_assert!(!self.losses.is_any_missing(start, range_end));
            gap_start = range_end.max(gap_start);
        }
        self.evidence_end = self.evidence_end.max(end);
    }

    /// What it is known of a frame that it may have missed: `None` where nothing is.
    pub(super) fn holds(&self, seq: Seq) -> Option<bool> {
        (seq < self.evidence_end).then(|| !self.losses.is_missing(seq))
    }

    /// Whether frames were sent that it is not known to hold.
    pub(super) fn has_unacked(&self, sent_end: Seq) -> bool {
        self.counts() && self.cumulative < self.sent_end(sent_end)
    }
}

#[cfg(test)]
mod tests;
