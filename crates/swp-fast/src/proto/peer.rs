//! A consumer as the publisher's state machine sees it: what the consumer holds, what it allows,
//! and which frames it misses.
//!
//! A [`Peer`] owns parts, and passes between them what an ack says. Only [`Holdings`] knows another
//! part: it adds missing frames to the [`LossDetector`], and takes them out.
//!
//! | part | knows |
//! |---|---|
//! | [`Holdings`] | which frames the consumer is known to hold |
//! | [`LossDetector`] | which missing frames are lost |
//! | [`PeerCredit`] | how far the consumer's window reaches |
//! | [`PeerLiveness`] | since when the consumer has been silent |
//! | [`CatchUp`] | the way of a late or resumed consumer to the newest frame |
//!
//! A time-out retransmits nothing. A time-out sends a probe, and the answer is evidence of what
//! arrived and what did not. So a consumer that is slow, or stopped for a while, causes no
//! retransmission.

mod catch_up;
mod catching_up;
mod credit;
mod holdings;
mod joining;
mod liveness;

use std::time::Duration;

use super::loss::LossDetector;
use super::retransmit::{RetransmitQueue, Slot};
use super::rtt::RttEstimator;
use crate::time::Time;
use crate::wire::{Ack, MAX_SACK_RANGES, PeerId, Resume, Seq};

pub(super) use catch_up::CatchUp;
pub(super) use credit::{PeerCredit, Window};
use holdings::Holdings;
pub(super) use joining::{Identity, Joining};
pub(super) use liveness::{PeerLiveness, SentProbe, Waiting};

/// Where a consumer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerState {
    /// The publisher has answered the SYN. The first ack has not arrived.
    Joining,
    /// The consumer takes part.
    Live,
    /// The consumer has consumed the whole stream, and has said so.
    Finished,
}

/// What an ack brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AckOutcome {
    /// A round-trip sample without ambiguity.
    pub(super) rtt: Option<Duration>,
    /// The ack says more of what arrived than was known.
    pub(super) news: bool,
}

/// An ack with the sequence number of its frame, which tells older acks from newer ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumberedAck<'a> {
    pub(super) seq: Seq,
    pub(super) ack: &'a Ack,
}

/// Counters for people.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PeerCounters {
    pub(super) retransmits: u64,
    pub(super) duplicates: u64,
    pub(super) dropped: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Peer {
    identity: Identity,
    state: PeerState,
    holdings: Holdings,
    losses: LossDetector,
    credit: PeerCredit,
    liveness: PeerLiveness,
    rtt: RttEstimator,
    catch_up: Option<CatchUp>,
    /// The newest generation of the group that the consumer has said it listens to; 0 before.
    generation: u32,
    counters: PeerCounters,
}

impl Peer {
    pub(super) fn new(joining: Joining, now: Time) -> Peer {
        let Joining { identity, start, start_bytes, window, .. } = joining;
        let catch_up = joining
            .catches_up
            .as_ref()
            .map(|_| CatchUp::new(start, start_bytes, joining.misses_nothing));
        // A consumer that resumes may have part of its window in use, and says so in its first ack.
        let open = catch_up.is_none();
        Peer {
            identity,
            state: PeerState::Joining,
            holdings: Holdings::new(start, joining.catches_up.unwrap_or_default()),
            losses: LossDetector::default(),
            credit: PeerCredit::new(start, start_bytes, window, open),
            liveness: PeerLiveness::new(now),
            rtt: RttEstimator::default(),
            catch_up,
            generation: 0,
            counters: PeerCounters::default(),
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn id(&self) -> PeerId {
        self.identity.id
    }

    pub(super) fn state(&self) -> PeerState {
        self.state
    }

    pub(super) fn credit(&self) -> &PeerCredit {
        &self.credit
    }

    pub(super) fn liveness(&self) -> &PeerLiveness {
        &self.liveness
    }

    pub(super) fn liveness_mut(&mut self) -> &mut PeerLiveness {
        &mut self.liveness
    }

    pub(super) fn losses(&self) -> &LossDetector {
        &self.losses
    }

    pub(super) fn losses_mut(&mut self) -> &mut LossDetector {
        &mut self.losses
    }

    pub(super) fn rtt(&self) -> &RttEstimator {
        &self.rtt
    }

    pub(super) fn counters(&self) -> PeerCounters {
        self.counters
    }

    /// The first frame for this consumer.
    pub(super) fn start(&self) -> Seq {
        self.holdings.start()
    }

    /// The consumer holds every frame below this.
    pub(super) fn cumulative(&self) -> Seq {
        self.holdings.cumulative()
    }

    /// Where the frames ended that the consumer held when it joined. That can be beyond what was
    /// sent, where the publisher was restarted.
    pub(super) fn held_end(&self) -> Seq {
        self.holdings.held_end()
    }

    /// Whether the session still waits for this consumer.
    pub(super) fn is_unfinished(&self) -> bool {
        self.state != PeerState::Finished
    }

    /// Whether the stream goes at this consumer's pace now. That begins when the consumer is told
    /// to listen to the group: what the group is sent could fill its window and leave no space for
    /// what it misses.
    pub(super) fn paces(&self) -> bool {
        self.identity.counts && self.is_unfinished() && self.is_told_to_listen()
    }

    /// Whether the group is to be sent the frame `next` for this consumer's sake.
    pub(super) fn wants_of_group(&self, next: Seq) -> bool {
        self.is_unfinished() && self.is_told_to_listen() && self.cumulative() <= next
    }

    /// The first ack has arrived: the consumer takes part.
    pub(super) fn join(&mut self, now: Time) {
        self.state = PeerState::Live;
        // The consumer could take nothing before it knew that it takes part.
        self.liveness.note_progress(now);
    }

    /// The consumer has consumed everything below `end`, the whole stream.
    pub(super) fn finish(&mut self, end: Seq) {
        self.state = PeerState::Finished;
        self.holdings.complete(end);
    }

    /// Returns true if this SYN starts a new membership. A duplicate of the accepted SYN returns
    /// false.
    ///
    /// A joining consumer takes no answer but to its latest SYN, so a SYN that names another next
    /// frame, or that lists more, starts a new membership. For a live consumer only a SYN at or
    /// beyond the cumulative ack does, because a delayed SYN names an earlier frame. If a delayed
    /// SYN started a new membership, the consumer's credit would not bound the stream until its
    /// next ack.
    pub(super) fn is_new_membership(&self, resume: &Resume) -> bool {
        let elsewhere = resume.next != self.start();
        match self.state {
            PeerState::Joining => elsewhere || resume.held_end() > self.held_end(),
            PeerState::Live => elsewhere && resume.next >= self.cumulative(),
            PeerState::Finished => false,
        }
    }

    /// Queues what the consumer may have discarded for retransmission.
    ///
    /// A SYN at the cumulative ack is either a late duplicate, or the consumer has discarded frames
    /// that it had SACKed. Both look the same, so every frame that the SYN does not list is
    /// retransmitted.
    pub(super) fn handle_discarded(&mut self, resume: &Resume, queue: &RetransmitQueue) {
        if self.state != PeerState::Live || resume.next != self.cumulative() {
            return;
        }
        let catch_up = self.catch_up.as_ref();
        let sent_at = |seq| sent_at(catch_up, queue, seq);
        self.holdings.replace_sack(&resume.sack, &mut self.losses, sent_at);
    }

    /// Returns the frame, from wherever it is retained for this consumer.
    pub(super) fn find<'a>(&'a self, shared: &'a RetransmitQueue, seq: Seq) -> Option<&'a Slot> {
        let own = self.catch_up.as_ref().and_then(|catch_up| catch_up.reread().get(seq));
        own.or_else(|| shared.get(seq))
    }

    /// Takes an ack that was checked against what was sent in this epoch or an earlier epoch. After
    /// a restart of the publisher, `cumulative` and `latest` may lie beyond what this process has
    /// sent. The consumer may have delayed the ack by `ack_delay`.
    pub(super) fn handle_ack(
        &mut self,
        now: Time,
        NumberedAck { seq, ack }: NumberedAck<'_>,
        queue: &RetransmitQueue,
        ack_delay: Duration,
    ) -> AckOutcome {
        self.liveness.note_heard(now);
        let advanced = ack.cumulative > self.cumulative();
        if self.credit.take(ack) || advanced {
            self.liveness.note_progress(now);
        }
        if !self.holdings.note_ack(seq) {
            // An older ack can still be right about what arrived, and about nothing else.
            self.advance(ack.cumulative);
            return AckOutcome { rtt: None, news: advanced };
        }
        self.take_counters(ack);

        let mut news = advanced;
        let mut rtt = self.newest_evidence(now, ack, queue);
        let mut end = ack.latest.map_or(ack.cumulative, Seq::next).max(ack.cumulative);
        if let Some(probe) = self.liveness.take_answered_probe(ack.probe) {
            let delay = Duration::from_micros(u64::from(ack.probe_delay_us));
            rtt = Some(now.since(probe.sent_at).saturating_sub(delay));
            self.losses.note_probe_delivered(probe.sent_at);
            end = end.max(probe.next);
            self.liveness.reset_backoff();
            news = true;
        }
        if advanced {
            self.liveness.reset_backoff();
        }
        if let Some((_, last_end)) = ack.sack.iter().next_back() {
            // An ack with all its ranges used says nothing of what lies above them.
            end = if ack.sack.len() == MAX_SACK_RANGES { last_end } else { end.max(last_end) };
        }
        if let Some(rtt) = rtt {
            self.rtt.sample(rtt);
        }
        self.advance(ack.cumulative);
        if !self.is_caught_up() {
            // Frames of the group that the consumer has are skipped when their turn comes. Those
            // that it misses were not sent to it yet, and are no loss.
            end = end.min(self.holdings.evidence_end());
        }
        news |= end > self.holdings.evidence_end();
        let catch_up = self.catch_up.as_ref();
        let sent_at = |seq| sent_at(catch_up, queue, seq);
        self.holdings.take_sack(&ack.sack, end, &mut self.losses, sent_at);
        self.detect_losses(now, ack_delay);
        AckOutcome { rtt, news }
    }

    /// Time has passed, and missing frames may count as lost now.
    pub(super) fn detect_losses(&mut self, now: Time, ack_delay: Duration) {
        self.losses.detect(now, &self.rtt, self.holdings.evidence_end(), ack_delay);
    }

    fn take_counters(&mut self, ack: &Ack) {
        if ack.duplicates > self.counters.duplicates {
            self.losses.note_spurious();
        }
        self.counters.duplicates = self.counters.duplicates.max(ack.duplicates);
        self.counters.dropped = self.counters.dropped.max(ack.dropped);
    }

    /// Uses the frame that arrived last. Its send time is RACK's evidence, and a round-trip sample
    /// where the frame was sent only once (Karn's rule, RFC 6298 section 3).
    fn newest_evidence(
        &mut self,
        now: Time,
        ack: &Ack,
        queue: &RetransmitQueue,
    ) -> Option<Duration> {
        let latest = ack.latest?;
        if latest < self.holdings.evidence_end() {
            self.losses.note_retransmission_delivered(latest, now, self.rtt.min());
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

    /// The consumer holds everything below `cumulative`.
    fn advance(&mut self, cumulative: Seq) {
        if !self.holdings.advance(cumulative) {
            return;
        }
        self.losses.note_arrived_below(cumulative);
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.release_below(cumulative);
            self.catch_up.take_if(|catch_up| catch_up.is_over());
        }
    }

    /// A frame was sent to the group again.
    pub(super) fn note_group_retransmission(&mut self, seq: Seq, now: Time) {
        self.liveness.note_group_retransmission();
        if self.losses.note_retransmitted(seq, now) {
            self.counters.retransmits += 1;
            self.liveness.note_sent(now);
        }
    }

    /// A frame was sent to this consumer's inbox again.
    pub(super) fn note_retransmission(&mut self, seq: Seq, now: Time) {
        self.losses.note_retransmitted(seq, now);
        self.counters.retransmits += 1;
        self.liveness.note_sent(now);
    }

    /// Returns whether the consumer holds `seq`, or `None` if that is unknown.
    pub(super) fn holds(&self, seq: Seq) -> Option<bool> {
        (seq < self.holdings.evidence_end()).then(|| !self.losses.is_missing(seq))
    }

    /// Whether frames were sent that the consumer is not known to hold; `sent_end` is where the
    /// frames end that were sent to the group.
    pub(super) fn has_unacked(&self, sent_end: Seq) -> bool {
        self.is_unfinished() && self.cumulative() < self.sent_end(sent_end)
    }
}

/// Returns when a frame went to the group, or `None` where it did not, or is not retained. A frame
/// that is retained for one consumer alone was sent long ago; the time is not known any more.
fn sent_at(catch_up: Option<&CatchUp>, queue: &RetransmitQueue, seq: Seq) -> Option<Time> {
    let reread = catch_up.and_then(|catch_up| catch_up.reread().get(seq));
    queue.get(seq).and_then(|slot| slot.sent_at).or(reread.map(|_| Time::ZERO))
}

#[cfg(test)]
mod tests;
