//! Frames from the bus: to whom they belong, and which part they concern.

use bytes::Bytes;

use super::stream_end::WrongEnd;
use super::{ReadyFrame, Receiver, ReceiverError, ReceiverEvent, State};
use crate::time::Time;
use crate::wire::{Control, Fin, Frame, Kind, Preamble, Probe, WireError};

impl Receiver {
    /// Takes a frame that arrived for the group, or in the consumer's own inbox.
    pub fn handle_frame(&mut self, now: Time, frame: &Bytes) {
        self.note_now(now);
        // The session is compared first, so that the bodies of foreign frames are not hashed.
        let unopened = match self.sealer.begin(frame) {
            Ok(unopened) => unopened,
            Err(error) => return self.refuse(frame, error),
        };
        let header = unopened.header();
        let ours = self.session.as_ref().is_some_and(|session| session.owns(header));
        let for_anyone = matches!(header.kind, Kind::SynAck | Kind::Announce | Kind::Reset);
        if !ours && !for_anyone {
            self.counts.dropped.foreign += 1;
            return;
        }
        let opened = match unopened.open() {
            Ok(opened) => opened,
            Err(error) => return self.refuse(frame, error),
        };
        match opened.control() {
            None => self.handle_data(now, opened),
            Some(Ok(control)) => self.handle_control(now, &opened, control, ours),
            Some(Err(error)) => self.counts.dropped.count_wire(error),
        }
    }

    /// Drops a frame that could not be opened. While joining, a RESET in another version says that
    /// the publisher speaks that version. Publishers of every version answer a foreign SYN so.
    fn refuse(&mut self, frame: &Bytes, error: WireError) {
        self.counts.dropped.count_wire(error);
        let WireError::Version { theirs } = error else { return };
        let reset = Preamble::decode(frame).is_ok_and(|start| start.kind == Some(Kind::Reset));
        if reset && matches!(self.state, State::Connecting(_)) {
            self.fail(ReceiverError::Version { theirs });
        }
    }

    fn handle_data(&mut self, now: Time, frame: Frame) {
        let Some(session) = &self.session else { return };
        if self.state != State::Open {
            self.counts.dropped.unexpected += 1;
            return;
        }
        if !session.allows_body(&frame) {
            self.counts.dropped.malformed += 1;
            return;
        }
        self.liveness.note_heard(now);
        let seq = frame.header.seq;
        if self.reassembly.is_held(seq) {
            self.counts.duplicates += 1;
            self.acks.handle_duplicate(now);
            return;
        }
        let (body_bytes, reserve_bytes) = (frame.body.len() as u64, session.reserve_bytes());
        let end_offset = self.reassembly.end_offset_with(seq, body_bytes, reserve_bytes);
        if !self.acks.covers(seq, end_offset) || self.end.is_before(seq) {
            self.counts.dropped.beyond_window += 1;
            return;
        }
        match ReadyFrame::check(frame, self.config.max_message_bytes) {
            Ok(frame) => self.accept(now, frame),
            Err(error) => self.fail(error),
        }
    }

    fn accept(&mut self, now: Time, frame: ReadyFrame) {
        let (seq, consumed) = (frame.seq, self.reassembly.consumed());
        let placement = self.reassembly.accept(frame);
        self.acks.handle_placement(now, placement);
        if self.reassembly.consumed() != consumed {
            self.acks.handle_consumed(now, self.reassembly.consumed());
        }
        self.acks.handle_frame(now, seq, self.reassembly.has_gap());
    }

    /// `ours` says that the frame belongs to this consumer's session in its epoch.
    fn handle_control(&mut self, now: Time, frame: &Frame, control: Control, ours: bool) {
        if ours {
            self.liveness.note_heard(now);
        }
        match control {
            Control::SynAck(syn_ack) if syn_ack.peer == self.id => {
                self.handle_syn_ack(now, frame, &syn_ack, ours);
            }
            Control::Reset(reset) if reset.peer == self.id => self.handle_reset(now, reset, ours),
            Control::Announce(announce) => self.handle_announce(now, frame, announce),
            Control::Probe(probe) if ours => self.handle_probe(now, &probe),
            Control::Fin(fin) if ours => self.handle_fin(now, fin),
            Control::Closed(closed) if ours && closed.peer == self.id => self.handle_closed(),
            _ => self.counts.dropped.foreign += 1,
        }
    }

    fn handle_probe(&mut self, now: Time, probe: &Probe) {
        if let Some(session) = &mut self.session {
            session.handle_probe(probe);
        }
        self.acks.handle_probe(now, probe, self.id);
    }

    fn handle_fin(&mut self, now: Time, fin: Fin) {
        match self.end.announce(fin, self.reassembly.held_end()) {
            Ok(()) => {}
            Err(WrongEnd::Moved) => {
                self.counts.dropped.forged += 1;
                return;
            }
            Err(WrongEnd::BelowHeld) => {
                return self.fail(ReceiverError::Protocol("the end lies before what was sent"));
            }
        }
        self.acks.send_now();
        if self.state == State::Open && self.end.may_acknowledge() {
            self.state = State::ending(now);
        }
        if let State::Ending(fin_ack) = &mut self.state {
            // The FIN-ACK was lost. As a FIN in TIME-WAIT does (RFC 9293 section 3.10.7.4), the FIN
            // causes the FIN-ACK to be sent again.
            fin_ack.expedite(now);
        }
    }

    fn handle_closed(&mut self) {
        if matches!(self.state, State::Ending(_)) {
            self.state = State::Ended;
            self.events.push_back(ReceiverEvent::Ended);
        } else {
            self.counts.dropped.unexpected += 1;
        }
    }
}
