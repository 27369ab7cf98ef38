//! The boundary to what carries frames. [`Link`] is all that the driver needs from NATS.
//!
//! ```text
//!                  try_publish, publish, flush                   +------------+
//!   driver  ---------------------------------------------------> |            | <--> NATS
//!   (SendPath,     state, denials                                |    Link    |
//!    Connection) <---------------------------------------------- |            |
//!                  Subscription::poll_next                       +------------+
//! ```
//!
//! A link carries frames as opaque bytes. It knows no state machine, no stream and no session, and
//! one link serves any number of sessions. [`AsyncNats`] is the link over a client that the
//! application already has.
//!
//! # What a link promises
//! - **Order.** Frames leave in the order in which the link accepted them, whatever their subjects
//!   are. A subscription yields frames in the order in which they arrive.
//! - **Loss.** An accepted frame may be lost: at a reconnect, in the broker, or in the queue of a
//!   subscription. The link does not tell of losses. The protocol retransmits.
//! - **Integrity.** A frame arrives whole or not at all. It may arrive twice.
//! - **Reconnect.** The link reconnects by itself and renews its subscriptions. Meanwhile it
//!   accepts frames for as long as it has space.
//! - **Threads.** Every method may be called from any thread, [`Link::try_publish`] and
//!   [`Link::state`] also from a thread without a runtime. While the link wakes a waker, it
//!   holds no lock that one of its methods takes.
//! - **Memory.** What waits in a link is bounded.

mod async_nats;
mod denial;
mod subject;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

pub(crate) use self::async_nats::AsyncNats;
pub use self::async_nats::ClientEvents;
pub use denial::Denial;
pub(crate) use denial::{DenialLog, DenialWatch};
pub(crate) use subject::Subject;

/// A call of a link that may wait.
pub(crate) type LinkFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection to NATS that carries frames. See the [module](self) for what every link promises.
pub(crate) trait Link: fmt::Debug + Send + Sync {
    /// Returns the largest frame that the broker accepts, in bytes.
    fn max_payload(&self) -> usize;

    /// Returns whether the link is connected now. Cheap: the driver calls this before each turn.
    fn state(&self) -> LinkState;

    /// Watches for permissions that the server denies from now on, on any subject.
    fn denials(&self) -> DenialWatch;

    /// Accepts a frame without waiting, or returns the frame.
    ///
    /// A returned frame says nothing about the reason: the link may have no space now, or may be
    /// closed. [`Self::publish`] tells. The driver holds a lock during the call, so the link never
    /// blocks here and never calls back.
    ///
    /// # Errors
    /// Returns the frame that the link did not accept.
    fn try_publish(&self, subject: &Subject, frame: Bytes) -> Result<(), Bytes>;

    /// Waits for space, then accepts the frame. Callers get space in the order in which they began
    /// to wait.
    ///
    /// A pending [`Self::flush`] may be next in that order. A caller that has one polls it while it
    /// waits here, or neither resolves.
    ///
    /// # Cancel safety
    /// A future that is dropped before it resolves has not accepted the frame.
    ///
    /// # Errors
    /// Says why this link accepts nothing any more.
    fn publish(&self, subject: &Subject, frame: Bytes) -> LinkFuture<'_, Result<(), LinkError>>;

    /// Waits until every frame that was accepted before has gone to the socket, or is lost. The
    /// future stays pending while the link is down, and resolves once the link is closed.
    ///
    /// # Cancel safety
    /// A dropped future has no effect on what was accepted.
    fn flush(&self) -> LinkFuture<'static, ()>;

    /// Subscribes to a subject. The broker knows of the subscription before it sees any frame that
    /// the same caller publishes afterwards.
    ///
    /// # Cancel safety
    /// A future that is dropped before it resolves leaves no subscription behind.
    ///
    /// # Errors
    /// Says why this link subscribes to nothing any more. A missing permission is no error here:
    /// the server tells of it later, see [`Self::denials`].
    fn subscribe(
        &self,
        subject: &Subject,
    ) -> LinkFuture<'_, Result<Box<dyn Subscription>, LinkError>>;
}

/// The frames that arrive on one subject. Dropping it unsubscribes.
pub(crate) trait Subscription: Send {
    /// Returns the next frame, or `None` once the subscription was drained or the link is closed.
    ///
    /// A frame keeps alive at most a small multiple of its own size in memory, however long the
    /// caller keeps it. Frames that the caller does not take wait in a bounded queue of the link. A
    /// full queue drops further frames.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>>;

    /// Asks the broker to send no more. What the broker has sent before still arrives.
    ///
    /// # Cancel safety
    /// A future that is dropped before it resolves may have had no effect. Call again.
    fn drain(&mut self) -> LinkFuture<'_, ()>;
}

/// Whether a link is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Connected. The value names the connection: it differs after every reconnect, so that a
    /// caller notices a reconnect which began and ended between two looks.
    Up(u64),
    /// Not connected. The link is trying to reconnect.
    Down,
}

/// Why a link accepts nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LinkError(pub(crate) String);

#[cfg(test)]
pub(crate) mod fake;
