//! One message in a packed body: a MessagePack `bin`, which is a marker, a length and the bytes.

use bytes::{BufMut, BytesMut};
use rmp::Marker;

use crate::wire::error::WireError;

/// The largest size of marker and length in front of a message, in bytes: that of `bin 32`.
pub const MESSAGE_OVERHEAD: usize = 5;

const BIN8: u8 = Marker::Bin8.to_u8();
const BIN16: u8 = Marker::Bin16.to_u8();
const BIN32: u8 = Marker::Bin32.to_u8();

/// Returns the size in a packed body of a message of `len` bytes, in bytes.
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

/// Writes the shortest marker for `len`, and `len` itself.
///
/// Written by hand, because this function runs once for every message. The property tests compare
/// the result with that of `rmp`.
#[inline]
pub(super) fn put_bin_len(buf: &mut BytesMut, len: usize) {
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

/// Returns the size of marker and length, and the size of the message, at the front of `rest`. Both
/// lie within `rest`. Refuses any marker but the shortest, so that a body has exactly one encoding.
#[inline]
pub(super) fn split_bin(rest: &[u8]) -> Result<(usize, usize), WireError> {
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

#[cfg(test)]
mod tests;
