//! A subscription: a bounded queue between the connection's task and one consumer.

mod queue;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_core::Stream;

pub(crate) use self::queue::Waking;
use self::queue::{Queue, Taken};
use crate::{connection::Handle, ledger::Amount, message::Message, subject::Subject};

/// What to subscribe to, and bounds on what waits for the consumer.
///
/// Messages beyond a bound are dropped, the newest first, and [`Delivery::Gap`] tells their number
/// where they are missing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscribeOptions {
    /// Of all subscriptions of a queue group, one gets each message. Default: none.
    pub group: Option<Subject>,
    /// The most messages in the queue. Each costs some 100 bytes beside its own. Default: 65,536.
    pub messages: usize,
    /// The most bytes in the queue, each message from its subject to the end of its payload. The
    /// queue keeps at most twice as much memory alive, plus one read buffer: beyond that, messages
    /// are copied out of their read buffers. Default: 32 MiB.
    pub bytes: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { group: None, messages: 65_536, bytes: 32 << 20 }
    }
}

/// What a subscription yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The next message.
    Message(Message),
    /// Messages are missing between the one before and the one after.
    Gap(Gap),
}

/// Why messages are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// The queue was full.
    Overflow {
        /// What was dropped; bytes as [`SubscribeOptions::bytes`] counts them.
        dropped: Amount,
    },
    /// The connection broke. Nobody knows how many messages there were before it was back.
    Disconnected,
}

/// Why a subscription yields nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionEnd {
    /// The server does not permit the subject, or not any more.
    #[error("the server does not permit this user to subscribe to the subject")]
    Denied,
    /// The server has reached its limit of subscriptions. This may happen after a reconnect.
    #[error("the limit of subscriptions is reached; raise it on the server, or subscribe to less")]
    LimitReached,
    /// [`Subscription::drain`] was called, and everything before it is delivered.
    #[error("the subscription was drained")]
    Drained,
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
}

/// Counts of a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionReport {
    /// What waits for the consumer.
    pub queued: Amount,
    /// The most that ever waited, messages and bytes each for itself.
    pub peak: Amount,
    /// The bounds.
    pub limit: Amount,
    /// What the consumer has taken.
    pub delivered: Amount,
    /// What was dropped because the queue was full.
    pub dropped: Amount,
    /// Memory that the queue keeps alive in read buffers, in bytes.
    pub retained_bytes: u64,
}

/// The side of a subscription that the connection's task knows.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) sid: u64,
    pub(crate) subject: Subject,
    pub(crate) group: Option<Subject>,
    queue: Mutex<Queue>,
}

impl Inbox {
    pub(crate) fn new(sid: u64, subject: Subject, options: &SubscribeOptions) -> Self {
        let queue = Mutex::new(Queue::new(options.messages, options.bytes));
        Self { sid, subject, group: options.group.clone(), queue }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the server knows the subscription.
    pub(crate) async fn active(&self) -> Result<(), SubscriptionEnd> {
        poll_fn(|cx| self.lock().poll_active(cx)).await
    }
}

/// Messages to one subject, in the order in which the server sent them.
///
/// Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    inbox: Arc<Inbox>,
    handle: Arc<Handle>,
}

impl Subscription {
    pub(crate) fn new(inbox: Arc<Inbox>, handle: Arc<Handle>) -> Self {
        Self { inbox, handle }
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.inbox.subject
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Waits for the next message or gap. Returns `None` once there are no more; [`Self::end`] says
    /// why.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message.
    pub async fn next(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.poll_next_delivery(cx)).await
    }

    /// Returns the next message or gap, or `None` if there is none now.
    pub fn try_next(&mut self) -> Option<Delivery> {
        match self.inbox.lock().take() {
            Taken::Delivery(delivery) => Some(delivery),
            Taken::Nothing | Taken::End => None,
        }
    }

    fn poll_next_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.inbox.lock().poll_take(cx)
    }

    /// Returns why the subscription yields nothing more, or `None` while it may. What is queued is
    /// still delivered.
    #[must_use]
    pub fn end(&self) -> Option<SubscriptionEnd> {
        self.inbox.lock().end()
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn report(&self) -> SubscriptionReport {
        self.inbox.lock().report()
    }

    /// Unsubscribes. [`Self::next`] delivers what the server has sent before it forgot the
    /// subscription, and then ends with [`SubscriptionEnd::Drained`].
    pub fn drain(&self) {
        self.handle.shared().drain(&self.inbox);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.handle.shared().unsubscribe(&self.inbox);
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.get_mut().poll_next_delivery(cx)
    }
}
