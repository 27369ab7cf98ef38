//! Data frames into their places: in order for the application, or early, beside a gap.
//!
//! ```text
//!      consumed                next (cumulative ack)
//!         |                     |
//!   ------+---------------------+-----------------------------> sequence numbers
//!          ready: in order,      early: above a gap,
//!          not yet consumed      listed in SACK ranges
//! ```
//!
//! This part knows nothing of time, acks and control frames. The caller checks each frame against
//! the credit that it has advertised, which bounds what is held here.

use std::collections::VecDeque;

use super::ReadyFrame;
use crate::proto::ranges::RangeSet;
use crate::wire::{SackRanges, Seq};

/// A position between two frames of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// The sequence number of the frame that begins here.
    pub(super) seq: Seq,
    /// The byte offset of that frame's body.
    pub(super) offset: u64,
}

/// What an accepted frame did to the gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// There was no gap, and there is none now.
    InOrder,
    /// The frame follows the highest frame so far, and gaps remain below it.
    AboveGap,
    /// Frames are missing between the highest frame so far and this one.
    OpenedGap,
    /// The frame was missing in a gap, which is now smaller or closed.
    FilledGap,
}

/// Counts of what was accepted, less what was discarded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    /// Data frames.
    pub(super) frames: u64,
    /// Messages that end in those frames.
    pub(super) messages: u64,
    /// Body bytes of those frames.
    pub(super) bytes: u64,
    /// Frames that arrived above a gap. Discarded frames stay counted.
    pub(super) out_of_order: u64,
    /// The most slots that were ever in use at a time, for held frames and for those missing
    /// between them.
    pub(super) peak_queued_frames: u64,
}

/// See the [module](self).
///
/// Holds at most the frames and body bytes of the window, because the caller passes no frame beyond
/// its credit.
#[derive(Debug)]
pub(super) struct Reassembly {
    /// The cumulative ack: every frame below was accepted.
    next: Seq,
    /// Frames above `next`, by their distance from it. Empty, or the last slot holds a frame.
    early: VecDeque<Option<ReadyFrame>>,
    /// The sequence numbers of the frames in `early`.
    ranges: RangeSet,
    /// The frame at `next` begins with a message or continues a message that was seen from its
    /// beginning. False after a late join, until a message begins.
    aligned: bool,
    ready: VecDeque<ReadyFrame>,
    /// Body bytes in `early` and `ready`.
    held_bytes: u64,
    /// Where the application will read next.
    consumed: Place,
    totals: Totals,
}

impl Reassembly {
    /// An empty reassembly that expects the frame at `start` first. A message begins there.
    pub(super) fn new(start: Place) -> Reassembly {
        Reassembly {
            next: start.seq,
            early: VecDeque::new(),
            ranges: RangeSet::default(),
            aligned: true,
            ready: VecDeque::new(),
            held_bytes: 0,
            consumed: start,
            totals: Totals::default(),
        }
    }

    /// Moves the beginning to where the publisher let this consumer in. To be called before the
    /// first frame. A message may have begun earlier unless `start` is the beginning of the stream.
    pub(super) fn start_at(&mut self, start: Place) {
        self.next = start.seq;
        self.consumed = start;
        self.aligned = start.seq == Seq::ZERO;
    }

    /// Accepts a frame that [`Self::is_held`] denies and that the advertised credit covers.
    ///
    /// Fragments of a message that began before a late join are consumed here, because no
    /// application can use them. [`Self::consumed`] tells.
    pub(super) fn accept(&mut self, frame: ReadyFrame) -> Placement {
        debug_assert!(!self.is_held(frame.seq), "frame {} is held already", frame.seq);
        self.totals.frames += 1;
        self.totals.messages += u64::from(frame.messages);
        self.totals.bytes += frame.body_bytes();
        self.held_bytes += frame.body_bytes();
        let placement = if frame.seq == self.next && self.early.is_empty() {
            self.append(frame);
            Placement::InOrder
        } else {
            self.place_beside_gap(frame)
        };
        let queued = self.ready.len() as u64 + self.early.len() as u64;
        self.totals.peak_queued_frames = self.totals.peak_queued_frames.max(queued);
        placement
    }

    /// Puts the frame into its slot, then appends every early frame that nothing is missing before
    /// any more.
    fn place_beside_gap(&mut self, frame: ReadyFrame) -> Placement {
        let distance = frame.seq.since(self.next) as usize;
        let fills = distance < self.early.len();
        let mut placement = if fills { Placement::FilledGap } else { Placement::AboveGap };
        if distance > 0 {
            self.totals.out_of_order += 1;
            let stands_alone = self.ranges.insert(frame.seq);
            if stands_alone && !fills {
                placement = Placement::OpenedGap;
            }
        }
        if !fills {
            self.early.resize_with(distance + 1, || None);
        }
        self.early[distance] = Some(frame);
        while let Some(Some(frame)) = self.early.front_mut().map(Option::take) {
            self.early.pop_front();
            self.append(frame);
        }
        self.ranges.remove_below(self.next);
        placement
    }

    /// Appends the frame at `next`. Before the first message begins, the frame is consumed at once.
    fn append(&mut self, frame: ReadyFrame) {
        self.next = frame.seq.next();
        self.aligned = self.aligned || frame.begins_message();
        if self.aligned {
            self.ready.push_back(frame);
        } else {
            self.note_consumed(&frame);
        }
    }

    /// Takes the next frame in order. The frame counts as consumed.
    pub(super) fn read_frame(&mut self) -> Option<ReadyFrame> {
        let frame = self.ready.pop_front()?;
        self.note_consumed(&frame);
        Some(frame)
    }

    fn note_consumed(&mut self, frame: &ReadyFrame) {
        self.held_bytes -= frame.body_bytes();
        self.consumed.seq = frame.seq.next();
        self.consumed.offset += frame.body_bytes();
    }

    /// Discards the frames furthest ahead until every frame that is missing before the rest fits
    /// the credit, even if each has `max_body_bytes`. Returns how many frames it discarded.
    ///
    /// The publisher may have removed this consumer, and then sent frames without regard to its
    /// credit, and the consumer accepted them. If those frames filled the window, a missing frame
    /// would never find space. An ack may have listed the discarded frames, so the next SYN must
    /// list what is left.
    pub(super) fn discard_beyond(&mut self, credit_bytes: u64, max_body_bytes: u32) -> u64 {
        let mut discarded = 0;
        while let Some(Some(last)) = self.early.back() {
            let seq = last.seq;
            if self.end_offset_with(seq, 0, max_body_bytes) <= credit_bytes {
                break;
            }
            if let Some(Some(frame)) = self.early.pop_back() {
                self.held_bytes -= frame.body_bytes();
                self.totals.frames -= 1;
                self.totals.messages -= u64::from(frame.messages);
                self.totals.bytes -= frame.body_bytes();
                discarded += 1;
            }
            while self.early.back().is_some_and(Option::is_none) {
                self.early.pop_back();
            }
            self.ranges.remove_from(seq);
        }
        discarded
    }

    /// The byte offset that the stream reaches with all held frames and a frame at `seq` with
    /// `body_bytes`. Each frame that is missing before `seq` counts `reserve_bytes`.
    pub(super) fn end_offset_with(&self, seq: Seq, body_bytes: u64, reserve_bytes: u32) -> u64 {
        let reserved = match reserve_bytes {
            // The usual case does not walk over the ranges.
            0 => 0,
            _ => self.missing_below(seq).saturating_mul(u64::from(reserve_bytes)),
        };
        (self.consumed.offset + self.held_bytes + body_bytes).saturating_add(reserved)
    }

    /// How many frames are missing below `seq`.
    fn missing_below(&self, seq: Seq) -> u64 {
        seq.since(self.next) - self.ranges.count_below(seq)
    }

    /// Returns true if the frame at `seq` was accepted and not discarded.
    pub(super) fn is_held(&self, seq: Seq) -> bool {
        let distance = usize::try_from(seq.since(self.next)).unwrap_or(usize::MAX);
        seq < self.next || self.early.get(distance).is_some_and(Option::is_some)
    }

    /// The cumulative ack: every frame below was accepted.
    pub(super) fn next(&self) -> Seq {
        self.next
    }

    /// The cumulative ack and its byte offset.
    pub(super) fn next_place(&self) -> Place {
        let ready_bytes: u64 = self.ready.iter().map(ReadyFrame::body_bytes).sum();
        Place { seq: self.next, offset: self.consumed.offset + ready_bytes }
    }

    /// Every frame that is held lies below this.
    pub(super) fn held_end(&self) -> Seq {
        self.next.advance(self.early.len() as u64)
    }

    /// The frames held above the cumulative ack, the lowest first, as many as an ACK carries.
    pub(super) fn sack(&self) -> SackRanges {
        self.ranges.to_sack()
    }

    /// Returns true while frames are held above a missing one.
    pub(super) fn has_gap(&self) -> bool {
        !self.early.is_empty()
    }

    /// Where the application will read next.
    pub(super) fn consumed(&self) -> Place {
        self.consumed
    }

    /// Returns false after a late join until a message begins. Another consumer cannot resume from
    /// there: it would take the middle of a message for its beginning.
    pub(super) fn is_aligned(&self) -> bool {
        self.aligned
    }

    /// Returns true if [`Self::read_frame`] has a frame.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many frames are held and not consumed.
    pub(super) fn queued_frames(&self) -> u64 {
        (self.ready.len() + self.early.iter().flatten().count()) as u64
    }

    /// The counts as they stand.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }
}

#[cfg(test)]
mod tests;
