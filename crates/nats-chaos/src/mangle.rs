//! Decides by chance what becomes of each message of one direction, and keeps those that are to be
//! overtaken. No socket and no clock: [`super::pump`] has those.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::Faults;
use crate::counts::{Counters, count};
use crate::split::{Message, Unit};

#[cfg(test)]
mod tests;

/// A message that waits to be overtaken waits for this many others at most; and no more than this many
/// wait at once.
const OVERTAKEN_BY_MAX: u32 = 8;

#[derive(Debug)]
pub(crate) struct Mangler {
    random: Pcg64Mcg,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    bytes: Bytes,
    /// Messages that still have to pass it.
    left: u32,
}

impl Mangler {
    pub(crate) fn new(seed: u64) -> Mangler {
        Mangler { random: Pcg64Mcg::seed_from_u64(seed), held: Vec::new() }
    }

    /// Whether messages wait to be overtaken.
    pub(crate) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// How long this unit, and everything behind it, has to wait before [`Self::pass`].
    pub(crate) fn delay(
        &mut self,
        unit: &Unit,
        faults: &Faults,
        counters: &Counters,
    ) -> Option<Duration> {
        let Unit::Message(message) = unit else { return None };
        if !concerns(faults, message) || !self.happens(faults.delay) {
            return None;
        }
        count(&counters.delayed);
        Some(faults.delay_max.mul_f64(self.random.random_range(0.0..=1.0)))
    }

    /// Appends to `out` what becomes of `unit`, and whatever it was the last to overtake.
    pub(crate) fn pass(
        &mut self,
        unit: Unit,
        faults: &Faults,
        counters: &Counters,
        out: &mut BytesMut,
    ) {
        let message = match unit {
            Unit::Line(line) => return out.extend_from_slice(&line),
            Unit::Message(message) => message,
        };
        count(&counters.messages);
        if concerns(faults, &message) {
            self.mangle(message, faults, counters, out);
        } else {
            out.extend_from_slice(&message.bytes);
        }
        self.let_go_overtaken(out);
    }

    fn mangle(
        &mut self,
        message: Message,
        faults: &Faults,
        counters: &Counters,
        out: &mut BytesMut,
    ) {
        if self.happens(faults.drop) {
            return count(&counters.dropped);
        }
        let mut bytes = message.bytes;
        if !message.payload.is_empty() && self.happens(faults.corrupt) {
            let mut copy = BytesMut::from(&bytes[..]);
            copy[self.random.random_range(message.payload)] ^= 1 << self.random.random_range(0..8);
            bytes = copy.freeze();
            count(&counters.corrupted);
        }
        if self.happens(faults.duplicate) {
            out.extend_from_slice(&bytes);
            count(&counters.duplicated);
        }
        if self.held.len() < OVERTAKEN_BY_MAX as usize && self.happens(faults.reorder) {
            // One more than that: the message itself counts as the first to pass.
            let left = self.random.random_range(1..=OVERTAKEN_BY_MAX) + 1;
            self.held.push(Held { bytes, left });
            count(&counters.reordered);
        } else {
            out.extend_from_slice(&bytes);
        }
    }

    /// A message has passed: those that waited for it as the last go now.
    fn let_go_overtaken(&mut self, out: &mut BytesMut) {
        self.held.retain_mut(|held| {
            held.left -= 1;
            if held.left == 0 {
                out.extend_from_slice(&held.bytes);
            }
            held.left > 0
        });
    }

    /// Nothing comes to overtake them: they go now.
    pub(crate) fn let_go(&mut self, out: &mut BytesMut) {
        for held in self.held.drain(..) {
            out.extend_from_slice(&held.bytes);
        }
    }

    fn happens(&mut self, rate: f64) -> bool {
        rate > 0.0 && self.random.random_bool(rate.min(1.0))
    }
}

fn concerns(faults: &Faults, message: &Message) -> bool {
    faults.concern(&message.bytes[message.subject.clone()])
}
