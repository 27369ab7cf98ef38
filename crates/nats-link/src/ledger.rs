//! Positions in the byte stream to the server, over all connections: what was accepted from the
//! application, what the socket took, what the server has confirmed, and what is unknown since a
//! connection broke.
//!
//! ```text
//!   accepted  >=  written  >=  confirmed
//!        queued       unconfirmed
//! ```
//!
//! A server answers `PING` after it has read everything before it. So a [`Mark`] is kept for each
//! `PING`, and its `PONG` confirms the mark's position.

use std::{collections::VecDeque, ops::RangeInclusive};

#[cfg(test)]
mod tests;

/// How many separate ranges of unknown fate are remembered. With more, the two oldest and what is
/// between them become one range.
const LOST_RANGES_MAX: usize = 64;

/// The end of a published message in the byte stream to the server. Later messages have greater
/// positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub(crate) u64);

/// Messages and their bytes, as they are encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// The number of messages.
    pub messages: u64,
    /// Their bytes on the wire, control lines between them included.
    pub bytes: u64,
}

/// What a `PONG` means beside that the server is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nothing else.
    Confirm,
    /// The server knows this subscription.
    Subscribe(u64),
    /// The server has forgotten this subscription, and sent all that was for it.
    Drain(u64),
    /// Everything is confirmed that will be written on this connection.
    Leave,
}

/// A `PING` that was queued.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) purpose: Purpose,
    position: u64,
    messages: u64,
    /// The largest message between the mark before and this one.
    largest: usize,
}

/// What became of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Queued,
    Written,
    Confirmed,
    /// Its connection broke before the server confirmed it.
    Lost,
}

/// What a broken connection leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Written, at least in part, and not confirmed.
    pub(crate) unconfirmed: Amount,
    /// To be written on the next connection.
    pub(crate) queued: Amount,
    /// The bytes at the front of the queue that belong to the old connection.
    pub(crate) stale_bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accepted: u64,
    written: u64,
    confirmed: u64,
    /// The end of the last message or line that was written whole.
    boundary: u64,
    /// Ends of what was not written whole, and whether each is a message.
    ends: VecDeque<(u64, bool)>,
    /// The end of the last message that was accepted.
    last_message: u64,
    messages_accepted: u64,
    messages_confirmed: u64,
    messages_queued: u64,
    /// Bytes at the front of the queue that have no position.
    preamble: usize,
    marks: VecDeque<Mark>,
    /// How many of the first marks are answered, though it is not noted that they were written.
    answered: usize,
    lost: Vec<RangeInclusive<u64>>,
    largest: usize,
}

impl Ledger {
    /// Notes that a message of `size`, which takes `bytes` on the wire, was queued.
    pub(crate) fn accept_message(&mut self, bytes: usize, size: usize) -> Position {
        self.messages_accepted += 1;
        self.messages_queued += 1;
        self.largest = self.largest.max(size);
        self.last_message = self.accepted + bytes as u64;
        self.accept(bytes, true)
    }

    /// Notes that a line of the protocol was queued.
    pub(crate) fn accept_line(&mut self, bytes: usize) -> Position {
        self.accept(bytes, false)
    }

    fn accept(&mut self, bytes: usize, message: bool) -> Position {
        self.accepted += bytes as u64;
        self.ends.push_back((self.accepted, message));
        Position(self.accepted)
    }

    /// Notes that the last line that was queued is a `PING`.
    pub(crate) fn push_mark(&mut self, purpose: Purpose) {
        let largest = std::mem::take(&mut self.largest);
        let (position, messages) = (self.accepted, self.messages_accepted);
        self.marks.push_back(Mark { purpose, position, messages, largest });
    }

    /// Notes lines that are written before everything that is queued: `bytes` in all, with a
    /// `PING` for each of `purposes`.
    pub(crate) fn begin_preamble(&mut self, bytes: usize, purposes: &[Purpose]) {
        self.preamble = bytes;
        let (position, messages) = (self.written, self.messages_confirmed);
        for purpose in purposes.iter().rev() {
            self.marks.push_front(Mark { purpose: *purpose, position, messages, largest: 0 });
        }
    }

    /// Notes that the socket took `bytes`.
    pub(crate) fn record_written(&mut self, bytes: usize) {
        let of_preamble = bytes.min(self.preamble);
        self.preamble -= of_preamble;
        self.written += (bytes - of_preamble) as u64;
        while let Some((end, message)) = self.ends.front().copied() {
            if end > self.written {
                break;
            }
            self.boundary = end;
            self.messages_queued -= u64::from(message);
            self.ends.pop_front();
        }
    }

    /// Notes a `PONG`. It may come before [`Self::record_written`] of its `PING`, and a server may
    /// make one up. It counts from the moment when the `PING` was written.
    pub(crate) fn pong(&mut self) {
        self.answered = (self.answered + 1).min(self.marks.len());
    }

    /// Returns the next mark that was written and answered.
    pub(crate) fn next_answered(&mut self) -> Option<Mark> {
        if !self.is_answered() {
            return None;
        }
        let mark = self.marks.pop_front()?;
        self.answered -= 1;
        self.confirmed = self.confirmed.max(mark.position);
        self.messages_confirmed = self.messages_confirmed.max(mark.messages);
        Some(mark)
    }

    /// Returns true if there is a mark that was written and answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered > 0 && self.marks.front().is_some_and(|mark| mark.position <= self.written)
    }

    /// Notes that the connection is gone.
    pub(crate) fn break_off(&mut self) -> Broken {
        self.answered = 0;
        let mut stale = std::mem::take(&mut self.preamble);
        if self.written > self.boundary
            && let Some((end, message)) = self.ends.pop_front()
        {
            // The server has seen the start of it. Its rest would be nonsense to another.
            stale += (end - self.written) as usize;
            self.messages_queued -= u64::from(message);
            self.written = end;
            self.boundary = end;
        }
        let messages_written = self.messages_accepted - self.messages_queued;
        let unconfirmed = Amount {
            messages: messages_written - self.messages_confirmed,
            bytes: self.written - self.confirmed,
        };
        if unconfirmed.messages > 0 {
            self.remember_lost(self.confirmed + 1..=self.written);
        }
        self.confirmed = self.written;
        self.messages_confirmed = messages_written;
        let written = self.written;
        self.marks.retain(|mark| mark.position > written);
        // The next connection is not to be left, though it writes the same PING.
        for mark in self.marks.iter_mut().filter(|mark| mark.purpose == Purpose::Leave) {
            mark.purpose = Purpose::Confirm;
        }
        Broken { unconfirmed, queued: self.queued(), stale_bytes: stale }
    }

    fn remember_lost(&mut self, range: RangeInclusive<u64>) {
        self.lost.push(range);
        if self.lost.len() > LOST_RANGES_MAX {
            let oldest = self.lost.remove(0);
            self.lost[0] = *oldest.start()..=*self.lost[0].end();
        }
    }

    pub(crate) fn fate(&self, Position(position): Position) -> Fate {
        if self.lost.iter().any(|range| range.contains(&position)) {
            Fate::Lost
        } else if position <= self.confirmed {
            Fate::Confirmed
        } else if position <= self.written {
            Fate::Written
        } else {
            Fate::Queued
        }
    }

    /// Returns whether the answer to a `PING` that is queued or written will confirm `position`.
    pub(crate) fn is_marked(&self, Position(position): Position) -> bool {
        self.marks.back().is_some_and(|mark| mark.position >= position)
    }

    /// Returns true if the socket has taken a `PING` that is not answered.
    pub(crate) fn is_mark_written(&self) -> bool {
        self.marks.get(self.answered).is_some_and(|mark| mark.position <= self.written)
    }

    /// Returns the number of bytes that the socket took, over all connections.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Returns what the next `PONG` will mean.
    pub(crate) fn next_purpose(&self) -> Option<Purpose> {
        self.marks.get(self.answered).map(|mark| mark.purpose)
    }

    /// Returns the position of the last message that was accepted.
    pub(crate) fn end(&self) -> Position {
        Position(self.last_message)
    }

    /// Returns the size of the largest message that is not confirmed.
    pub(crate) fn largest_unconfirmed(&self) -> usize {
        self.marks.iter().map(|mark| mark.largest).fold(self.largest, usize::max)
    }

    /// Returns what the socket has not taken yet.
    pub(crate) fn queued(&self) -> Amount {
        Amount { messages: self.messages_queued, bytes: self.accepted - self.written }
    }

    /// Returns what the server has not confirmed, queued messages included.
    pub(crate) fn unconfirmed(&self) -> Amount {
        let messages = self.messages_accepted - self.messages_confirmed;
        Amount { messages, bytes: self.accepted - self.confirmed }
    }
}
