use super::*;
use crate::proto::receiver::tests::ms;

/// When the first transmissions are due, in milliseconds.
fn due_times(keep_alive: Duration) -> Vec<u64> {
    let mut retries = Retries::starting_at(ms(0), Duration::from_millis(100));
    let times = std::iter::from_fn(|| {
        let at = retries.due_at();
        assert!(retries.take_due(at, keep_alive));
        assert!(!retries.take_due(at, keep_alive));
        Some(at.as_nanos() / 1_000_000)
    });
    times.take(6).collect()
}

#[test]
fn intervals_double_up_to_their_bound() {
    assert_eq!(due_times(Duration::MAX), [0, 100, 300, 700, 1_500, 2_500]);
}

#[test]
fn no_interval_is_longer_than_the_keep_alive() {
    assert_eq!(due_times(Duration::from_millis(250)), [0, 100, 300, 550, 800, 1_050]);
}

#[test]
fn an_expedited_transmission_does_not_shorten_the_next_interval() {
    let mut retries = Retries::starting_at(ms(0), Duration::from_millis(100));
    assert!(retries.take_due(ms(0), Duration::MAX));
    retries.expedite(ms(10));
    assert!(retries.take_due(ms(10), Duration::MAX));
    assert_eq!(retries.due_at(), ms(210));
}
