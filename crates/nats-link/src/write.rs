//! What waits to be written to the socket, as slices.
//!
//! Lines and small payloads are copied into chunks, one after the other. A large payload is a slice
//! of its own, between the end of one chunk and the start of the next.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::subject::Outgoing;

#[cfg(test)]
mod tests;

/// A payload up to this size is copied: the copy is cheaper than three entries of a vectored write.
const COPY_BYTES_MAX: usize = 2 << 10;

/// The size of a chunk: a write of small messages is worth a system call, and short-lived.
const CHUNK_BYTES: usize = 16 << 10;

/// How many slices one system call takes. Linux takes at most 1,024.
pub(crate) const SLICES_MAX: usize = 64;

/// The decimal digits of the largest number.
const DIGITS_MAX: usize = 20;

/// Encoded lines and payloads, in order.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    slices: VecDeque<Bytes>,
    /// The chunk that lines are appended to.
    open: BytesMut,
}

impl Queue {
    /// Appends `PUB` or `HPUB`. Returns the number of bytes on the wire.
    pub(crate) fn push_message(&mut self, message: Outgoing) -> usize {
        let line_max = line_bytes_max(&message);
        let Outgoing { subject, reply, header, payload } = message;
        let reply = reply.as_ref().map_or(&[][..], |reply| &reply.as_bytes()[..]);
        let subject = &subject.as_bytes()[..];
        let copied = |part: &Bytes| if part.len() <= COPY_BYTES_MAX { part.len() } else { 0 };
        self.reserve(line_max + copied(&header) + copied(&payload) + 2);
        let start = self.open.len();
        self.open.put_slice(if header.is_empty() { b"PUB " } else { b"HPUB " });
        self.open.put_slice(subject);
        self.open.put_u8(b' ');
        if !reply.is_empty() {
            self.open.put_slice(reply);
            self.open.put_u8(b' ');
        }
        if !header.is_empty() {
            put_number(&mut self.open, header.len());
            self.open.put_u8(b' ');
        }
        put_number(&mut self.open, header.len() + payload.len());
        self.open.put_slice(b"\r\n");
        let line = self.open.len() - start;
        let parts = header.len() + payload.len() + 2;
        self.push_part(header);
        self.push_part(payload);
        self.open.put_slice(b"\r\n");
        line + parts
    }

    /// Appends a line, which ends with CR LF. Returns its length.
    pub(crate) fn push_line(&mut self, parts: &[&[u8]]) -> usize {
        let len = parts.iter().map(|part| part.len()).sum();
        self.reserve(len);
        parts.iter().for_each(|part| self.open.put_slice(part));
        len
    }

    /// Makes space for `len` contiguous bytes. Growing a chunk would copy what is in it.
    fn reserve(&mut self, len: usize) {
        if self.open.capacity() - self.open.len() < len {
            self.seal();
            self.open.reserve(len.max(CHUNK_BYTES));
        }
    }

    fn push_part(&mut self, part: Bytes) {
        if part.len() <= COPY_BYTES_MAX {
            self.open.put_slice(&part);
        } else {
            self.seal();
            self.slices.push_back(part);
        }
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.slices.push_back(self.open.split().freeze());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slices.is_empty() && self.open.is_empty()
    }

    /// Moves everything to the end of `batch`.
    pub(crate) fn move_into(&mut self, batch: &mut Batch) {
        self.seal();
        batch.slices.append(&mut self.slices);
    }
}

/// Slices that one writer is about to write.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    slices: VecDeque<Bytes>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// Fills `into` with the first slices. Returns their number.
    pub(crate) fn io_slices<'a>(&'a self, into: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let count = self.slices.len().min(into.len());
        for (slot, slice) in into.iter_mut().zip(&self.slices) {
            *slot = IoSlice::new(slice);
        }
        count
    }

    /// Drops the first `count` bytes.
    pub(crate) fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.slices.front_mut() {
            if count < first.len() {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.slices.pop_front();
        }
    }

    /// Puts `first` before everything else.
    pub(crate) fn prepend(&mut self, first: Bytes) {
        if !first.is_empty() {
            self.slices.push_front(first);
        }
    }
}

/// Returns the most bytes that a message takes on the wire beside header section and payload.
pub(crate) fn line_bytes_max(message: &Outgoing) -> usize {
    let reply = message.reply.as_ref().map_or(0, |reply| reply.as_bytes().len());
    "HPUB ".len() + message.subject.as_bytes().len() + reply + 2 * DIGITS_MAX + 6
}

fn put_number(into: &mut BytesMut, mut number: usize) {
    let mut digits = [0; DIGITS_MAX];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    into.put_slice(&digits[at..]);
}
