//! The lone message's way past the publisher's task.
//!
//! Where nothing is under way, whoever sends a message hands its frame to the client itself, and the task sleeps
//! on. It is woken when the next message comes before this one has gone to the socket, so that messages gather
//! as ever, or when it would wake too late for the frame's timer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_nats::connection::State;
use async_nats::{Client, Statistics};
use futures_util::FutureExt;
use tokio::sync::Notify;

use super::{Clock, Outbox, SpinLock, Subjects, lock};
use crate::proto::{Sender, Transmit};
use crate::time::Time;

/// Opened by the task when it goes to sleep with nothing on its way, closed by it when it goes on: both with
/// the sender's lock held, as it is where the way is taken, so that frames reach the client in order.
pub(crate) struct Shortcut {
    client: Client,
    statistics: Arc<Statistics>,
    clock: Clock,
    subjects: Mutex<Subjects>,
    open: AtomicBool,
    /// When the task wakes by itself, in the protocol's time.
    wakes_at: AtomicU64,
    passed: Mutex<Option<Passed>>,
}

/// What went past the task.
struct Passed {
    /// It has gone when the client's count of bytes is here; sooner where others use the client, which costs a
    /// message's company and no more. Not a flush: the request for one may wait for room in the client's queue,
    /// and while nobody asks after it nobody else would get any.
    gone_at_bytes: u64,
    /// What the client had no room for; to be published before anything else.
    left: Vec<Transmit>,
}

impl Shortcut {
    pub(crate) fn new(client: Client, subjects: Subjects, clock: Clock) -> Shortcut {
        Shortcut {
            statistics: client.statistics(),
            client,
            clock,
            subjects: Mutex::new(subjects),
            open: AtomicBool::new(false),
            wakes_at: AtomicU64::new(0),
            passed: Mutex::new(None),
        }
    }

    /// The task has nothing under way and sleeps until `wakes_at`. For the holder of the sender's lock.
    pub(super) fn open(&self, wakes_at: Time) {
        self.wakes_at.store(wakes_at.as_nanos(), Ordering::Relaxed);
        self.open.store(true, Ordering::Relaxed);
    }

    /// The task goes on. For the holder of the sender's lock. Some where something went past the task and is still to
    /// be flushed; what it holds is to be published before that.
    pub(super) fn close(&self) -> Option<Vec<Transmit>> {
        self.open.store(false, Ordering::Relaxed);
        lock(&self.passed).take().map(|passed| passed.left)
    }

    /// Sends what the outbox holds, where the way is open and it is no more than a frame. `false` where the task has
    /// to be woken.
    pub(crate) fn take(
        &self,
        sender: &Mutex<Sender>,
        outbox: &SpinLock<Outbox>,
        room: &Notify,
    ) -> bool {
        if !self.open.load(Ordering::Relaxed) {
            return false;
        }
        // Whoever holds it is the task, or keeps it for a moment only: not worth waiting for.
        let Ok(mut sender) = sender.try_lock() else { return false };
        let up = || self.client.connection_state() == State::Connected;
        if !self.open.load(Ordering::Relaxed) || !sender.can_write() || !up() {
            return false;
        }
        let mut passed = lock(&self.passed);
        let written = self.statistics.out_bytes.load(Ordering::Relaxed);
        let gone = |before: &Passed| before.left.is_empty() && written >= before.gone_at_bytes;
        if !passed.as_ref().is_none_or(gone) {
            return false;
        }
        let Some(packed) = outbox.lock().next_alone() else { return false };
        room.notify_waiters();
        if let Err(error) = sender.write(packed) {
            // As in the task: only a session that is over refuses.
            tracing::debug!(%error, "a write was refused");
        }
        let (bytes, left) = self.publish(&mut sender);
        let all = left.is_empty();
        *passed = Some(Passed { gone_at_bytes: written + bytes, left });
        let wakes_at = self.wakes_at.load(Ordering::Relaxed);
        all && sender.poll_timeout().is_none_or(|due| due.as_nanos() >= wakes_at)
    }

    /// Hands the client what it has room for; returns what it will count for that, and the rest.
    fn publish(&self, sender: &mut Sender) -> (u64, Vec<Transmit>) {
        let (now, mut bytes, mut left) = (self.clock.now(), 0, Vec::new());
        let mut subjects = lock(&self.subjects);
        while let Some(transmit) = sender.poll_transmit(now) {
            let subject = subjects.of(transmit.to);
            // async-nats counts subject and payload when it takes a message up, and again when it writes them.
            let counted = 2 * (subject.len() + transmit.frame.len()) as u64;
            let publish = self.client.publish(subject, transmit.frame.clone());
            // What follows one that is left has to be left too.
            if left.is_empty() && matches!(publish.now_or_never(), Some(Ok(()))) {
                bytes += counted;
            } else {
                left.push(transmit);
            }
        }
        (bytes, left)
    }
}
