use std::time::Duration;

use super::*;

fn at(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

/// An alarm is not set again for a later deadline, and may fire too early then.
#[tokio::test(start_paused = true)]
async fn an_alarm_fires_at_its_deadline_at_the_latest() {
    let clock = Clock::start();
    let mut alarm = Alarm::new(clock);
    alarm.fired().await;
    assert_eq!(alarm.set(at(50)), at(50));
    assert_eq!(alarm.set(at(80)), at(50));
    assert_eq!(alarm.set(at(20)), at(20));
    alarm.fired().await;
    assert!((at(20)..at(50)).contains(&clock.now()), "{:?}", clock.now());
    assert_eq!(alarm.set(at(80)), at(80));
    alarm.fired().await;
    assert!(clock.now() >= at(80), "{:?}", clock.now());
}
