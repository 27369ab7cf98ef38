//! When a consumer sends an ack, and what the ack says.
//!
//! In order, acks wait for more frames, so that few of them serve many frames. Beside a gap they go
//! at once, because the publisher learns of losses and of arrived retransmissions from them. Credit
//! that the application has freed is advertised in parts of the window.
//!
//! Where many consumers share the way to the publisher, each of them waits longer: see
//! [`ack_delay`].

use std::time::Duration;

use super::reassembly::{Place, Placement, Reassembly};
use crate::config::SubscribeConfig;
use crate::proto::{ACK_DELAY, ack_delay};
use crate::time::Time;
use crate::wire::{Ack, Credit, PeerId, Probe, Seq};

/// In order and unhurried, an ack is due after this many frames. 32 frames of 16 KiB are a 32nd of
/// the default window, so several acks are always on their way before credit runs out.
const FRAMES_PER_ACK: u64 = 32;

/// With several consumers, an ack is due after this many frames for each of them. All their acks
/// together are then less than 2 % of the data frames, where windows allow it ...
const FRAMES_PER_ACK_AND_CONSUMER: u64 = 64;

/// ... and as long as so many frames arrive within this time for each of them. A trickle is acked
/// sooner.
const BUSY_DELAY_PER_CONSUMER: Duration = Duration::from_micros(1_500);

/// More consumers than this do not make an ack wait longer, so that the wait stays below half a
/// second.
const MAX_BUSY_CONSUMERS: u32 = 256;

/// While frames come one by one to a single consumer, and none is missing, an ack waits for a
/// pause. It waits no longer than this (RFC 9000 section 18.2, "max_ack_delay", 25 ms). The
/// publisher probes only after a pause of its own, so a lost tail is retransmitted as soon as
/// without this wait. Several consumers are excluded: the publisher tells from their acks which of
/// them fall behind.
const TRICKLE_DELAY: Duration = Duration::from_millis(20);

/// An ack is due when the application has consumed this part of the window since credit was last
/// advertised.
const WINDOW_PARTS: u64 = 4;

/// Frames that arrived since the last ack.
#[derive(Debug, Clone, Copy)]
struct Unacked {
    frames: u64,
    /// When the first of them arrived.
    since: Time,
}

/// The data frame that arrived last, as evidence for the publisher's loss detection.
#[derive(Debug, Clone, Copy)]
struct NewestFrame {
    seq: Seq,
    arrived_at: Time,
}

/// The probe that arrived last.
#[derive(Debug, Clone, Copy)]
struct NewestProbe {
    number: u64,
    arrived_at: Time,
}

/// What an ack says beside what [`Reassembly`] and [`AckSchedule`] know.
#[derive(Debug, Clone, Copy)]
pub(super) struct AckContext {
    /// The consumer that sends the ack.
    pub(super) peer: PeerId,
    /// The newest generation of the group that the consumer listens to.
    pub(super) generation: u32,
    /// Data frames that arrived more than once.
    pub(super) duplicates: u64,
    /// Frames that were dropped, of all causes.
    pub(super) dropped: u64,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct AckSchedule {
    window_frames: u64,
    window_bytes: u64,
    /// How many consumers share the way to the publisher, as the publisher has told.
    consumers: u32,
    /// Credit as last advertised. The publisher may rely on it.
    advertised: Credit,
    unacked: Option<Unacked>,
    /// An ack is due now.
    immediate: bool,
    /// When an ack is due; [`Self::due_at`] may put it off.
    ack_at: Option<Time>,
    /// `ack_at` is not put off.
    hurried: bool,
    newest_frame: Option<NewestFrame>,
    newest_probe: Option<NewestProbe>,
}

impl AckSchedule {
    /// A schedule for the window of this configuration. Until a session begins it covers no frame.
    pub(super) fn new(config: &SubscribeConfig) -> AckSchedule {
        AckSchedule {
            window_frames: config.window_frames,
            window_bytes: config.window_bytes,
            consumers: 1,
            advertised: Credit::default(),
            unacked: None,
            immediate: false,
            ack_at: None,
            hurried: false,
            newest_frame: None,
            newest_probe: None,
        }
    }

    /// A publisher has accepted this consumer, which holds the whole window free behind `consumed`.
    /// The publisher knows the window from the SYN, so that credit counts as advertised. An ack is
    /// due at once.
    pub(super) fn begin_session(&mut self, consumers: u32, consumed: Place) {
        self.consumers = consumers;
        self.advertised = self.credit(consumed);
        self.immediate = true;
    }

    /// Another publisher takes over: its probes and frames do not continue what arrived before.
    pub(super) fn forget_arrivals(&mut self) {
        (self.newest_probe, self.newest_frame) = (None, None);
    }

    /// Returns true if the advertised credit covers the frame at `seq` whose body ends at byte
    /// `end_offset`.
    pub(super) fn covers(&self, seq: Seq, end_offset: u64) -> bool {
        seq < self.advertised.frames && end_offset <= self.advertised.bytes
    }

    /// The byte offset up to which credit was advertised.
    pub(super) fn advertised_bytes(&self) -> u64 {
        self.advertised.bytes
    }

    /// A new frame was accepted. `has_gap` says whether frames are missing now.
    pub(super) fn handle_frame(&mut self, now: Time, seq: Seq, has_gap: bool) {
        self.newest_frame = Some(NewestFrame { seq, arrived_at: now });
        let unacked = self.unacked.get_or_insert(Unacked { frames: 0, since: now });
        unacked.frames += 1;
        let Unacked { frames, since } = *unacked;
        let enough = match self.consumers {
            0 | 1 => FRAMES_PER_ACK,
            consumers => FRAMES_PER_ACK_AND_CONSUMER * u64::from(consumers),
        };
        self.immediate |= frames >= enough.min(self.credit_step_frames());
        let mut at = self.ack_at.unwrap_or(now + ack_delay(self.consumers));
        if self.consumers <= 1 && !has_gap {
            at = at.max((now + ACK_DELAY).min(since + TRICKLE_DELAY));
        }
        self.ack_at = Some(at);
    }

    /// A frame found its place. Hurries the ack if the frame opened a gap (RFC 9293 section 3.8.6.3
    /// and RFC 5681 section 4.2) or filled one: the latter is a retransmission, which the publisher
    /// would send again if it heard nothing.
    pub(super) fn handle_placement(&mut self, now: Time, placement: Placement) {
        match placement {
            Placement::InOrder | Placement::AboveGap => {}
            Placement::OpenedGap | Placement::FilledGap => self.hurry(now),
        }
    }

    /// A frame arrived again: the ack was lost, or came late. The ack goes out again, as at a gap.
    ///
    /// With many consumers it does not go at once: a frame that most of them missed is sent to all,
    /// and the consumers that held it would all answer at the same time.
    pub(super) fn handle_duplicate(&mut self, now: Time) {
        self.hurry(now);
    }

    /// Makes an ack due at once, or, with many consumers, within a time in which it may tell of
    /// further gaps.
    fn hurry(&mut self, now: Time) {
        match ack_delay(self.consumers).checked_sub(ACK_DELAY) {
            None | Some(Duration::ZERO) => self.immediate = true,
            Some(delay) => {
                let by = now + delay;
                self.ack_at = Some(self.due_at().map_or(by, |at| at.min(by)));
                self.hurried = true;
            }
        }
    }

    /// A probe arrived. The ack is due at once if the probe is for this consumer or for all of
    /// them.
    pub(super) fn handle_probe(&mut self, now: Time, probe: &Probe, peer: PeerId) {
        // The last probe counts, not the highest number: a forged number would otherwise be
        // answered for ever.
        if self.newest_probe.is_none_or(|newest| newest.number != probe.number) {
            self.newest_probe = Some(NewestProbe { number: probe.number, arrived_at: now });
        }
        self.consumers = probe.consumers;
        self.immediate |= probe.peer.is_none_or(|asked| asked == peer);
    }

    /// The application has consumed the stream up to `consumed`, which frees credit.
    pub(super) fn handle_consumed(&mut self, now: Time, consumed: Place) {
        let credit = self.credit(consumed);
        let frames = credit.frames.since(self.advertised.frames);
        let bytes = credit.bytes - self.advertised.bytes;
        self.immediate |=
            frames >= self.credit_step_frames() || bytes >= self.window_bytes / WINDOW_PARTS;
        self.ack_at.get_or_insert(now + ack_delay(self.consumers));
    }

    /// Makes an ack due at once.
    pub(super) fn send_now(&mut self) {
        self.immediate = true;
    }

    /// Returns true if an ack is due at once, whatever the time.
    pub(super) fn is_immediate(&self) -> bool {
        self.immediate
    }

    /// When an ack is due, unless it is due at once. Amid a busy stream that is later than was set
    /// first, because the ack waits for more frames.
    pub(super) fn due_at(&self) -> Option<Time> {
        let at = self.ack_at?;
        let busy = self.consumers > 1 && !self.hurried;
        match self.unacked.filter(|unacked| busy && unacked.frames >= FRAMES_PER_ACK) {
            Some(unacked) => {
                let consumers = self.consumers.min(MAX_BUSY_CONSUMERS);
                Some(at.max(unacked.since + BUSY_DELAY_PER_CONSUMER * consumers))
            }
            None => Some(at),
        }
    }

    /// Returns true if an ack is due at `now`.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.immediate || self.due_at().is_some_and(|at| at <= now)
    }

    /// Returns the ack that is to be sent now, and starts to wait for the next one.
    pub(super) fn take(&mut self, now: Time, held: &Reassembly, context: AckContext) -> Ack {
        self.immediate = false;
        self.hurried = false;
        self.ack_at = None;
        self.unacked = None;
        self.advertised = self.credit(held.consumed());
        let frame_at = self.newest_frame.map(|newest| newest.arrived_at);
        let probe_at = self.newest_probe.map(|newest| newest.arrived_at);
        Ack {
            peer: context.peer,
            cumulative: held.next(),
            sack: held.sack(),
            credit: self.advertised,
            latest: self.newest_frame.map(|newest| newest.seq),
            delay_us: micros_since(frame_at, now),
            probe: self.newest_probe.map_or(0, |newest| newest.number),
            probe_delay_us: micros_since(probe_at, now),
            generation: context.generation,
            duplicates: context.duplicates,
            dropped: context.dropped,
        }
    }

    /// The credit of a consumer that has consumed everything up to there: one window beyond.
    fn credit(&self, consumed: Place) -> Credit {
        Credit {
            frames: consumed.seq.advance(self.window_frames),
            bytes: consumed.offset.saturating_add(self.window_bytes),
        }
    }

    fn credit_step_frames(&self) -> u64 {
        (self.window_frames / WINDOW_PARTS).max(1)
    }
}

/// Whole microseconds from `at` to `now`, as many as the field of an ACK holds. 0 without `at`.
fn micros_since(at: Option<Time>, now: Time) -> u32 {
    let delay = at.map_or(Duration::ZERO, |at| now.since(at));
    u32::try_from(delay.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
