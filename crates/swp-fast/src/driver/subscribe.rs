//! What a subscriber's handle and its task share, and the calls of the application on it.

mod task;

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::watch;

use super::arrival_waker::ArrivalWaker;
use super::intake::{ConsumerSubscriptions, Intake, Taken};
use super::{Clock, SubscribeFailure, lock};
use crate::config::ConfirmEnd;
use crate::proto::{Receiver, ReceiverError, SubscriberStats};
use crate::time::Time;
use crate::wire::Resume;

pub(crate) use task::run_subscriber;

/// See the [module](self). Locks are taken in this order: `intake`, `receiver`.
pub(crate) struct SubscribeShared {
    receiver: Mutex<Receiver>,
    waker: Arc<ArrivalWaker>,
    /// `waker`, in the form that links take.
    link_waker: Waker,
    /// Absent while the task changes the subscriptions, and after the task has ended.
    intake: Mutex<Option<Intake>>,
    /// Why the task ended, where the receiver does not know the reason.
    failure: Mutex<Option<SubscribeFailure>>,
    /// Becomes true when the task ends.
    ended: watch::Sender<bool>,
    clock: Clock,
    confirm_end: ConfirmEnd,
}

impl SubscribeShared {
    pub(crate) fn new(
        receiver: Receiver,
        subscriptions: ConsumerSubscriptions,
        clock: Clock,
        confirm_end: ConfirmEnd,
    ) -> SubscribeShared {
        let waker = Arc::new(ArrivalWaker::new(clock));
        SubscribeShared {
            receiver: Mutex::new(receiver),
            link_waker: Waker::from(Arc::clone(&waker)),
            waker,
            intake: Mutex::new(Some(Intake::new(subscriptions))),
            failure: Mutex::new(None),
            ended: watch::Sender::new(false),
            clock,
            confirm_end,
        }
    }

    /// Takes what has arrived, at most one turn's worth. Takes nothing while the task or the
    /// application is taking already: that caller sees to it that everything is taken.
    fn take(&self, now: Time) -> Taken {
        let mut intake = match self.intake.try_lock() {
            Ok(intake) => intake,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Taken::NOTHING,
        };
        let Some(intake) = intake.as_mut() else { return Taken::NOTHING };
        let taken = intake.take(&mut Context::from_waker(&self.link_waker), now, &self.receiver);
        self.waker.set_streaming(intake.is_streaming());
        taken
    }

    /// Takes what has arrived in the thread of an application that is about to wait, unless the
    /// task does so. Returns false where nothing was taken. The application is woken when more
    /// arrives then.
    fn take_for_app(&self, now: Time) -> bool {
        if !self.waker.app_waits() {
            return false;
        }
        let taken = self.take(now);
        if !taken.all && !self.waker.task_wakes_soon() {
            // Only the task takes the rest if the application does not call again.
            self.waker.wake_task();
        }
        taken.frames > 0
    }

    pub(crate) fn poll_connected(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SubscribeFailure>> {
        self.waker.register_app(context.waker());
        let receiver = lock(&self.receiver);
        match self.failure(&receiver) {
            Some(error) => Poll::Ready(Err(error)),
            None if receiver.is_connected() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }

    /// Returns what `read` finds in the receiver, after taking what has arrived where that is the
    /// application's turn. `None` is the end of the stream.
    pub(crate) fn poll_read<T>(
        &self,
        context: &mut Context<'_>,
        read: impl Fn(&mut Receiver, Time) -> Option<T>,
    ) -> Poll<Option<Result<T, SubscribeFailure>>> {
        self.waker.register_app(context.waker());
        loop {
            let now = self.clock.now();
            if let Poll::Ready(result) = self.read(now, &read) {
                self.waker.app_reads();
                return Poll::Ready(result);
            }
            if !self.take_for_app(now) {
                return Poll::Pending;
            }
        }
    }

    fn read<T>(
        &self,
        now: Time,
        read: impl Fn(&mut Receiver, Time) -> Option<T>,
    ) -> Poll<Option<Result<T, SubscribeFailure>>> {
        let mut receiver = lock(&self.receiver);
        if let Some(item) = read(&mut receiver, now) {
            self.release(receiver);
            return Poll::Ready(Some(Ok(item)));
        }
        if receiver.at_end() {
            if self.confirm_end == ConfirmEnd::WhenRead {
                receiver.close(now);
                self.waker.wake_task();
            }
            return Poll::Ready(None);
        }
        let failure = self.failure(&receiver);
        self.release(receiver);
        match failure {
            Some(failure) => Poll::Ready(Some(Err(failure))),
            None => Poll::Pending,
        }
    }

    /// Unlocks the receiver, and wakes the task if something is due before its timer fires: an ack
    /// for what arrived or was read, for example. The task sets its timer with the lock held, so
    /// this cannot miss it.
    fn release(&self, receiver: MutexGuard<'_, Receiver>) {
        let wakes_at = self.waker.task_wakes_at();
        let due = receiver.has_news() || receiver.poll_timeout().is_some_and(|at| at < wakes_at);
        drop(receiver);
        if due {
            self.waker.wake_task();
        }
    }

    fn failure(&self, receiver: &Receiver) -> Option<SubscribeFailure> {
        if let Some(error) = receiver.failure() {
            return Some(SubscribeFailure::Protocol(error.clone()));
        }
        lock(&self.failure).clone()
    }

    /// Confirms the end of the stream to the publisher. Cancels the session where the end was not
    /// reached, or where the application has not `read_all` messages of the last batch.
    pub(crate) fn close(&self, read_all: bool) -> Result<(), SubscribeFailure> {
        let mut receiver = lock(&self.receiver);
        if let Some(error) = self.failure(&receiver) {
            return Err(error);
        }
        let at_end = read_all && receiver.at_end();
        if at_end {
            receiver.close(self.clock.now());
        } else {
            receiver.cancel("closed before the end");
        }
        drop(receiver);
        self.waker.wake_task();
        if at_end { Ok(()) } else { Err(SubscribeFailure::Protocol(ReceiverError::Cancelled)) }
    }

    /// Leaves the stream, and tells the publisher the reason.
    pub(crate) fn cancel(&self, reason: &str) {
        lock(&self.receiver).cancel(reason);
        self.waker.wake_task();
    }

    /// Leaves the stream without telling the publisher.
    pub(crate) fn detach(&self) {
        lock(&self.receiver).detach();
        self.waker.wake_task();
    }

    /// The application has dropped its handle. It had `read_all` messages of the last batch or not.
    pub(crate) fn handle_dropped(&self, read_all: bool) {
        let mut receiver = lock(&self.receiver);
        match (read_all && receiver.at_end(), self.confirm_end) {
            (true, ConfirmEnd::WhenRead) => receiver.close(self.clock.now()),
            // `close` was called, and its future was dropped.
            (true, ConfirmEnd::Explicitly) if receiver.is_confirmed() => {}
            (true, ConfirmEnd::Explicitly) => {
                receiver.cancel("dropped without confirming the end");
            }
            (false, _) => receiver.cancel("the subscriber was dropped before the end"),
        }
        drop(receiver);
        self.waker.wake_task();
    }

    /// Waits until the task has ended.
    pub(crate) async fn ended(&self) {
        // The sending half lives in `self`, so this cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    pub(crate) fn resume_point(&self) -> Option<Resume> {
        lock(&self.receiver).resume_point()
    }

    pub(crate) fn trailer(&self) -> Option<Bytes> {
        lock(&self.receiver).trailer().cloned()
    }

    pub(crate) fn stats(&self) -> SubscriberStats {
        lock(&self.receiver).stats()
    }
}

#[cfg(test)]
mod tests;
