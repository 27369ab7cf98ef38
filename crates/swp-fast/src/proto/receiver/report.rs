//! When to report, what to say, and the deadlines of a consumer.

use std::time::Duration;

use super::{MAX_SYN_INTERVAL, Receiver, ReceiverError, ReceiverEvent, State};
use crate::proto::{ACK_DELAY, Dest, Transmit, ack_delay};
use crate::time::Time;
use crate::wire::{Ack, Control, Credit, FinAck};

/// In order and unhurried, a report is due every so many frames: 32 frames of 16 KiB are a 32nd of
/// the default window, so several reports are always on their way before credit runs out.
const FRAMES_PER_REPORT: u64 = 32;

/// With several consumers, every so many frames for each of them: then all their reports together are less
/// than 2 % of the data frames, where windows allow it ...
const FRAMES_PER_REPORT_AND_MEMBER: u64 = 64;

/// ... and as long as so many arrive within this time for each of them. A trickle is reported sooner.
const BUSY_DELAY_PER_MEMBER: Duration = Duration::from_micros(1_500);

/// While frames come one by one to a single consumer, and none is missing, a report waits for a pause, but no longer
/// than this (RFC 9000 section 18.2, "max_ack_delay", 25 ms). Many consumers have rules of their own, and a late
/// one is told apart from the group by what it reports. The publisher asks only when it has sent nothing for a while, so a
/// lost tail is repaired as soon as ever.
const TRICKLE_DELAY: Duration = Duration::from_millis(20);

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
        let often = match self.members() {
            0 | 1 => FRAMES_PER_REPORT,
            members => FRAMES_PER_REPORT_AND_MEMBER * u64::from(members),
        };
        if self.unreported >= often.min((self.config.window_frames / WINDOW_PARTS).max(1)) {
            self.ack_now = true;
        }
        let since = *self.unreported_since.get_or_insert(now);
        let mut at = self.ack_at.unwrap_or(now + ack_delay(self.members()));
        if self.members() <= 1 && self.early.is_empty() {
            at = at.max((now + ACK_DELAY).min(since + TRICKLE_DELAY));
        }
        self.ack_at = Some(at);
    }

    /// When a report that is due at `at` really is: amid a busy stream it waits for more to report on.
    fn report_at(&self, at: Time) -> Time {
        let busy = self.members() > 1 && self.unreported >= FRAMES_PER_REPORT && !self.hurried;
        match self.unreported_since.filter(|_| busy) {
            Some(since) => at.max(since + BUSY_DELAY_PER_MEMBER * self.members().min(256)),
            None => at,
        }
    }

    /// How many consumers share the way back.
    fn members(&self) -> u32 {
        self.session.as_ref().map_or(1, |session| session.members)
    }

    /// A gap opened, or part of one was filled: a report is due at once, or, with many consumers, within
    /// a time in which it tells of the other gaps as well.
    pub(super) fn hurry_report(&mut self, now: Time) {
        match ack_delay(self.members()).checked_sub(ACK_DELAY) {
            None | Some(Duration::ZERO) => self.ack_now = true,
            Some(delay) => {
                let by = now + delay;
                self.ack_at = Some(self.ack_at.map_or(by, |at| self.report_at(at).min(by)));
                self.hurried = true;
            }
        }
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
        self.ack_at.get_or_insert(now + ack_delay(self.members()));
    }

    /// The next frame to send, or `None` for now. To be called until it says so, after every input, or
    /// after a batch of inputs: one report then answers them all.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        self.note_time(now);
        if let Some(transmit) = self.control.pop_front() {
            self.last_sent = now;
            return Some(transmit);
        }
        // Timers are never further apart than a keep-alive: see `note_time`.
        let keep_alive = self.session.as_ref().map_or(Duration::MAX, |session| session.keep_alive);
        match &mut self.state {
            State::Connecting { syn_at, interval } => {
                if *syn_at > now {
                    return None;
                }
                *syn_at = now + (*interval).min(keep_alive);
                *interval = (*interval * 2).min(MAX_SYN_INTERVAL);
                self.last_sent = now;
                Some(self.syn())
            }
            State::Open => self.due_report(now),
            State::Ending { fin_ack_at, interval } => {
                if *fin_ack_at > now {
                    return None;
                }
                // As often as anything is said in a session: a longer pause of its own would look to
                // `note_time` like one of the whole process, and put off the time-out for ever.
                *fin_ack_at = now + (*interval).min(keep_alive);
                *interval = (*interval * 2).min(MAX_SYN_INTERVAL);
                let fin_ack = Control::FinAck(FinAck { peer: self.id });
                Some(self.seal(&fin_ack))
            }
            State::Ended | State::Failed(_) => None,
        }
    }

    fn due_report(&mut self, now: Time) -> Option<Transmit> {
        let due = self.ack_now || self.ack_at.is_some_and(|at| self.report_at(at) <= now);
        let keep_alive = self.keep_alive_at().is_some_and(|at| at <= now);
        if !due && !keep_alive {
            return None;
        }
        self.ack_now = false;
        self.ack_at = None;
        self.unreported = 0;
        self.unreported_since = None;
        self.hurried = false;
        self.told = self.credit();
        self.last_sent = now;
        self.stats.acks += 1;
        let since = |at: Option<Time>| {
            let delay = at.map_or(Duration::ZERO, |at| now.since(at));
            u32::try_from(delay.as_micros()).unwrap_or(u32::MAX)
        };
        let ack = Ack {
            peer: self.id,
            cumulative: self.next,
            sack: self.early_ranges.to_sack(),
            credit: self.told,
            latest: self.latest.map(|(seq, _)| seq),
            delay_us: since(self.latest.map(|(_, at)| at)),
            probe: self.probe.map_or(0, |(number, _)| number),
            probe_delay_us: since(self.probe.map(|(_, at)| at)),
            generation: self.generation(),
            duplicates: self.stats.duplicates,
            dropped: self.stats.dropped.total(),
        };
        Some(self.seal(&Control::Ack(ack)))
    }

    /// When [`Self::handle_timeout`] wants to be called; `None` once the session is over.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Connecting { syn_at, .. } => {
                Some(self.given_up.as_ref().map_or(*syn_at, |(_, until)| (*until).min(*syn_at)))
            }
            State::Open if self.ack_now => Some(self.last_now),
            State::Open => {
                let ack_at = self.ack_at.map(|at| self.report_at(at));
                let due = [ack_at, self.keep_alive_at(), self.gives_up_at()];
                due.into_iter().flatten().min()
            }
            State::Ending { fin_ack_at, .. } => {
                Some(self.gives_up_at().map_or(*fin_ack_at, |at| at.min(*fin_ack_at)))
            }
            State::Ended | State::Failed(_) => None,
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.note_time(now);
        match self.state {
            State::Connecting { .. } => {
                if let Some((reason, _)) = self.given_up.take_if(|(_, until)| *until <= now) {
                    self.give_up(ReceiverError::NotReadmitted { reason });
                }
            }
            State::Open if self.gives_up_at().is_some_and(|at| at <= now) => {
                self.give_up(ReceiverError::TimedOut(now.since(self.last_heard)));
            }
            // The publisher was not heard for as long as it takes it to give a consumer up.
            State::Ending { .. } if self.gives_up_at().is_some_and(|at| at <= now) => self.end(),
            _ => {}
        }
    }

    /// The publisher cannot be had; who has everything does not need it.
    fn give_up(&mut self, error: ReceiverError) {
        if self.closing { self.end() } else { self.fail(error) }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.events.push_back(ReceiverEvent::Ended);
    }

    /// The bus is away: the publisher's silence is not its fault.
    pub fn handle_outage(&mut self, now: Time) {
        self.last_heard = now;
    }

    /// The bus is there again: say what arrived before it went, or ask again to join.
    pub fn handle_reconnect(&mut self, now: Time) {
        self.handle_outage(now);
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
            self.last_heard = (self.last_heard + gap).min(now);
            if let Some((_, until)) = &mut self.given_up {
                *until = *until + gap;
            }
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
