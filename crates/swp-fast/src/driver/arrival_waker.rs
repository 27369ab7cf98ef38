//! Decides whether arriving data wakes the application or the subscriber's task.
//!
//! An application that waits for a message is woken itself and takes what arrives in its own
//! thread, which saves a switch of tasks. The task is woken while the application is busy, or while
//! frames come as a stream. Then the task checks one frame while the application reads another, and
//! frames are acknowledged whatever the application does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use super::Clock;
use crate::proto::ACK_DELAY;
use crate::time::Time;

/// The application does not wait for data.
const BUSY: u8 = 0;
/// The application waits, and takes what arrives.
const WAITING: u8 = 1;
/// The application was woken for data that arrived, and has not looked yet.
const WOKEN: u8 = 2;

/// The waker that a consumer's subscriptions get. The link wakes it when a frame has arrived.
///
/// Before the application waits, it calls [`Self::register_app`] and [`Self::app_waits`], and then
/// looks for data once more. Before the task sleeps, it calls [`Self::set_task_wakes_at`] and then
/// looks once more.
pub(crate) struct ArrivalWaker {
    clock: Clock,
    app: AtomicWaker,
    app_state: AtomicU8,
    task: Notify,
    /// When the task's timer wakes it, in the protocol's time. Set with the receiver's lock held.
    task_wakes_at: AtomicU64,
    streaming: AtomicBool,
}

impl ArrivalWaker {
    pub(super) fn new(clock: Clock) -> ArrivalWaker {
        ArrivalWaker {
            clock,
            app: AtomicWaker::new(),
            app_state: AtomicU8::new(BUSY),
            task: Notify::new(),
            task_wakes_at: AtomicU64::new(0),
            streaming: AtomicBool::new(false),
        }
    }

    /// Wakes the task: the application has closed or cancelled, or something is due.
    pub(super) fn wake_task(&self) {
        self.task.notify_one();
    }

    /// Wakes the application: there is something to read, or the session is over.
    pub(super) fn wake_app(&self) {
        self.app.wake();
    }

    pub(super) fn register_app(&self, waker: &Waker) {
        self.app.register(waker);
    }

    /// The application is about to wait. Returns true if it has to take what arrives. Returns false
    /// if the task does so: frames come as a stream, and the application was not woken for one of
    /// them.
    pub(super) fn app_waits(&self) -> bool {
        let takes = !self.streaming.load(Ordering::SeqCst);
        let was = self.app_state.swap(if takes { WAITING } else { BUSY }, Ordering::SeqCst);
        takes || was == WOKEN
    }

    /// The application has something to read, and stops waiting.
    pub(super) fn app_reads(&self) {
        // An application that was woken for a frame still has to take that frame.
        let _ = self.app_state.compare_exchange(WAITING, BUSY, Ordering::SeqCst, Ordering::SeqCst);
    }

    pub(super) fn set_task_wakes_at(&self, at: Time) {
        self.task_wakes_at.store(at.as_nanos(), Ordering::SeqCst);
    }

    /// Sleeps until the task is woken.
    pub(super) async fn task_woken(&self) {
        self.task.notified().await;
    }

    /// Returns when the task's timer wakes it.
    pub(super) fn task_wakes_at(&self) -> Time {
        Time::from_nanos(self.task_wakes_at.load(Ordering::SeqCst))
    }

    /// Returns whether the task's timer wakes it before an ack is late. An application may have
    /// dropped its future, and then it takes nothing though it was woken.
    pub(super) fn task_wakes_soon(&self) -> bool {
        self.task_wakes_at() <= self.clock.now() + ACK_DELAY
    }

    /// Sets whether frames come as a stream.
    pub(super) fn set_streaming(&self, streaming: bool) {
        self.streaming.store(streaming, Ordering::SeqCst);
    }

    /// Claims the frame that arrived for the application, if the application waits.
    fn claim_app(&self) -> bool {
        let (from, to) = (WAITING, WOKEN);
        self.app_state.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Wake for ArrivalWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A plain load first: while frames come as a stream the application is busy, and the clock
        // need not be read.
        let waits = self.app_state.load(Ordering::SeqCst) == WAITING;
        if waits && self.task_wakes_soon() && self.claim_app() {
            self.app.wake();
        } else {
            self.task.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
