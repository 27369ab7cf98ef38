//! Bodies of frames on their way from the packer to the sender. They have no sequence numbers yet.
//!
//! A [`Packed`] is taken out of the packer under the packer's short lock. It becomes frames in
//! [`super::Sender::write`], without that lock, because to encode and hash a frame takes as long as
//! to accept hundreds of messages.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::Position;
use crate::wire::{Digest, Kind, MAX_HEADER, encode_fragment, encode_message};

/// Bodies for [`super::Sender::write`], in the order of the stream.
///
/// One `Packed` becomes one frame. A block becomes one frame for each of its bodies.
#[derive(Debug)]
pub struct Packed {
    pub(super) content: Content,
    /// The position that a consumer has reached when it holds all frames of this.
    pub(super) end: Position,
}

#[derive(Debug)]
pub(super) enum Content {
    /// A body that is encoded already.
    Body(Body),
    /// One message for a frame of its own, not copied yet.
    Whole(Bytes),
    /// Part of a message that is larger than a frame, not copied yet.
    Fragment { message: Bytes, range: Range<usize> },
    /// Bodies that were packed before.
    Block(PackedBlock),
}

/// The body of one data frame behind [`MAX_HEADER`] bytes of space for the header.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) kind: Kind,
    pub(super) buf: BytesMut,
    /// Messages that end in the body.
    pub(super) messages: u32,
}

impl Packed {
    /// Wraps a body that the caller has encoded. `buf` holds it behind [`MAX_HEADER`] bytes of
    /// space, as [`crate::wire::OpenFrame`] and [`crate::wire::encode_fragment`] make it.
    /// `messages` messages end in it. It carries no position.
    pub fn body(kind: Kind, buf: BytesMut, messages: u32) -> Packed {
        let content = Content::Body(Body { kind, buf, messages });
        Packed { content, end: Position::default() }
    }

    /// Returns the bytes that this keeps in memory while it waits.
    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Body(body) => body.buf.len().saturating_sub(MAX_HEADER),
            Content::Whole(message) => message.len(),
            Content::Fragment { range, .. } => range.len(),
            Content::Block(block) => block.len(),
        }
    }

    /// Encodes a message or fragment that was kept by reference until its turn. A block stays as it
    /// is.
    pub(super) fn encode(self) -> Encoded {
        let body = |kind, buf, messages| Encoded::Body(Body { kind, buf, messages });
        match self.content {
            Content::Body(encoded) => Encoded::Body(encoded),
            Content::Whole(message) => body(Kind::Data, encode_message(&message), 1),
            Content::Fragment { message, range } => {
                let last = range.end == message.len();
                let (total, offset) = (message.len() as u64, range.start as u64);
                let buf = encode_fragment(total, offset, &message[range]);
                body(Kind::Fragment, buf, u32::from(last))
            }
            Content::Block(block) => Encoded::Block(block),
        }
    }

    /// Takes the single body out: its kind, the buffer with [`MAX_HEADER`] bytes of space in front,
    /// and the number of messages that end in it. Returns `None` for a block.
    pub fn into_body(self) -> Option<(Kind, BytesMut, u32)> {
        match self.encode() {
            Encoded::Body(Body { kind, buf, messages }) => Some((kind, buf, messages)),
            Encoded::Block(_) => None,
        }
    }
}

/// See [`Packed::encode`].
pub(super) enum Encoded {
    Body(Body),
    Block(PackedBlock),
}

/// Where an encoded body lies in a block, and what the sender must know of it.
#[derive(Debug, Clone)]
pub struct PackedBody {
    /// The body's bytes. The [`MAX_HEADER`] bytes before them are free for a header.
    pub range: Range<usize>,
    /// [`Kind::Data`] or [`Kind::Fragment`].
    pub kind: Kind,
    /// Messages that end in the body.
    pub messages: u32,
    /// The body's digest. The sender hashes the body only if this digest is of another kind than
    /// the session's integrity.
    pub digest: Digest,
}

/// A body of a block is not of a data kind, or its place is wrong. The body must lie within the
/// block, behind the body before it, with space for a header between them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "body {index} of the block is not of a data kind, lies outside, or has no {MAX_HEADER} bytes \
     of space in front"
)]
pub struct BlockError {
    /// The position of the body in the list.
    pub index: usize,
}

/// A buffer of encoded bodies, of a capture for example. The buffer lives until the last of its
/// frames is released.
pub struct PackedBlock {
    pub(super) bytes: BlockBytes,
    pub(super) bodies: Vec<PackedBody>,
    longest_body: usize,
}

impl PackedBlock {
    /// Takes a buffer and the places of the bodies in it, in the order of the stream.
    ///
    /// # Errors
    /// If the bodies do not ascend, lie outside of `bytes`, are not of a data kind, or have no
    /// space of [`MAX_HEADER`] bytes in front.
    pub fn new<B>(bytes: B, bodies: Vec<PackedBody>) -> Result<PackedBlock, BlockError>
    where
        B: AsMut<[u8]> + AsRef<[u8]> + Send + 'static,
    {
        let (len, mut free) = (bytes.as_ref().len(), 0);
        for (index, body) in bodies.iter().enumerate() {
            let space = body.range.start.saturating_sub(free);
            let inside = body.range.start <= body.range.end && body.range.end <= len;
            if space < MAX_HEADER || !inside || !body.kind.is_data() {
                return Err(BlockError { index });
            }
            free = body.range.end;
        }
        let longest_body = bodies.iter().map(|body| body.range.len()).max().unwrap_or(0);
        Ok(PackedBlock { bytes: BlockBytes(Box::new(bytes)), bodies, longest_body })
    }

    /// Returns the size of the whole buffer, in bytes.
    pub fn len(&self) -> usize {
        self.bytes.as_ref().len()
    }

    /// Returns true if the block holds no body.
    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Returns the length of the longest body, in bytes.
    pub(super) fn longest_body(&self) -> usize {
        self.longest_body
    }
}

impl fmt::Debug for PackedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("PackedBlock");
        debug.field("len", &self.len()).field("bodies", &self.bodies.len()).finish()
    }
}

trait Buffer: AsMut<[u8]> + AsRef<[u8]> + Send {}

impl<B: AsMut<[u8]> + AsRef<[u8]> + Send> Buffer for B {}

/// The block's buffer. Its type is erased, so that blocks of any type can wait in one queue.
pub(super) struct BlockBytes(Box<dyn Buffer>);

impl AsRef<[u8]> for BlockBytes {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl AsMut<[u8]> for BlockBytes {
    fn as_mut(&mut self) -> &mut [u8] {
        (*self.0).as_mut()
    }
}

#[cfg(test)]
mod tests;
