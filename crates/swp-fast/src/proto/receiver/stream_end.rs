//! The end of the stream: what the publisher announces with FIN, and whether the application
//! confirms it.
//!
//! Three things have to come together before a consumer may send FIN-ACK: the application has
//! consumed everything, the application confirms that, and the publisher of the moment has
//! announced the end. A publisher that takes over does not know FIN-ACK before it has sent FIN.

use bytes::Bytes;

use crate::wire::{Fin, Seq};

/// A FIN that cannot be genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrongEnd {
    /// Another end was announced before. A publisher announces one end only.
    Moved,
    /// Frames beyond the announced end have arrived.
    BelowHeld,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct StreamEnd {
    /// One above the sequence number of the last frame.
    end: Option<Seq>,
    trailer: Bytes,
    /// The publisher that this consumer is with has sent FIN, not only a publisher before it.
    announced: bool,
    confirmed: bool,
}

impl StreamEnd {
    /// Notes the publisher's FIN. Every frame that this consumer holds lies below `held_end`.
    ///
    /// # Errors
    /// See [`WrongEnd`]; nothing was noted then.
    pub(super) fn announce(&mut self, fin: Fin, held_end: Seq) -> Result<(), WrongEnd> {
        match self.end {
            Some(end) if end != fin.end => return Err(WrongEnd::Moved),
            Some(_) => {}
            None if fin.end < held_end => return Err(WrongEnd::BelowHeld),
            None => {
                self.end = Some(fin.end);
                self.trailer = fin.trailer;
            }
        }
        self.announced = true;
        Ok(())
    }

    /// Another publisher takes over, and has yet to announce the end.
    pub(super) fn await_announcement(&mut self) {
        self.announced = false;
    }

    /// The application confirms that it has everything.
    pub(super) fn confirm(&mut self) {
        self.confirmed = true;
    }

    /// Returns true if the application has confirmed that it has everything.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Returns true if FIN-ACK may be sent.
    pub(super) fn may_acknowledge(&self) -> bool {
        self.announced && self.confirmed
    }

    /// Returns true if the stream ends before the frame at `seq`.
    pub(super) fn is_before(&self, seq: Seq) -> bool {
        self.end.is_some_and(|end| seq >= end)
    }

    /// Returns true if everything below `consumed` is the whole stream.
    pub(super) fn is_reached(&self, consumed: Seq) -> bool {
        self.is_before(consumed)
    }

    /// The publisher's trailer, once the end is known.
    pub(super) fn trailer(&self) -> Option<&Bytes> {
        self.end.map(|_| &self.trailer)
    }
}

#[cfg(test)]
mod tests;
