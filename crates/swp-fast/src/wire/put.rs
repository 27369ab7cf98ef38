//! Writing MessagePack where writing cannot fail.

use std::io::{self, Write};

use rmp::encode;

use super::header::MAX_HEADER;
use super::seq::MAX_COUNT;

/// A growing buffer for control bodies.
#[derive(Default)]
pub(super) struct Put(Vec<u8>);

/// A header, or a fragment's fields, under construction on the stack.
pub(super) struct PutHeader {
    bytes: [u8; MAX_HEADER],
    len: usize,
}

// rmp writes to any `Write`; this one takes every write.
impl Write for PutHeader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The widest header is 62 bytes (see `MAX_HEADER`), so this slice is always in bounds.
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn done<T, E>(result: Result<T, E>) {
    debug_assert!(result.is_ok(), "writing to memory cannot fail");
}

impl Put {
    pub(super) fn array(len: u32) -> Put {
        Put::array_with_capacity(len, 0)
    }

    /// Likewise, with room for so many bytes at once.
    pub(super) fn array_with_capacity(len: u32, bytes: usize) -> Put {
        let mut put = Put(Vec::with_capacity(bytes));
        put.nested(len);
        put
    }

    pub(super) fn nested(&mut self, len: u32) -> &mut Self {
        done(encode::write_array_len(&mut self.0, len));
        self
    }

    /// A number that is computed with. One beyond the protocol's bound is held at it: "more than anybody
    /// can count" still arrives as that, where the number itself would be refused.
    pub(super) fn uint(&mut self, value: impl Into<u64>) -> &mut Self {
        self.id(value.into().min(MAX_COUNT))
    }

    /// Any 64 bits.
    pub(super) fn id(&mut self, value: u64) -> &mut Self {
        done(encode::write_uint(&mut self.0, value));
        self
    }

    pub(super) fn str(&mut self, text: &str) -> &mut Self {
        done(encode::write_str(&mut self.0, text));
        self
    }

    pub(super) fn bin(&mut self, bytes: &[u8]) -> &mut Self {
        done(encode::write_bin(&mut self.0, bytes));
        self
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl PutHeader {
    pub(super) fn new() -> Self {
        PutHeader { bytes: [0; MAX_HEADER], len: 0 }
    }

    pub(super) fn array(&mut self, len: u32) {
        done(encode::write_array_len(self, len));
    }

    pub(super) fn uint(&mut self, value: u64) {
        done(encode::write_uint(self, value));
    }

    pub(super) fn bin(&mut self, bytes: &[u8]) {
        done(encode::write_bin(self, bytes));
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
