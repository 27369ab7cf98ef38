//! ACK: which frames a consumer holds, and its credit. The two are independent: an ack stops
//! retransmission, credit allows new frames.

use super::cursor::Cursor;
use super::error::WireError;
use super::put::Put;
use super::seq::{PeerId, Seq};

/// The largest number of SACK ranges in one ack. This bound limits the body of an ack to 663 bytes.
///
/// A consumer with more ranges sends the lowest of them. The consumer sends the other ranges when
/// the gaps below are closed.
pub const MAX_SACK_RANGES: usize = 32;

/// The limit up to which a publisher may send. Credit is absolute and never decreases, so a stale
/// or duplicate ack has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credit {
    /// The publisher may send frames below this sequence number.
    pub frames: Seq,
    /// The publisher may send body bytes below this byte offset of the session.
    /// [`super::MAX_COUNT`] means no limit.
    pub bytes: u64,
}

impl Credit {
    /// Returns the larger of both limits for frames, and the larger of both for bytes.
    #[must_use]
    pub fn max(self, other: Credit) -> Credit {
        Credit { frames: self.frames.max(other.frames), bytes: self.bytes.max(other.bytes) }
    }

    /// Returns the smaller of both limits for frames, and the smaller of both for bytes.
    #[must_use]
    pub fn min(self, other: Credit) -> Credit {
        Credit { frames: self.frames.min(other.frames), bytes: self.bytes.min(other.bytes) }
    }
}

/// SACK ranges: frames that a consumer holds above its cumulative ack.
///
/// Each range is `start..end`, with `end` exclusive, and is not empty. Ranges ascend, and at least
/// one frame is missing between two ranges. There are at most [`MAX_SACK_RANGES`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SackRanges(Vec<(Seq, Seq)>);

impl SackRanges {
    /// Creates an empty list with capacity for `ranges` ranges, at most [`MAX_SACK_RANGES`].
    pub fn with_capacity(ranges: usize) -> SackRanges {
        SackRanges(Vec::with_capacity(ranges.min(MAX_SACK_RANGES)))
    }

    /// Appends the range `start..end` and returns true.
    ///
    /// Returns false and changes nothing if the range is empty, does not lie above the last range
    /// with a gap between them, or [`MAX_SACK_RANGES`] are present.
    pub fn push(&mut self, start: Seq, end: Seq) -> bool {
        let above = self.0.last().is_none_or(|&(_, last)| start > last);
        let fits = above && start < end && self.0.len() < MAX_SACK_RANGES;
        if fits {
            self.0.push((start, end));
        }
        fits
    }

    /// Returns the ranges in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Seq, Seq)> + '_ {
        self.0.iter().copied()
    }

    /// Returns the parts of the ranges that lie below `end`.
    #[must_use]
    pub fn below(&self, end: Seq) -> SackRanges {
        let parts = self.iter().map(|(start, range_end)| (start, range_end.min(end)));
        SackRanges(parts.filter(|(start, range_end)| start < range_end).collect())
    }

    /// Returns the end of the last range, or `cumulative` if there is none.
    pub fn end_or(&self, cumulative: Seq) -> Seq {
        self.0.last().map_or(cumulative, |&(_, end)| end)
    }

    /// Returns the number of ranges.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there is no range.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the ranges as lengths, from `cumulative` upward: a gap, a range, a gap, a range.
    pub(super) fn encode(&self, put: &mut Put, cumulative: Seq) {
        // Leave out the ranges that begin at or below the cumulative ack: decoders refuse them.
        let below = self.0.partition_point(|&(start, _)| start <= cumulative);
        let above = &self.0[below..];
        put.nested(above.len() as u32 * 2);
        let mut last = cumulative;
        for &(start, end) in above {
            put.uint(start.since(last)).uint(end.since(start));
            last = end;
        }
    }

    /// Reads ranges that [`SackRanges::encode`] wrote with the same `cumulative`.
    pub(super) fn decode(
        cursor: &mut Cursor<'_>,
        cumulative: Seq,
    ) -> Result<SackRanges, WireError> {
        let lengths = cursor.array_len(MAX_SACK_RANGES as u32 * 2, "sack ranges")?;
        if lengths % 2 != 0 {
            return Err(WireError::Malformed("sack ranges"));
        }
        let mut sack = SackRanges::with_capacity(lengths as usize / 2);
        let mut last = cumulative.get();
        for _ in 0..lengths / 2 {
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

/// What a consumer holds, and its credit.
///
/// The `seq` of the header counts the acks of the consumer, so that the publisher recognises an
/// older ack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The consumer.
    pub peer: PeerId,
    /// The cumulative ack: the consumer has received every frame below this sequence number (RFC
    /// 9293 section 3.4).
    pub cumulative: Seq,
    /// The frames that the consumer has received above the cumulative ack (RFC 2018). The encoder
    /// leaves out ranges that begin at or below the cumulative ack.
    pub sack: SackRanges,
    /// How far the publisher may send.
    pub credit: Credit,
    /// The data frame that the consumer received last, or `None` before the first. This frame is
    /// the newest evidence for loss detection.
    pub latest: Option<Seq>,
    /// The time since the consumer received that frame, in microseconds. The publisher subtracts
    /// this time from the round-trip time.
    pub delay_us: u32,
    /// The [`Probe::number`](super::Probe::number) of the probe that the consumer received last, or
    /// 0 before the first. The first ack with a new value answers that probe.
    pub probe: u64,
    /// The time since the consumer received that probe, in microseconds. This time exceeds the
    /// usual delay if an earlier ack to the same probe was lost.
    pub probe_delay_us: u32,
    /// The newest generation of the group that the consumer subscribes to, or 0 for none. See
    /// [`super::SynAck::generation`].
    pub generation: u32,
    /// The number of duplicate data frames received so far.
    pub duplicates: u64,
    /// The number of frames dropped so far: corrupt, of another session, beyond the window.
    pub dropped: u64,
}

impl Ack {
    pub(super) fn encode(&self) -> Vec<u8> {
        // Enough for most acks: an integer takes up to 5 bytes, and the two lengths of a range 3
        // each.
        let mut put = Put::array_with_capacity(12, 64 + 6 * self.sack.len());
        put.id(self.peer.0).uint(self.cumulative.get());
        put.uint(self.credit.frames.get()).uint(self.credit.bytes);
        // 0 stands for `None`, so that the field takes one byte then.
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
        let probe = cursor.uint("probe count")?;
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
