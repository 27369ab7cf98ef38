//! How far one consumer's window reaches.

use crate::proto::retransmit::Slot;
use crate::wire::{Ack, Credit, Seq};

/// What a consumer takes beyond what it has consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proto) struct Window {
    pub(in crate::proto) frames: u64,
    pub(in crate::proto) bytes: u64,
}

/// The newest credit of a consumer. Credit is absolute and never shrinks.
#[derive(Debug)]
pub(in crate::proto) struct PeerCredit {
    window: Window,
    start_bytes: u64,
    credit: Credit,
}

impl PeerCredit {
    /// The credit of a consumer that begins at `start`: the whole window where it is `open`, else
    /// nothing until the first ack.
    pub(super) fn new(start: Seq, start_bytes: u64, window: Window, open: bool) -> PeerCredit {
        let Window { frames, bytes } = if open { window } else { Window { frames: 0, bytes: 0 } };
        let credit =
            Credit { frames: start.advance(frames), bytes: start_bytes.saturating_add(bytes) };
        PeerCredit { window, start_bytes, credit }
    }

    /// Takes the credit of an ack. Returns true if it allows more than before.
    pub(super) fn take(&mut self, ack: &Ack) -> bool {
        // A consumer holds at least what it has consumed, so more than a window beyond the
        // cumulative ack cannot be meant.
        let most =
            Credit { frames: ack.cumulative.advance(self.window.frames), bytes: ack.credit.bytes };
        let before = self.credit;
        self.credit = before.max(ack.credit.min(most));
        self.credit != before
    }

    /// What may be sent.
    pub(in crate::proto) fn get(&self) -> Credit {
        self.credit
    }

    /// The byte offset at which the consumer begins.
    pub(in crate::proto) fn start_bytes(&self) -> u64 {
        self.start_bytes
    }

    /// Whether the window has space for the frame.
    pub(in crate::proto) fn allows(&self, slot: &Slot) -> bool {
        slot.seq < self.credit.frames && slot.end_bytes <= self.credit.bytes
    }

    /// Whether the window has space for anything behind frame `next`, which begins at `next_bytes`.
    pub(in crate::proto) fn is_open_at(&self, next: Seq, next_bytes: u64) -> bool {
        next < self.credit.frames && next_bytes < self.credit.bytes
    }

    /// Whether this credit keeps the stream from sending frame `next`, which ends at
    /// `next_end_bytes`.
    pub(in crate::proto) fn blocks(&self, next: Seq, next_end_bytes: u64) -> bool {
        self.credit.frames <= next || self.credit.bytes < next_end_bytes
    }

    /// The byte offset up to which the consumer has consumed.
    pub(in crate::proto) fn consumed_bytes(&self) -> u64 {
        self.credit.bytes.saturating_sub(self.window.bytes).max(self.start_bytes)
    }
}

#[cfg(test)]
mod tests;
