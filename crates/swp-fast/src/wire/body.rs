//! Bodies: many messages packed into one frame, or a piece of one message that exceeds a frame.
//!
//! A packed body is a plain sequence of MessagePack `bin` values, one a message. A fragment's body is
//! the message's whole length, the piece's offset, and the piece as a `bin`. Nothing in a body depends
//! on where it stands in the stream, so bodies can be stored, hashed once, and sent any number of times.

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::Cursor;
use super::error::WireError;
use super::header::MAX_HEADER;
use super::put::Put;

/// The most that a message's length costs inside a packed body: `bin 32`.
pub const MESSAGE_OVERHEAD: usize = 5;

/// The most that a fragment's own fields cost: two `uint 64` and a `bin 32`.
pub const FRAGMENT_OVERHEAD: usize = 9 + 9 + 5;

/// Bytes that a message of `len` bytes takes in a packed body.
pub const fn message_len(len: usize) -> usize {
    let head = if len <= 0xff {
        2
    } else if len <= 0xffff {
        3
    } else {
        5
    };
    head + len
}

/// A frame that is being filled. One allocation serves the frame for all its life: the header is put
/// in front of the messages in place.
#[derive(Debug)]
pub struct OpenFrame {
    buf: BytesMut,
    messages: u32,
    limit: usize,
}

impl OpenFrame {
    /// An empty frame that takes up to `limit` bytes of body.
    pub fn new(limit: usize) -> OpenFrame {
        let mut buf = BytesMut::with_capacity(MAX_HEADER + limit);
        buf.put_bytes(0, MAX_HEADER);
        OpenFrame { buf, messages: 0, limit }
    }

    /// Packs a message. `false`, and nothing done, where it does not fit any more.
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> bool {
        if self.body_len() + message_len(message.len()) > self.limit {
            return false;
        }
        put_bin_len(&mut self.buf, message.len());
        self.buf.extend_from_slice(message);
        self.messages += 1;
        true
    }

    /// How many messages are in it.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// Bytes of body so far.
    pub fn body_len(&self) -> usize {
        self.buf.len() - MAX_HEADER
    }

    /// Whether nothing was packed yet.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// The body so far.
    pub fn body(&self) -> &[u8] {
        &self.buf[MAX_HEADER..]
    }

    /// Takes out the buffer, with [`MAX_HEADER`] bytes of room in front of the body, and the number of
    /// messages in it, and leaves an empty frame. A frame that is less than a quarter full is copied, so
    /// that a few bytes do not keep a whole frame's memory until they are acknowledged.
    pub fn take(&mut self) -> (BytesMut, u32) {
        let messages = std::mem::take(&mut self.messages);
        if self.body_len() < self.limit / 4 {
            let small = BytesMut::from(&self.buf[..]);
            self.buf.truncate(MAX_HEADER);
            return (small, messages);
        }
        let full = std::mem::replace(self, OpenFrame::new(self.limit));
        (full.buf, messages)
    }

    /// The buffer, with [`MAX_HEADER`] bytes of room in front of the body.
    pub fn into_buf(self) -> BytesMut {
        self.buf
    }
}

/// Writes the shortest `bin` marker for `len`; by hand because this is the one line that runs for every
/// message. The property tests hold it against rmp's.
#[inline]
fn put_bin_len(buf: &mut BytesMut, len: usize) {
    if let Ok(len) = u8::try_from(len) {
        buf.extend_from_slice(&[rmp::Marker::Bin8.to_u8(), len]);
    } else if let Ok(len) = u16::try_from(len) {
        buf.put_u8(rmp::Marker::Bin16.to_u8());
        buf.put_u16(len);
    } else {
        buf.put_u8(rmp::Marker::Bin32.to_u8());
        buf.put_u32(len as u32);
    }
}

/// The messages of a packed body, in order, as slices of it. Ends for good after an error.
///
/// Each slice keeps the whole buffer of the frame alive: copy what is to be kept for long.
#[derive(Debug, Clone)]
pub struct Messages {
    body: Bytes,
    at: usize,
}

impl Messages {
    /// Reads `body`, the body of a frame of kind Data.
    pub fn new(body: Bytes) -> Messages {
        Messages { body, at: 0 }
    }
}

impl Iterator for Messages {
    type Item = Result<Bytes, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.body[self.at..];
        if rest.is_empty() {
            return None;
        }
        match split_bin(rest) {
            Ok((head, len)) => {
                let start = self.at + head;
                self.at = start + len;
                Some(Ok(self.body.slice(start..start + len)))
            }
            Err(error) => {
                self.at = self.body.len();
                Some(Err(error))
            }
        }
    }
}

/// How many messages a packed body holds, having checked every length in it.
pub fn count_messages(body: &[u8]) -> Result<u32, WireError> {
    let mut rest = body;
    let mut count = 0;
    while !rest.is_empty() {
        let (head, len) = split_bin(rest)?;
        rest = &rest[head + len..];
        count += 1;
    }
    Ok(count)
}

/// The sizes of marker and content of the `bin` that `rest` begins with; both lie within `rest`.
/// Only the shortest marker for a length is taken, so a body has exactly one encoding.
#[inline]
fn split_bin(rest: &[u8]) -> Result<(usize, usize), WireError> {
    let (head, len) = match *rest {
        [marker, len, ..] if marker == rmp::Marker::Bin8.to_u8() => (2, usize::from(len)),
        [marker, a, b, ..] if marker == rmp::Marker::Bin16.to_u8() => {
            (3, usize::from(u16::from_be_bytes([a, b])))
        }
        [marker, a, b, c, d, ..] if marker == rmp::Marker::Bin32.to_u8() => {
            (5, u32::from_be_bytes([a, b, c, d]) as usize)
        }
        _ => return Err(WireError::Malformed("message")),
    };
    if message_len(len) != head + len {
        return Err(WireError::Malformed("message length"));
    }
    if rest.len() - head < len {
        return Err(WireError::Truncated);
    }
    Ok((head, len))
}

/// A piece of a message that is larger than a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Length of the whole message in bytes.
    pub total: u64,
    /// Where in the message this piece starts.
    pub offset: u64,
    /// The piece, never empty.
    pub piece: Bytes,
}

impl Fragment {
    /// Reads `body`, the body of a frame of kind Fragment.
    pub fn decode(body: &Bytes) -> Result<Fragment, WireError> {
        let mut cursor = Cursor::new(body);
        let total: u64 = cursor.uint("message length")?;
        let offset: u64 = cursor.uint("fragment offset")?;
        let piece = cursor.bin(body.len(), "fragment")?;
        let end =
            offset.checked_add(piece.len() as u64).ok_or(WireError::OutOfRange("fragment"))?;
        if piece.is_empty() || end > total {
            return Err(WireError::OutOfRange("fragment"));
        }
        let piece = body.slice_ref(piece);
        cursor.finish()?;
        Ok(Fragment { total, offset, piece })
    }

    /// Whether the message is whole with this piece.
    pub fn is_last(&self) -> bool {
        self.offset + self.piece.len() as u64 == self.total
    }
}

/// A frame's buffer with the body of a fragment in it, and [`MAX_HEADER`] bytes of room in front.
pub fn encode_fragment(total: u64, offset: u64, piece: &[u8]) -> BytesMut {
    let mut head = Put::default();
    head.uint(total).uint(offset);
    let head = head.into_vec();
    let mut buf = BytesMut::with_capacity(MAX_HEADER + FRAGMENT_OVERHEAD + piece.len());
    buf.put_bytes(0, MAX_HEADER);
    buf.extend_from_slice(&head);
    put_bin_len(&mut buf, piece.len());
    buf.extend_from_slice(piece);
    buf
}
