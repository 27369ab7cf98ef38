use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn threads_that_contend_for_it_lose_no_update() {
    let lock = SpinLock::new(0_u64);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50_000).for_each(|_| *lock.lock() += 1));
        }
    });
    assert_eq!(*lock.lock(), 200_000);
}

/// The waiter spins, yields and sleeps, and then gets the lock.
#[test]
fn a_holder_that_is_slow_is_waited_for() {
    let (lock, waits) = (SpinLock::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let mut held = lock.lock();
        let waiter = scope.spawn(|| {
            waits.store(true, Ordering::Release);
            *lock.lock()
        });
        while !waits.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        // Longer than all stages of the wait.
        std::thread::park_timeout(40 * NAP);
        *held = true;
        drop(held);
        assert!(waiter.join().expect("the waiter returns"));
    });
}

#[test]
fn a_panic_of_the_holder_unlocks() {
    let lock = SpinLock::new(7);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _held = lock.lock();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    assert_eq!(*lock.lock(), 7);
}
