//! Reading MessagePack strictly: only the shortest form of a number or length is taken.

use rmp::Marker;
use rmp::decode::{RmpRead, read_marker};

use super::RecordError;

/// A position in a slice.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes, len: bytes.len() }
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> usize {
        self.len - self.rest.len()
    }

    /// What is still to be read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads a nil, where the next value is one.
    pub(super) fn nil(&mut self) -> bool {
        match self.rest.split_first() {
            Some((&marker, rest)) if marker == Marker::Null.to_u8() => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    pub(super) fn uint(&mut self, what: &'static str) -> Result<u64, RecordError> {
        match self.marker()? {
            Marker::FixPos(value) => Ok(u64::from(value)),
            Marker::U8 => self.u8().and_then(|value| at_least(value, 0x80, what)),
            Marker::U16 => self.u16().and_then(|value| at_least(value, 0x100, what)),
            Marker::U32 => self.u32().and_then(|value| at_least(value, 0x1_0000, what)),
            Marker::U64 => self.u64().and_then(|value| at_least(value, 0x1_0000_0000, what)),
            _ => Err(RecordError::Malformed(what)),
        }
    }

    pub(super) fn array(&mut self, what: &'static str) -> Result<usize, RecordError> {
        let len = match self.marker()? {
            Marker::FixArray(len) => u64::from(len),
            Marker::Array16 => at_least(self.u16()?, 16, what)?,
            Marker::Array32 => at_least(self.u32()?, 0x1_0000, what)?,
            _ => return Err(RecordError::Malformed(what)),
        };
        Ok(len as usize)
    }

    pub(super) fn str(&mut self, what: &'static str) -> Result<&'a str, RecordError> {
        let len = match self.marker()? {
            Marker::FixStr(len) => u64::from(len),
            Marker::Str8 => at_least(self.u8()?, 32, what)?,
            Marker::Str16 => at_least(self.u16()?, 0x100, what)?,
            Marker::Str32 => at_least(self.u32()?, 0x1_0000, what)?,
            _ => return Err(RecordError::Malformed(what)),
        };
        let (text, rest) =
            self.rest.split_at_checked(len as usize).ok_or(RecordError::Truncated)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| RecordError::Malformed(what))
    }

    /// The length of a bin, whose bytes are left where they are.
    pub(super) fn bin(&mut self, what: &'static str) -> Result<usize, RecordError> {
        let len = match self.marker()? {
            Marker::Bin8 => self.u8()?,
            Marker::Bin16 => at_least(self.u16()?, 0x100, what)?,
            Marker::Bin32 => at_least(self.u32()?, 0x1_0000, what)?,
            _ => return Err(RecordError::Malformed(what)),
        };
        Ok(len as usize)
    }

    /// A bin with its bytes.
    pub(crate) fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], RecordError> {
        let len = self.bin(what)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn marker(&mut self) -> Result<Marker, RecordError> {
        read_marker(&mut self.rest).map_err(|_| RecordError::Truncated)
    }

    fn u8(&mut self) -> Result<u64, RecordError> {
        self.rest.read_data_u8().map(u64::from).map_err(|_| RecordError::Truncated)
    }

    fn u16(&mut self) -> Result<u64, RecordError> {
        self.rest.read_data_u16().map(u64::from).map_err(|_| RecordError::Truncated)
    }

    fn u32(&mut self) -> Result<u64, RecordError> {
        self.rest.read_data_u32().map(u64::from).map_err(|_| RecordError::Truncated)
    }

    fn u64(&mut self) -> Result<u64, RecordError> {
        self.rest.read_data_u64().map_err(|_| RecordError::Truncated)
    }
}

/// A value below `floor` has a shorter form than the one it was found in.
fn at_least(value: u64, floor: u64, what: &'static str) -> Result<u64, RecordError> {
    if value < floor { Err(RecordError::NotCanonical(what)) } else { Ok(value) }
}
