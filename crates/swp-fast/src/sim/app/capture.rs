//! A capture: bodies that were packed beforehand, and sent in blocks.
//!
//! Frame n of the stream carries body n, so the past can be read again, and a publisher that
//! continues a session begins with the body of its resume point.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::message;
use crate::config::PublishConfig;
use crate::proto::{Accepts, PackedBlock, PackedBody, Packer, Position, Refused};
use crate::time::Time;
use crate::wire::{Digest, Kind, MAX_HEADER, Seq};

/// See the [module](self).
pub(super) struct Capture {
    /// Packs the messages, as a recorder does.
    packer: Packer,
    bodies: Vec<Body>,
    /// The first body that was not offered yet.
    next: usize,
    /// A block that the packer had no space for.
    pending: Option<(PackedBlock, u64)>,
    block_bodies: usize,
    known_digests: bool,
    interval: Duration,
    /// The pace counts from this time and this message on.
    paced_from: (Time, u64),
}

/// A ready body.
pub(super) struct Body {
    pub(super) kind: Kind,
    /// The body behind [`MAX_HEADER`] bytes of space.
    pub(super) buf: BytesMut,
    pub(super) digest: Digest,
    messages: u32,
    /// Messages that end in this body or before it.
    ended: u64,
}

impl Body {
    fn bytes(&self) -> &[u8] {
        &self.buf[MAX_HEADER..]
    }

    /// The last message of which this body holds a byte.
    fn last_message(&self) -> u64 {
        self.ended.saturating_sub(u64::from(self.messages.min(1)))
    }
}

impl Capture {
    pub(super) fn new(
        publish: &PublishConfig,
        app: &super::AppConfig,
        interval: Duration,
    ) -> Capture {
        let mut packer = Packer::new(publish, Accepts::Anything);
        packer.set_shared(publish.min_consumers > 1);
        Capture {
            packer,
            bodies: Vec::new(),
            next: 0,
            pending: None,
            block_bodies: app.block_bodies.unwrap_or(super::DEFAULT_BLOCK_BODIES).max(1),
            known_digests: app.known_digests,
            interval,
            paced_from: (Time::ZERO, 0),
        }
    }

    /// Records messages behind all that were recorded before. The first has this index.
    pub(super) fn record(&mut self, first: u64, sizes: &[usize]) -> Result<(), Refused> {
        for (index, &size) in (first..).zip(sizes) {
            while let Err(refused) = self.packer.push_bytes(Bytes::from(message(index, size))) {
                if refused != Refused::Blocked {
                    return Err(refused);
                }
                self.keep_next();
            }
        }
        while self.keep_next() {}
        Ok(())
    }

    /// Keeps the next body that the packer gives. Returns false if the packer is empty.
    fn keep_next(&mut self) -> bool {
        let body = self.packer.take(true).and_then(|packed| packed.into_body());
        let Some((kind, buf, messages)) = body else { return false };
        let digest = match self.known_digests {
            true => Digest::blake3(&buf[MAX_HEADER..]),
            false => Digest::None,
        };
        let ended = self.ended_below(self.bodies.len()) + u64::from(messages);
        self.bodies.push(Body { kind, buf, digest, messages, ended });
        true
    }

    /// The messages that end in the bodies before this one.
    pub(super) fn ended_below(&self, body: usize) -> u64 {
        let before = body.checked_sub(1).and_then(|last| self.bodies.get(last));
        before.map_or(0, |body| body.ended)
    }

    /// The body of a frame.
    pub(super) fn body(&self, seq: Seq) -> Option<&Body> {
        self.bodies.get(usize::try_from(seq.get()).ok()?)
    }

    /// Returns true if all bodies were accepted.
    pub(super) fn is_done(&self) -> bool {
        self.next == self.bodies.len() && self.pending.is_none()
    }

    /// Continues with the body of this frame.
    pub(super) fn rewind(&mut self, to: Seq) {
        self.next = to.get() as usize;
        self.pending = None;
    }

    /// More messages will be recorded. If all bodies were accepted, the pace counts from now on.
    pub(super) fn extend(&mut self, now: Time) {
        if self.is_done() {
            self.paced_from = (now, self.ended_below(self.bodies.len()));
        }
    }

    /// Returns when the next block is due, if it is not due yet.
    pub(super) fn wake_at(&self, now: Time) -> Option<Time> {
        self.next_block_due_at().filter(|at| *at > now)
    }

    fn block_end(&self) -> usize {
        let after = self.next - self.next % self.block_bodies + self.block_bodies;
        after.min(self.bodies.len())
    }

    /// A block is due when its last message is.
    fn next_block_due_at(&self) -> Option<Time> {
        let last = self.bodies.get(self.next..self.block_end())?.last()?.last_message();
        let (start, first) = self.paced_from;
        Some(start + self.interval * last.saturating_sub(first) as u32)
    }

    /// Offers all blocks that are due, until the packer is full. Tells the position of each block
    /// accepted, and how many messages end in that block or before it.
    pub(super) fn offer(
        &mut self,
        now: Time,
        packer: &mut Packer,
        mut accepted: impl FnMut(Position, u64),
    ) -> Result<(), Refused> {
        while let Some((block, ended)) = self.pending.take().or_else(|| self.next_block(now)) {
            match packer.admit_block(&block) {
                Ok(()) => {
                    let position = packer.push_block(block)?;
                    position.into_iter().for_each(|position| accepted(position, ended));
                }
                Err(refused) => {
                    self.pending = Some((block, ended));
                    return if refused == Refused::Blocked { Ok(()) } else { Err(refused) };
                }
            }
        }
        Ok(())
    }

    /// Lays out the next block, as a reader of captures gives it: the buffer holds all bodies of
    /// the block, with space for a header in front of each, and those before `next` are left out of
    /// the list.
    fn next_block(&mut self, now: Time) -> Option<(PackedBlock, u64)> {
        self.next_block_due_at().filter(|at| *at <= now)?;
        let first = self.next - self.next % self.block_bodies;
        let end = self.block_end();
        let (mut bytes, mut bodies) = (Vec::new(), Vec::new());
        for (index, body) in self.bodies.iter().enumerate().take(end).skip(first) {
            bytes.resize(bytes.len() + MAX_HEADER, 0);
            let start = bytes.len();
            bytes.extend_from_slice(body.bytes());
            if index >= self.next {
                let (kind, messages, digest) = (body.kind, body.messages, body.digest);
                let range = start..bytes.len();
                bodies.push(PackedBody { range, kind, messages, digest });
            }
        }
        self.next = end;
        let block = PackedBlock::new(bytes, bodies).ok()?;
        Some((block, self.ended_below(end)))
    }
}
