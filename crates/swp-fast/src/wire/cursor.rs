//! Reads MessagePack from untrusted bytes. Every length is checked before use. A value is accepted
//! in its shortest form only, so that every value has exactly one encoding.

use rmp::Marker;
use rmp::decode::{self, ValueReadError};

use super::error::WireError;
use super::seq::{MAX_COUNT, PeerId, Seq, SessionId};

/// A read position in a slice. `rmp` decodes markers and integers from the unread part. The cursor
/// itself borrows byte strings and text from the slice, which `rmp` would copy.
///
/// The parameter `what` of each method names the value in errors.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes, len: bytes.len() }
    }

    /// Returns the number of bytes read.
    pub(super) fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Returns the marker of the next value, or `None` at the end.
    pub(super) fn peek(&self) -> Option<Marker> {
        self.rest.first().copied().map(Marker::from_u8)
    }

    /// Reads the head of an array of exactly `len` values.
    pub(super) fn array(&mut self, len: u32, what: &'static str) -> Result<(), WireError> {
        let found = self.array_len(u32::MAX, what)?;
        if found == len { Ok(()) } else { Err(WireError::Malformed(what)) }
    }

    /// Reads the head of an array of at most `max` values, and returns its length.
    pub(super) fn array_len(&mut self, max: u32, what: &'static str) -> Result<u32, WireError> {
        let shortest = |len| match len {
            0..=0xf => 1,
            0x10..=0xffff => 3,
            _ => 5,
        };
        let found = self.length(decode::read_array_len, shortest, what)?;
        if found <= max { Ok(found) } else { Err(WireError::OutOfRange(what)) }
    }

    /// Reads an integer that the protocol computes with, of at most [`MAX_COUNT`].
    pub(super) fn uint<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, WireError> {
        let value = self.id(what)?;
        if value > MAX_COUNT {
            return Err(WireError::OutOfRange(what));
        }
        T::try_from(value).map_err(|_| WireError::OutOfRange(what))
    }

    /// Reads an id, which may use all 64 bits.
    pub(super) fn id(&mut self, what: &'static str) -> Result<u64, WireError> {
        let marker = self.peek().ok_or(WireError::Truncated)?;
        let rest = &mut self.rest;
        let (value, least) = match marker {
            Marker::FixPos(_) => (decode::read_pfix(rest).map(u64::from), 0),
            Marker::U8 => (decode::read_u8(rest).map(u64::from), 1 << 7),
            Marker::U16 => (decode::read_u16(rest).map(u64::from), 1 << 8),
            Marker::U32 => (decode::read_u32(rest).map(u64::from), 1 << 16),
            Marker::U64 => (decode::read_u64(rest), 1 << 32),
            _ => return Err(WireError::Malformed(what)),
        };
        let value = value.map_err(|error| wire_error(&error, what))?;
        if value >= least { Ok(value) } else { Err(WireError::Malformed(what)) }
    }

    /// Reads a flag: 1 is true, 0 is false.
    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, WireError> {
        match self.uint::<u8>(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::OutOfRange(what)),
        }
    }

    /// Reads a sequence number.
    pub(super) fn seq(&mut self, what: &'static str) -> Result<Seq, WireError> {
        Seq::new(self.uint(what)?).ok_or(WireError::OutOfRange(what))
    }

    /// Reads the id of a consumer or of a publisher's inbox.
    pub(super) fn peer(&mut self) -> Result<PeerId, WireError> {
        self.id("peer id").map(PeerId)
    }

    /// Reads the id of a session.
    pub(super) fn session(&mut self) -> Result<SessionId, WireError> {
        self.id("session id").map(SessionId)
    }

    /// Reads a byte string of at most `max` bytes.
    pub(super) fn bin(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let shortest = |len| match len {
            0..=0xff => 2,
            0x100..=0xffff => 3,
            _ => 5,
        };
        let len = self.length(decode::read_bin_len, shortest, what)?;
        self.take(len as usize, max, what)
    }

    /// Reads text of at most `max` bytes of UTF-8.
    pub(super) fn str(&mut self, max: usize, what: &'static str) -> Result<&'a str, WireError> {
        let shortest = |len| match len {
            0..=0x1f => 1,
            0x20..=0xff => 2,
            0x100..=0xffff => 3,
            _ => 5,
        };
        let len = self.length(decode::read_str_len, shortest, what)?;
        let text = self.take(len as usize, max, what)?;
        std::str::from_utf8(text).map_err(|_| WireError::Malformed(what))
    }

    /// Reads a length with a function of `rmp`. The head must have as many bytes as `shortest`
    /// says.
    fn length(
        &mut self,
        read: impl FnOnce(&mut &'a [u8]) -> Result<u32, ValueReadError>,
        shortest: impl FnOnce(u32) -> usize,
        what: &'static str,
    ) -> Result<u32, WireError> {
        let before = self.rest.len();
        let len = read(&mut self.rest).map_err(|error| wire_error(&error, what))?;
        let used = before - self.rest.len();
        if used == shortest(len) { Ok(len) } else { Err(WireError::Malformed(what)) }
    }

    /// Borrows the next `len` bytes, if `len` is at most `max`.
    fn take(&mut self, len: usize, max: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        if len > max {
            return Err(WireError::OutOfRange(what));
        }
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Ends decoding. Bytes behind the last field are an error.
    pub(super) fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Malformed("trailing bytes")) }
    }
}

/// Converts an error of `rmp`. An I/O error means that the slice has ended.
fn wire_error(error: &ValueReadError, what: &'static str) -> WireError {
    match error {
        ValueReadError::TypeMismatch(_) => WireError::Malformed(what),
        ValueReadError::InvalidMarkerRead(_) | ValueReadError::InvalidDataRead(_) => {
            WireError::Truncated
        }
    }
}

#[cfg(test)]
mod tests;
