//! When to report, what to say, and the deadlines of a consumer.

use std::time::Duration;

use super::{FIN_ACK_ATTEMPTS, FIN_ACK_INTERVAL, MAX_SYN_INTERVAL};
use super::{Receiver, ReceiverError, ReceiverEvent, State};
use crate::proto::{ACK_DELAY, Dest, Transmit};
use crate::time::Time;
use crate::wire::{Ack, Control, Credit, FinAck};

/// In order and unhurried, a report is due every so many frames: 32 frames of 16 KiB are an eighth of
/// the default window, so several reports are always on their way before credit runs out.
const FRAMES_PER_REPORT: u64 = 32;

/// A report is due when this part of the window was read since the last one told of credit.
const WINDOW_PARTS: u64 = 4;

impl Receiver {
    /// What the application's reading has made room for.
    pub(super) fn credit(&self) -> Credit {
        Credit {
            frames: self.consumed_frames.advance(self.config.window_frames),
            bytes: self.consumed_bytes.saturating_add(self.config.window_bytes),
        }
    }

    pub(super) fn note_received(&mut self, now: Time) {
        self.unreported += 1;
        let often = FRAMES_PER_REPORT.min((self.config.window_frames / WINDOW_PARTS).max(1));
        if self.unreported >= often {
            self.ack_now = true;
        }
        self.ack_at.get_or_insert(now + ACK_DELAY);
    }

    pub(super) fn note_consumed(&mut self, now: Time) {
        let credit = self.credit();
        let frames = credit.frames.since(self.told.frames);
        let bytes = credit.bytes - self.told.bytes;
        if frames >= (self.config.window_frames / WINDOW_PARTS).max(1)
            || bytes >= self.config.window_bytes / WINDOW_PARTS
        {
            self.ack_now = true;
        }
        self.ack_at.get_or_insert(now + ACK_DELAY);
    }

    /// The next frame to send, or `None` for now. To be called until it says so, after every input, or
    /// after a batch of inputs: one report then answers them all.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        self.note_time(now);
        if let Some(transmit) = self.control.pop_front() {
            self.last_sent = now;
            return Some(transmit);
        }
        match &mut self.state {
            State::Connecting { syn_at, interval } => {
                if *syn_at > now {
                    return None;
                }
                *syn_at = now + *interval;
                *interval = (*interval * 2).min(MAX_SYN_INTERVAL);
                self.last_sent = now;
                Some(self.syn())
            }
            State::Open => self.due_report(now),
            State::Ending { fin_ack_at, attempts } => {
                if *fin_ack_at > now || *attempts >= FIN_ACK_ATTEMPTS {
                    return None;
                }
                *fin_ack_at = now + FIN_ACK_INTERVAL * (1 << *attempts);
                *attempts += 1;
                let fin_ack = Control::FinAck(FinAck { peer: self.id });
                Some(self.seal(&fin_ack))
            }
            State::Ended | State::Failed(_) => None,
        }
    }

    fn due_report(&mut self, now: Time) -> Option<Transmit> {
        let due = self.ack_now || self.ack_at.is_some_and(|at| at <= now);
        let keep_alive = self.keep_alive_at().is_some_and(|at| at <= now);
        if !due && !keep_alive {
            return None;
        }
        self.ack_now = false;
        self.ack_at = None;
        self.unreported = 0;
        self.told = self.credit();
        self.last_sent = now;
        self.stats.acks += 1;
        let delay = self.latest.map_or(Duration::ZERO, |(_, at)| now.since(at));
        let ack = Ack {
            peer: self.id,
            cumulative: self.next,
            sack: self.early_ranges.to_sack(),
            credit: self.told,
            latest: self.latest.map(|(seq, _)| seq),
            delay_us: u32::try_from(delay.as_micros()).unwrap_or(u32::MAX),
            probe: self.probe,
            duplicates: self.stats.duplicates,
            dropped: self.stats.dropped.total(),
        };
        Some(self.seal(&Control::Ack(ack)))
    }

    /// When [`Self::handle_timeout`] wants to be called; `None` once the session is over.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Connecting { syn_at, .. } => Some(*syn_at),
            State::Open if self.ack_now => Some(self.last_now),
            State::Open => {
                let due = [self.ack_at, self.keep_alive_at(), self.gives_up_at()];
                due.into_iter().flatten().min()
            }
            State::Ending { fin_ack_at, .. } => Some(*fin_ack_at),
            State::Ended | State::Failed(_) => None,
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.note_time(now);
        match self.state {
            State::Open if self.gives_up_at().is_some_and(|at| at <= now) => {
                self.fail(ReceiverError::TimedOut(now.since(self.last_heard)));
            }
            State::Ending { fin_ack_at, attempts }
                if fin_ack_at <= now && attempts >= FIN_ACK_ATTEMPTS =>
            {
                self.state = State::Ended;
                self.events.push_back(ReceiverEvent::Ended);
            }
            _ => {}
        }
    }

    /// The bus is away: the publisher's silence is not its fault.
    pub fn note_outage(&mut self, now: Time) {
        self.last_heard = now;
    }

    /// The bus is there again: say what arrived before it went, or ask again to join.
    pub fn handle_reconnect(&mut self, now: Time) {
        self.note_outage(now);
        self.ack_now = true;
        if let State::Connecting { syn_at, .. } = &mut self.state {
            *syn_at = now;
        }
    }

    /// Where the clock leaps this process was stopped; see the sender's method of the same name.
    pub(super) fn note_time(&mut self, now: Time) {
        let gap = now.since(self.last_now);
        self.last_now = self.last_now.max(now);
        if self.session.as_ref().is_some_and(|session| gap > session.keep_alive * 2) {
            self.last_heard = self.last_heard + gap;
        }
    }

    fn keep_alive_at(&self) -> Option<Time> {
        self.session.as_ref().map(|session| self.last_sent + session.keep_alive)
    }

    fn gives_up_at(&self) -> Option<Time> {
        self.session.as_ref().map(|session| self.last_heard + session.idle_timeout)
    }

    pub(super) fn push_control(&mut self, control: &Control) {
        let transmit = self.seal(control);
        self.control.push_back(transmit);
    }

    fn seal(&mut self, control: &Control) -> Transmit {
        self.control_seq = self.control_seq.next();
        // Before a session there is nothing to seal; the callers are all behind the handshake.
        let (id, epoch) =
            self.session.as_ref().map_or((crate::wire::SessionId(0), 0), |s| (s.id, s.epoch));
        let frame = self.sealer.seal_control(id, epoch, self.control_seq, control);
        Transmit { to: Dest::Publisher, frame }
    }
}
