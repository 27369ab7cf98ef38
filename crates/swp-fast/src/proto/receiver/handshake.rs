//! Joining a stream, and what the publisher says besides data.

use bytes::Bytes;

use super::{Receiver, ReceiverError, ReceiverEvent, Session, State};
use crate::proto::{Dest, Transmit};
use crate::time::Time;
use crate::wire::{
    Control, Fin, Frame, Kind, Preamble, Probe, Reset, Seq, SessionId, Syn, SynAck, WireError,
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
            Control::Reset(reset) if reset.peer == self.id => self.handle_reset(reset, ours),
            Control::Announce(_) => {
                if let State::Connecting { syn_at, .. } = &mut self.state {
                    *syn_at = now;
                }
            }
            Control::Probe(probe) if ours => self.handle_probe(probe),
            Control::Fin(fin) if ours => self.handle_fin(now, fin),
            Control::Closed(closed) if ours && closed.peer == self.id => self.handle_closed(),
            _ => self.stats.dropped.foreign += 1,
        }
    }

    fn handle_syn_ack(&mut self, now: Time, frame: &Frame, syn_ack: &SynAck, ours: bool) {
        if !matches!(self.state, State::Connecting { .. }) {
            // Ours again: the first report was lost. Another publisher's: too late.
            match ours {
                true => self.ack_now = true,
                false => self.stats.dropped.foreign += 1,
            }
            return;
        }
        // A publisher of ours never asks for this, and nobody is to make a consumer talk without pause.
        if syn_ack.keep_alive.is_zero() || syn_ack.idle_timeout < syn_ack.keep_alive {
            self.stats.dropped.malformed += 1;
            return;
        }
        self.session = Some(Session {
            id: frame.header.session,
            epoch: frame.header.epoch,
            integrity: syn_ack.integrity,
            max_body_bytes: syn_ack.max_body_bytes,
            keep_alive: syn_ack.keep_alive,
            idle_timeout: syn_ack.idle_timeout,
        });
        self.next = syn_ack.start;
        self.aligned = syn_ack.start == Seq::ZERO;
        self.consumed_frames = syn_ack.start;
        self.consumed_bytes = syn_ack.start_bytes;
        self.told = self.credit();
        self.state = State::Open;
        self.last_heard = now;
        self.ack_now = true;
        self.events.push_back(ReceiverEvent::Connected);
    }

    fn handle_reset(&mut self, reset: Reset, ours: bool) {
        let joining = matches!(self.state, State::Connecting { .. });
        if ours || joining {
            let reason = crate::proto::sender::printable(&reset.reason);
            self.fail(ReceiverError::Reset { code: reset.code, reason });
        } else {
            self.stats.dropped.foreign += 1;
        }
    }

    fn handle_probe(&mut self, probe: Probe) {
        self.probe = self.probe.max(probe.number);
        if probe.peer.is_none_or(|peer| peer == self.id) {
            self.ack_now = true;
        }
    }

    fn handle_fin(&mut self, now: Time, fin: Fin) {
        self.ack_now = true;
        if self.end.is_none() {
            if fin.end < self.next {
                return self.fail(ReceiverError::Protocol("the end lies before what was sent"));
            }
            self.end = Some(fin.end);
            self.trailer = fin.trailer;
        }
        if let State::Ending { fin_ack_at, attempts } = &mut self.state {
            // The FIN-ACK was lost, and the publisher is still there to be told (RFC 9293 3.10.7.4:
            // a FIN in TIME-WAIT restarts its time-out).
            *fin_ack_at = now;
            *attempts = 0;
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

    pub(super) fn syn(&mut self) -> Transmit {
        let syn = Syn {
            peer: self.id,
            name: self.config.name.clone(),
            window_frames: self.config.window_frames,
            window_bytes: self.config.window_bytes,
            max_message_bytes: self.config.max_message_bytes,
        };
        // No session is known yet; in a SYN the consumer's own id stands in its place.
        let (session, seq) = (SessionId(self.id.0), Seq::ZERO);
        let frame = self.sealer.seal_control(session, 0, seq, &Control::Syn(syn));
        Transmit { to: Dest::Publisher, frame }
    }
}
