use super::*;

/// Frames that come every so many microseconds, and what the pace says at their end.
fn every(pace: &mut Pace, from: Time, gap_us: u64, frames: u64) -> (Time, bool) {
    let mut now = from;
    for _ in 0..frames {
        now = now + Duration::from_micros(gap_us);
        pace.note(now, 1);
    }
    (now, pace.streaming)
}

#[test]
fn a_frame_for_each_answer_is_no_stream() {
    let mut pace = Pace::default();
    assert!(!every(&mut pace, Time::ZERO, 100, 200).1);
    assert!(!every(&mut pace, Time::ZERO, 51, 200).1);
}

#[test]
fn frames_on_frames_are_one_after_a_millisecond() {
    let mut pace = Pace::default();
    let (now, streaming) = every(&mut pace, Time::ZERO, 16, 62);
    assert!(!streaming, "not after {now:?}");
    assert!(every(&mut pace, now, 16, 62).1);
}

#[test]
fn a_stream_is_over_with_the_first_frame_after_a_pause() {
    let mut pace = Pace::default();
    let (now, streaming) = every(&mut pace, Time::ZERO, 16, 1000);
    assert!(streaming);
    assert!(!every(&mut pace, now, 1_000_000, 1).1);
}

#[test]
fn looking_in_vain_counts_as_time() {
    let mut pace = Pace::default();
    let (now, _) = every(&mut pace, Time::ZERO, 16, 1000);
    pace.note(now + PACE_OVER * 3, 0);
    assert!(!pace.streaming);
}
