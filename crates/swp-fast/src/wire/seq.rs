//! Numbers that name things on the wire: frames, sessions, peers.

use std::fmt;

/// The largest frame number. At a million frames a second it lasts for 146,000 years, so numbers
/// never wrap, and anything above it from the network is refused rather than computed with.
pub const MAX_SEQ: u64 = 1 << 62;

/// The largest number of any other kind: byte offsets, windows, counters. As with frame numbers, two of
/// them can always be added. Ids alone use all 64 bits.
///
/// A larger number is refused when it is read, and held at this bound when it is written.
pub const MAX_COUNT: u64 = MAX_SEQ;

/// The number of a data frame within its session, counted from 0, dense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(u64);

impl Seq {
    /// The first frame of a session.
    pub const ZERO: Seq = Seq(0);

    /// `None` above [`MAX_SEQ`].
    pub const fn new(value: u64) -> Option<Seq> {
        if value <= MAX_SEQ { Some(Seq(value)) } else { None }
    }

    /// The plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Seq {
        self.advance(1)
    }

    /// `frames` further on, held at [`MAX_SEQ`].
    #[must_use]
    pub const fn advance(self, frames: u64) -> Seq {
        let sum = self.0.saturating_add(frames);
        Seq(if sum > MAX_SEQ { MAX_SEQ } else { sum })
    }

    /// How many frames lie from `earlier` up to, not including, this one; 0 if it is not earlier.
    pub const fn since(self, earlier: Seq) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of one publisher on one stream: 64 random bits. Frames of another session are counted
/// and dropped before anything else in them is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// One consumer: 64 random bits of its own choosing, from which its inbox subject is derived.
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
