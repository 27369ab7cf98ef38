//! The sending end of a stream.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::{SendError, SessionError, TrySendError};
use crate::config::PublishResume;
use crate::driver::{Progress, PublishShared, lock};
use crate::proto::{
    PackLimits, PackedBlock, PackedBody, Position, PublisherStats, Refused, SenderEvent,
};

/// Sends messages to the stream's consumers, in order and without loss. All methods take `&self`: share
/// it among threads in an `Arc`. [`Self::try_send`] needs no runtime.
///
/// Dropped before [`Self::finish`], it aborts the stream, and the consumers are told.
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

    /// Takes a message, by copying it into the frame that is being filled; it leaves as soon as the link
    /// is free. Never blocks for longer than another producer's copy.
    ///
    /// # Errors
    /// [`TrySendError::Blocked`] is back-pressure: try again when consumers have caught up.
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
            Ok((position, wakes)) => Ok(self.queued(position, wakes)),
            Err(Refused::Blocked) => Err(TrySendError::Blocked),
            Err(Refused::TooLarge | Refused::BodyTooLarge { .. }) => {
                Err(TrySendError::TooLarge { bytes: message.len() })
            }
            Err(Refused::PackedOnly) => Err(TrySendError::PackedOnly),
            Err(Refused::Closed) => Err(TrySendError::Closed(self.why_closed())),
        }
    }

    /// Queues a copy of a message that is not packed with others, made without the lock, and only where there was room.
    #[cold]
    fn push_copy(&self, message: &[u8]) -> Result<(Position, bool), Refused> {
        self.shared.outbox.lock().packer.admit(message.len())?;
        self.push_bytes(Bytes::copy_from_slice(message))
    }

    fn push_bytes(&self, message: Bytes) -> Result<(Position, bool), Refused> {
        let mut outbox = self.shared.outbox.lock();
        let pushed = outbox.packer.push_bytes(message);
        outbox.accepted(pushed)
    }

    #[inline]
    fn queued(&self, position: Position, wakes: bool) -> Position {
        if wakes {
            self.shared.note_queued();
        }
        position
    }

    /// Takes a message, waiting for room. One of more than [`Self::max_packed_bytes`] is not copied before its turn.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<Position, SendError> {
        let message = message.into();
        match self.when_room(|| self.push_bytes(message.clone())).await {
            Ok((position, wakes)) => Ok(self.queued(position, wakes)),
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

    /// Sends bodies that were packed before (a block of a capture, say) without copying or hashing them:
    /// headers are written into the room in front of each body, and the block is dropped when the last of
    /// its frames is held by every consumer. Returns the position of its last frame.
    ///
    /// # Errors
    /// See [`SendError`]. A block that does not fit this session is refused whole.
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
        let pushed = self.when_room(|| {
            let mut outbox = self.shared.outbox.lock();
            if let Some(waiting) = &block {
                outbox.packer.admit_block(waiting)?;
            }
            let Some(block) = block.take() else { return Ok(None) };
            let pushed = outbox.packer.push_block(block)?;
            pushed.map(|position| outbox.accepted(Ok(position))).transpose()
        });
        match pushed.await {
            Ok(Some((position, wakes))) => Ok(Some(self.queued(position, wakes))),
            Ok(None) => Ok(None),
            Err(refused) => Err(self.send_error(refused, bytes)),
        }
    }

    /// Tries until the answer is not "blocked".
    async fn when_room<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        loop {
            let room = self.shared.room.notified();
            tokio::pin!(room);
            // Listen before looking, or room made in between would be missed.
            room.as_mut().enable();
            match attempt() {
                Err(Refused::Blocked) => room.await,
                answer => return answer,
            }
        }
    }

    /// Waits until everything taken so far has gone to the socket. Waits for credit, if need be.
    ///
    /// # Errors
    /// Where the session ends first.
    pub async fn flush(&self) -> Result<(), SessionError> {
        let end = self.shared.outbox.lock().packer.accepted();
        self.until(|progress| progress.flushed >= end).await
    }

    /// Waits until every consumer holds the message that went to `position`, and all before it.
    ///
    /// # Errors
    /// Where the session ends first.
    pub async fn acked(&self, position: Position) -> Result<(), SessionError> {
        self.until(|progress| progress.acked >= position).await
    }

    /// Waits until `min_consumers` have joined.
    ///
    /// # Errors
    /// Where the session ends first.
    pub async fn ready(&self) -> Result<(), SessionError> {
        self.until(|progress| progress.started).await
    }

    pub(super) async fn claimed(&self) -> Result<(), SessionError> {
        self.until(|progress| progress.claimed).await
    }

    /// Ends the stream after everything taken so far; returns when every consumer has consumed it all.
    ///
    /// # Errors
    /// Where a consumer, or NATS, is lost first: then not everything was delivered.
    pub async fn finish(&self) -> Result<(), SessionError> {
        self.finish_with(Bytes::new()).await
    }

    /// Like [`Self::finish`], with a last word of up to 1,024 bytes that consumers find beside the end.
    ///
    /// # Errors
    /// See [`Self::finish`].
    pub async fn finish_with(&self, trailer: Bytes) -> Result<(), SessionError> {
        self.shared.outbox.lock().packer.close();
        lock(&self.shared.request).finish = Some(trailer);
        self.shared.wake.notify_one();
        self.over().await
    }

    /// Ends the stream at once; consumers are told `reason`. Returns when that has gone out, or cannot any more: while
    /// NATS is away it waits for its return, as long as the outage time-out lets it.
    pub async fn abort(&self, reason: &str) {
        self.request_abort(reason);
        // It has ended, well or not: both are what was asked for.
        let _ = self.over().await;
    }

    fn request_abort(&self, reason: &str) {
        self.shared.outbox.lock().packer.close();
        lock(&self.shared.request).abort = Some(reason.to_owned());
        self.shared.wake.notify_one();
    }

    /// Waits until the session is over, without ending it: `Ok` once all consumers are through.
    ///
    /// # Errors
    /// Why it ended before its time.
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
            // The sending side lives in `shared`, as long as this handle.
            Err(_) => Err(SessionError::Finished),
        }
    }

    /// The next thing that happened: consumers that joined, were refused, lost, or are through. `None`
    /// once the session is over and all was told. At most 1,024 wait to be asked for.
    pub async fn next_event(&self) -> Option<SenderEvent> {
        self.events.lock().await.recv().await
    }

    /// The counters as they stand.
    pub fn stats(&self) -> PublisherStats {
        lock(&self.shared.sender).stats()
    }

    /// Where another process could go on with this session, should this one die: behind what every consumer
    /// that counts holds. See [`crate::PublishConfig::resume`]; keep it as often as it may be worth, for
    /// what was sent since is looked at again.
    pub fn resume_point(&self) -> PublishResume {
        lock(&self.shared.sender).resume_point()
    }

    /// The largest body that a frame of this session takes, in bytes.
    pub fn max_body_bytes(&self) -> usize {
        self.limits.max_body_bytes()
    }

    /// Messages of up to this many bytes are packed into a frame with others. Longer ones (but for a byte or three,
    /// by how their length is written) are cut up, or sent in a frame of their own where several consumers have the
    /// stream and `frame_bytes` allows it; [`Self::send`] does so without copying them first.
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
            self.request_abort("the publisher was dropped before it finished");
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
