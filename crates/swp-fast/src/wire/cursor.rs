//! Reading MessagePack from bytes that nobody vouches for: every length is checked before use.

use super::error::WireError;
use super::seq::{PeerId, Seq, SessionId};

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

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn array(&mut self, len: u32, what: &'static str) -> Result<(), WireError> {
        match rmp::decode::read_array_len(&mut self.rest) {
            Ok(found) if found == len => Ok(()),
            _ => Err(WireError::Malformed(what)),
        }
    }

    pub(super) fn array_len(&mut self, max: u32, what: &'static str) -> Result<u32, WireError> {
        match rmp::decode::read_array_len(&mut self.rest) {
            Ok(found) if found <= max => Ok(found),
            Ok(_) => Err(WireError::OutOfRange(what)),
            Err(_) => Err(WireError::Malformed(what)),
        }
    }

    pub(super) fn uint<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, WireError> {
        let value: u64 =
            rmp::decode::read_int(&mut self.rest).map_err(|_| WireError::Malformed(what))?;
        T::try_from(value).map_err(|_| WireError::OutOfRange(what))
    }

    pub(super) fn seq(&mut self, what: &'static str) -> Result<Seq, WireError> {
        Seq::new(self.uint(what)?).ok_or(WireError::OutOfRange(what))
    }

    pub(super) fn peer(&mut self) -> Result<PeerId, WireError> {
        self.uint("peer id").map(PeerId)
    }

    pub(super) fn session(&mut self) -> Result<SessionId, WireError> {
        self.uint("session id").map(SessionId)
    }

    pub(super) fn bin(&mut self, max: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let len = rmp::decode::read_bin_len(&mut self.rest)
            .map_err(|_| WireError::Malformed(what))? as usize;
        self.take(len, max, what)
    }

    pub(super) fn str(&mut self, max: usize, what: &'static str) -> Result<&'a str, WireError> {
        let len = rmp::decode::read_str_len(&mut self.rest)
            .map_err(|_| WireError::Malformed(what))? as usize;
        std::str::from_utf8(self.take(len, max, what)?).map_err(|_| WireError::Malformed(what))
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
