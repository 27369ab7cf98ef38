//! The publisher's state machine: one for 1..N consumers.
//!
//! ```text
//!   Claiming --claim_timeout--> Open --finish--> Finishing --all FIN-ACKs--> Closed
//!      |  objection                | consumers < quorum               |
//!      +---------> Failed <--------+----------------------------------+
//! ```
//!
//! Each frame is sent to the group once, as far as the smallest credit among the consumers allows.
//! A frame that one consumer missed is retransmitted to its inbox, and a frame that most consumers
//! missed to the group. See [`super::peer`] for how a loss is recognised.
//!
//! | part | knows |
//! |---|---|
//! | [`SendWindow`] | the frames: written, sent, retained |
//! | [`Peers`] | the consumers, and the smallest credit |
//! | [`Membership`] | whether the stream has started, and who was evicted |
//! | [`GroupMove`] | the generation of the group, and its next one |
//! | [`CatchUpScheduler`] | when consumers that catch up get a frame |
//! | [`ProbeSchedule`] | which probes are due, and the FIN |
//! | [`StallWatch`] | which consumer the stream waits for, and whether the application has more |
//! | [`ControlQueue`] | control frames that wait to be sent |
//!
//! The parts do not know each other. Each file of `impl Sender` holds what the sender does on one
//! occasion, in terms of the parts: `acks`, `claim`, `join`, `leave`, `moves`, `catch_up`, `pace`,
//! `transmit`, `retransmit`, `timers`, `outage`, `stats` and `write`.

mod acks;
mod catch_up;
mod catch_up_scheduler;
mod claim;
mod control;
mod events;
mod group_move;
mod join;
mod leave;
mod membership;
mod moves;
mod outage;
mod pace;
mod probes;
mod retransmit;
mod stall;
mod stats;
mod timers;
mod transmit;
mod window;
mod write;

use std::collections::VecDeque;

use bytes::Bytes;

use super::peers::Peers;
use super::rtt::RttHistogram;
use super::stats::{DropCounts, PublisherStats};
use super::{Dest, Position};
use crate::config::{ConfigError, PublishConfig, PublishResume};
use crate::time::Time;
use crate::wire::{Control, Fin, MAX_TRAILER, ResetCode, Seq};

pub use catch_up::Rewind;
use catch_up_scheduler::CatchUpScheduler;
use control::ControlQueue;
pub use events::{LostReason, SenderError, SenderEvent, SenderIds};
use group_move::GroupMove;
use membership::Membership;
use probes::ProbeSchedule;
use stall::StallWatch;
use window::SendWindow;
pub use write::WriteError;

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Claiming { until: Time, announce_at: Time },
    Open,
    Finishing(Fin),
    Closed,
    Failed(SenderError),
}

/// What is counted.
#[derive(Debug)]
struct Counters {
    stats: PublisherStats,
    rtt: RttHistogram,
}

/// The publisher's state machine, for 1..N consumers.
///
/// The methods come in four kinds. A caller uses them in this order:
///
/// 1. input: [`Self::handle_frame`], [`Self::handle_timeout`] when [`Self::poll_timeout`] says so,
///    [`Self::handle_outage`], [`Self::handle_reconnect`], [`Self::handle_link`];
/// 2. calls of the application: [`Self::write`] while [`Self::can_write`], [`Self::set_backlog`],
///    [`Self::write_reread`] for what [`Self::poll_rewind`] wants, [`Self::finish`],
///    [`Self::abort`];
/// 3. output: [`Self::poll_transmit`] until it returns `None`;
/// 4. [`Self::poll_event`] until it returns `None`, and [`Self::poll_timeout`].
#[derive(Debug)]
pub struct Sender {
    config: PublishConfig,
    state: State,
    control: ControlQueue,
    window: SendWindow,
    peers: Peers,
    membership: Membership,
    group: GroupMove,
    catch_up: CatchUpScheduler,
    probes: ProbeSchedule,
    stall: StallWatch,
    /// Lost frames wait until then for the acks that decide to whom they are retransmitted.
    retransmits_wait_until: Option<Time>,
    events: VecDeque<SenderEvent>,
    counters: Counters,
    last_now: Time,
}

impl Sender {
    /// A publisher that begins by claiming its stream. Where `config` resumes a session, `ids` name
    /// that session and its next epoch.
    ///
    /// # Errors
    /// Where `config` cannot work.
    pub fn new(config: PublishConfig, ids: SenderIds, now: Time) -> Result<Sender, ConfigError> {
        config.validate()?;
        let claims = !config.claim_timeout.is_zero();
        let state = match claims {
            true => State::Claiming { until: now + config.claim_timeout, announce_at: now },
            false => State::Open,
        };
        let mut sender = Sender {
            state,
            control: ControlQueue::new(ids, config.key.clone()),
            window: SendWindow::new(&config),
            peers: Peers::default(),
            membership: Membership::new(),
            group: GroupMove::new(),
            catch_up: CatchUpScheduler::new(now),
            probes: ProbeSchedule::new(config.keep_alive, now),
            stall: StallWatch::default(),
            retransmits_wait_until: None,
            events: VecDeque::new(),
            counters: Counters { stats: PublisherStats::default(), rtt: RttHistogram::new() },
            last_now: now,
            config,
        };
        match claims {
            true => sender.handle_timeout(now),
            false => sender.announce_to_group(),
        }
        Ok(sender)
    }

    /// A frame arrived, on the control subject or in the publisher's own inbox.
    pub fn handle_frame(&mut self, now: Time, frame: &Bytes) {
        self.note_time(now);
        let opened = match self.control.sealer().open(frame) {
            Ok(opened) => opened,
            Err(error) => {
                self.counters.stats.dropped.count_wire(error);
                self.answer_other_version(frame, error);
                return;
            }
        };
        let control = match opened.control() {
            Some(Ok(control)) => control,
            Some(Err(error)) => return self.counters.stats.dropped.count_wire(error),
            None => return self.drop_as(|dropped| &mut dropped.unexpected),
        };
        let (header, ids) = (opened.header, self.control.ids());
        let ours = header.session == ids.session && header.epoch == ids.epoch;
        match control {
            Control::Syn(syn) if syn.peer.0 == header.session.0 => self.handle_syn(now, syn),
            // The bus brings back what this publisher announces itself.
            Control::Announce(announce) if announce.peer == ids.inbox => {}
            Control::Announce(announce) => self.handle_announce(announce),
            Control::Reset(reset) if reset.peer == ids.inbox => self.handle_objection(&reset),
            control if !ours => self.handle_foreign(header, &control),
            Control::Ack(ack) => self.handle_ack(now, header.seq, &ack),
            Control::FinAck(fin_ack) => self.handle_fin_ack(now, fin_ack.peer),
            Control::Reset(reset) => self.handle_leave(&reset),
            _ => self.drop_as(|dropped| &mut dropped.unexpected),
        }
    }

    /// Ends the session at once. Every consumer is told `reason`.
    pub fn abort(&mut self, reason: &str) {
        if !self.is_over() {
            self.fail(SenderError::Aborted, ResetCode::Cancelled, reason);
        }
    }

    /// Announces the end of the stream, behind everything written, with a trailer for the consumers
    /// (cut at [`MAX_TRAILER`] bytes). To be called once.
    pub fn finish(&mut self, trailer: Bytes) {
        if self.is_over() || self.is_finishing() {
            return;
        }
        let trailer = trailer.slice(..trailer.len().min(MAX_TRAILER));
        self.state = State::Finishing(Fin { end: self.window.queue().next_seq(), trailer });
        self.probes.request_fin();
    }

    /// Returns the next event, oldest first. At most a few per input.
    pub fn poll_event(&mut self) -> Option<SenderEvent> {
        self.events.pop_front()
    }

    /// Whether the publisher is still finding out if the stream is free.
    pub fn is_claiming(&self) -> bool {
        matches!(self.state, State::Claiming { .. })
    }

    /// Whether enough consumers have joined for data to flow.
    pub fn has_started(&self) -> bool {
        self.membership.has_started()
    }

    /// Whether the stream's end was announced.
    fn is_finishing(&self) -> bool {
        matches!(self.state, State::Finishing(_))
    }

    /// Whether the session has ended, well or not.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Closed | State::Failed(_))
    }

    /// Returns how the session ended, or `None` while it goes on.
    pub fn outcome(&self) -> Option<Result<(), SenderError>> {
        match &self.state {
            State::Closed => Some(Ok(())),
            State::Failed(error) => Some(Err(error.clone())),
            _ => None,
        }
    }

    /// Every frame below this was handed out to be sent.
    pub fn sent(&self) -> Seq {
        self.window.unsent()
    }

    /// Every frame below this is held by every consumer that counts, or can be read again for it.
    pub fn acked(&self) -> Seq {
        self.window.queue().first_seq()
    }

    /// Everything up to this position was handed out to be sent.
    pub fn sent_position(&self) -> Position {
        self.window.sent_position()
    }

    /// Every consumer that counts holds everything up to this position, or can have it from the
    /// source.
    pub fn acked_position(&self) -> Position {
        self.window.queue().released()
    }

    /// Where another publisher could resume in this one's place. Every consumer that counts holds
    /// everything before.
    pub fn resume_point(&self) -> PublishResume {
        let SenderIds { session, epoch, .. } = self.control.ids();
        let queue = self.window.queue();
        let (next, next_bytes) = (queue.first_seq(), queue.first_bytes());
        PublishResume { session, epoch, next, next_bytes }
    }

    fn drop_as(&mut self, cause: impl FnOnce(&mut DropCounts) -> &mut u64) {
        *cause(&mut self.counters.stats.dropped) += 1;
    }

    fn push_control(&mut self, to: Dest, control: &Control) {
        if !self.control.push(to, control) {
            self.drop_as(|dropped| &mut dropped.unexpected);
        }
    }
}

#[cfg(test)]
mod tests;
