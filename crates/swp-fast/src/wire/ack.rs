//! ACK: what a consumer holds, and how much more it will take. Two different things.

use super::cursor::Cursor;
use super::error::WireError;
use super::put::Put;
use super::seq::{PeerId, Seq};

/// The most ranges that one ACK carries. 32 bound its body to 663 bytes; with more gaps than that the
/// lowest are told, the rest follow as those close.
pub const MAX_SACK_RANGES: usize = 32;

/// Permission to send, absolute and never taken back: a stale or repeated ACK can do no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credit {
    /// Frames below this number may be sent.
    pub frames: Seq,
    /// Body bytes up to this offset of the session may be sent; [`super::MAX_COUNT`] is no bound at all.
    pub bytes: u64,
}

impl Credit {
    /// The larger of the two in each part.
    #[must_use]
    pub fn max(self, other: Credit) -> Credit {
        Credit { frames: self.frames.max(other.frames), bytes: self.bytes.max(other.bytes) }
    }

    /// The smaller of the two in each part.
    #[must_use]
    pub fn min(self, other: Credit) -> Credit {
        Credit { frames: self.frames.min(other.frames), bytes: self.bytes.min(other.bytes) }
    }
}

/// Ranges `[start, end)` of frames held above the cumulative ack: ascending, apart from each other by at
/// least one frame, each within the protocol's bounds. The type cannot hold anything else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SackRanges(Vec<(Seq, Seq)>);

impl SackRanges {
    /// None yet, with room for so many, as far as there can be so many.
    pub fn with_capacity(ranges: usize) -> SackRanges {
        SackRanges(Vec::with_capacity(ranges.min(MAX_SACK_RANGES)))
    }

    /// Appends a range above all present ones; `false`, and nothing done, where it is empty, touches
    /// the last one, or there are [`MAX_SACK_RANGES`] already.
    pub fn push(&mut self, start: Seq, end: Seq) -> bool {
        let above = self.0.last().is_none_or(|&(_, last)| start > last);
        let fits = above && start < end && self.0.len() < MAX_SACK_RANGES;
        if fits {
            self.0.push((start, end));
        }
        fits
    }

    /// The ranges, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Seq, Seq)> + '_ {
        self.0.iter().copied()
    }

    /// The part of them below `end`.
    #[must_use]
    pub fn below(&self, end: Seq) -> SackRanges {
        let parts = self.iter().map(|(start, range_end)| (start, range_end.min(end)));
        SackRanges(parts.filter(|(start, range_end)| start < range_end).collect())
    }

    /// Where the last of them ends; `cumulative` where there are none.
    pub fn end_or(&self, cumulative: Seq) -> Seq {
        self.0.last().map_or(cumulative, |&(_, end)| end)
    }

    /// How many ranges.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no gap to tell of.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ranges travel as alternating lengths of gaps and of what is held, from the cumulative ack upward.
    pub(super) fn encode(&self, put: &mut Put, cumulative: Seq) {
        // They ascend, so those that the cumulative ack has caught up with come first; told, they would
        // make the whole report unreadable.
        let caught_up = self.0.partition_point(|&(start, _)| start <= cumulative);
        let above = &self.0[caught_up..];
        put.nested(above.len() as u32 * 2);
        let mut last = cumulative;
        for &(start, end) in above {
            put.uint(start.since(last)).uint(end.since(start));
            last = end;
        }
    }

    pub(super) fn decode(
        cursor: &mut Cursor<'_>,
        cumulative: Seq,
    ) -> Result<SackRanges, WireError> {
        let numbers = cursor.array_len(MAX_SACK_RANGES as u32 * 2, "sack ranges")?;
        if numbers % 2 != 0 {
            return Err(WireError::Malformed("sack ranges"));
        }
        let mut sack = SackRanges::with_capacity(numbers as usize / 2);
        let mut last = cumulative.get();
        for _ in 0..numbers / 2 {
            let start = last.checked_add(cursor.uint("sack gap")?).and_then(Seq::new);
            let start = start.ok_or(WireError::OutOfRange("sack gap"))?;
            let end = start.get().checked_add(cursor.uint("sack range")?).and_then(Seq::new);
            let end = end.ok_or(WireError::OutOfRange("sack range"))?;
            if start <= cumulative || !sack.push(start, end) {
                return Err(WireError::Malformed("sack ranges"));
            }
            last = end.get();
        }
        Ok(sack)
    }
}

/// A consumer's report. Header `seq` counts its reports, so that an older one can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Who reports.
    pub peer: PeerId,
    /// Every frame below this number has arrived ("cumulative ack", RFC 9293 section 3.4).
    pub cumulative: Seq,
    /// What arrived above it (RFC 2018). Ranges that it has caught up with are left out on the wire.
    pub sack: SackRanges,
    /// How much may be sent.
    pub credit: Credit,
    /// The data frame that arrived last, if any did: the newest evidence for loss detection.
    pub latest: Option<Seq>,
    /// How long ago that frame arrived, in microseconds; the publisher takes it off the round trip.
    pub delay_us: u32,
    /// The number of the probe that came last, 0 before the first: an ACK with a new one answers that probe.
    pub probe: u64,
    /// How long ago that probe arrived, in microseconds. The report that went at once may have been lost,
    /// and then a later one is the answer.
    pub probe_delay_us: u32,
    /// The newest generation of the group that it listens to, 0 for none; see [`super::SynAck::generation`].
    pub generation: u32,
    /// Data frames that arrived more than once, so far.
    pub duplicates: u64,
    /// Frames that were refused (corrupt, foreign, beyond the window), so far.
    pub dropped: u64,
}

impl Ack {
    pub(super) fn encode(&self) -> Vec<u8> {
        // Most numbers of most reports take 5 bytes or fewer, and the lengths of most ranges 3.
        let mut put = Put::array_with_capacity(12, 64 + 6 * self.sack.len());
        put.id(self.peer.0).uint(self.cumulative.get());
        put.uint(self.credit.frames.get()).uint(self.credit.bytes);
        // 0 stands for "none yet", so that the field costs one byte then.
        put.uint(self.latest.map_or(0, |seq| seq.get() + 1)).uint(self.delay_us);
        put.uint(self.probe).uint(self.probe_delay_us);
        put.uint(self.generation).uint(self.duplicates).uint(self.dropped);
        self.sack.encode(&mut put, self.cumulative);
        put.into_vec()
    }

    pub(super) fn decode(body: &[u8]) -> Result<Ack, WireError> {
        let mut cursor = Cursor::new(body);
        cursor.array(12, "ack")?;
        let peer = cursor.peer()?;
        let cumulative = cursor.seq("cumulative ack")?;
        let credit = Credit { frames: cursor.seq("credit")?, bytes: cursor.uint("credit")? };
        let latest = match cursor.uint::<u64>("latest frame")? {
            0 => None,
            n => Some(Seq::new(n - 1).ok_or(WireError::OutOfRange("latest frame"))?),
        };
        let delay_us = cursor.uint("ack delay")?;
        let probe = cursor.uint("probe number")?;
        let probe_delay_us = cursor.uint("probe delay")?;
        let generation = cursor.uint("generation")?;
        let duplicates = cursor.uint("duplicates")?;
        let dropped = cursor.uint("dropped")?;
        let sack = SackRanges::decode(&mut cursor, cumulative)?;
        cursor.finish()?;
        Ok(Ack {
            peer,
            cumulative,
            sack,
            credit,
            latest,
            delay_us,
            probe,
            probe_delay_us,
            generation,
            duplicates,
            dropped,
        })
    }
}

#[cfg(test)]
mod tests;
