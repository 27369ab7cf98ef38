//! Bodies: many messages packed into one frame, or a piece of one message that exceeds a frame.
//!
//! A packed body is a plain sequence of MessagePack `bin` values, one a message. A fragment's body is
//! the message's whole length, the piece's offset, and the piece as a `bin`. Nothing in a body depends
//! on where it stands in the stream, so bodies can be stored, hashed once, and sent any number of times.

use bytes::{BufMut, Bytes, BytesMut};
use rmp::Marker;

use super::MAX_HEADER;
use super::cursor::Cursor;
use super::error::WireError;
use super::put::PutHeader;

/// The most that a message's length costs inside a packed body: `bin 32`.
pub const MESSAGE_OVERHEAD: usize = 5;

/// The most that a fragment's own fields cost: two `uint 64` and a `bin 32`.
pub const FRAGMENT_OVERHEAD: usize = 9 + 9 + 5;

/// Bytes that a message of `len` bytes takes in a packed body.
#[inline]
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

/// blake3 hashes 16 chunks of 1 KiB side by side where the processor can (AVX-512; 8 with AVX2, 4 with
/// SSE4.1 and NEON), and what is left over one by one. By `cargo bench -p swp-bench --bench digest` with
/// AVX-512: 3.2 us for a body of 16,384 bytes, 6.3 us for one of 15,360, 4.7 us for one of 17,411. Bodies
/// should end just past a run.
pub const HASH_RUN: usize = 16 * 1024;

/// A good limit for [`OpenFrame::new`], in bytes: one run to hash, and room for a last message of up to
/// 1 KiB, so that messages of that size never leave a run unfilled. NATS, too, is at its best with
/// payloads of about 16 KiB.
pub const BODY_LIMIT: usize = HASH_RUN + message_len(1024);

/// The same where nothing is hashed with blake3, in bytes. A consumer's client reads into buffers of 32 KiB
/// (async-nats', after the first), and copies the part of a message that one ends with into the next. A frame
/// of which one fills a buffer, with its header and 120 bytes of the line that NATS puts before it, leaves
/// next to nothing to be copied.
pub const UNHASHED_BODY_LIMIT: usize = 32 * 1024 - MAX_HEADER - 120;

/// The same for a stream that several consumers have: three runs. By `swp-bench fanout --consumers 4` three
/// times the size brings each of four consumers 1.35 times as much with messages of 1 KiB, 1.2 times with
/// 4 KiB and 1.1 times with 16 KiB; one consumer alone gets less by it, for the broker copies what one of its
/// reads of 64 KiB holds in part.
pub const GROUP_BODY_LIMIT: usize = 3 * HASH_RUN + message_len(1024);

/// Likewise where nothing is hashed with blake3: two of the client's buffers. Three messages of 16 KiB fit, of
/// which [`UNHASHED_BODY_LIMIT`] holds one. With those each of four consumers gets 1.1 times as much; with
/// shorter ones the same.
pub const UNHASHED_GROUP_BODY_LIMIT: usize = 64 * 1024 - MAX_HEADER - 120;

/// A frame that is being filled. One allocation serves the frame for all its life: the header is put
/// in front of the messages in place.
#[derive(Debug)]
pub struct OpenFrame {
    buf: BytesMut,
    messages: u32,
    full: usize,
    limit: usize,
}

impl OpenFrame {
    /// An empty frame that takes up to `limit` bytes of body (at most `u32::MAX`, as the handshake
    /// tells it), and allocates them at once. Where `limit` is [`HASH_RUN`] or more, the frame is full
    /// as soon as its body has filled all whole runs within `limit`; see [`BODY_LIMIT`].
    pub fn new(limit: usize) -> OpenFrame {
        let full = if limit < HASH_RUN { limit } else { limit - limit % HASH_RUN };
        OpenFrame::full_at(full, limit)
    }

    /// The same for a body that blake3 will not hash: full when the next message does not fit any more.
    pub fn unhashed(limit: usize) -> OpenFrame {
        OpenFrame::full_at(limit, limit)
    }

    fn full_at(full: usize, limit: usize) -> OpenFrame {
        let limit = limit.min(u32::MAX as usize);
        let mut buf = BytesMut::with_capacity(MAX_HEADER + limit);
        buf.put_bytes(0, MAX_HEADER);
        OpenFrame { buf, messages: 0, full, limit }
    }

    /// Packs a message. `false`, and nothing done, where the frame is full or the message does not fit
    /// any more. A message of up to `limit` less [`MESSAGE_OVERHEAD`] bytes always fits an empty frame.
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> bool {
        let after = self.body_len() + message_len(message.len());
        if after > self.limit || self.is_full() {
            return false;
        }
        put_bin_len(&mut self.buf, message.len());
        self.buf.extend_from_slice(message);
        self.messages += 1;
        true
    }

    /// Whether no further message will be taken, however short.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.body_len() >= self.full
    }

    /// How many messages are in it.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// Bytes of body so far.
    #[inline]
    pub fn body_len(&self) -> usize {
        self.buf.len() - MAX_HEADER
    }

    /// Whether nothing was packed yet.
    #[inline]
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
        let full = std::mem::replace(self, OpenFrame::full_at(self.full, self.limit));
        (full.buf, messages)
    }

    /// The buffer, with [`MAX_HEADER`] bytes of room in front of the body.
    pub fn into_buf(self) -> BytesMut {
        self.buf
    }
}

/// A frame's buffer with a packed body of one message in it, and [`MAX_HEADER`] bytes of room in front: for a
/// message that would leave most of an [`OpenFrame`] empty.
pub fn encode_message(message: &[u8]) -> BytesMut {
    let mut buf = BytesMut::with_capacity(MAX_HEADER + message_len(message.len()));
    buf.put_bytes(0, MAX_HEADER);
    put_bin_len(&mut buf, message.len());
    buf.extend_from_slice(message);
    buf
}

/// Writes the shortest `bin` marker for `len`; by hand because this is the one line that runs for every
/// message. The property tests hold it against rmp's.
#[inline]
fn put_bin_len(buf: &mut BytesMut, len: usize) {
    if let Ok(len) = u8::try_from(len) {
        buf.extend_from_slice(&[BIN8, len]);
    } else if let Ok(len) = u16::try_from(len) {
        buf.put_u8(BIN16);
        buf.put_u16(len);
    } else {
        buf.put_u8(BIN32);
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

    /// Takes what was not read yet, as a body of its own.
    pub fn take_rest(&mut self) -> Bytes {
        let at = std::mem::replace(&mut self.at, self.body.len());
        self.body.slice(at..)
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

/// The messages of a packed body like [`Messages`], but borrowed: ten times cheaper for whoever looks
/// at each and keeps none.
#[derive(Debug, Clone)]
pub struct MessageSlices<'a> {
    rest: &'a [u8],
}

impl<'a> MessageSlices<'a> {
    /// Reads `body`, the body of a frame of kind Data.
    pub fn new(body: &'a [u8]) -> MessageSlices<'a> {
        MessageSlices { rest: body }
    }
}

impl<'a> Iterator for MessageSlices<'a> {
    type Item = Result<&'a [u8], WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (message, rest) = match split_bin(self.rest) {
            Ok((head, len)) => (Ok(&self.rest[head..head + len]), &self.rest[head + len..]),
            Err(error) => (Err(error), &[][..]),
        };
        self.rest = rest;
        Some(message)
    }
}

/// How many messages a packed body holds, having checked every length in it.
///
/// # Errors
///
/// What [`Messages`] would say of the first message that is not in order.
pub fn count_messages(body: &[u8]) -> Result<u32, WireError> {
    MessageSlices::new(body).try_fold(0, |count, message| message.map(|_| count + 1))
}

const BIN8: u8 = Marker::Bin8.to_u8();
const BIN16: u8 = Marker::Bin16.to_u8();
const BIN32: u8 = Marker::Bin32.to_u8();

/// The sizes of marker and content of the `bin` that `rest` begins with; both lie within `rest`.
/// Only the shortest marker for a length is taken, so a body has exactly one encoding.
#[inline]
fn split_bin(rest: &[u8]) -> Result<(usize, usize), WireError> {
    let (head, len, least) = match *rest {
        [BIN8, len, ..] => (2, usize::from(len), 0),
        [BIN16, a, b, ..] => (3, usize::from(u16::from_be_bytes([a, b])), 1 << 8),
        [BIN32, a, b, c, d, ..] => (5, u32::from_be_bytes([a, b, c, d]) as usize, 1 << 16),
        [BIN8 | BIN16 | BIN32, ..] => return Err(WireError::Truncated),
        _ => return Err(WireError::Malformed("message")),
    };
    if len < least {
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
    /// Length of the whole message in bytes, at most [`super::MAX_COUNT`]. It is the sender's claim:
    /// compare it with a bound before room is made for it.
    pub total: u64,
    /// Where in the message this piece starts.
    pub offset: u64,
    /// The piece, never empty.
    pub piece: Bytes,
}

impl Fragment {
    /// Reads `body`, the body of a frame of kind Fragment.
    ///
    /// # Errors
    ///
    /// [`WireError::OutOfRange`] where the piece is empty or does not lie within the message;
    /// [`WireError::Truncated`] or [`WireError::Malformed`] where the body is no fragment's.
    pub fn decode(body: &Bytes) -> Result<Fragment, WireError> {
        let mut cursor = Cursor::new(body);
        let total: u64 = cursor.uint("message length")?;
        let offset: u64 = cursor.uint("fragment offset")?;
        let piece = cursor.bin(usize::MAX, "fragment")?;
        cursor.finish()?;
        // No overflow: neither is anywhere near 2^63 (see `MAX_COUNT`).
        if piece.is_empty() || offset + piece.len() as u64 > total {
            return Err(WireError::OutOfRange("fragment"));
        }
        Ok(Fragment { total, offset, piece: body.slice_ref(piece) })
    }

    /// Whether the message is whole with this piece.
    pub fn is_last(&self) -> bool {
        self.offset.checked_add(self.piece.len() as u64) == Some(self.total)
    }
}

/// A frame's buffer with the body of a fragment in it, and [`MAX_HEADER`] bytes of room in front.
///
/// The reader refuses an empty piece, one that does not lie within `total`, and a `total` above
/// [`super::MAX_COUNT`]. A piece of [`HASH_RUN`] bytes is the cheapest to hash; `u32::MAX` is the most
/// that its length can tell.
pub fn encode_fragment(total: u64, offset: u64, piece: &[u8]) -> BytesMut {
    let mut fields = PutHeader::new();
    fields.uint(total);
    fields.uint(offset);
    let mut buf = BytesMut::with_capacity(MAX_HEADER + FRAGMENT_OVERHEAD + piece.len());
    buf.put_bytes(0, MAX_HEADER);
    buf.extend_from_slice(fields.as_slice());
    put_bin_len(&mut buf, piece.len());
    buf.extend_from_slice(piece);
    buf
}

#[cfg(test)]
mod tests;
