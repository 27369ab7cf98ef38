//! Aligned buffers that go back to their pool by themselves.
//!
//! A buffer is a plain `Vec` that is a page larger than asked for, and the aligned run of bytes within
//! it. That costs 4 KiB a buffer and saves every line of unsafe code: the allocation never moves, so
//! the run stays aligned, and io_uring takes a `Vec` as it is.

use tokio::sync::mpsc;

use crate::capture::ALIGN;

/// Memory of a fixed size whose first byte lies at a multiple of 4 KiB, as direct reads demand.
#[derive(Debug)]
pub(super) struct AlignedBuf {
    memory: Vec<u8>,
    start: usize,
    capacity: usize,
}

impl AlignedBuf {
    /// Zeroed memory; the system provides the pages as they are first written to.
    fn new(capacity: usize) -> AlignedBuf {
        let memory = vec![0; capacity + ALIGN];
        let address = memory.as_ptr().addr();
        let start = address.next_multiple_of(ALIGN) - address;
        AlignedBuf { memory, start, capacity }
    }
}

/// A fixed number of buffers of one size. They are made when first needed and reused from then on.
#[derive(Debug)]
pub struct Pool {
    free: mpsc::Receiver<AlignedBuf>,
    home: mpsc::Sender<AlignedBuf>,
    buffer_bytes: usize,
    unmade: usize,
}

impl Pool {
    /// A pool of `count` buffers (at least one) of `buffer_bytes` each. Memory: their product, and a
    /// page a buffer.
    pub fn new(count: usize, buffer_bytes: usize) -> Pool {
        let count = count.max(1);
        let (home, free) = mpsc::channel(count);
        Pool { free, home, buffer_bytes, unmade: count }
    }

    /// How many bytes a buffer holds.
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// A buffer of `len` bytes (cut to the pool's size), content unspecified; waits until one is free.
    pub async fn take(&mut self, len: usize) -> PooledBuf {
        if let Some(buffer) = self.try_take(len) {
            return buffer;
        }
        // The pool holds a sender itself, so the channel never closes under it.
        match self.free.recv().await {
            Some(buffer) => self.hand_out(buffer, len),
            None => self.take_or_make(len),
        }
    }

    /// A buffer if one is free.
    pub fn try_take(&mut self, len: usize) -> Option<PooledBuf> {
        if let Ok(buffer) = self.free.try_recv() {
            return Some(self.hand_out(buffer, len));
        }
        self.unmade = self.unmade.checked_sub(1)?;
        let buffer = AlignedBuf::new(self.buffer_bytes);
        Some(self.hand_out(buffer, len))
    }

    /// A buffer that is free, or a new one beyond the pool's number, freed when there are enough.
    pub(crate) fn take_or_make(&mut self, len: usize) -> PooledBuf {
        self.try_take(len).unwrap_or_else(|| self.hand_out(AlignedBuf::new(self.buffer_bytes), len))
    }

    fn hand_out(&self, buffer: AlignedBuf, len: usize) -> PooledBuf {
        let len = len.min(buffer.capacity);
        PooledBuf { buffer: Some(buffer), len, home: self.home.clone() }
    }
}

/// A buffer out of a [`Pool`], its first byte at a multiple of 4 KiB. It goes back when it is dropped;
/// as the owner of a `Bytes` (`Bytes::from_owner`), when the last slice of that is dropped.
#[derive(Debug)]
pub struct PooledBuf {
    /// `None` only once it has gone back; its memory is empty only while a read is filling it.
    buffer: Option<AlignedBuf>,
    len: usize,
    home: mpsc::Sender<AlignedBuf>,
}

impl PooledBuf {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The allocation, for a read to own, and where in it the buffer starts. Until
    /// [`PooledBuf::put_memory`] the buffer has no bytes.
    pub(super) fn take_memory(&mut self) -> (Vec<u8>, usize) {
        match self.buffer.as_mut() {
            Some(buffer) => (std::mem::take(&mut buffer.memory), buffer.start),
            None => (Vec::new(), 0),
        }
    }

    /// Brings the allocation back.
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
            "a read was given up, see uring::read_all"
        );
        // Refused where the pool is gone or has enough: then the memory is freed here. One whose
        // memory is still with a read must not go back.
        if let Some(buffer) = self.buffer.take().filter(|buffer| !buffer.memory.is_empty()) {
            let _ = self.home.try_send(buffer);
        }
    }
}
