//! Producers: they offer messages to the packer in turns, each at its own pace.

use std::time::Duration;

use bytes::Bytes;

use super::message;
use crate::proto::{Packer, Position, Refused};
use crate::time::Time;

/// The producers of one stream, and the order in which the packer accepted their messages.
pub(super) struct Producers {
    producers: Vec<Producer>,
    /// The producer whose turn it is.
    turn: usize,
    /// The indices of the messages, in the order of acceptance: the order of the stream.
    order: Vec<u64>,
}

struct Producer {
    /// The index of the next message, and the distance to the one after that.
    next: u64,
    step: u64,
    /// Messages that this producer has offered and the packer has accepted.
    accepted: u64,
    /// The time from one message to the next.
    interval: Duration,
    /// The pace counts from this time and this number of accepted messages on.
    paced_from: (Time, u64),
}

impl Producers {
    /// `interval` is the time from one message of the stream to the next. Producer p goes p + 1
    /// times as fast as producer 0, so that all are done by when one producer alone would be.
    pub(super) fn new(count: usize, interval: Duration) -> Producers {
        let count = u32::try_from(count).unwrap_or(1).max(1);
        let producer = |number: u32| Producer {
            next: u64::from(number),
            step: u64::from(count),
            accepted: 0,
            interval: interval * count / (number + 1),
            paced_from: (Time::ZERO, 0),
        };
        let producers = (0..count).map(producer).collect();
        Producers { producers, turn: 0, order: Vec::new() }
    }

    /// The indices of the messages that the packer accepted, in that order.
    pub(super) fn order(&self) -> &[u64] {
        &self.order
    }

    /// Returns true if all of `total` messages were accepted.
    pub(super) fn is_done(&self, total: usize) -> bool {
        self.order.len() == total
    }

    /// More messages will come. The pace of a producer without messages counts from now on.
    pub(super) fn extend(&mut self, now: Time, total_before: usize) {
        for producer in &mut self.producers {
            if producer.next >= total_before as u64 {
                producer.paced_from = (now, producer.accepted);
            }
        }
    }

    /// Returns when the next message is due, if none is due yet.
    pub(super) fn wake_at(&self, now: Time, total: usize) -> Option<Time> {
        let more = self.producers.iter().filter(|producer| producer.next < total as u64);
        more.map(Producer::due_at).filter(|at| *at > now).min()
    }

    /// Each producer in turn offers a message that is due, until none is accepted any more. Tells
    /// the position of each message accepted.
    pub(super) fn offer(
        &mut self,
        now: Time,
        sizes: &[usize],
        packer: &mut Packer,
        mut accepted: impl FnMut(Position),
    ) -> Result<(), Refused> {
        let count = self.producers.len();
        let mut refusals = 0;
        while refusals < count {
            let producer = &mut self.producers[self.turn];
            match producer.offer(now, sizes, packer)? {
                Some((index, position)) => {
                    self.order.push(index);
                    accepted(position);
                    refusals = 0;
                }
                None => refusals += 1,
            }
            self.turn = (self.turn + 1) % count;
        }
        Ok(())
    }
}

impl Producer {
    fn due_at(&self) -> Time {
        let (start, before) = self.paced_from;
        start + self.interval * (self.accepted - before) as u32
    }

    /// Offers the next message. Returns `None` where no message is due, or the packer is full.
    fn offer(
        &mut self,
        now: Time,
        sizes: &[usize],
        packer: &mut Packer,
    ) -> Result<Option<(u64, Position)>, Refused> {
        let index = self.next;
        let Some(&size) = sizes.get(index as usize).filter(|_| self.due_at() <= now) else {
            return Ok(None);
        };
        // A producer asks before it makes a large message.
        let pushed = packer.admit(size).and_then(|()| match index % 2 {
            0 => packer.push(&message(index, size)),
            _ => packer.push_bytes(Bytes::from(message(index, size))),
        });
        match pushed {
            Ok(position) => {
                self.accepted += 1;
                self.next += self.step;
                Ok(Some((index, position)))
            }
            Err(Refused::Blocked) => Ok(None),
            Err(refused) => Err(refused),
        }
    }
}
