use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;

use super::*;

/// Longer than any test takes.
const FAR: Duration = Duration::from_secs(600);

/// Counts how often it was woken.
#[derive(Default)]
struct App(AtomicUsize);

impl Wake for App {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Bell {
    bell: Arc<Doorbell>,
    ring: Waker,
    app: Arc<App>,
}

impl Bell {
    fn new() -> Bell {
        let bell = Arc::new(Doorbell::new(Clock::start()));
        Bell { ring: Waker::from(Arc::clone(&bell)), bell, app: Arc::default() }
    }

    /// The task sleeps for that long, the application waits.
    fn both_sleep(&self, task: Duration) {
        self.bell.set_wakes_at(self.bell.clock.now() + task);
        self.bell.set_app(&Waker::from(Arc::clone(&self.app)));
        assert!(self.bell.app_takes());
    }

    /// How often the application was woken by a ring, and whether the task was.
    fn ring(&self) -> (usize, bool) {
        let before = self.app.0.load(Ordering::SeqCst);
        self.ring.wake_by_ref();
        let after = self.app.0.load(Ordering::SeqCst);
        (after - before, self.bell.task_woken().now_or_never().is_some())
    }
}

#[test]
fn the_application_is_woken_where_it_waits_and_the_task_looks_soon() {
    let bell = Bell::new();
    bell.both_sleep(ACK_DELAY);
    assert_eq!(bell.ring(), (1, false));
    // It was told; whether it comes is its affair.
    assert_eq!(bell.ring(), (0, true));
    bell.both_sleep(Duration::ZERO);
    assert_eq!(bell.ring(), (1, false));
}

#[test]
fn the_task_is_woken_where_it_would_sleep_long() {
    let bell = Bell::new();
    bell.both_sleep(FAR);
    assert_eq!(bell.ring(), (0, true));
    // The application still waits, and is told once the task looks soon.
    bell.both_sleep(ACK_DELAY);
    assert_eq!(bell.ring(), (1, false));
}

#[test]
fn the_task_is_woken_where_the_application_is_elsewhere() {
    let bell = Bell::new();
    bell.both_sleep(ACK_DELAY);
    bell.bell.app_goes();
    assert_eq!(bell.ring(), (0, true));
}

#[test]
fn a_stream_is_the_tasks_but_for_what_the_application_was_woken_for() {
    let bell = Bell::new();
    bell.both_sleep(ACK_DELAY);
    assert_eq!(bell.ring(), (1, false));
    bell.bell.set_streaming(true);
    // There was something to read; the one that it was woken for may lie behind that.
    bell.bell.app_goes();
    assert!(bell.bell.app_takes());
    assert!(!bell.bell.app_takes());
    assert_eq!(bell.ring(), (0, true));
    bell.bell.set_streaming(false);
    bell.both_sleep(ACK_DELAY);
    assert_eq!(bell.ring(), (1, false));
}
