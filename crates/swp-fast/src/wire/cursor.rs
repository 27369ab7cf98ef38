//! Reading MessagePack from bytes that nobody vouches for: every length is checked before use, and
//! every value is taken in its shortest form only, so that nothing can be written in two ways.

use rmp::Marker;
use rmp::decode::{self, ValueReadError};

use super::error::WireError;
use super::seq::{MAX_COUNT, PeerId, Seq, SessionId};

/// A position in a slice. `rmp` reads from it as from any `Read`; what it cannot do in place
/// (borrow a run of bytes) is done here.
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes, len: bytes.len() }
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    pub(super) fn peek(&self) -> Option<Marker> {
        self.rest.first().copied().map(Marker::from_u8)
    }

    /// An array of exactly `len` values.
    pub(super) fn array(&mut self, len: u32, what: &'static str) -> Result<(), WireError> {
        let found = self.array_len(u32::MAX, what)?;
        if found == len { Ok(()) } else { Err(WireError::Malformed(what)) }
    }

    pub(super) fn array_len(&mut self, max: u32, what: &'static str) -> Result<u32, WireError> {
        let shortest = |len| match len {
            0..=0xf => 1,
            0x10..=0xffff => 3,
            _ => 5,
        };
        let found = self.length(decode::read_array_len, shortest, what)?;
        if found <= max { Ok(found) } else { Err(WireError::OutOfRange(what)) }
    }

    /// A number that is computed with: at most [`MAX_COUNT`].
    pub(super) fn uint<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, WireError> {
        let value = self.id(what)?;
        if value > MAX_COUNT {
            return Err(WireError::OutOfRange(what));
        }
        T::try_from(value).map_err(|_| WireError::OutOfRange(what))
    }

    /// Any 64 bits.
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
        let value = value.map_err(|error| refusal(&error, what))?;
        if value >= least { Ok(value) } else { Err(WireError::Malformed(what)) }
    }

    /// Yes (1) or no (0).
    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, WireError> {
        match self.uint::<u8>(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::OutOfRange(what)),
        }
    }

    pub(super) fn seq(&mut self, what: &'static str) -> Result<Seq, WireError> {
        Seq::new(self.uint(what)?).ok_or(WireError::OutOfRange(what))
    }

    pub(super) fn peer(&mut self) -> Result<PeerId, WireError> {
        self.id("peer id").map(PeerId)
    }

    pub(super) fn session(&mut self) -> Result<SessionId, WireError> {
        self.id("session id").map(SessionId)
    }

    pub(super) fn bin(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let shortest = |len| match len {
            0..=0xff => 2,
            0x100..=0xffff => 3,
            _ => 5,
        };
        let len = self.length(decode::read_bin_len, shortest, what)?;
        self.take(len as usize, max, what)
    }

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

    /// A length as one of rmp's functions reads it, in no more bytes than the shortest form has.
    fn length(
        &mut self,
        read: impl FnOnce(&mut &'a [u8]) -> Result<u32, ValueReadError>,
        shortest: impl FnOnce(u32) -> usize,
        what: &'static str,
    ) -> Result<u32, WireError> {
        let before = self.rest.len();
        let len = read(&mut self.rest).map_err(|error| refusal(&error, what))?;
        let used = before - self.rest.len();
        if used == shortest(len) { Ok(len) } else { Err(WireError::Malformed(what)) }
    }

    fn take(&mut self, len: usize, max: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        if len > max {
            return Err(WireError::OutOfRange(what));
        }
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The whole input must have been read: bytes behind the last field are no part of the protocol.
    pub(super) fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Malformed("trailing bytes")) }
    }
}

/// A slice fails to be read in one way only: by ending.
fn refusal(error: &ValueReadError, what: &'static str) -> WireError {
    match error {
        ValueReadError::TypeMismatch(_) => WireError::Malformed(what),
        ValueReadError::InvalidMarkerRead(_) | ValueReadError::InvalidDataRead(_) => {
            WireError::Truncated
        }
    }
}

#[cfg(test)]
mod tests;
