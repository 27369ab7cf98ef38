//! The subscriber's task. Frames are received, checked and reported here whatever the application does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Subscriber as Subscription;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Notify;

use super::groups::Groups;
use super::link::{Link, LinkChange};
use super::{Alarm, Clock, DenialWatch, Subjects, SubscribeFailure, lock};
use crate::proto::{Receiver, ReceiverEvent, Transmit};
use crate::time::Time;

/// Frames taken in one turn before a report goes out: half a MiB of full ones, a small part of the default
/// window, so that the publisher is never kept waiting by a long queue.
const FRAMES_PER_TURN: usize = 32;

/// A frame smaller than this is copied out of the client's read buffer (64 KiB), which it would else keep
/// alive until it is consumed; that is up to 32 times its own size.
const COPY_BYTES: usize = 2048;

/// What the subscriber's handle and its task share.
pub(crate) struct SubscribeShared {
    pub(crate) receiver: Mutex<Receiver>,
    /// The application waits for a frame, or for the end.
    pub(crate) app: AtomicWaker,
    /// The application has read, closed or cancelled.
    pub(crate) wake: Notify,
    /// When the task means to wake by itself, in the protocol's time; said with the receiver's lock held.
    pub(crate) wakes_at: AtomicU64,
    /// Set when the task has ended for a reason that the protocol does not know.
    pub(crate) failure: Mutex<Option<SubscribeFailure>>,
    /// The task has ended.
    pub(crate) ended: tokio::sync::watch::Sender<bool>,
}

struct SubscribeTask {
    link: Link,
    clock: Clock,
    alarm: Alarm,
    groups: Groups,
    inbox: Subscription,
    shared: Arc<SubscribeShared>,
    transmits: Vec<Transmit>,
}

pub(crate) fn run_subscriber(
    client: async_nats::Client,
    subjects: Subjects,
    clock: Clock,
    (data, inbox): (Subscription, Subscription),
    shared: Arc<SubscribeShared>,
    (outage_timeout, denials): (Duration, DenialWatch),
) {
    let link = Link::new(client, subjects, outage_timeout, denials);
    let (groups, transmits) = (Groups::new(data), Vec::new());
    let alarm = Alarm::new(clock);
    let task = SubscribeTask { link, clock, alarm, groups, inbox, shared, transmits };
    tokio::spawn(task.run());
}

impl SubscribeTask {
    async fn run(mut self) {
        loop {
            match self.step().await {
                Ok(true) => self.wait().await,
                Ok(false) => {
                    self.link.flush().await;
                    break;
                }
                Err(failure) => {
                    *lock(&self.shared.failure) = Some(failure);
                    break;
                }
            }
        }
        self.shared.ended.send_replace(true);
        self.shared.app.wake();
    }

    /// Does all that can be done now; `false` once the session is over.
    async fn step(&mut self) -> Result<bool, SubscribeFailure> {
        let now = self.clock.now();
        let link = self.link.check(now);
        let (over, generations, arrived) = {
            let mut receiver = lock(&self.shared.receiver);
            match &link {
                LinkChange::Up => {}
                LinkChange::Down => receiver.note_outage(now),
                LinkChange::Back => receiver.handle_reconnect(now),
                LinkChange::Lost => return Err(SubscribeFailure::Disconnected),
                LinkChange::Denied(denial) => return Err(SubscribeFailure::Denied(denial.clone())),
            }
            receiver.handle_timeout(now);
            if link != LinkChange::Down {
                while let Some(transmit) = receiver.poll_transmit(now) {
                    self.transmits.push(transmit);
                }
            }
            let mut arrived = receiver.has_ready() || receiver.at_end() || receiver.is_over();
            while let Some(event) = receiver.poll_event() {
                tracing::debug!(stream = self.link.subjects.stream(), ?event, "subscriber");
                arrived |= event == ReceiverEvent::Connected;
            }
            (receiver.is_over(), receiver.generations(), arrived)
        };
        if arrived {
            // Not before the lock is free: who is woken takes it.
            self.shared.app.wake();
        }
        // Before anything is said: the publisher takes what is said as a sign that this is done.
        let followed = self.groups.follow(&mut self.link, generations).await;
        followed.map_err(SubscribeFailure::Nats)?;
        self.link.publish(&mut self.transmits).await.map_err(SubscribeFailure::Nats)?;
        Ok(!over)
    }

    /// Sleeps until there is something to do, and takes what has arrived.
    async fn wait(&mut self) {
        let now = self.clock.now();
        {
            let receiver = lock(&self.shared.receiver);
            let deadline = self.link.wake_at(now, receiver.poll_timeout().unwrap_or(now));
            let wakes_at = self.alarm.set(deadline);
            self.shared.wakes_at.store(wakes_at.as_nanos(), Ordering::Release);
        }
        let shared = Arc::clone(&self.shared);
        // Data first: a probe that overtook data on its way through this task would make it look lost.
        let message = tokio::select! {
            biased;
            message = self.groups.next() => Some(message),
            message = self.inbox.next() => message,
            () = shared.wake.notified() => None,
            () = self.alarm.fired() => None,
        };
        let Some(message) = message else { return };
        let now = self.clock.now();
        self.take(now, message.payload);
        for _ in 0..FRAMES_PER_TURN {
            let more = match self.groups.next().now_or_never() {
                Some(message) => message,
                None => match self.inbox.next().now_or_never() {
                    Some(Some(message)) => message,
                    _ => break,
                },
            };
            self.take(now, more.payload);
        }
    }

    fn take(&self, now: Time, frame: Bytes) {
        let frame = match frame.len() {
            0..COPY_BYTES => Bytes::copy_from_slice(&frame),
            _ => frame,
        };
        lock(&self.shared.receiver).handle_frame(now, &frame);
    }
}
