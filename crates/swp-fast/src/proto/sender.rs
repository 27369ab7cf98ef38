//! The publisher's end of a stream: one state machine for 1..N consumers.
//!
//! ```text
//!   Claiming --claim_timeout--> Open --finish--> Finishing --all FIN-ACKs--> Closed
//!      |  objection                | consumers < min_consumers        |
//!      +---------> Failed <--------+----------------------------------+
//! ```
//!
//! Frames are sent to the group once, as far as the smallest credit among the consumers allows; what one
//! of them missed is repeated to its inbox alone. See [`super::peer`] for how a loss is recognised.

mod catch_up;
mod generation;
mod handshake;
mod members;
mod repair;
mod timers;
mod transmit;
mod write;

use std::collections::VecDeque;

use bytes::Bytes;

use super::peer::{Peer, PeerState};
use super::peers::Peers;
use super::retransmit::RetransmitQueue;
use super::rtt::RttHistogram;
use super::stats::{ConsumerStats, DropCounts, PublisherStats};
use super::{Dest, FIRST_GENERATION, Position, Transmit};
use crate::config::{ConfigError, PublishConfig, PublishResume};
use crate::time::Time;
use crate::wire::{Ack, Control, Fin, PeerId, ResetCode, Sealer, Seq, SessionId};

pub use catch_up::Rewind;
use generation::Move;
pub use write::WriteError;

/// Control frames waiting to be sent. Each input causes at most one and the driver empties the queue
/// after each, so only a flood with nobody sending reaches it; what exceeds it is asked for again.
const MAX_CONTROL: usize = 256;

/// Consumers that were too slow whose reason is kept, the newest: as many as may take part by default. An older one
/// that speaks again is told that it is no member, like any stranger.
const MAX_EVICTED: usize = 64;

/// The numbers that name a publisher; random, and the caller's to draw.
#[derive(Debug, Clone, Copy)]
pub struct SenderIds {
    /// The session's.
    pub session: SessionId,
    /// Counts the lives of the session.
    pub epoch: u32,
    /// The publisher's own inbox.
    pub inbox: PeerId,
}

/// Why a publisher's session ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SenderError {
    /// Another publisher holds the stream.
    #[error("another publisher holds this stream")]
    StreamInUse,
    /// Too few consumers are left.
    #[error("lost consumer {name}: {reason}")]
    ConsumerLost {
        /// Name and id of the one that was lost last.
        name: String,
        /// Why.
        reason: LostReason,
    },
    /// The application gave up.
    #[error("the session was aborted")]
    Aborted,
}

/// Why a consumer was lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LostReason {
    /// Nothing was heard for the idle time-out.
    #[error("nothing heard for {}", format_seconds(.0))]
    TimedOut(std::time::Duration),
    /// See [`crate::config::UnackedLimit`].
    #[error("{0} frames sent to it went unanswered")]
    TooManyUnacked(u32),
    /// It left.
    #[error("it left: {0}")]
    Left(String),
    /// See [`crate::config::Slow::Evict`].
    #[error("it held the stream back for {} without taking anything", format_seconds(.0))]
    Stalled(std::time::Duration),
    /// It sets no pace, and what it still needs is no longer retained.
    #[error("it fell behind by more than what is retained")]
    LeftBehind,
    /// What it still needs cannot be had again.
    #[error("{0}")]
    Unavailable(String),
}

fn format_seconds(duration: &std::time::Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SenderEvent {
    /// A consumer takes part.
    Joined {
        /// Name and id.
        name: String,
        /// How many there are now.
        consumers: usize,
        /// It goes on where this consumer was cut off; its own id, where it was lost for a while.
        replaces: Option<PeerId>,
    },
    /// A consumer was not let in.
    Refused {
        /// Name and id.
        name: String,
        /// Why.
        reason: String,
    },
    /// A consumer was lost; the stream goes on if enough are left.
    Lost {
        /// Its id.
        id: PeerId,
        /// Name and id.
        name: String,
        /// Why.
        reason: LostReason,
    },
    /// A consumer has consumed the stream to its end.
    Finished {
        /// Name and id.
        name: String,
    },
    /// All have: the session is over.
    Closed,
    /// The session is over, unfinished.
    Failed(SenderError),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Claiming { until: Time, announce_at: Time },
    Open,
    Finishing(Fin),
    Closed,
    Failed(SenderError),
}

/// See the module.
#[derive(Debug)]
pub struct Sender {
    config: PublishConfig,
    ids: SenderIds,
    sealer: Sealer,
    state: State,
    /// Enough consumers have joined once, so data may flow.
    started: bool,
    /// The generation of the group that is sent to ...
    generation: u32,
    /// ... and its move to the next, ...
    moving: Option<Move>,
    /// ... which is to come, after the one under way.
    move_wanted: bool,
    peers: Peers,
    queue: RetransmitQueue,
    /// The first frame that was not yet sent to the group.
    unsent: Seq,
    /// The byte offset behind the last frame written.
    written_bytes: u64,
    /// The byte offset behind the last frame sent.
    sent_bytes: u64,
    /// The position behind the last frame sent.
    sent_position: Position,
    /// Who was too slow, and in what words it was told. That word may be lost with a connection that the broker
    /// cut, and it is not to come back as if it had only been out of reach.
    evicted: VecDeque<(PeerId, String)>,
    control: VecDeque<Transmit>,
    control_seq: Seq,
    events: VecDeque<SenderEvent>,
    last_probe: u64,
    /// Everybody is to be asked what arrived ...
    ask_all: bool,
    /// ... or these are, each in its inbox.
    ask: VecDeque<PeerId>,
    fin_due: bool,
    /// The application has more to send than [`Sender::can_write`] allows.
    backlog: bool,
    /// Whom the stream has to wait for, and since when.
    held: Option<(PeerId, Time)>,
    /// Lost frames wait until then for the reports that decide to whom they go.
    repairs_wait_until: Option<Time>,
    /// The source can be read again.
    rewindable: bool,
    /// Consumers that have not caught up.
    catching_up: usize,
    /// Which of them was last sent a frame, and which was last asked for by [`Sender::poll_rewind`]: each has
    /// its turn.
    last_behind: PeerId,
    last_rewound: PeerId,
    /// Frames sent to the group that those who catch up have not had their share for.
    behind_tokens: u32,
    /// See [`Sender::handle_link`].
    link_busy: bool,
    /// How many consumers share the way back, as the group was last told.
    members_told: u32,
    /// When something last went to the whole group.
    last_group_send: Time,
    last_data_send: Time,
    last_now: Time,
    rtt: RttHistogram,
    stats: PublisherStats,
}

impl Sender {
    /// A publisher that starts by claiming its stream. Where `config` goes on with a session, `ids` name that
    /// session and its next epoch.
    ///
    /// # Errors
    /// Where `config` cannot work.
    pub fn new(config: PublishConfig, ids: SenderIds, now: Time) -> Result<Sender, ConfigError> {
        config.validate()?;
        let state = if config.claim_timeout.is_zero() {
            State::Open
        } else {
            State::Claiming { until: now + config.claim_timeout, announce_at: now }
        };
        let (next, next_bytes) =
            config.resume.map_or((Seq::ZERO, 0), |resume| (resume.next, resume.next_bytes));
        let mut sender = Sender {
            sealer: Sealer::new(config.key.clone()),
            config,
            ids,
            state,
            started: false,
            generation: FIRST_GENERATION,
            moving: None,
            move_wanted: false,
            peers: Peers::default(),
            queue: RetransmitQueue::starting_at(next, next_bytes),
            unsent: next,
            written_bytes: next_bytes,
            sent_bytes: next_bytes,
            sent_position: Position::default(),
            evicted: VecDeque::new(),
            control: VecDeque::new(),
            control_seq: Seq::ZERO,
            events: VecDeque::new(),
            last_probe: 0,
            ask_all: false,
            ask: VecDeque::new(),
            fin_due: false,
            backlog: false,
            held: None,
            repairs_wait_until: None,
            rewindable: false,
            catching_up: 0,
            last_behind: PeerId(0),
            last_rewound: PeerId(0),
            behind_tokens: 0,
            link_busy: false,
            members_told: 1,
            last_group_send: now,
            last_data_send: now,
            last_now: now,
            rtt: RttHistogram::new(),
            stats: PublisherStats::default(),
        };
        if sender.state == State::Open {
            sender.announce(Dest::Group(FIRST_GENERATION), false);
        } else {
            sender.handle_timeout(now);
        }
        Ok(sender)
    }

    /// A frame arrived, on the control subject or in the publisher's own inbox.
    pub fn handle_frame(&mut self, now: Time, frame: &Bytes) {
        self.note_time(now);
        let opened = match self.sealer.open(frame) {
            Ok(opened) => opened,
            Err(error) => {
                self.stats.dropped.count_wire(error);
                self.refuse_version(frame, error);
                return;
            }
        };
        let control = match opened.control() {
            Some(Ok(control)) => control,
            Some(Err(error)) => return self.stats.dropped.count_wire(error),
            None => return self.drop_as(|dropped| &mut dropped.unexpected),
        };
        let header = opened.header;
        let ours = header.session == self.ids.session && header.epoch == self.ids.epoch;
        match control {
            Control::Syn(syn) if syn.peer.0 == header.session.0 => self.handle_syn(now, syn),
            // The bus brings back what this publisher says itself.
            Control::Announce(announce) => {
                if announce.peer != self.ids.inbox {
                    self.handle_announce(announce);
                }
            }
            Control::Reset(reset) if reset.peer == self.ids.inbox => self.handle_objection(&reset),
            control if !ours => self.handle_foreign(header, &control),
            Control::Ack(ack) => self.handle_ack(now, header.seq, &ack),
            Control::FinAck(fin_ack) => self.handle_fin_ack(now, fin_ack.peer),
            Control::Reset(reset) => self.handle_leave(&reset),
            _ => self.drop_as(|dropped| &mut dropped.unexpected),
        }
    }

    fn handle_ack(&mut self, now: Time, ack_seq: Seq, ack: &Ack) {
        let ack_delay = self.ack_delay();
        let told = self.generation_told();
        let Some(peer) = self.peers.get_mut(&ack.peer) else {
            return self.disown(ack.peer);
        };
        let top = ack.sack.end_or(ack.cumulative);
        let latest = ack.latest.map_or(Seq::ZERO, Seq::next);
        if top.max(latest) > self.unsent.max(peer.held_end)
            || ack.cumulative < peer.start
            || ack.generation > told
        {
            return self.drop_as(|dropped| &mut dropped.forged);
        }
        self.stats.acks += 1;
        let below;
        let ack = if top > self.unsent {
            // What it holds of frames that this publisher has not come to says nothing of those between.
            below = Ack { sack: ack.sack.below(self.unsent), ..ack.clone() };
            &below
        } else {
            ack
        };
        peer.note_generation(ack.generation, self.generation, self.unsent);
        let outcome = peer.handle_ack(now, (ack_seq, ack), &self.queue, ack_delay);
        if peer.notes_present(self.unsent) {
            self.catching_up = self.catching_up.saturating_sub(1);
        }
        // Reports of credit alone must not put off the question about what is in flight; nor that to one behind,
        // which may be all that it hears of a publisher for as long as it takes nothing.
        if outcome.news || (peer.is_caught_up() && !peer.has_unacked(self.unsent)) {
            peer.waiting.since = now;
        }
        if let Some(rtt) = outcome.rtt {
            self.rtt.record(rtt);
        }
        if peer.state == PeerState::Joining {
            peer.state = PeerState::Live;
            // It could take nothing before it knew that it takes part.
            peer.progress_at = now;
            let moved = peer.is_deaf_to(told);
            self.welcome(ack.peer);
            if moved {
                self.send_syn_ack(ack.peer);
            }
        }
        if outcome.news {
            self.repairs_wait_until = None;
            self.release();
        }
    }

    fn handle_fin_ack(&mut self, now: Time, id: PeerId) {
        let State::Finishing(fin) = &self.state else {
            if self.state == State::Closed {
                self.push_control(
                    Dest::Peer(id),
                    &Control::Closed(crate::wire::FinAck { peer: id }),
                );
                return;
            }
            return self.drop_as(|dropped| &mut dropped.unexpected);
        };
        let Some(peer) = self.peers.get_mut(&id) else {
            return self.disown(id);
        };
        peer.heard(now);
        // It is through only with everything sent; anything else is not ours to believe.
        if self.unsent < fin.end || peer.cumulative.max(fin.end) > self.unsent {
            return self.drop_as(|dropped| &mut dropped.forged);
        }
        if peer.state != PeerState::Finished {
            peer.state = PeerState::Finished;
            peer.cumulative = fin.end;
            let name = display(peer);
            self.events.push_back(SenderEvent::Finished { name });
        }
        self.push_control(Dest::Peer(id), &Control::Closed(crate::wire::FinAck { peer: id }));
        self.release();
        self.close_if_through();
    }

    /// The session is over when whoever is left of its consumers has finished.
    fn close_if_through(&mut self) {
        let through = !self.peers.is_empty() && self.peers.values().all(|peer| !peer.counts());
        if through && matches!(self.state, State::Finishing(_)) {
            self.state = State::Closed;
            self.events.push_back(SenderEvent::Closed);
        }
    }

    /// Ends the session at once: every consumer is told `reason`.
    pub fn abort(&mut self, reason: &str) {
        if !self.is_over() {
            self.fail(SenderError::Aborted, ResetCode::Cancelled, reason);
        }
    }

    /// Announces the end of the stream, after everything written, with a last word for the consumers
    /// (at most [`crate::wire::MAX_TRAILER`] bytes; cut there). To be called once.
    pub fn finish(&mut self, trailer: Bytes) {
        if self.is_over() || matches!(self.state, State::Finishing(_)) {
            return;
        }
        let len = trailer.len().min(crate::wire::MAX_TRAILER);
        self.state =
            State::Finishing(Fin { end: self.queue.next_seq(), trailer: trailer.slice(..len) });
        self.fin_due = true;
    }

    /// Whether it is still finding out if the stream is free.
    pub fn is_claiming(&self) -> bool {
        matches!(self.state, State::Claiming { .. })
    }

    /// Whether enough consumers have joined for data to flow.
    pub fn has_started(&self) -> bool {
        self.started
    }

    /// Every frame below this was handed out to be sent.
    pub fn sent(&self) -> Seq {
        self.unsent
    }

    /// Everything up to this position was handed out to be sent.
    pub fn sent_position(&self) -> Position {
        self.sent_position
    }

    /// Every consumer that counts holds everything up to this position, or can have it from the source.
    pub fn acked_position(&self) -> Position {
        self.queue.released()
    }

    /// How the session ended; `None` while it goes on.
    pub fn outcome(&self) -> Option<Result<(), SenderError>> {
        match &self.state {
            State::Closed => Some(Ok(())),
            State::Failed(error) => Some(Err(error.clone())),
            _ => None,
        }
    }

    /// Whether the session has ended, well or not.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Closed | State::Failed(_))
    }

    /// The next event, oldest first. At most a few per input.
    pub fn poll_event(&mut self) -> Option<SenderEvent> {
        self.events.pop_front()
    }

    /// Where another publisher could go on in this one's place: everything before is held by every consumer
    /// that counts.
    pub fn resume_point(&self) -> PublishResume {
        let SenderIds { session, epoch, .. } = self.ids;
        let (next, next_bytes) = (self.queue.first_seq(), self.queue.first_bytes());
        PublishResume { session, epoch, next, next_bytes }
    }

    /// Every frame below this is held by every consumer that counts, or can be read again for it.
    pub fn acked(&self) -> Seq {
        self.queue.first_seq()
    }

    /// The counters as they stand.
    pub fn stats(&self) -> PublisherStats {
        let mut stats = self.stats.clone();
        stats.retained_frames = self.queue.len() as u64;
        stats.generation = self.generation;
        stats.rtt = self.rtt.summary();
        stats.held_back_by = self.held_back_by().map(|peer| peer.id.0);
        stats.consumers = self.peers.values().map(|peer| self.consumer_stats(peer)).collect();
        stats
    }

    fn drop_as(&mut self, cause: impl FnOnce(&mut DropCounts) -> &mut u64) {
        *cause(&mut self.stats.dropped) += 1;
    }

    fn push_control(&mut self, to: Dest, control: &Control) {
        if self.control.len() >= MAX_CONTROL {
            return self.drop_as(|dropped| &mut dropped.unexpected);
        }
        let frame = self.seal_control(control);
        self.control.push_back(Transmit { to, frame });
    }

    fn seal_control(&mut self, control: &Control) -> Bytes {
        self.control_seq = self.control_seq.next();
        self.sealer.seal_control(self.ids.session, self.ids.epoch, self.control_seq, control)
    }
}

/// A consumer's name for people: its own and its id, which alone is unique.
fn display(peer: &Peer) -> String {
    if peer.name.is_empty() { peer.id.to_string() } else { format!("{} ({})", peer.name, peer.id) }
}

/// Text from the network as people may see it: without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
