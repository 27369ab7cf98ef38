//! The state machines of the protocol: [`Packer`] and [`Sender`] for the publisher, [`Receiver`]
//! for a consumer.
//!
//! They have no clock, thread, lock, socket, runtime or source of randomness. The caller hands in
//! the time, what arrived and what the application wants, and asks for frames to send, the next
//! deadline and events. The driver and the simulator are two equal callers.
//!
//! Methods come in four kinds: constructors; `handle_*` (input from the network or from time); the
//! application's calls (`push`, `write`, `read_message`, `finish`, `close`); and `poll_*`
//! (`poll_transmit`, `poll_timeout`, `poll_event`), to be called until they have nothing more to
//! say.
//!
//! ```text
//!   push                                                                          read_message
//!   +--v-----+ write +------------+  Group: data, probe, FIN     +----------+  +------^------+
//!   | Packer |------>| Sender     | ---------------------------> | the bus  |->| Receiver    |
//!   +--------+       |  Peer      |  Peer(id): retransmissions,  | loses,   |  |  reassembly |
//!                    |  (RTT,     |    SYN-ACK                   | copies,  |  |  credit     |
//!                    |  loss) x N | <--------------------------- | reorders |<-|  acks       |
//!                    +------------+  Publisher: SYN, ACK, FIN-ACK+----------+  +-------------+
//! ```

mod assembler;
mod batch;
mod loss;
mod packed;
mod packer;
mod peer;
mod peers;
mod ranges;
mod receiver;
mod retransmit;
mod rtt;
mod sender;
mod stats;

use bytes::Bytes;

use crate::wire::PeerId;

pub use assembler::{AssembleError, Assembler};
pub use batch::{Batch, BatchMessages};
pub use packed::{BlockError, Packed, PackedBlock, PackedBody};
pub use packer::{Accepts, PackLimits, Packer, Position, Refused};
pub use receiver::{ReadyFrame, Receiver, ReceiverError, ReceiverEvent};
pub use rtt::RttSummary;
pub use sender::{LostReason, Rewind, Sender, SenderError, SenderEvent, SenderIds, WriteError};
pub use stats::{ConsumerStats, DropCounts, PastCounts, PublisherStats, SubscriberStats};

use std::time::Duration;

/// A consumer sends an ack at the latest this long after a frame that no other frame follows, if it
/// shares the stream with few consumers; see `ack_delay`. This is the resolution of tokio's timers,
/// and small beside the round trip of a network.
pub const ACK_DELAY: Duration = Duration::from_millis(1);

/// How long a consumer may delay an ack where this many consumers share the way back. More
/// consumers wait longer, so that their acks do not bury the publisher. For fewer than 8 it is
/// [`ACK_DELAY`], for 64 it is 16 times that, and from 128 on 32 times.
pub(crate) fn ack_delay(consumers: u32) -> Duration {
    ACK_DELAY * (consumers / 4).clamp(1, 32)
}

/// The generation with which the group begins, and to which announcements always go. When a
/// consumer is lost that may still listen, the group moves to the next generation, and the other
/// consumers follow.
pub const FIRST_GENERATION: u32 = 1;

/// The addressee of a frame. The driver makes a subject of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dest {
    /// Every consumer that listens to this generation of the group; see [`FIRST_GENERATION`].
    Group(u32),
    /// The inbox of one consumer, or of a publisher that claims the stream.
    Peer(PeerId),
    /// The stream's publisher.
    Publisher,
}

/// A frame to be sent.
#[derive(Debug, Clone)]
pub struct Transmit {
    /// The addressee.
    pub to: Dest,
    /// The whole frame.
    pub frame: Bytes,
}

/// Returns text from the network as people may see it: without control characters, which a terminal
/// would obey.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
