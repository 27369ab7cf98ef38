//! Data frames into their places.

use super::{ReadyFrame, Receiver, ReceiverError, State};
use crate::time::Time;
use crate::wire::{Fragment, Frame, Kind, Seq, count_messages};

impl Receiver {
    pub(super) fn handle_data(&mut self, now: Time, frame: Frame) {
        let Some(session) = &self.session else { return };
        if self.state != State::Open {
            self.stats.dropped.unexpected += 1;
            return;
        }
        let seq = frame.header.seq;
        if frame.header.digest.integrity() != session.integrity
            || frame.body.len() > session.max_body_bytes as usize
        {
            self.stats.dropped.malformed += 1;
            return;
        }
        self.last_heard = now;
        if self.is_held(seq) {
            // Its report was lost, or it was late: report again. With many consumers not at once: what most
            // of them missed comes to all, and those who had it would all speak at the same time.
            self.stats.duplicates += 1;
            self.hurry_report(now);
            return;
        }
        let offset = self.consumed_bytes + self.held_bytes + frame.body.len() as u64;
        // Credit is given for a place in the stream. What the group is sent while this consumer is far behind,
        // or sets no pace, it was not sent for its credit, and must leave room for all that comes before.
        let reserved = match self.wants_group() && session.paces {
            true => 0,
            false => self.missing_below(seq).saturating_mul(u64::from(session.max_body_bytes)),
        };
        if seq >= self.told.frames
            || offset.saturating_add(reserved) > self.told.bytes
            || self.end.is_some_and(|end| seq >= end)
        {
            self.stats.dropped.beyond_window += 1;
            return;
        }
        match self.check(frame) {
            Ok(ready) => self.place(now, ready),
            Err(error) => self.fail(error),
        }
    }

    /// A body that its own publisher sealed must decode, and once it is in its place it will not be
    /// looked at with suspicion again.
    fn check(&self, frame: Frame) -> Result<ReadyFrame, ReceiverError> {
        let messages = match frame.header.kind {
            Kind::Fragment => match Fragment::decode(&frame.body) {
                Ok(fragment) if fragment.total <= self.config.max_message_bytes => {
                    u32::from(fragment.is_last())
                }
                Ok(_) => return Err(ReceiverError::Protocol("a message exceeds its bound")),
                Err(_) => return Err(ReceiverError::Protocol("a fragment does not decode")),
            },
            _ => count_messages(&frame.body)
                .map_err(|_| ReceiverError::Protocol("a body does not decode"))?,
        };
        let header = frame.header;
        let (seq, kind, digest) = (header.seq, header.kind, header.digest);
        Ok(ReadyFrame { seq, kind, body: frame.body, messages, digest })
    }

    /// Lets go of the frames furthest ahead until all that is missing before them is sure to fit. Whoever
    /// was given up, and did not know, may have taken what it had no credit for.
    pub(super) fn make_room_below(&mut self) {
        let max_body = self.session.as_ref().map_or(0, |session| session.max_body_bytes);
        while let Some(Some(last)) = self.early.back() {
            let seq = last.seq;
            let missing = self.missing_below(seq).saturating_mul(u64::from(max_body));
            let bytes = self.consumed_bytes + self.held_bytes;
            if bytes.saturating_add(missing) <= self.told.bytes {
                return;
            }
            if let Some(Some(frame)) = self.early.pop_back() {
                self.held_bytes -= frame.body.len() as u64;
                self.stats.frames -= 1;
                self.stats.messages -= u64::from(frame.messages);
                self.stats.bytes -= frame.body.len() as u64;
                self.stats.dropped.beyond_window += 1;
            }
            while self.early.back().is_some_and(Option::is_none) {
                self.early.pop_back();
            }
            self.early_ranges.remove_from(seq);
        }
    }

    /// How many frames are still to come before this one.
    fn missing_below(&self, seq: Seq) -> u64 {
        seq.since(self.next) - self.early_ranges.count_below(seq)
    }

    fn is_held(&self, seq: Seq) -> bool {
        let held = |distance: u64| {
            self.early
                .get(usize::try_from(distance).unwrap_or(usize::MAX))
                .is_some_and(Option::is_some)
        };
        seq < self.next || held(seq.since(self.next))
    }

    fn place(&mut self, now: Time, frame: ReadyFrame) {
        let seq = frame.seq;
        self.stats.frames += 1;
        self.stats.messages += u64::from(frame.messages);
        self.stats.bytes += frame.body.len() as u64;
        self.held_bytes += frame.body.len() as u64;
        self.latest = Some((seq, now));
        if seq == self.next && self.early.is_empty() {
            self.make_ready(now, frame);
        } else {
            self.place_early(now, frame);
        }
        let queued = self.ready.len() as u64 + self.early.len() as u64;
        self.stats.peak_queued_frames = self.stats.peak_queued_frames.max(queued);
        self.note_received(now);
    }

    /// Beside a gap: keep it in its slot, then take what has become whole.
    fn place_early(&mut self, now: Time, frame: ReadyFrame) {
        let distance = frame.seq.since(self.next) as usize;
        if distance > 0 {
            self.stats.out_of_order += 1;
            // A new gap is told at once, and so is a part of one that is filled: that is a repair, and
            // unreported it would soon be repeated (RFC 9293 3.8.6.3 and RFC 5681 section 4.2).
            let fills = distance < self.early.len();
            if self.early_ranges.insert(frame.seq) || fills {
                self.hurry_report(now);
            }
        } else {
            // So is a gap that closes.
            self.hurry_report(now);
        }
        match self.early.get_mut(distance) {
            Some(slot) => *slot = Some(frame),
            None => {
                while self.early.len() < distance {
                    self.early.push_back(None);
                }
                self.early.push_back(Some(frame));
            }
        }
        while let Some(Some(_)) = self.early.front() {
            if let Some(Some(frame)) = self.early.pop_front() {
                self.make_ready(now, frame);
            }
        }
        self.early_ranges.remove_below(self.next);
    }

    /// The next frame in order. After a late join, pieces of a message that began before are of no use
    /// to anybody: they are consumed here, and what is read begins with a whole message.
    fn make_ready(&mut self, now: Time, frame: ReadyFrame) {
        self.next = frame.seq.next();
        if !self.aligned {
            self.aligned = frame.kind != Kind::Fragment
                || Fragment::decode(&frame.body).is_ok_and(|fragment| fragment.offset == 0);
        }
        if self.aligned {
            return self.ready.push_back(frame);
        }
        let bytes = frame.body.len() as u64;
        self.held_bytes -= bytes;
        self.consumed_frames = self.next;
        self.consumed_bytes += bytes;
        self.note_consumed(now);
    }
}
