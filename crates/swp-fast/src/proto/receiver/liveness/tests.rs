use super::*;
use crate::proto::receiver::tests::ms;

fn begun() -> Liveness {
    let mut liveness = Liveness::new(ms(0));
    liveness.begin_session(ms(0), Duration::from_millis(100), Duration::from_millis(1_000));
    liveness
}

#[test]
fn before_a_session_there_is_no_deadline() {
    let mut liveness = Liveness::new(ms(0));
    assert_eq!((liveness.keep_alive_at(), liveness.times_out_at()), (None, None));
    assert_eq!(liveness.note_now(ms(1_000_000)), None);
    assert_eq!(liveness.last_now(), ms(1_000_000));
}

#[test]
fn deadlines_follow_what_was_heard_and_sent() {
    let mut liveness = begun();
    liveness.note_heard(ms(50));
    liveness.note_sent(ms(70));
    assert_eq!(liveness.times_out_at(), Some(ms(1_050)));
    assert_eq!(liveness.keep_alive_at(), Some(ms(170)));
}

#[test]
fn a_leap_of_the_clock_puts_the_time_out_off() {
    let mut liveness = begun();
    assert_eq!(liveness.note_now(ms(200)), None);
    assert_eq!(liveness.times_out_at(), Some(ms(1_000)));
    assert_eq!(liveness.note_now(ms(401)), Some(Duration::from_millis(201)));
    assert_eq!(liveness.times_out_at(), Some(ms(1_201)));
}

#[test]
fn a_leap_does_not_move_what_was_heard_into_the_future() {
    let mut liveness = begun();
    // The reconnect was told before the time.
    liveness.note_heard(ms(5_000));
    assert!(liveness.note_now(ms(5_000)).is_some());
    assert_eq!(liveness.last_heard(), ms(5_000));
}

#[test]
fn time_that_goes_back_is_not_a_leap() {
    let mut liveness = begun();
    liveness.note_now(ms(150));
    assert_eq!(liveness.note_now(ms(100)), None);
    assert_eq!(liveness.last_now(), ms(150));
}
