//! The receiving end of a stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use super::ReceiveError;
use crate::config::ConfirmEnd;
use crate::driver::{Clock, SubscribeShared, lock};
use crate::proto::{Batch, BatchMessages, ReadyFrame, Receiver, SubscriberStats};
use crate::time::Time;
use crate::wire::Resume;

/// Receives a stream's messages: as a [`Stream`] of messages, in batches, or frame by frame.
///
/// A message is a slice of the frame that it came in, and the frame of the client's read buffer: copy
/// what is to be kept for long. Dropped before the end, it leaves the stream, and the publisher is told.
pub struct Subscriber {
    shared: Arc<SubscribeShared>,
    clock: Clock,
    confirm_end: ConfirmEnd,
    /// What is left of the batch that was read last.
    current: BatchMessages,
    failed: bool,
}

impl Subscriber {
    pub(super) fn new(
        shared: Arc<SubscribeShared>,
        clock: Clock,
        confirm_end: ConfirmEnd,
    ) -> Subscriber {
        Subscriber { shared, clock, confirm_end, current: BatchMessages::default(), failed: false }
    }

    pub(super) async fn connected(&mut self) -> Result<(), ReceiveError> {
        poll_fn(|cx| {
            self.shared.bell.set_app(cx.waker());
            let receiver = lock(&self.shared.receiver);
            match self.failure(&receiver) {
                Some(error) => Poll::Ready(Err(error)),
                None if receiver.is_connected() => Poll::Ready(Ok(())),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// The next frame, whole, for applications that store or forward frames as they are. Not to be mixed
    /// with the other ways to receive within one frame or fragmented message. `None` is the end.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn recv_frame(&mut self) -> Result<Option<ReadyFrame>, ReceiveError> {
        poll_fn(|cx| self.poll_read(cx, Receiver::read_frame)).await.transpose()
    }

    /// Where another consumer can go on in this one's place (as `SubscribeConfig::resume`), even after this
    /// process is gone: behind the last frame that [`Self::recv_frame`] gave. For messages it is of use
    /// only between frames and fragmented messages.
    pub fn resume_point(&self) -> Option<Resume> {
        lock(&self.shared.receiver).resume_point()
    }

    /// Waits for messages and appends them to `into`: all of the next frame, without waiting for more.
    /// Returns how many; 0 is the end of the stream.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn recv_batch(&mut self, into: &mut Vec<Bytes>) -> Result<usize, ReceiveError> {
        let before = into.len();
        match poll_fn(|cx| self.poll_message(cx)).await {
            None => return Ok(0),
            Some(first) => into.push(first?),
        }
        into.extend(self.current.by_ref());
        Ok(into.len() - before)
    }

    /// Waits for messages, and lends those of the next frame, without waiting for more: the cheapest way to look
    /// at many small ones. `None` is the end of the stream.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn next_batch(&mut self) -> Result<Option<Batch>, ReceiveError> {
        if let Some(rest) = self.current.take_rest() {
            return Ok(Some(rest));
        }
        poll_fn(|cx| self.poll_read(cx, Receiver::read_batch)).await.transpose()
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReceiveError>>> {
        loop {
            if let Some(message) = self.current.next() {
                return Poll::Ready(Some(Ok(message)));
            }
            match std::task::ready!(self.poll_read(cx, Receiver::read_batch)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(batch)) => self.current = batch.into_iter(),
            }
        }
    }

    /// Reads what the receiver has ready, after taking what has arrived where that is the application's to do.
    fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        read: impl Fn(&mut Receiver, Time) -> Option<T>,
    ) -> Poll<Option<Result<T, ReceiveError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        self.shared.bell.set_app(cx.waker());
        loop {
            let now = self.clock.now();
            if let Poll::Ready(read) = self.read(now, &read) {
                self.shared.bell.app_goes();
                return Poll::Ready(read);
            }
            if !self.shared.take_for_app(now) {
                return Poll::Pending;
            }
        }
    }

    /// What the receiver has for the application, at once.
    fn read<T>(
        &mut self,
        now: Time,
        read: impl Fn(&mut Receiver, Time) -> Option<T>,
    ) -> Poll<Option<Result<T, ReceiveError>>> {
        let mut receiver = lock(&self.shared.receiver);
        if let Some(read) = read(&mut receiver, now) {
            self.release(receiver);
            return Poll::Ready(Some(Ok(read)));
        }
        if receiver.at_end() {
            if self.confirm_end == ConfirmEnd::WhenRead {
                receiver.close(now);
                self.shared.bell.wake_task();
            }
            return Poll::Ready(None);
        }
        if let Some(error) = self.failure(&receiver) {
            self.release(receiver);
            self.failed = true;
            return Poll::Ready(Some(Err(error)));
        }
        self.release(receiver);
        Poll::Pending
    }

    /// Lets go of the receiver, and wakes the task where there is something to do before it means to wake: what
    /// arrived or was read has made a report due, say. It says when it wakes with the lock held, so that neither
    /// misses the other.
    fn release(&self, receiver: MutexGuard<'_, Receiver>) {
        let wakes_at = self.shared.bell.wakes_at();
        let due = receiver.has_news() || receiver.poll_timeout().is_some_and(|at| at < wakes_at);
        drop(receiver);
        if due {
            self.shared.bell.wake_task();
        }
    }

    fn failure(&self, receiver: &Receiver) -> Option<ReceiveError> {
        if let Some(error) = receiver.failure() {
            return Some(error.clone().into());
        }
        lock(&self.shared.failure).clone().map(ReceiveError::from)
    }

    /// The publisher's last word, once the end of the stream is known.
    pub fn trailer(&self) -> Option<Bytes> {
        lock(&self.shared.receiver).trailer().cloned()
    }

    /// Tells the publisher that everything was consumed, and waits until it knows. To be called after the
    /// end was received; needed with [`ConfirmEnd::Explicitly`], harmless otherwise.
    ///
    /// # Errors
    /// Where the session failed, or its end was not reached.
    pub async fn close(self) -> Result<(), ReceiveError> {
        let mut ended = self.shared.ended.subscribe();
        {
            let mut receiver = lock(&self.shared.receiver);
            if let Some(error) = self.failure(&receiver) {
                return Err(error);
            }
            if !receiver.at_end() {
                receiver.cancel("closed before the end");
                self.shared.bell.wake_task();
                return Err(crate::proto::ReceiverError::Cancelled.into());
            }
            receiver.close(self.clock.now());
        }
        self.shared.bell.wake_task();
        // The sending side lives in `shared`, as long as this handle.
        let _ = ended.wait_for(|ended| *ended).await;
        Ok(())
    }

    /// Leaves the stream before its end; the publisher is told `reason`. Returns when that has gone out, or cannot any
    /// more: while NATS is away it waits for its return, as long as the outage time-out lets it.
    pub async fn cancel(self, reason: &str) {
        let mut ended = self.shared.ended.subscribe();
        self.cancel_with(reason);
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Leaves the stream without a word, as if this process had died: for as long as the publisher waits for a
    /// silent consumer (`idle_timeout`), another can go on in this one's place, from
    /// [`Self::resume_point`], without anybody being lost. Returns when nothing more goes out.
    pub async fn detach(self) {
        let mut ended = self.shared.ended.subscribe();
        lock(&self.shared.receiver).detach();
        self.shared.bell.wake_task();
        let _ = ended.wait_for(|ended| *ended).await;
    }

    fn cancel_with(&self, reason: &str) {
        lock(&self.shared.receiver).cancel(reason);
        self.shared.bell.wake_task();
    }

    /// The counters as they stand.
    pub fn stats(&self) -> SubscriberStats {
        lock(&self.shared.receiver).stats()
    }
}

impl Stream for Subscriber {
    type Item = Result<Bytes, ReceiveError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(cx)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let mut receiver = lock(&self.shared.receiver);
        if receiver.at_end() {
            // With an explicit end wanted and not given, silence is the answer that was asked for.
            if self.confirm_end == ConfirmEnd::WhenRead {
                receiver.close(self.clock.now());
            } else {
                receiver.cancel("dropped without confirming the end");
            }
        } else {
            receiver.cancel("the subscriber was dropped before the end");
        }
        drop(receiver);
        self.shared.bell.wake_task();
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
