//! Bodies of data frames: many messages packed into one frame, or one fragment of a large message.
//!
//! A packed body is a sequence of MessagePack `bin` values, one for each message. The body of a
//! fragment consists of the length of the whole message, the fragment's offset, and the fragment as
//! a `bin`. No body depends on its position in the stream. A body can therefore be stored, hashed
//! once, and sent any number of times.
//!
//! This file holds recommended sizes of bodies. `bin.rs` encodes one message, `pack.rs` fills a
//! frame, `read.rs` reads a packed body, and `fragment.rs` encodes and decodes fragments.

mod bin;
mod fragment;
mod pack;
mod read;

pub use bin::{MESSAGE_OVERHEAD, message_len};
pub use fragment::{FRAGMENT_OVERHEAD, Fragment, encode_fragment};
pub use pack::{OpenFrame, encode_message};
pub use read::{MessageSlices, Messages, count_messages};

use super::MAX_HEADER;

/// The number of bytes that blake3 hashes in parallel: 16 chunks of 1 KiB with AVX-512.
///
/// blake3 hashes the chunks behind the last whole run one by one. A body should therefore end just
/// past a whole run. With AVX2 a run has 8 chunks, with SSE4.1 and NEON it has 4, so this size is a
/// whole number of runs there.
///
/// Time to hash a body with AVX-512 (`cargo bench -p swp-bench --bench digest`):
///
/// | body, bytes | time |
/// |---|---|
/// | 15,360 | 6.3 µs |
/// | 16,384 (one run) | 3.2 µs |
/// | 17,411 ([`BODY_LIMIT`]) | 4.7 µs |
pub const HASH_RUN: usize = 16 * 1024;

/// The recommended limit of [`OpenFrame::new`] for one consumer and blake3, in bytes.
///
/// A body of this size holds one [`HASH_RUN`], and a last message of up to 1 KiB that begins within
/// the run. Messages of up to 1 KiB therefore always fill the run. The payload is also near the
/// size at which NATS has its highest throughput.
pub const BODY_LIMIT: usize = HASH_RUN + message_len(1024);

/// The recommended limit of [`OpenFrame::unhashed`] for one consumer, in bytes.
///
/// `async-nats` reads from its socket into buffers of 32 KiB. If a NATS message ends in the next
/// buffer, `async-nats` copies the part in the previous one. A frame of this size, its header, and
/// the NATS protocol line of up to 120 bytes together fill one buffer. Little is then left to copy.
pub const UNHASHED_BODY_LIMIT: usize = 32 * 1024 - MAX_HEADER - 120;

/// The recommended limit of [`OpenFrame::new`] for several consumers, in bytes: three runs.
///
/// The broker handles each frame once for each consumer, so fewer and larger frames cost less. For
/// one consumer [`BODY_LIMIT`] is faster, because the broker copies frames that two of its reads
/// share.
///
/// Throughput of each of four consumers, relative to frames of [`BODY_LIMIT`]
/// (`swp-bench fanout --consumers 4`):
///
/// | message | throughput |
/// |---|---|
/// | 1 KiB | 1.35 |
/// | 4 KiB | 1.2 |
/// | 16 KiB | 1.1 |
pub const GROUP_BODY_LIMIT: usize = 3 * HASH_RUN + message_len(1024);

/// The recommended limit of [`OpenFrame::unhashed`] for several consumers, in bytes: two buffers of
/// `async-nats`.
///
/// Three messages of 16 KiB fit, where a body of [`UNHASHED_BODY_LIMIT`] holds one.
///
/// Throughput of each of four consumers, relative to frames of [`UNHASHED_BODY_LIMIT`]
/// (`swp-bench fanout --consumers 4`):
///
/// | message | throughput |
/// |---|---|
/// | up to 4 KiB | 1.0 |
/// | 16 KiB | 1.1 |
pub const UNHASHED_GROUP_BODY_LIMIT: usize = 64 * 1024 - MAX_HEADER - 120;
