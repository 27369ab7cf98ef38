//! Who is woken for what a consumer is sent.
//!
//! An application that waits for a message takes what arrives by itself, in the thread that the client woke: one
//! switch of tasks less. While it is busy elsewhere, or frames come as a stream, the subscriber's task takes them:
//! then one is checked while another is read, and all are reported whatever the application does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use super::Clock;
use crate::proto::ACK_DELAY;
use crate::time::Time;

/// The application does not wait for what arrives.
const ELSEWHERE: u8 = 0;
/// It waits, and takes what arrives.
const WAITS: u8 = 1;
/// It was woken for something that has arrived, and has not looked yet.
const RUNG: u8 = 2;

/// Rung by the client when something has arrived; it wakes one of the two.
pub(crate) struct Doorbell {
    clock: Clock,
    app: AtomicWaker,
    app_is: AtomicU8,
    task: Notify,
    /// When the task means to wake by itself, in the protocol's time; said with the receiver's lock held.
    wakes_at: AtomicU64,
    streaming: AtomicBool,
}

impl Doorbell {
    pub(super) fn new(clock: Clock) -> Doorbell {
        Doorbell {
            clock,
            app: AtomicWaker::new(),
            app_is: AtomicU8::new(ELSEWHERE),
            task: Notify::new(),
            wakes_at: AtomicU64::new(0),
            streaming: AtomicBool::new(false),
        }
    }

    /// The application has closed or cancelled, or something is due.
    pub(crate) fn wake_task(&self) {
        self.task.notify_one();
    }

    /// There is something for the application, or the end.
    pub(super) fn wake_app(&self) {
        self.app.wake();
    }

    /// To be said before the application looks for the last time before it waits.
    pub(crate) fn set_app(&self, waker: &Waker) {
        self.app.register(waker);
    }

    /// Likewise. `false` where it is to leave what arrives to the task: frames come as a stream, and it was not woken
    /// for one.
    pub(super) fn app_takes(&self) -> bool {
        let takes = !self.streaming.load(Ordering::SeqCst);
        let was = self.app_is.swap(if takes { WAITS } else { ELSEWHERE }, Ordering::SeqCst);
        takes || was == RUNG
    }

    /// The application has something to read.
    pub(crate) fn app_goes(&self) {
        // What it was woken for is still its to take.
        let _ = self.app_is.compare_exchange(WAITS, ELSEWHERE, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// To be said before the task looks for the last time before it sleeps.
    pub(super) fn set_wakes_at(&self, at: Time) {
        self.wakes_at.store(at.as_nanos(), Ordering::SeqCst);
    }

    /// The task sleeps until somebody wants it.
    pub(super) async fn task_woken(&self) {
        self.task.notified().await;
    }

    /// When the task wakes by itself.
    pub(crate) fn wakes_at(&self) -> Time {
        Time::from_nanos(self.wakes_at.load(Ordering::SeqCst))
    }

    /// Whether the task looks by itself before anybody misses it. An application may have given up waiting without
    /// a word, and then takes no notice of being woken.
    pub(super) fn task_looks_soon(&self) -> bool {
        self.wakes_at() <= self.clock.now() + ACK_DELAY
    }

    /// Whether frames come as a stream.
    pub(super) fn set_streaming(&self, streaming: bool) {
        self.streaming.store(streaming, Ordering::SeqCst);
    }
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let rung = || {
            self.app_is.compare_exchange(WAITS, RUNG, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        // A look first: while frames come as a stream it is elsewhere, and the clock need not be read.
        let waits = self.app_is.load(Ordering::SeqCst) == WAITS;
        if waits && self.task_looks_soon() && rung() {
            self.app.wake();
        } else {
            self.task.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
