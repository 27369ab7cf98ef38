//! How large bodies are filled, and whether a message of a given length is packed, sent whole or
//! cut. No other code judges the size of a message.

use crate::config::PublishConfig;
use crate::wire::{Integrity, MESSAGE_OVERHEAD, OpenFrame, message_len};

/// The bounds of one session, fixed when the session begins.
#[derive(Debug, Clone, Copy)]
pub struct PackLimits {
    integrity: Integrity,
    /// Bodies are filled up to this while one consumer has the stream, in bytes.
    solo_body: usize,
    /// Bodies are filled up to this while several consumers have the stream, in bytes. The bodies
    /// of a block may be as large.
    max_body: usize,
    /// The longest part of a message in a fragment, in bytes.
    fragment: usize,
    /// The longest message, in bytes.
    message: usize,
    /// The bound on what waits in the packer, in bytes.
    pub(super) queue: usize,
}

/// How a message travels that is not packed with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// One body holds the message whole.
    Whole,
    /// The message is cut into fragments.
    Cut,
}

impl PackLimits {
    /// Takes the bounds from a valid configuration.
    pub fn new(config: &PublishConfig) -> PackLimits {
        PackLimits {
            integrity: config.integrity,
            solo_body: config.solo_body_bytes(),
            max_body: config.max_body_bytes(),
            fragment: config.max_fragment_bytes(),
            message: usize::try_from(config.max_message_bytes).unwrap_or(usize::MAX),
            queue: config.queue_bytes,
        }
    }

    /// Returns true if a message of `len` bytes is copied into the open frame, beside others.
    /// Longer messages are kept by reference until their turn.
    #[inline]
    pub fn packs(&self, len: usize) -> bool {
        len <= self.message && message_len(len) <= self.solo_body
    }

    /// Returns true if a packed message, encoded in `len` bytes, takes more than half a body: the
    /// next message of this size would not fit beside it.
    #[inline]
    pub(super) fn stands_alone(&self, len: usize, shared: bool) -> bool {
        len > self.body(shared) / 2
    }

    /// Returns a length up to which every message is packed with others, in bytes. A message that
    /// is longer by a few bytes may be packed as well, because shorter lengths are encoded in fewer
    /// bytes.
    pub fn max_packed_bytes(&self) -> usize {
        self.solo_body.saturating_sub(MESSAGE_OVERHEAD).min(self.message)
    }

    /// Returns the length of the longest body that a frame of this session takes, in bytes.
    pub fn max_body_bytes(&self) -> usize {
        self.max_body
    }

    /// Returns true if the session takes messages of `len` bytes.
    pub(super) fn admits(&self, len: usize) -> bool {
        len <= self.message
    }

    /// Returns the length up to which a body is filled, in bytes.
    pub(super) fn body(&self, shared: bool) -> usize {
        if shared { self.max_body } else { self.solo_body }
    }

    /// Returns how a message travels that is not packed with others. If several consumers have the
    /// stream, a message that fits one body is not cut, because each consumer would have to put the
    /// fragments together.
    pub(super) fn route(&self, len: usize, shared: bool) -> Route {
        if message_len(len) <= self.body(shared) { Route::Whole } else { Route::Cut }
    }

    /// Returns where the fragment that begins at `at` ends.
    pub(super) fn fragment_end(&self, len: usize, at: usize) -> usize {
        len.min(at + self.fragment)
    }

    /// Returns an empty frame of the size that suits the number of consumers.
    pub(super) fn open_frame(&self, shared: bool) -> OpenFrame {
        match self.integrity {
            Integrity::Blake3 => OpenFrame::new(self.body(shared)),
            Integrity::Crc32c | Integrity::None => OpenFrame::unhashed(self.body(shared)),
        }
    }
}
