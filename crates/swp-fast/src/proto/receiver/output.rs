//! Frames to send, and the deadlines of a consumer.

use super::ack_schedule::AckContext;
use super::{Receiver, ReceiverError, ReceiverEvent, State};
use crate::proto::Transmit;
use crate::time::Time;
use crate::wire::{Control, FinAck};

impl Receiver {
    /// Returns the next frame to send, or `None` for now. To be called until it returns `None`,
    /// after every input, or after a batch of inputs: one ack then answers them all.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        self.note_now(now);
        let transmit = self.outgoing.pop().or_else(|| self.due_transmit(now))?;
        self.liveness.note_sent(now);
        Some(transmit)
    }

    fn due_transmit(&mut self, now: Time) -> Option<Transmit> {
        let keep_alive = self.liveness.keep_alive();
        match &mut self.state {
            State::Connecting(joining) => joining.take_due_syn(now, keep_alive).then(|| self.syn()),
            State::Open => self.due_ack(now),
            State::Ending(fin_ack) => fin_ack.take_due(now, keep_alive).then(|| {
                let fin_ack = FinAck { peer: self.id };
                self.outgoing.seal(&Control::FinAck(fin_ack))
            }),
            State::Ended | State::Failed(_) => None,
        }
    }

    /// The ack that is due, or that serves as a keep-alive.
    fn due_ack(&mut self, now: Time) -> Option<Transmit> {
        let keep_alive_due = self.liveness.keep_alive_at().is_some_and(|at| at <= now);
        if !self.acks.is_due(now) && !keep_alive_due {
            return None;
        }
        self.counts.acks += 1;
        let context = AckContext {
            peer: self.id,
            generation: self.session.as_ref().map_or(0, |session| session.generation()),
            duplicates: self.counts.duplicates,
            dropped: self.counts.dropped.total(),
        };
        let ack = self.acks.take(now, &self.reassembly, context);
        Some(self.outgoing.seal(&Control::Ack(ack)))
    }

    /// Returns when [`Self::handle_timeout`] wants to be called, or `None` once the session is
    /// over.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Connecting(joining) => Some(joining.next_at()),
            State::Open if self.acks.is_immediate() => Some(self.liveness.last_now()),
            State::Open => {
                let (ack_at, liveness) = (self.acks.due_at(), &self.liveness);
                let due = [ack_at, liveness.keep_alive_at(), liveness.times_out_at()];
                due.into_iter().flatten().min()
            }
            State::Ending(fin_ack) => {
                let due = [Some(fin_ack.due_at()), self.liveness.times_out_at()];
                due.into_iter().flatten().min()
            }
            State::Ended | State::Failed(_) => None,
        }
    }

    /// Ends the session if the publisher was silent for too long. Early calls do no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        self.note_now(now);
        let timed_out = self.liveness.times_out_at().is_some_and(|at| at <= now);
        match &self.state {
            State::Connecting(joining) => {
                if let Some(reason) = joining.expired(now) {
                    let reason = reason.to_owned();
                    self.end_without_publisher(ReceiverError::NotReadmitted { reason });
                }
            }
            State::Open if timed_out => {
                let silence = now.since(self.liveness.last_heard());
                self.end_without_publisher(ReceiverError::TimedOut(silence));
            }
            // The publisher has heard FIN-ACK and is gone, or has timed this consumer out by now.
            State::Ending(_) if timed_out => self.end(),
            _ => {}
        }
    }

    /// Ends the session without a publisher. A consumer that has everything does not need one.
    fn end_without_publisher(&mut self, error: ReceiverError) {
        if self.end.is_confirmed() { self.end() } else { self.fail(error) }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.events.push_back(ReceiverEvent::Ended);
    }

    /// Notes that the connection to the bus is lost. The publisher cannot be heard, so its time-out
    /// begins anew.
    pub fn handle_outage(&mut self, now: Time) {
        self.liveness.note_heard(now);
    }

    /// Notes that the connection to the bus is back. The next ack or SYN is due at once, because
    /// the one before may be lost.
    pub fn handle_reconnect(&mut self, now: Time) {
        self.handle_outage(now);
        self.acks.send_now();
        if let State::Connecting(joining) = &mut self.state {
            joining.expedite(now);
        }
    }

    /// Every input and `poll_transmit` tells the time here. A leap of the clock puts deadlines off.
    pub(super) fn note_now(&mut self, now: Time) {
        if let Some(leap) = self.liveness.note_now(now)
            && let State::Connecting(joining) = &mut self.state
        {
            joining.postpone(leap);
        }
    }
}
