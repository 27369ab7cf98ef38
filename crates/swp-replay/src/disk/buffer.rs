//! Aligned buffers that return to their pool when they are dropped.
//!
//! A buffer is an aligned range of a plain `Vec` that is one page longer than the range. The
//! allocation never moves, so the range stays aligned, and io_uring accepts a `Vec` as it is. The
//! additional page spares the crate all unsafe code.

use tokio::sync::mpsc;

use super::ALIGN;

/// Memory of a fixed size whose first byte lies at a multiple of [`ALIGN`].
#[derive(Debug)]
pub(super) struct AlignedBuf {
    memory: Vec<u8>,
    start: usize,
    capacity: usize,
}

impl AlignedBuf {
    /// Allocates zeroed memory. The system provides each page when it is first written.
    fn new(capacity: usize) -> AlignedBuf {
        let memory = vec![0; capacity + ALIGN];
        let address = memory.as_ptr().addr();
        let start = address.next_multiple_of(ALIGN) - address;
        AlignedBuf { memory, start, capacity }
    }
}

/// A fixed number of buffers of one size. A buffer is allocated when it is first needed, and reused
/// from then on.
#[derive(Debug)]
pub struct Pool {
    free: mpsc::Receiver<AlignedBuf>,
    home: mpsc::Sender<AlignedBuf>,
    buffer_bytes: usize,
    unmade: usize,
}

impl Pool {
    /// Creates a pool of `count` buffers (at least one) of `buffer_bytes` each. Memory: the product
    /// of the two, and one page for each buffer.
    pub fn new(count: usize, buffer_bytes: usize) -> Pool {
        let count = count.max(1);
        let (home, free) = mpsc::channel(count);
        Pool { free, home, buffer_bytes, unmade: count }
    }

    /// The size of a buffer in bytes.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Waits for a free buffer and returns it with `len` bytes, at most [`Pool::buffer_bytes`]. Its
    /// content is unspecified.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, no buffer is lost.
    pub async fn take(&mut self, len: usize) -> PooledBuf {
        if let Some(buffer) = self.try_take(len) {
            return buffer;
        }
        // The pool holds a sender itself, so the channel stays open.
        match self.free.recv().await {
            Some(buffer) => self.hand_out(buffer, len),
            None => self.take_or_make(len),
        }
    }

    /// Returns a buffer of `len` bytes if one is free.
    pub fn try_take(&mut self, len: usize) -> Option<PooledBuf> {
        if let Ok(buffer) = self.free.try_recv() {
            return Some(self.hand_out(buffer, len));
        }
        self.unmade = self.unmade.checked_sub(1)?;
        let buffer = AlignedBuf::new(self.buffer_bytes);
        Some(self.hand_out(buffer, len))
    }

    /// Returns a free buffer, or allocates one beyond the pool's count. When a buffer is dropped
    /// and the pool is full, its memory is freed.
    pub(crate) fn take_or_make(&mut self, len: usize) -> PooledBuf {
        self.try_take(len).unwrap_or_else(|| self.hand_out(AlignedBuf::new(self.buffer_bytes), len))
    }

    fn hand_out(&self, buffer: AlignedBuf, len: usize) -> PooledBuf {
        let len = len.min(buffer.capacity);
        PooledBuf { buffer: Some(buffer), len, home: self.home.clone() }
    }
}

/// A buffer of a [`Pool`]. Its first byte lies at a multiple of [`ALIGN`].
///
/// The buffer returns to the pool when it is dropped. If a `Bytes` owns the buffer
/// (`Bytes::from_owner`), it returns when the last slice of the `Bytes` is dropped.
#[derive(Debug)]
pub struct PooledBuf {
    /// `None` only after the drop. The memory is empty only while a read owns it.
    buffer: Option<AlignedBuf>,
    len: usize,
    home: mpsc::Sender<AlignedBuf>,
}

impl PooledBuf {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if the buffer has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes the allocation, for a read to own. Returns it with the position where the buffer
    /// starts. The buffer has no bytes until [`PooledBuf::put_memory`].
    pub(super) fn take_memory(&mut self) -> (Vec<u8>, usize) {
        match self.buffer.as_mut() {
            Some(buffer) => (std::mem::take(&mut buffer.memory), buffer.start),
            None => (Vec::new(), 0),
        }
    }

    /// Puts the allocation back after the read.
    pub(super) fn put_memory(&mut self, memory: Vec<u8>) {
        if let Some(buffer) = self.buffer.as_mut() {
            buffer.memory = memory;
        }
    }
}

impl AsRef<[u8]> for PooledBuf {
    fn as_ref(&self) -> &[u8] {
        match &self.buffer {
            Some(buffer) => buffer.memory.get(buffer.start..buffer.start + self.len),
            None => None,
        }
        .unwrap_or_default()
    }
}

impl AsMut<[u8]> for PooledBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        match &mut self.buffer {
            Some(buffer) => buffer.memory.get_mut(buffer.start..buffer.start + self.len),
            None => None,
        }
        .unwrap_or_default()
    }
}

impl Drop for PooledBuf {
    fn drop(&mut self) {
        let away = self.buffer.as_ref().is_some_and(|buffer| buffer.memory.is_empty());
        debug_assert!(
            !away || std::thread::panicking(),
            "a read was dropped in flight, see uring::read_all"
        );
        // The pool refuses the buffer if the pool is gone or full: then the memory is freed here. A
        // buffer whose memory a read still owns must not return.
        if let Some(buffer) = self.buffer.take().filter(|buffer| !buffer.memory.is_empty()) {
            let _ = self.home.try_send(buffer);
        }
    }
}

#[cfg(test)]
mod tests;
