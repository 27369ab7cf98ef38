//! The buffer that a connection is read into, and a pool of buffers whose slices are gone.

use bytes::{Buf, Bytes, BytesMut};

use super::SLICE_FACTOR;
use crate::message::BufferId;

/// One read of a busy socket fills about this much. Larger buffers gained nothing on loopback.
const BUFFER_BYTES: usize = 256 << 10;

/// A buffer that holds several messages is worth more than the copy of the last one's start.
const MESSAGES_A_BUFFER: usize = 4;

/// Up to this size a buffer holds several large messages. A larger message has a buffer of its own.
const SHARED_BUFFER_BYTES: usize = 4 << 20;

/// With less spare capacity than this, a read would cost a system call for too few bytes.
const SPARE_BYTES_MIN: usize = 16 << 10;

/// What the pool keeps for reuse, in bytes.
const POOL_BYTES: usize = 8 << 20;

/// The current buffer, and those that wait for their slices to be dropped.
#[derive(Debug, Default)]
pub(super) struct ReadBuffer {
    /// What was read and not yet taken, with spare capacity behind it.
    pub(super) bytes: BytesMut,
    /// The whole size of the current buffer, with what was taken from it.
    capacity: usize,
    generation: u32,
    /// Handles without content, with the size of each buffer. The oldest is first.
    pub(super) pool: Vec<(BytesMut, usize)>,
    pooled_bytes: usize,
}

impl ReadBuffer {
    /// Returns the buffer to read into. `wanted` is the size of an incomplete message, if known.
    pub(super) fn space(&mut self, wanted: Option<usize>) -> &mut BytesMut {
        let len = self.bytes.len();
        let spare = self.bytes.capacity() - len;
        let needed = match wanted {
            Some(wanted) => wanted.saturating_sub(len),
            None => SPARE_BYTES_MIN,
        };
        if spare < needed.max(1) {
            self.relocate(wanted.unwrap_or(0));
        }
        &mut self.bytes
    }

    /// Moves what is buffered into a buffer with space for `wanted` bytes.
    fn relocate(&mut self, wanted: usize) {
        let len = self.bytes.len();
        let several = wanted.saturating_mul(MESSAGES_A_BUFFER).min(SHARED_BUFFER_BYTES);
        // A long line whose end is not known doubles, so that it is not copied again and again.
        let unknown = if wanted == 0 { 2 * len + SPARE_BYTES_MIN } else { 0 };
        let capacity = BUFFER_BYTES.max(several).max(wanted).max(unknown);
        let additional = capacity - len;
        // Succeeds if no slice of the buffer is left, for example after small messages.
        if self.capacity >= capacity && self.bytes.try_reclaim(additional) {
            return;
        }
        let (mut fresh, capacity) = self.pooled(capacity);
        fresh.extend_from_slice(&self.bytes);
        self.generation = self.generation.wrapping_add(1);
        let retired_capacity = std::mem::replace(&mut self.capacity, capacity);
        let mut retired = std::mem::replace(&mut self.bytes, fresh);
        retired.clear();
        self.retire(retired, retired_capacity);
    }

    /// Returns an empty buffer with at least `capacity`, and its whole size. Prefers a buffer of
    /// the pool whose slices are gone.
    fn pooled(&mut self, capacity: usize) -> (BytesMut, usize) {
        let fits = |(buffer, size): &mut (BytesMut, usize)| {
            *size >= capacity && *size <= capacity.saturating_mul(2) && buffer.try_reclaim(capacity)
        };
        match self.pool.iter_mut().position(fits) {
            Some(at) => {
                let (buffer, size) = self.pool.remove(at);
                self.pooled_bytes -= size;
                (buffer, size)
            }
            None => (BytesMut::with_capacity(capacity), capacity),
        }
    }

    fn retire(&mut self, buffer: BytesMut, capacity: usize) {
        if capacity == 0 || capacity > POOL_BYTES {
            return;
        }
        self.pool.push((buffer, capacity));
        self.pooled_bytes += capacity;
        while self.pooled_bytes > POOL_BYTES {
            self.pooled_bytes -= self.pool.remove(0).1;
        }
    }

    /// Takes `start..end` as a slice or a copy, and drops `after` further bytes.
    pub(super) fn take(
        &mut self,
        start: usize,
        end: usize,
        after: usize,
    ) -> (Bytes, Option<BufferId>) {
        if (end - start).saturating_mul(SLICE_FACTOR) < self.capacity {
            let copy = Bytes::copy_from_slice(&self.bytes[start..end]);
            self.bytes.advance(end + after);
            return (copy, None);
        }
        let mut slice = self.bytes.split_to(end).freeze();
        slice.advance(start);
        self.bytes.advance(after);
        let id = BufferId { generation: self.generation, capacity: self.capacity as u32 };
        (slice, Some(id))
    }
}
