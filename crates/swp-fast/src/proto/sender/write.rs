//! Writing: bodies become frames here, numbered and sealed once and for all.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::{Sender, State};
use crate::wire::{Digest, Header, Kind, MAX_HEADER, Seq};

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
        /// Its size.
        bytes: usize,
        /// The largest that fits.
        max: usize,
    },
    /// A packed block whose bodies overlap, lie outside of it, or have no room for a header in front.
    #[error(
        "body {index} of the block has no {MAX_HEADER} bytes of room in front, or lies outside"
    )]
    BadBlock {
        /// Which one.
        index: usize,
    },
}

/// Where a ready body lies in a block, and what is known of it.
#[derive(Debug, Clone)]
pub struct PackedBody {
    /// The body's bytes; the [`MAX_HEADER`] bytes before them are free for a header.
    pub range: Range<usize>,
    /// [`Kind::Data`] or [`Kind::Fragment`].
    pub kind: Kind,
    /// Messages that end in it.
    pub messages: u32,
    /// Its blake3 digest, where it is known already: then it is not hashed again.
    pub digest: Digest,
}

impl Sender {
    /// Whether a frame that is written now could leave now. While it is `false`, messages gather with
    /// the caller, so that they travel in fuller frames.
    pub fn can_write(&self) -> bool {
        self.started
            && self.state == State::Open
            && self.unsent == self.queue.next_seq()
            && self.queue.len() as u64 <= self.config.retained_frames
            && self.window_open(1)
    }

    /// Tells whether the application has more to send than [`Self::can_write`] allows; while it has, a
    /// lost report of credit is asked for again.
    pub fn note_backlog(&mut self, waiting: bool) {
        self.backlog = waiting;
    }

    /// Writes one frame. `buf` holds a body behind [`MAX_HEADER`] bytes of room (as
    /// [`crate::wire::OpenFrame`] makes it); `messages` end in it.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing was written then.
    pub fn write(&mut self, kind: Kind, buf: BytesMut, messages: u32) -> Result<Seq, WriteError> {
        let body_len = buf.len().saturating_sub(MAX_HEADER);
        self.check_write(body_len)?;
        let header = self.header(kind, self.config.integrity.digest(&buf[MAX_HEADER..]));
        let frame = self.sealer.seal_data(buf, &header);
        self.push_frame(frame, body_len, messages);
        Ok(header.seq)
    }

    /// Writes the bodies of a block that holds them ready, without copying them: headers are put into the
    /// room in front of each, and the block lives until the last of its frames is held everywhere.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing was written then.
    pub fn write_block<B>(&mut self, mut block: B, bodies: &[PackedBody]) -> Result<(), WriteError>
    where
        B: AsMut<[u8]> + AsRef<[u8]> + Send + 'static,
    {
        check_block(block.as_ref().len(), bodies)?;
        for body in bodies {
            self.check_write(body.range.len())?;
        }
        let first = self.queue.next_seq();
        let bytes = block.as_mut();
        let mut starts = Vec::with_capacity(bodies.len());
        for (index, body) in bodies.iter().enumerate() {
            let known = body.digest.integrity() == self.config.integrity;
            let digest = match known {
                true => body.digest,
                false => self.config.integrity.digest(&bytes[body.range.clone()]),
            };
            let header =
                Header { seq: first.advance(index as u64), ..self.header(body.kind, digest) };
            let room_start = body.range.start - MAX_HEADER;
            let room = &mut bytes[room_start..body.range.start];
            starts.push(room_start + self.sealer.put_header(room, &header));
        }
        let block = Bytes::from_owner(block);
        for (body, start) in bodies.iter().zip(starts) {
            let frame = block.slice(start..body.range.end);
            self.push_frame(frame, body.range.len(), body.messages);
        }
        Ok(())
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

    fn header(&self, kind: Kind, digest: Digest) -> Header {
        let seq = self.queue.next_seq();
        Header { kind, session: self.ids.session, epoch: self.ids.epoch, seq, digest }
    }

    fn push_frame(&mut self, frame: Bytes, body_len: usize, messages: u32) {
        self.written_bytes += body_len as u64;
        self.queue.push(frame, self.written_bytes);
        self.stats.messages += u64::from(messages);
        self.stats.bytes += body_len as u64;
        // At once, so that who writes while it may is not kept waiting for a frame that does not go out.
        self.pass_over();
    }
}

/// Bodies must ascend, each behind its own room; data kinds only.
pub(crate) fn check_block(len: usize, bodies: &[PackedBody]) -> Result<(), WriteError> {
    let mut free = 0;
    for (index, body) in bodies.iter().enumerate() {
        let room = body.range.start.saturating_sub(free);
        let inside = body.range.start <= body.range.end && body.range.end <= len;
        if room < MAX_HEADER || !inside || !body.kind.is_data() {
            return Err(WriteError::BadBlock { index });
        }
        free = body.range.end;
    }
    Ok(())
}
