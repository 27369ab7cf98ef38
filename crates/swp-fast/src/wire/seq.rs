//! Sequence numbers of frames, and the ids of sessions and peers.

use std::fmt;

/// The largest sequence number.
///
/// No session lasts long enough to reach this bound, so sequence numbers never wrap. Decoders
/// refuse larger sequence numbers. The sum of two sequence numbers fits a `u64`.
pub const MAX_SEQ: u64 = 1 << 62;

/// The largest integer of any other kind: byte offsets, windows, counters. Only ids use all 64
/// bits.
///
/// Decoders refuse a larger integer. Encoders write this bound in place of a larger one. The sum of
/// two such integers fits a `u64`.
pub const MAX_COUNT: u64 = MAX_SEQ;

/// The sequence number of a data frame within its session: consecutive, from 0, at most
/// [`MAX_SEQ`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(u64);

impl Seq {
    /// The first frame of a session.
    pub const ZERO: Seq = Seq(0);

    /// Creates a sequence number. Returns `None` if `value` is above [`MAX_SEQ`].
    pub const fn new(value: u64) -> Option<Seq> {
        if value <= MAX_SEQ { Some(Seq(value)) } else { None }
    }

    /// Returns the sequence number as an integer.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the next sequence number, or [`MAX_SEQ`] if this is the last.
    #[must_use]
    pub const fn next(self) -> Seq {
        self.advance(1)
    }

    /// Returns the sequence number `frames` after this one, at most [`MAX_SEQ`].
    #[must_use]
    pub const fn advance(self, frames: u64) -> Seq {
        let sum = self.0.saturating_add(frames);
        Seq(if sum > MAX_SEQ { MAX_SEQ } else { sum })
    }

    /// Returns the number of frames from `earlier`, inclusive, to this one, exclusive. Returns 0 if
    /// `earlier` is later.
    pub const fn since(self, earlier: Seq) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a session, which is one run of a stream: 64 random bits. A consumer drops and counts
/// the data frames of any other session by their header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// The id of a consumer: 64 random bits that the consumer chooses. The consumer's inbox subject is
/// derived from the id. A publisher's inbox has an id of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests;
