//! Joining a stream, and what the publisher says besides data.

use bytes::Bytes;

use super::{
    FIN_ACK_INTERVAL, Receiver, ReceiverError, ReceiverEvent, SYN_INTERVAL, Session, State,
};
use crate::proto::{Dest, Transmit};
use crate::time::Time;
use crate::wire::{
    Control, Fin, Frame, Kind, Preamble, Probe, Reset, ResetCode, Resume, Seq, SessionId, Syn,
    SynAck, WireError,
};

impl Receiver {
    /// A frame that could not be opened. Only while joining can it say more than "noise": a publisher of
    /// another version answered.
    pub(super) fn refuse(&mut self, frame: &Bytes, error: WireError) {
        self.stats.dropped.count_wire(error);
        let WireError::Version { theirs } = error else { return };
        // It answers with a RESET, as publishers of every version do; the rest is noise, or for others.
        let answer = Preamble::decode(frame).is_ok_and(|start| start.kind == Some(Kind::Reset));
        if answer && matches!(self.state, State::Connecting { .. }) {
            self.fail(ReceiverError::Version { theirs });
        }
    }

    pub(super) fn handle_control(
        &mut self,
        now: Time,
        frame: &Frame,
        control: Control,
        ours: bool,
    ) {
        if ours {
            self.last_heard = now;
        }
        match control {
            Control::SynAck(syn_ack) if syn_ack.peer == self.id => {
                self.handle_syn_ack(now, frame, &syn_ack, ours);
            }
            Control::Reset(reset) if reset.peer == self.id => self.handle_reset(now, reset, ours),
            Control::Announce(announce) => {
                let replaced = !announce.claiming && self.is_replaced_by(frame);
                match &mut self.state {
                    State::Connecting { syn_at, .. } => *syn_at = now,
                    State::Open | State::Ending { .. } if replaced => {
                        self.rejoin(now, "it was started again".to_owned());
                    }
                    _ => {}
                }
            }
            Control::Probe(probe) if ours => self.handle_probe(now, probe),
            Control::Fin(fin) if ours => self.handle_fin(now, fin),
            Control::Closed(closed) if ours && closed.peer == self.id => self.handle_closed(),
            _ => self.stats.dropped.foreign += 1,
        }
    }

    fn handle_syn_ack(&mut self, now: Time, frame: &Frame, syn_ack: &SynAck, ours: bool) {
        if !matches!(self.state, State::Connecting { .. }) {
            // Ours again: the first report was lost. Another publisher's: too late.
            match self.session.as_mut().filter(|_| ours) {
                Some(session) => {
                    if syn_ack.generation > session.generation {
                        session.generation = syn_ack.generation;
                        session.moving = true;
                    }
                    self.ack_now = true;
                }
                None => self.stats.dropped.foreign += 1,
            }
            return;
        }
        // A publisher of ours never asks for this, and nobody is to make a consumer talk without pause.
        if syn_ack.keep_alive.is_zero() || syn_ack.idle_timeout < syn_ack.keep_alive {
            self.stats.dropped.malformed += 1;
            return;
        }
        let resumed = self.session.is_some();
        let resume = self.resume();
        if let Some(resume) = &resume
            && (syn_ack.start, syn_ack.start_bytes) != (resume.next, resume.next_bytes)
        {
            if resumed {
                // It answers what was asked the time before.
                self.stats.dropped.unexpected += 1;
                return;
            }
            return self.fail(ReceiverError::Protocol("it resumes elsewhere than it was asked to"));
        }
        if resumed && !ours {
            // It is another publisher that asked, and sent what came last.
            (self.probe, self.latest) = (None, None);
            self.end_told = false;
        }
        self.session = Some(Session {
            id: frame.header.session,
            epoch: frame.header.epoch,
            integrity: syn_ack.integrity,
            max_body_bytes: syn_ack.max_body_bytes,
            keep_alive: syn_ack.keep_alive,
            idle_timeout: syn_ack.idle_timeout,
            members: syn_ack.members,
            generation: syn_ack.generation,
            moving: true,
            paces: syn_ack.paces,
        });
        if resume.is_none() {
            self.next = syn_ack.start;
            self.aligned = syn_ack.start == Seq::ZERO;
            self.consumed_frames = syn_ack.start;
            self.consumed_bytes = syn_ack.start_bytes;
        }
        self.given_up = None;
        self.told = self.credit();
        self.state = State::Open;
        self.last_heard = now;
        self.ack_now = true;
        self.events.push_back(match resumed {
            false => ReceiverEvent::Connected,
            true => ReceiverEvent::Reconnected,
        });
    }

    fn handle_reset(&mut self, now: Time, reset: Reset, ours: bool) {
        let joining = matches!(self.state, State::Connecting { .. });
        let given_up = matches!(reset.code, ResetCode::TimedOut | ResetCode::UnknownSession);
        if ours && given_up && matches!(self.state, State::Open | State::Ending { .. }) {
            // Also where all was read: the publisher may have let it in again since that was said.
            self.rejoin(now, crate::proto::sender::printable(&reset.reason));
        } else if ours && given_up && joining {
            // The same word again: each of its last reports was answered with it. A refusal has other codes.
            self.stats.dropped.unexpected += 1;
        } else if ours || joining {
            let reason = crate::proto::sender::printable(&reset.reason);
            self.fail(ReceiverError::Reset { code: reset.code, reason });
        } else {
            self.stats.dropped.foreign += 1;
        }
    }

    /// Whether the frame is of a later life of this consumer's session.
    fn is_replaced_by(&self, frame: &Frame) -> bool {
        let (id, epoch) = (frame.header.session, frame.header.epoch);
        self.session.as_ref().is_some_and(|session| session.id == id && session.epoch < epoch)
    }

    /// The publisher does not know this consumer any more: it says where it can go on, for as long as the
    /// publisher may take to answer.
    fn rejoin(&mut self, now: Time, reason: String) {
        self.state = State::Connecting { syn_at: now, interval: SYN_INTERVAL };
        self.make_room_below();
        let idle_timeout = self.session.as_ref().map(|session| session.idle_timeout);
        self.given_up = Some((reason, now + idle_timeout.unwrap_or_default()));
    }

    fn handle_probe(&mut self, now: Time, probe: Probe) {
        // The one that came last and not the one with the highest number, or a forged one would be reported
        // for ever.
        if self.probe.is_none_or(|(last, _)| probe.number != last) {
            self.probe = Some((probe.number, now));
        }
        if let Some(session) = &mut self.session {
            session.members = probe.members;
            // Whatever was sent to the generation before has been sent before this.
            session.moving &= probe.generation != session.generation;
        }
        if probe.peer.is_none_or(|peer| peer == self.id) {
            self.ack_now = true;
        }
    }

    fn handle_fin(&mut self, now: Time, fin: Fin) {
        match self.end {
            // An end does not move: the publisher that told it would not tell another.
            Some(end) if end != fin.end => {
                self.stats.dropped.forged += 1;
                return;
            }
            Some(_) => {}
            None => {
                // What came early counts as well: it would be left over behind the end.
                if fin.end < self.next.advance(self.early.len() as u64) {
                    return self.fail(ReceiverError::Protocol("the end lies before what was sent"));
                }
                self.end = Some(fin.end);
                self.trailer = fin.trailer;
            }
        }
        self.ack_now = true;
        self.end_told = true;
        if self.closing && self.state == State::Open {
            self.state = State::Ending { fin_ack_at: now, interval: FIN_ACK_INTERVAL };
        }
        if let State::Ending { fin_ack_at, .. } = &mut self.state {
            // The FIN-ACK was lost, and the publisher is still there to be told (RFC 9293 3.10.7.4:
            // a FIN in TIME-WAIT restarts its time-out).
            *fin_ack_at = now;
        }
    }

    fn handle_closed(&mut self) {
        if matches!(self.state, State::Ending { .. }) {
            self.state = State::Ended;
            self.events.push_back(ReceiverEvent::Ended);
        } else {
            self.stats.dropped.unexpected += 1;
        }
    }

    /// What a session that was begun before is to go on from.
    fn resume(&self) -> Option<Resume> {
        let Some(session) = &self.session else { return self.config.resume.clone() };
        Some(Resume {
            session: session.id,
            epoch: session.epoch,
            peer: self.id,
            next: self.next,
            next_bytes: self.consumed_bytes + self.ready_bytes(),
            sack: self.early_ranges.to_sack(),
        })
    }

    /// Body bytes of what is ready to be read.
    fn ready_bytes(&self) -> u64 {
        self.ready.iter().map(|frame| frame.body.len() as u64).sum()
    }

    pub(super) fn syn(&mut self) -> Transmit {
        let syn = Syn {
            peer: self.id,
            name: self.config.name.clone(),
            tag: self.config.tag.clone(),
            window_frames: self.config.window_frames,
            window_bytes: self.config.window_bytes,
            max_message_bytes: self.config.max_message_bytes,
            resume: self.resume(),
        };
        // No session is known yet; in a SYN the consumer's own id stands in its place.
        let (session, seq) = (SessionId(self.id.0), Seq::ZERO);
        let frame = self.sealer.seal_control(session, 0, seq, &Control::Syn(syn));
        Transmit { to: Dest::Publisher, frame }
    }
}
