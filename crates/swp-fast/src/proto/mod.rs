//! The state machines of both ends. No clock, thread, lock, socket, runtime or source of randomness:
//! the time, what arrived and what the application wants are handed in, and frames to send, the next
//! deadline and events are asked for. The NATS driver and the simulator are two equal callers.
//!
//! Methods come in four kinds: constructors; `handle_*` (input from the network or from time);
//! the application's calls (`write`, `read`, `finish`, `close`); and `poll_*` (`poll_transmit`,
//! `poll_timeout`, `poll_event`), to be called until they have nothing more to say.
//!
//! ```text
//!   application                                                            application
//!       | write                                                                ^ read
//!   +---v-----------+  Group: data, probe, FIN      +------------------+  +----+----------+
//!   | Sender        | ----------------------------> | the bus          |->| Receiver      |
//!   |  Peer (RTT,   |  Peer(id): repairs, SYN-ACK   | (loses, repeats, |  |  reassembly,  |
//!   |  loss) x N    | <---------------------------- |  reorders)       |<-|  credit, acks |
//!   +---------------+  Publisher: SYN, ACK, FIN-ACK +------------------+  +---------------+
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
pub use stats::{ConsumerStats, DropCounts, PublisherStats, SubscriberStats};

use std::time::Duration;

/// A consumer reports at the latest this long after a frame arrived that no other follows. It is the resolution
/// of the timers that drive it, and small beside the round trip of any network worth waiting for.
pub const ACK_DELAY: Duration = Duration::from_millis(1);

/// How long a consumer may hold a report back when so many share the way back: the more, the longer, so
/// that their reports do not bury the publisher. Up to 4 it is [`ACK_DELAY`], at 64 it is 16 ms.
pub(crate) fn ack_delay(members: u32) -> Duration {
    ACK_DELAY * (members / 4).clamp(1, 32)
}

/// The generation that the group begins with, and that announcements always go to. When a consumer is given up
/// that may still listen, the group moves on to the next number, and the others with it.
pub const FIRST_GENERATION: u32 = 1;

/// Who a frame is for; the driver makes a subject of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dest {
    /// Every consumer that listens to this generation of the group: see [`FIRST_GENERATION`].
    Group(u32),
    /// The inbox of one consumer, or of a publisher that is finding out if the stream is free.
    Peer(PeerId),
    /// The stream's publisher.
    Publisher,
}

/// A frame to be sent.
#[derive(Debug, Clone)]
pub struct Transmit {
    /// To whom.
    pub to: Dest,
    /// The whole frame.
    pub frame: Bytes,
}
