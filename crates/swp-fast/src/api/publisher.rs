//! The publisher's handle to a stream.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::{SendError, SessionError, TrySendError};
use crate::config::PublishResume;
use crate::driver::{Accepted, Progress, PublishShared};
use crate::proto::{
    PackLimits, PackedBlock, PackedBody, Position, PublisherStats, Refused, SenderEvent,
};

/// Sends messages to the stream's consumers, in order and without loss.
///
/// Call [`Self::try_send`], [`Self::send`] or [`Self::send_packed`] any number of times, and then
/// [`Self::finish`] once. All methods take `&self`: share the publisher among threads in an `Arc`.
///
/// | Call | Waits | Cost |
/// |---|---|---|
/// | [`Self::try_send`] | never | one short lock and one copy, and an allocation for each frame |
/// | [`Self::send`] | for space | the same, and no copy of a message that is not packed |
/// | [`Self::send_packed`] | for space | one header for each body, and no copy |
///
/// Where nothing is under way, the call that sends a message also builds its frame, hashes the
/// frame and hands it to the NATS client. Otherwise a task does so.
///
/// A publisher that is dropped before [`Self::finish`] aborts the stream, and the consumers are
/// told.
pub struct Publisher {
    shared: Arc<PublishShared>,
    events: AsyncMutex<mpsc::Receiver<SenderEvent>>,
    limits: PackLimits,
}

impl Publisher {
    pub(super) fn new(
        shared: Arc<PublishShared>,
        events: mpsc::Receiver<SenderEvent>,
        limits: PackLimits,
    ) -> Publisher {
        Publisher { shared, events: AsyncMutex::new(events), limits }
    }

    /// Accepts a message by copying it into the open frame. The frame leaves as soon as the link is
    /// free, and at once where nothing is under way. Needs no runtime, and waits for nothing but
    /// another producer's copy.
    ///
    /// # Errors
    /// [`TrySendError::Blocked`] is back-pressure: try again when consumers have caught up. See
    /// [`TrySendError`] for the others. The message was not accepted then.
    #[inline]
    pub fn try_send(&self, message: &[u8]) -> Result<Position, TrySendError> {
        let pushed = if self.limits.packs(message.len()) {
            let mut outbox = self.shared.outbox.lock();
            let pushed = outbox.packer.push(message);
            outbox.accepted(pushed)
        } else {
            self.push_copy(message)
        };
        match pushed {
            Ok(accepted) => Ok(self.note(accepted)),
            Err(refused) => Err(self.try_send_error(refused, message.len())),
        }
    }

    #[cold]
    fn try_send_error(&self, refused: Refused, bytes: usize) -> TrySendError {
        match refused {
            Refused::Blocked => TrySendError::Blocked,
            Refused::TooLarge | Refused::BodyTooLarge { .. } => TrySendError::TooLarge { bytes },
            Refused::PackedOnly => TrySendError::PackedOnly,
            Refused::Closed => TrySendError::Closed(self.why_closed()),
        }
    }

    /// Copies a message that is not packed with others without holding the lock, if there is space
    /// for it.
    #[cold]
    fn push_copy(&self, message: &[u8]) -> Result<Accepted, Refused> {
        self.shared.outbox.lock().packer.admit(message.len())?;
        self.push_bytes(Bytes::copy_from_slice(message))
    }

    fn push_bytes(&self, message: Bytes) -> Result<Accepted, Refused> {
        let mut outbox = self.shared.outbox.lock();
        let pushed = outbox.packer.push_bytes(message);
        outbox.accepted(pushed)
    }

    /// Sends an accepted message, or wakes the task, if the task waits for it.
    #[inline]
    fn note(&self, accepted: Accepted) -> Position {
        if accepted.awaited {
            self.shared.note_accepted();
        }
        accepted.position
    }

    /// Accepts a message, and waits for space if need be. A message of more than
    /// [`Self::max_packed_bytes`] is not copied before its turn.
    ///
    /// # Cancel safety
    /// A future that is dropped before it resolves has not accepted the message.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<Position, SendError> {
        let message = message.into();
        let pushed = self.when_space(|| {
            // A clone of a message that is copied in any case could allocate.
            if self.limits.packs(message.len()) {
                let mut outbox = self.shared.outbox.lock();
                let pushed = outbox.packer.push(&message);
                outbox.accepted(pushed)
            } else {
                self.push_bytes(message.clone())
            }
        });
        match pushed.await {
            Ok(accepted) => Ok(self.note(accepted)),
            Err(refused) => Err(self.send_error(refused, message.len())),
        }
    }

    fn send_error(&self, refused: Refused, bytes: usize) -> SendError {
        match refused {
            Refused::TooLarge => SendError::TooLarge { bytes },
            Refused::BodyTooLarge { bytes, max } => SendError::BodyTooLarge { bytes, max },
            Refused::PackedOnly => SendError::PackedOnly,
            Refused::Blocked | Refused::Closed => SendError::Closed(self.why_closed()),
        }
    }

    /// Sends bodies that were packed before, a block of a capture for example, without copying
    /// them. Headers are written into the space in front of each body. A body whose digest is of
    /// the session's kind is not hashed. The block is dropped when every consumer holds the last of
    /// its frames. Returns the position of the block, or `None` for a block without bodies.
    ///
    /// # Cancel safety
    /// A future that is dropped before it resolves has not accepted the block, and drops it.
    ///
    /// # Errors
    /// See [`SendError`]. A block that does not fit this session is refused as a whole.
    pub async fn send_packed<B>(
        &self,
        block: B,
        bodies: Vec<PackedBody>,
    ) -> Result<Option<Position>, SendError>
    where
        B: AsMut<[u8]> + AsRef<[u8]> + Send + 'static,
    {
        let (bytes, block) = (block.as_ref().len(), PackedBlock::new(block, bodies)?);
        let mut block = Some(block);
        let pushed = self.when_space(|| {
            let mut outbox = self.shared.outbox.lock();
            if let Some(waiting) = &block {
                outbox.packer.admit_block(waiting)?;
            }
            let Some(block) = block.take() else { return Ok(None) };
            let pushed = outbox.packer.push_block(block)?;
            pushed.map(|position| outbox.accepted(Ok(position))).transpose()
        });
        match pushed.await {
            Ok(accepted) => Ok(accepted.map(|accepted| self.note(accepted))),
            Err(refused) => Err(self.send_error(refused, bytes)),
        }
    }

    /// Tries again whenever there is space, until the answer is not back-pressure.
    async fn when_space<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        loop {
            let space = self.shared.space.notified();
            tokio::pin!(space);
            // Enabled before the attempt, so that space which appears in between is noticed.
            space.as_mut().enable();
            match attempt() {
                Err(Refused::Blocked) => space.await,
                answer => return answer,
            }
        }
    }

    /// Waits until everything that was accepted so far has gone to the socket, which may need
    /// credit. What is lost with a broken connection counts as gone: the publisher retransmits it.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on what was accepted.
    ///
    /// # Errors
    /// Returns an error if the session ends first.
    pub async fn flush(&self) -> Result<(), SessionError> {
        let end = self.shared.outbox.lock().packer.accepted();
        self.until(|progress| progress.flushed >= end).await
    }

    /// Waits until every consumer that sets the pace holds the message at `position` and all
    /// messages before it, or can have them from the source of [`crate::PublishConfig::late_join`].
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Errors
    /// Returns an error if the session ends first.
    pub async fn acked(&self, position: Position) -> Result<(), SessionError> {
        self.until(|progress| progress.acked >= position).await
    }

    /// Waits until `min_consumers` have joined.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Errors
    /// Returns an error if the session ends first.
    pub async fn ready(&self) -> Result<(), SessionError> {
        self.until(|progress| progress.started).await
    }

    pub(super) async fn claimed(&self) -> Result<(), SessionError> {
        self.until(|progress| progress.claimed).await
    }

    /// Ends the stream after everything that was accepted so far. Returns when every consumer has
    /// consumed it. Further messages are refused.
    ///
    /// # Cancel safety
    /// The stream finishes although the future is dropped after its first poll, unless the
    /// publisher is dropped as well. Wait with [`Self::over`] then.
    ///
    /// # Errors
    /// Returns an error if the session ends first. Then not everything was delivered.
    pub async fn finish(&self) -> Result<(), SessionError> {
        self.finish_with(Bytes::new()).await
    }

    /// Ends the stream as [`Self::finish`] does, with a trailer of up to 1,024 bytes that consumers
    /// find beside the end.
    ///
    /// # Cancel safety
    /// As [`Self::finish`].
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub async fn finish_with(&self, trailer: Bytes) -> Result<(), SessionError> {
        self.shared.request_finish(trailer);
        self.over().await
    }

    /// Ends the stream at once, and tells the consumers `reason`. Returns when that has gone out,
    /// or cannot go out any more: while NATS is down, this waits for at most the outage time-out.
    ///
    /// # Cancel safety
    /// The stream ends although the future is dropped after its first poll, as long as the tokio
    /// runtime runs.
    pub async fn abort(&self, reason: &str) {
        self.shared.request_abort(reason);
        // The session is over either way, as requested.
        let _ = self.over().await;
    }

    /// Waits until the session is over, without ending it. Returns `Ok` once all consumers have
    /// consumed the stream.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Errors
    /// Returns why the session ended before that.
    pub async fn over(&self) -> Result<(), SessionError> {
        self.until(|_| false).await.or_else(|error| match error {
            SessionError::Finished => Ok(()),
            error => Err(error),
        })
    }

    async fn until(&self, reached: impl Fn(&Progress) -> bool) -> Result<(), SessionError> {
        let mut progress = self.shared.progress.subscribe();
        let seen = progress.wait_for(|now| reached(now) || now.over.is_some()).await;
        match seen {
            Ok(now) if reached(&now) => Ok(()),
            Ok(now) => Err(closed_reason(&now)),
            // The sending half lives in `shared`, as long as this handle does.
            Err(_) => Err(SessionError::Finished),
        }
    }

    /// Returns the next event: a consumer joined, was refused, was lost or has finished. `None`
    /// once the session is over and all events were returned. At most 1,024 events wait. The newest
    /// are dropped beyond that.
    ///
    /// # Cancel safety
    /// A dropped future has taken no event.
    pub async fn next_event(&self) -> Option<SenderEvent> {
        self.events.lock().await.recv().await
    }

    /// Returns the counters as they stand.
    pub fn stats(&self) -> PublisherStats {
        self.shared.stats()
    }

    /// Returns where another process can continue this session if this process dies: after
    /// everything that every consumer holds which counts. See [`crate::PublishConfig::resume`].
    /// Store it often: the next process reads again what was sent since.
    pub fn resume_point(&self) -> PublishResume {
        self.shared.resume_point()
    }

    /// Returns the length of the largest body that a frame of this session takes, in bytes.
    pub fn max_body_bytes(&self) -> usize {
        self.limits.max_body_bytes()
    }

    /// Returns the length in bytes up to which every message is packed into a frame with others. A
    /// message that is longer by up to three bytes may be packed as well, depending on how its
    /// length is encoded. Other messages are cut, or are sent in a frame of their own where several
    /// consumers have the stream and `frame_bytes` allows it.
    pub fn max_packed_bytes(&self) -> usize {
        self.limits.max_packed_bytes()
    }

    fn why_closed(&self) -> SessionError {
        closed_reason(&self.shared.progress.borrow())
    }
}

fn closed_reason(progress: &Progress) -> SessionError {
    match &progress.over {
        Some(Err(error)) => error.clone(),
        _ => SessionError::Finished,
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        if self.shared.progress.borrow().over.is_none() {
            self.shared.request_abort("the publisher was dropped before it finished");
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
