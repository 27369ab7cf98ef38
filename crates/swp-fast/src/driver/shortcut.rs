//! The lone message's way past the publisher's task.
//!
//! Where nothing is under way, whoever sends a message hands its frame to the client itself, and the task sleeps
//! on. It is woken when the next message comes before this one has gone to the socket, so that messages gather
//! as ever, or when it would wake too late for the frame's timer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_nats::Client;
use async_nats::connection::State;
use futures_util::FutureExt;

use super::link::{Flush, flush};
use super::{Clock, Outbox, Subjects, lock};
use crate::proto::{Sender, Transmit};
use crate::time::Time;
use crate::wire::Seq;

/// Opened by the task when it goes to sleep with nothing on its way, closed by it when it goes on: both with
/// the sender's lock held, as it is where the way is taken, so that frames reach the client in order.
pub(crate) struct Shortcut {
    client: Client,
    clock: Clock,
    subjects: Mutex<Subjects>,
    open: AtomicBool,
    /// When the task wakes by itself, in the protocol's time.
    wakes_at: AtomicU64,
    passed: Mutex<Option<Passed>>,
}

/// What went past the task.
pub(super) struct Passed {
    /// Every frame below it was handed to the client, but for those that are left.
    pub(super) sent: Seq,
    /// Resolves when that has gone to the socket; `None` once it has.
    pub(super) flush: Option<Flush>,
    /// What the client had no room for; to be published before anything else.
    pub(super) left: Vec<Transmit>,
}

impl Shortcut {
    pub(crate) fn new(client: Client, subjects: Subjects, clock: Clock) -> Shortcut {
        Shortcut {
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

    /// The task goes on, and from what is returned. For the holder of the sender's lock.
    pub(super) fn close(&self) -> Option<Passed> {
        self.open.store(false, Ordering::Relaxed);
        lock(&self.passed).take()
    }

    /// Sends what the outbox holds, where the way is open and it is no more than a frame. `false` where the task has
    /// to be woken.
    pub(crate) fn take(&self, sender: &Mutex<Sender>, outbox: &Mutex<Outbox>) -> bool {
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
        if !passed.as_mut().is_none_or(Passed::is_gone) {
            return false;
        }
        let Some(job) = lock(outbox).next_alone() else { return false };
        if let Err(error) = job.write(&mut sender) {
            // As in the task: only a session that is over refuses.
            tracing::debug!(%error, "a write was refused");
        }
        let left = self.publish(&mut sender);
        let mut flush = flush(&self.client);
        // Asks for it; the answer is looked at when the next message comes.
        let flush = (&mut flush).now_or_never().is_none().then_some(flush);
        let (sent, all) = (sender.sent(), left.is_empty());
        *passed = Some(Passed { sent, flush, left });
        let wakes_at = self.wakes_at.load(Ordering::Relaxed);
        all && sender.poll_timeout().is_none_or(|due| due.as_nanos() >= wakes_at)
    }

    /// Hands the client what it has room for; returns the rest.
    fn publish(&self, sender: &mut Sender) -> Vec<Transmit> {
        let (now, mut left) = (self.clock.now(), Vec::new());
        let mut subjects = lock(&self.subjects);
        while let Some(transmit) = sender.poll_transmit(now) {
            let publish = self.client.publish(subjects.of(transmit.to), transmit.frame.clone());
            // What follows one that is left has to be left too.
            if !left.is_empty() || !matches!(publish.now_or_never(), Some(Ok(()))) {
                left.push(transmit);
            }
        }
        left
    }
}

impl Passed {
    /// Whether all of it has gone to the socket.
    fn is_gone(&mut self) -> bool {
        if self.flush.as_mut().is_some_and(|flush| flush.now_or_never().is_some()) {
            self.flush = None;
        }
        self.flush.is_none() && self.left.is_empty()
    }
}
