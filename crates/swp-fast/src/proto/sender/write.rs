//! Writing: bodies become frames here, numbered and sealed once and for all.

use bytes::Bytes;

use super::{Sender, State};
use crate::proto::Position;
use crate::proto::packed::{Body, Encoded, Packed, PackedBlock};
use crate::wire::{Digest, MAX_HEADER, Seq};

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The session is over, or its end was announced.
    #[error("the session takes no more")]
    Closed,
    /// A body is larger than a frame of this session takes.
    #[error("a body of {bytes} bytes does not fit frames of {max}")]
    BodyTooLarge {
        /// The length of the body.
        bytes: usize,
        /// The longest that fits.
        max: usize,
    },
    /// The body is not of a data kind, or has no space for a header in front.
    #[error("this is not the body of a data frame")]
    NotData,
}

impl Sender {
    /// Returns true if a frame with one byte could be written and sent now. A longer body may still
    /// have to wait for credit. While this is false, messages gather in the packer, so that they
    /// travel in fuller frames.
    pub fn can_write(&self) -> bool {
        self.membership.has_started()
            && self.state == State::Open
            && self.window.is_drained()
            && self.window_open(1)
    }

    /// Tells whether the application has more to send than [`Self::can_write`] allows. While it
    /// has, a probe asks again for credit if its ack was lost, and a consumer that takes nothing is
    /// evicted where `PublishConfig::slow` says so.
    pub fn set_backlog(&mut self, waiting: bool) {
        self.stall.set_backlog(waiting);
    }

    /// Writes what the packer gave: assigns the next sequence number and byte offset to each body,
    /// puts the header in front, and retains the frame until every consumer holds it. A body that
    /// carries a digest of the session's kind is not hashed. Returns the sequence number of the
    /// first frame.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing was written then.
    pub fn write(&mut self, packed: Packed) -> Result<Seq, WriteError> {
        let end = packed.end;
        match packed.encode() {
            Encoded::Body(body) => self.write_body(body, end),
            Encoded::Block(block) => self.write_block(block, end),
        }
    }

    fn write_body(&mut self, body: Body, end: Position) -> Result<Seq, WriteError> {
        let Body { kind, buf, messages } = body;
        if buf.len() < MAX_HEADER || !kind.is_data() {
            return Err(WriteError::NotData);
        }
        let body_len = buf.len() - MAX_HEADER;
        self.check_write(body_len)?;
        let digest = self.config.integrity.digest(&buf[MAX_HEADER..]);
        let header = self.control.data_header(kind, self.window.queue().next_seq(), digest);
        let frame = self.control.sealer().seal_data(buf, &header);
        self.push_frame(frame, body_len, messages, end);
        Ok(header.seq)
    }

    /// Puts headers into the space in front of each body. The block lives until the last of its
    /// frames is released.
    fn write_block(&mut self, block: PackedBlock, end: Position) -> Result<Seq, WriteError> {
        self.check_write(block.longest_body())?;
        let PackedBlock { mut bytes, bodies, .. } = block;
        let first = self.window.queue().next_seq();
        let buffer = bytes.as_mut();
        let mut starts = Vec::with_capacity(bodies.len());
        for (index, body) in bodies.iter().enumerate() {
            let digest = self.digest_of(Some(body.digest), &buffer[body.range.clone()]);
            let seq = first.advance(index as u64);
            let header = self.control.data_header(body.kind, seq, digest);
            let space_start = body.range.start - MAX_HEADER;
            let space = &mut buffer[space_start..body.range.start];
            starts.push(space_start + self.control.sealer().put_header(space, &header));
        }
        let (bytes, last) = (Bytes::from_owner(bytes), bodies.len().saturating_sub(1));
        for (index, (body, start)) in bodies.iter().zip(starts).enumerate() {
            let frame = bytes.slice(start..body.range.end);
            let end = if index == last { end } else { end.before() };
            self.push_frame(frame, body.range.len(), body.messages, end);
        }
        Ok(first)
    }

    /// Returns the digest that the header carries: the known digest if it is of the session's kind.
    /// Hashes the body otherwise.
    pub(super) fn digest_of(&self, known: Option<Digest>, body: &[u8]) -> Digest {
        let integrity = self.config.integrity;
        let known = known.filter(|digest| digest.integrity() == integrity);
        known.unwrap_or_else(|| integrity.digest(body))
    }

    fn check_write(&self, body_len: usize) -> Result<(), WriteError> {
        if !matches!(self.state, State::Open | State::Claiming { .. }) {
            return Err(WriteError::Closed);
        }
        let max = self.config.max_body_bytes();
        if body_len > max {
            return Err(WriteError::BodyTooLarge { bytes: body_len, max });
        }
        Ok(())
    }

    fn push_frame(&mut self, frame: Bytes, body_len: usize, messages: u32, end: Position) {
        self.window.push(frame, body_len, end);
        self.counters.stats.messages += u64::from(messages);
        self.counters.stats.bytes += body_len as u64;
        // At once, so that `can_write` stays true where a frame is not sent because all consumers
        // hold it.
        self.skip_held();
    }
}
