//! The consumer's handle to a stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::ReceiveError;
use crate::driver::SubscribeShared;
use crate::proto::{Batch, BatchMessages, ReadyFrame, Receiver, SubscriberStats};
use crate::time::Time;
use crate::wire::Resume;

/// Receives a stream's messages, in order and without loss.
///
/// Read with one of these until the end, or mix them freely except where [`Self::recv_frame`] says
/// otherwise:
///
/// | Call | Returns | Cost for each message |
/// |---|---|---|
/// | [`Self::next_batch`] | borrowed messages of one frame | none |
/// | [`Self::recv_batch`] | messages of one frame, appended to a `Vec` | one reference count |
/// | [`Stream::poll_next`] | one message | one reference count and one poll |
/// | [`Self::recv_frame`] | one frame, not unpacked | none |
///
/// At the end the publisher is told that everything was consumed, or, with
/// [`ConfirmEnd::Explicitly`](crate::ConfirmEnd::Explicitly), when the application calls
/// [`Self::close`].
///
/// A message shares the buffer of its frame. Copy a small message that is kept for long. A
/// subscriber that is dropped before the end leaves the stream, and the publisher is told.
pub struct Subscriber {
    shared: Arc<SubscribeShared>,
    /// What is left of the batch that was read last.
    current: BatchMessages,
    failed: bool,
}

impl Subscriber {
    pub(super) fn new(shared: Arc<SubscribeShared>) -> Subscriber {
        Subscriber { shared, current: BatchMessages::default(), failed: false }
    }

    pub(super) async fn connected(&self) -> Result<(), ReceiveError> {
        Ok(poll_fn(|context| self.shared.poll_connected(context)).await?)
    }

    /// Returns the next frame, not unpacked, for applications that store or forward frames. `None`
    /// is the end of the stream. Do not mix with the other ways to receive within one frame or
    /// fragmented message.
    ///
    /// # Cancel safety
    /// A dropped future has taken no frame.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn recv_frame(&mut self) -> Result<Option<ReadyFrame>, ReceiveError> {
        poll_fn(|context| self.poll_read(context, Receiver::read_frame)).await.transpose()
    }

    /// Returns where another consumer can resume in place of this one
    /// ([`crate::SubscribeConfig::resume`]), even after this process died: behind the last frame,
    /// batch or message that was received.
    ///
    /// Returns `None` before the first of them, and while messages of a frame have been received in
    /// part: with [`Self::next_batch`] and [`Self::recv_batch`] that never lasts. A frame of
    /// [`Self::recv_frame`] can be a fragment. The message that it belongs to is resumed behind the
    /// fragment.
    pub fn resume_point(&self) -> Option<Resume> {
        if self.current.is_empty() { self.shared.resume_point() } else { None }
    }

    /// Waits for messages and appends them to `into`: all of the next frame, without waiting for
    /// more. Returns how many were appended. 0 is the end of the stream.
    ///
    /// # Cancel safety
    /// A dropped future has taken no message.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn recv_batch(&mut self, into: &mut Vec<Bytes>) -> Result<usize, ReceiveError> {
        let before = into.len();
        match poll_fn(|context| self.poll_message(context)).await {
            None => return Ok(0),
            Some(first) => into.push(first?),
        }
        into.extend(self.current.by_ref());
        Ok(into.len() - before)
    }

    /// Waits for messages and lends those of the next frame, without waiting for more. This is the
    /// cheapest way to look at many small messages. `None` is the end of the stream.
    ///
    /// # Cancel safety
    /// A dropped future has taken no message.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn next_batch(&mut self) -> Result<Option<Batch>, ReceiveError> {
        if let Some(rest) = self.current.take_rest() {
            return Ok(Some(rest));
        }
        poll_fn(|context| self.poll_read(context, Receiver::read_batch)).await.transpose()
    }

    fn poll_message(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ReceiveError>>> {
        loop {
            if let Some(message) = self.current.next() {
                return Poll::Ready(Some(Ok(message)));
            }
            match ready!(self.poll_read(context, Receiver::read_batch)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(batch)) => self.current = batch.into_iter(),
            }
        }
    }

    /// Polls the receiver, until it has failed once.
    fn poll_read<T>(
        &mut self,
        context: &mut Context<'_>,
        read: impl Fn(&mut Receiver, Time) -> Option<T>,
    ) -> Poll<Option<Result<T, ReceiveError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let result = ready!(self.shared.poll_read(context, read));
        self.failed = matches!(result, Some(Err(_)));
        Poll::Ready(result.map(|item| item.map_err(ReceiveError::from)))
    }

    /// Returns the trailer that the publisher put beside the end, once the end of the stream is
    /// known.
    pub fn trailer(&self) -> Option<Bytes> {
        self.shared.trailer()
    }

    /// Tells the publisher that everything was consumed, and waits until the publisher knows. Call
    /// it after the end was received. Needed with
    /// [`ConfirmEnd::Explicitly`](crate::ConfirmEnd::Explicitly), and harmless otherwise.
    ///
    /// # Cancel safety
    /// The first poll confirms the end. The publisher is told although the future is dropped after
    /// that, as long as the tokio runtime runs. A future that is dropped before its first poll only
    /// drops the subscriber.
    ///
    /// # Errors
    /// Returns an error if the session failed, or if its end was not reached.
    pub async fn close(self) -> Result<(), ReceiveError> {
        self.shared.close(self.current.is_empty())?;
        self.shared.ended().await;
        Ok(())
    }

    /// Leaves the stream before its end, and tells the publisher `reason`. Returns when that has
    /// gone out, or cannot go out any more: while NATS is down, this waits for at most the outage
    /// time-out.
    ///
    /// # Cancel safety
    /// The publisher is told `reason` although the future is dropped after its first poll, as long
    /// as the tokio runtime runs. A future that is dropped before only drops the subscriber.
    pub async fn cancel(self, reason: &str) {
        self.shared.cancel(reason);
        self.shared.ended().await;
    }

    /// Leaves the stream without telling the publisher, as if this process had died. The publisher
    /// waits for a silent consumer for `idle_timeout`. Within that time another consumer can resume
    /// in place of this one, from [`Self::resume_point`]. Returns when nothing more goes out.
    ///
    /// # Cancel safety
    /// The subscriber detaches although the future is dropped after its first poll. A future that
    /// is dropped before drops the subscriber, which tells the publisher.
    pub async fn detach(self) {
        self.shared.detach();
        self.shared.ended().await;
    }

    /// Returns the counters as they stand.
    pub fn stats(&self) -> SubscriberStats {
        self.shared.stats()
    }
}

impl Stream for Subscriber {
    type Item = Result<Bytes, ReceiveError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(context)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.shared.handle_dropped(self.current.is_empty());
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
