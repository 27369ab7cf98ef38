//! Writes MessagePack to memory. No write here can fail.

use std::io::{self, Write};

use rmp::encode;

use super::MAX_HEADER;
use super::seq::MAX_COUNT;

/// A growing buffer for the body of a control frame.
#[derive(Default)]
pub(super) struct Put(Vec<u8>);

/// A buffer on the stack for a header, or for the fields of a fragment.
pub(super) struct PutHeader {
    bytes: [u8; MAX_HEADER],
    len: usize,
}

// `rmp` writes to any `Write`. This one accepts every write whole.
impl Write for PutHeader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // In bounds: no header and no fragment's fields are longer than `MAX_HEADER`.
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Drops the result of a write to memory.
fn written<T, E>(result: Result<T, E>) {
    debug_assert!(result.is_ok(), "writing to memory cannot fail");
}

impl Put {
    /// Begins an array of `len` values.
    pub(super) fn array(len: u32) -> Put {
        Put::array_with_capacity(len, 0)
    }

    /// Begins an array of `len` values in a buffer with a capacity of `bytes`.
    pub(super) fn array_with_capacity(len: u32, bytes: usize) -> Put {
        let mut put = Put(Vec::with_capacity(bytes));
        put.nested(len);
        put
    }

    /// Begins an array of `len` values inside another.
    pub(super) fn nested(&mut self, len: u32) -> &mut Self {
        written(encode::write_array_len(&mut self.0, len));
        self
    }

    /// Writes an integer that the protocol computes with. A value above [`MAX_COUNT`] is written as
    /// [`MAX_COUNT`], because decoders refuse larger values.
    pub(super) fn uint(&mut self, value: impl Into<u64>) -> &mut Self {
        self.id(value.into().min(MAX_COUNT))
    }

    /// Writes an id, which may use all 64 bits.
    pub(super) fn id(&mut self, value: u64) -> &mut Self {
        written(encode::write_uint(&mut self.0, value));
        self
    }

    /// Writes the longest prefix of `text` that ends at a character boundary within `max` bytes.
    pub(super) fn str_cut(&mut self, text: &str, max: usize) -> &mut Self {
        let cut = &text[..text.floor_char_boundary(max)];
        written(encode::write_str(&mut self.0, cut));
        self
    }

    /// Writes a byte string.
    pub(super) fn bin(&mut self, bytes: &[u8]) -> &mut Self {
        written(encode::write_bin(&mut self.0, bytes));
        self
    }

    /// Returns the bytes written.
    pub(super) fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl PutHeader {
    pub(super) fn new() -> Self {
        PutHeader { bytes: [0; MAX_HEADER], len: 0 }
    }

    /// Begins an array of `len` values.
    pub(super) fn array(&mut self, len: u32) {
        written(encode::write_array_len(self, len));
    }

    /// Writes an integer as it is, without the bound of [`Put::uint`].
    pub(super) fn uint(&mut self, value: u64) {
        written(encode::write_uint(self, value));
    }

    /// Writes a byte string.
    pub(super) fn bin(&mut self, bytes: &[u8]) {
        written(encode::write_bin(self, bytes));
    }

    /// Returns the bytes written.
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
