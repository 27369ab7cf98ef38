//! Fragments: the parts of a message that is larger than a frame.

use bytes::{BufMut, Bytes, BytesMut};

use super::bin::put_bin_len;
use crate::wire::MAX_HEADER;
use crate::wire::cursor::Cursor;
use crate::wire::error::WireError;
use crate::wire::put::PutHeader;

/// The largest size of a fragment's own fields, in bytes: two `uint 64` and the head of a `bin 32`.
pub const FRAGMENT_OVERHEAD: usize = 9 + 9 + 5;

/// A part of a message that is larger than a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The length of the whole message in bytes, at most [`MAX_COUNT`](crate::wire::MAX_COUNT).
    ///
    /// A decoded length is untrusted. Compare the length with a bound before allocating memory for
    /// the message.
    pub total: u64,
    /// The byte offset of this fragment in the message.
    pub offset: u64,
    /// The bytes of the fragment, at least one.
    pub part: Bytes,
}

impl Fragment {
    /// Decodes `body`, the body of a frame of [`Kind::Fragment`](crate::wire::Kind::Fragment).
    ///
    /// # Errors
    ///
    /// Returns [`WireError::OutOfRange`] if the fragment is empty or does not lie within the
    /// message. Returns [`WireError::Truncated`] or [`WireError::Malformed`] if `body` is not the
    /// body of a fragment.
    pub fn decode(body: &Bytes) -> Result<Fragment, WireError> {
        let mut cursor = Cursor::new(body);
        let total: u64 = cursor.uint("message length")?;
        let offset: u64 = cursor.uint("fragment offset")?;
        let part = cursor.bin(usize::MAX, "fragment")?;
        cursor.finish()?;
        // No overflow: `offset` is at most `MAX_COUNT`, and a `bin` is shorter than 2^32 bytes.
        if part.is_empty() || offset + part.len() as u64 > total {
            return Err(WireError::OutOfRange("fragment"));
        }
        Ok(Fragment { total, offset, part: body.slice_ref(part) })
    }

    /// Returns true if this fragment ends where the message ends.
    pub fn is_last(&self) -> bool {
        self.offset.checked_add(self.part.len() as u64) == Some(self.total)
    }
}

/// Returns a buffer with the body of a fragment, behind [`MAX_HEADER`] bytes of free space.
///
/// The caller must pass a `part` of 1 to `u32::MAX` bytes that lies within `total`, and a `total`
/// of at most [`MAX_COUNT`](crate::wire::MAX_COUNT). Decoders refuse any other fragment. A part of
/// [`HASH_RUN`](super::HASH_RUN) bytes is the cheapest to hash.
pub fn encode_fragment(total: u64, offset: u64, part: &[u8]) -> BytesMut {
    let mut fields = PutHeader::new();
    fields.uint(total);
    fields.uint(offset);
    let mut buf = BytesMut::with_capacity(MAX_HEADER + FRAGMENT_OVERHEAD + part.len());
    buf.put_bytes(0, MAX_HEADER);
    buf.extend_from_slice(fields.as_slice());
    put_bin_len(&mut buf, part.len());
    buf.extend_from_slice(part);
    buf
}

#[cfg(test)]
mod tests;
