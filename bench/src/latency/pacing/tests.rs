use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::{Schedule, run};

#[test]
fn a_message_is_due_when_intended_and_not_before() {
    let schedule = Schedule { rate: 1000.0, count: 5000 };
    assert_eq!(schedule.due(Duration::ZERO), 1);
    assert_eq!(schedule.due(Duration::from_micros(999)), 1);
    assert_eq!(schedule.due(Duration::from_micros(2500)), 3);
    assert_eq!(schedule.due(Duration::from_secs(60)), 5000, "no more than there are");
    assert_eq!(schedule.intended(0), Duration::ZERO);
    assert_eq!(schedule.intended(2500), Duration::from_millis(2500));
}

#[test]
fn every_message_is_sent_once_and_in_order() {
    let schedule = Schedule { rate: 1e7, count: 10_000 };
    let mut sent = Vec::new();
    let send = |range| {
        sent.extend(range);
        Ok(())
    };
    let nothing_arrives = AtomicU64::new(0);
    let tick = Duration::from_micros(10);
    let backlog = run(schedule, Instant::now(), tick, &nothing_arrives, send).unwrap();
    assert!(sent.iter().copied().eq(0..10_000));
    assert!((1..=10_000).contains(&backlog));
}

#[test]
fn what_is_late_is_sent_without_a_sleep() {
    // Everything has been due for long: a sleep at each step would last for days.
    let schedule = Schedule { rate: 1e9, count: 5000 };
    let start = Instant::now().checked_sub(Duration::from_millis(1)).unwrap();
    let mut steps = 0;
    let send = |_| {
        steps += 1;
        Ok(())
    };
    run(schedule, start, Duration::from_secs(86_400), &AtomicU64::new(0), send).unwrap();
    assert_eq!(steps, 5, "in steps of 1,024");
}
