//! The applications on both sides of a simulated stream.
//!
//! ```text
//!   Producers --messages--+
//!                         +--> Packer --take--> Sender ~~~ bus ~~~ Receiver --read--> Reader
//!   Capture ----blocks----+                                                              |
//!                         what was accepted, in which order  <------ compares -----------+
//! ```
//!
//! Nothing here packs messages or puts fragments together: [`crate::proto::Packer`] and
//! [`crate::proto::Receiver`] do, as they do in the product.

mod capture;
mod producers;
mod publish;
mod reader;

pub(super) use publish::PublishApp;
pub(super) use reader::{Reader, StreamView};

/// The bodies in a block, unless the configuration says otherwise.
const DEFAULT_BLOCK_BODIES: usize = 8;

/// How a consumer's application reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadAs {
    /// Message by message: see [`crate::proto::Receiver::read_message`].
    #[default]
    Messages,
    /// The messages of a frame at a time: see [`crate::proto::Receiver::read_batch`].
    Batches,
    /// Frame by frame: see [`crate::proto::Receiver::read_frame`].
    Frames,
}

/// What the applications do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppConfig {
    /// Producers that share the messages. With n producers, producer p offers the messages p, p +
    /// n, p + 2n and so on. Default 1.
    pub producers: usize,
    /// The bodies in a block. Where given, the publisher's application sends blocks of ready
    /// bodies, as of a capture, in place of messages. A rewindable stream always sends blocks.
    /// Default `None`, which means 8 for a rewindable stream.
    pub block_bodies: Option<usize>,
    /// The blocks carry the blake3 digests of their bodies, so that the sender need not hash them.
    /// Default true.
    pub known_digests: bool,
    /// How consumers read, unless [`super::World::read_as`] says otherwise. Default messages.
    pub read_as: ReadAs,
}

impl Default for AppConfig {
    fn default() -> Self {
        AppConfig {
            producers: 1,
            block_bodies: None,
            known_digests: true,
            read_as: ReadAs::default(),
        }
    }
}

/// Returns message number `index` of a stream, `len` bytes long. It begins with the number, as far
/// as that fits. The bytes behind it follow from the number.
pub fn message(index: u64, len: usize) -> Vec<u8> {
    let head = index.to_le_bytes();
    let mut bytes: Vec<u8> =
        (0..len).map(|at| (at as u64).wrapping_add(index * 31) as u8).collect();
    let known = len.min(head.len());
    bytes[..known].copy_from_slice(&head[..known]);
    bytes
}
