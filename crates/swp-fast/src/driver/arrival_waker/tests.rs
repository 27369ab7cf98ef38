use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;

use super::*;

/// Longer than any test takes.
const FAR: Duration = Duration::from_secs(600);

/// Counts how often the application was woken.
#[derive(Default)]
struct App(AtomicUsize);

impl Wake for App {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Setup {
    waker: Arc<ArrivalWaker>,
    links: Waker,
    app: Arc<App>,
}

impl Setup {
    fn new() -> Setup {
        let waker = Arc::new(ArrivalWaker::new(Clock::start()));
        Setup { links: Waker::from(Arc::clone(&waker)), waker, app: Arc::default() }
    }

    /// The task sleeps for that long, and the application waits.
    fn both_sleep(&self, task: Duration) {
        self.waker.set_task_wakes_at(self.waker.clock.now() + task);
        self.waker.register_app(&Waker::from(Arc::clone(&self.app)));
        assert!(self.waker.app_waits());
    }

    /// A frame arrives. Returns how often that woke the application, and whether it woke the task.
    fn frame_arrives(&self) -> (usize, bool) {
        let before = self.app.0.load(Ordering::SeqCst);
        self.links.wake_by_ref();
        let after = self.app.0.load(Ordering::SeqCst);
        (after - before, self.waker.task_woken().now_or_never().is_some())
    }
}

#[test]
fn a_waiting_application_is_woken_once_if_the_task_wakes_soon() {
    let setup = Setup::new();
    setup.both_sleep(ACK_DELAY);
    assert_eq!(setup.frame_arrives(), (1, false));
    // The application has not looked yet. The task takes what follows.
    assert_eq!(setup.frame_arrives(), (0, true));
    setup.both_sleep(Duration::ZERO);
    assert_eq!(setup.frame_arrives(), (1, false));
}

#[test]
fn a_task_that_would_sleep_long_is_woken() {
    let setup = Setup::new();
    setup.both_sleep(FAR);
    assert_eq!(setup.frame_arrives(), (0, true));
    // The application still waits, and is woken as soon as the task wakes soon.
    setup.both_sleep(ACK_DELAY);
    assert_eq!(setup.frame_arrives(), (1, false));
}

#[test]
fn the_task_is_woken_while_the_application_is_busy() {
    let setup = Setup::new();
    setup.both_sleep(ACK_DELAY);
    setup.waker.app_reads();
    assert_eq!(setup.frame_arrives(), (0, true));
}

#[test]
fn the_task_takes_a_stream_except_the_frame_that_woke_the_application() {
    let setup = Setup::new();
    setup.both_sleep(ACK_DELAY);
    assert_eq!(setup.frame_arrives(), (1, false));
    setup.waker.set_streaming(true);
    // The application reads something else. The frame that woke it may lie behind that.
    setup.waker.app_reads();
    assert!(setup.waker.app_waits());
    assert!(!setup.waker.app_waits());
    assert_eq!(setup.frame_arrives(), (0, true));
    setup.waker.set_streaming(false);
    setup.both_sleep(ACK_DELAY);
    assert_eq!(setup.frame_arrives(), (1, false));
}
