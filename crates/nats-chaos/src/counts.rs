//! What the proxy did, by kind.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of what the proxy has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Messages seen, in both directions.
    pub messages: u64,
    /// Messages lost.
    pub dropped: u64,
    /// Messages that passed twice.
    pub duplicated: u64,
    /// Messages held back so that later ones could overtake them.
    pub reordered: u64,
    /// Messages with a flipped bit.
    pub corrupted: u64,
    /// Messages that waited.
    pub delayed: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections cut.
    pub cut: u64,
    /// Connections refused.
    pub refused: u64,
}

impl Counts {
    /// Each kind of fault with its count.
    #[must_use]
    pub fn by_kind(&self) -> [(&'static str, u64); 7] {
        [
            ("dropped", self.dropped),
            ("duplicated", self.duplicated),
            ("reordered", self.reordered),
            ("corrupted", self.corrupted),
            ("delayed", self.delayed),
            ("cut", self.cut),
            ("refused", self.refused),
        ]
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) messages: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) duplicated: AtomicU64,
    pub(crate) reordered: AtomicU64,
    pub(crate) corrupted: AtomicU64,
    pub(crate) delayed: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) refused: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            messages: read(&self.messages),
            dropped: read(&self.dropped),
            duplicated: read(&self.duplicated),
            reordered: read(&self.reordered),
            corrupted: read(&self.corrupted),
            delayed: read(&self.delayed),
            accepted: read(&self.accepted),
            cut: read(&self.cut),
            refused: read(&self.refused),
        }
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}
