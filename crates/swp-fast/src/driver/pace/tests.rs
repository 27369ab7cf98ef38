use super::*;

/// Counts frames that come every so many microseconds; returns the last time and what was decided.
fn every(pace: &mut Pace, from: Time, gap_us: u64, frames: u64) -> (Time, bool) {
    let mut now = from;
    for _ in 0..frames {
        now = now + Duration::from_micros(gap_us);
        pace.note(now, 1);
    }
    (now, pace.is_streaming())
}

#[test]
fn a_frame_per_round_trip_is_no_stream() {
    let mut pace = Pace::default();
    assert!(!every(&mut pace, Time::ZERO, 100, 200).1);
    assert!(!every(&mut pace, Time::ZERO, 51, 200).1);
}

#[test]
fn frames_in_close_order_are_a_stream_after_a_millisecond() {
    let mut pace = Pace::default();
    let (now, streaming) = every(&mut pace, Time::ZERO, 16, 62);
    assert!(!streaming, "not after {now:?}");
    assert!(every(&mut pace, now, 16, 62).1);
}

#[test]
fn a_stream_ends_with_the_first_frame_after_a_pause() {
    let mut pace = Pace::default();
    let (now, streaming) = every(&mut pace, Time::ZERO, 16, 1000);
    assert!(streaming);
    assert!(!every(&mut pace, now, 1_000_000, 1).1);
}

#[test]
fn a_stream_ends_with_the_first_empty_look_after_a_pause() {
    let mut pace = Pace::default();
    let (now, _) = every(&mut pace, Time::ZERO, 16, 1000);
    pace.note(now + PACE_OVER * 3, 0);
    assert!(!pace.is_streaming());
}
