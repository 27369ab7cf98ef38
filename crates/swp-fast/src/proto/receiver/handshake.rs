//! Joining a stream, being removed from it, and joining again.

use super::joining::Joining;
use super::reassembly::Place;
use super::{Receiver, ReceiverError, ReceiverEvent, Session, State};
use crate::proto::Transmit;
use crate::proto::printable;
use crate::time::Time;
use crate::wire::{Announce, Frame, Reset, ResetCode, Resume, Syn, SynAck};

impl Receiver {
    /// Makes the SYN: the consumer's id and names, its window, and where it resumes.
    pub(super) fn syn(&self) -> Transmit {
        self.outgoing.seal_syn(Syn {
            peer: self.id,
            name: self.config.name.clone(),
            tag: self.config.tag.clone(),
            window_frames: self.config.window_frames,
            window_bytes: self.config.window_bytes,
            max_message_bytes: self.config.max_message_bytes,
            resume: self.resume(),
        })
    }

    /// Where the next session must continue: behind the frames that this receiver holds, or, before
    /// its first session, where the configuration says.
    fn resume(&self) -> Option<Resume> {
        let Some(session) = &self.session else { return self.config.resume.clone() };
        let next = self.reassembly.next_place();
        Some(Resume {
            session: session.id(),
            epoch: session.epoch(),
            peer: self.id,
            next: next.seq,
            next_bytes: next.offset,
            sack: self.reassembly.sack(),
        })
    }

    pub(super) fn handle_syn_ack(
        &mut self,
        now: Time,
        frame: &Frame,
        syn_ack: &SynAck,
        ours: bool,
    ) {
        if !matches!(self.state, State::Connecting(_)) {
            return self.handle_further_syn_ack(syn_ack, ours);
        }
        // No publisher sets such durations, and with them a forged frame could make this consumer
        // send without a pause.
        if syn_ack.keep_alive.is_zero() || syn_ack.idle_timeout < syn_ack.keep_alive {
            self.counts.dropped.malformed += 1;
            return;
        }
        let readmitted = self.session.is_some();
        let start = Place { seq: syn_ack.start, offset: syn_ack.start_bytes };
        match self.resume() {
            None => self.reassembly.start_at(start),
            Some(resume) if (resume.next, resume.next_bytes) == (start.seq, start.offset) => {}
            Some(_) if readmitted => {
                // The SYN-ACK answers an earlier SYN.
                self.counts.dropped.unexpected += 1;
                return;
            }
            Some(_) => {
                let error = "it resumes elsewhere than it was asked to";
                return self.fail(ReceiverError::Protocol(error));
            }
        }
        if readmitted && !ours {
            self.acks.forget_arrivals();
            self.end.await_announcement();
        }
        self.begin_session(now, Session::new(&frame.header, syn_ack), syn_ack);
        self.events.push_back(match readmitted {
            false => ReceiverEvent::Connected,
            true => ReceiverEvent::Reconnected,
        });
    }

    fn begin_session(&mut self, now: Time, session: Session, syn_ack: &SynAck) {
        self.outgoing.begin_session(session.id(), session.epoch());
        self.acks.begin_session(syn_ack.consumers, self.reassembly.consumed());
        self.liveness.begin_session(now, syn_ack.keep_alive, syn_ack.idle_timeout);
        self.session = Some(session);
        self.state = State::Open;
    }

    /// A SYN-ACK to a consumer that is not joining: its first ack was lost, or it is to listen to
    /// another generation. From another publisher it comes too late.
    fn handle_further_syn_ack(&mut self, syn_ack: &SynAck, ours: bool) {
        match self.session.as_mut().filter(|_| ours) {
            Some(session) => {
                session.handle_syn_ack(syn_ack);
                self.acks.send_now();
            }
            None => self.counts.dropped.foreign += 1,
        }
    }

    pub(super) fn handle_reset(&mut self, now: Time, reset: Reset, ours: bool) {
        let joining = matches!(self.state, State::Connecting(_));
        let removed = matches!(reset.code, ResetCode::TimedOut | ResetCode::UnknownSession);
        if ours && removed && matches!(self.state, State::Open | State::Ending(_)) {
            // A consumer that has everything joins again as well: the publisher must hear its
            // FIN-ACK.
            self.join_again(now, printable(&reset.reason));
        } else if ours && removed && joining {
            // A duplicate: the publisher answers each late ack with this RESET. A refusal has
            // another code.
            self.counts.dropped.unexpected += 1;
        } else if ours || joining {
            let reason = printable(&reset.reason);
            self.fail(ReceiverError::Reset { code: reset.code, reason });
        } else {
            self.counts.dropped.foreign += 1;
        }
    }

    /// A publisher announces itself. A joining consumer sends its SYN at once. A consumer in
    /// session joins again if its publisher was restarted, unless that one still has to claim the
    /// stream.
    pub(super) fn handle_announce(&mut self, now: Time, frame: &Frame, announce: Announce) {
        let session = self.session.as_ref();
        let restarted = session.is_some_and(|session| session.is_restarted_by(&frame.header));
        match &mut self.state {
            State::Connecting(joining) => joining.expedite(now),
            State::Open | State::Ending(_) if restarted && !announce.claiming => {
                self.join_again(now, "the publisher was restarted".to_owned());
            }
            _ => {}
        }
    }

    /// Joins again, because the publisher does not know this consumer any more. The consumer sends
    /// SYNs for as long as the publisher may take to answer.
    ///
    /// The consumer first discards frames that leave no space for missing ones. It may have SACKed
    /// them. Each SYN lists the frames that are left, and the publisher retransmits the others.
    fn join_again(&mut self, now: Time, reason: String) {
        let max_body_bytes = self.session.as_ref().map_or(0, Session::max_body_bytes);
        let credit_bytes = self.acks.advertised_bytes();
        self.counts.dropped.beyond_window +=
            self.reassembly.discard_beyond(credit_bytes, max_body_bytes);
        let until = now + self.liveness.idle_timeout();
        self.state = State::Connecting(Joining::after_removal(now, reason, until));
    }
}
