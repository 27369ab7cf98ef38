//! Converts bytes to frames and frames to bytes. This module has no clock, no state and no policy.
//!
//! A *frame* is the payload of one NATS message: a header ([`Header`]), followed by a body. Both
//! are sequences of MessagePack values, written and read with `rmp`, so that any MessagePack
//! library can inspect a frame. Every frame can be decoded alone. Values that change with time
//! travel only in control frames.
//!
//! ```text
//! +---------------------------------------------------------------+------------------------------+
//! | [version, kind, session, epoch, seq, digest]  check           | body                         |
//! |  fixed array of 6                             uint or bin     | bin bin bin ... (messages)   |
//! +---------------------------------------------------------------+------------------------------+
//!    digest = hash(body)    check = crc32c(header), or blake3 keyed(header) cut to 16 bytes
//! ```
//!
//! Encoders write every value in its shortest form, and decoders refuse any other form. A frame
//! therefore has exactly one encoding. Integers are at most [`MAX_COUNT`], and ids use all 64 bits.
//!
//! The digest does not depend on the session. A capture computes the digest once and stores the
//! digest.
//!
//! The check covers the header, including the digest. With a shared key, check and digest together
//! authenticate the body, its position in the stream, and its session. The cost is one more blake3
//! block, and no second pass over the body. The digest must then be blake3, because an attacker can
//! replace a body that has another digest.

mod ack;
mod body;
mod control;
mod cursor;
mod digest;
mod error;
mod frame;
mod header;
mod join;
mod kinds;
mod put;
mod reset;
mod seq;

#[cfg(test)]
mod tests;

pub use ack::{Ack, Credit, MAX_SACK_RANGES, SackRanges};
pub use body::{
    BODY_LIMIT, FRAGMENT_OVERHEAD, Fragment, GROUP_BODY_LIMIT, HASH_RUN, MESSAGE_OVERHEAD,
    MessageSlices, Messages, OpenFrame, UNHASHED_BODY_LIMIT, UNHASHED_GROUP_BODY_LIMIT,
    count_messages, encode_fragment, encode_message, message_len,
};
// Everything public in `control`: a new control frame needs no change here.
pub use control::*;
pub use digest::{Digest, Integrity, Key, UnknownIntegrity};
pub use error::WireError;
pub use frame::{Frame, Sealer, Unopened};
pub use header::{Header, Preamble};
pub use join::{MAX_NAME, MAX_TAG, Resume, Syn, SynAck};
pub use reset::{MAX_REASON, Reset, ResetCode};
pub use seq::{MAX_COUNT, MAX_SEQ, PeerId, Seq, SessionId};

/// The wire version of this crate, and the first field of every frame.
///
/// The first three fields of the header (version, kind, session) are the same in every later
/// version. A publisher can therefore answer a SYN of another version with a RESET of its own
/// version; see [`Preamble`].
pub const VERSION: u8 = 1;

/// The free space in front of a body that holds any header, in bytes. With this much space, a frame
/// is sealed without copying its body.
///
/// The longest header has 62 bytes: array 1, version 1, kind 1, session 9, epoch 5, seq 9, digest
/// 18, keyed check 18. The constant is that size, rounded up to a cache line.
pub const MAX_HEADER: usize = 64;
