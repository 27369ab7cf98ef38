use std::time::Duration;

use super::{INITIAL_RTO, MAX_RTO, MIN_RTO, RttEstimator, RttHistogram, RttSummary};

const MS: Duration = Duration::from_millis(1);

#[test]
fn first_sample_sets_both_estimates() {
    let mut rtt = RttEstimator::default();
    assert_eq!(rtt.rto(0), INITIAL_RTO);
    rtt.sample(MS * 100);
    // RFC 6298 (2.2): SRTT = R, RTTVAR = R / 2, RTO = SRTT + 4 * RTTVAR
    assert_eq!(rtt.smoothed(), Some(MS * 100));
    assert_eq!(rtt.rto(0), MS * 300);
}

#[test]
fn later_samples_are_smoothed() {
    let mut rtt = RttEstimator::default();
    rtt.sample(MS * 80);
    rtt.sample(MS * 160);
    // RFC 6298 (2.3): RTTVAR = 3/4 * 40 + 1/4 * 80 = 50, SRTT = 7/8 * 80 + 1/8 * 160 = 90
    assert_eq!(rtt.smoothed(), Some(MS * 90));
    assert_eq!(rtt.rto(0), MS * 290);
    assert_eq!((rtt.min(), rtt.latest()), (MS * 80, MS * 160));
}

#[test]
fn time_out_has_a_floor_backs_off_and_has_a_ceiling() {
    let mut rtt = RttEstimator::default();
    for _ in 0..100 {
        rtt.sample(Duration::from_micros(200));
    }
    assert_eq!(rtt.rto(0), MIN_RTO);
    assert_eq!(rtt.rto(3), MIN_RTO * 8);
    assert_eq!(rtt.rto(u32::MAX), MAX_RTO);
    // The time-out of a path that is slower than the ceiling exceeds the ceiling.
    rtt.sample(Duration::from_secs(60));
    assert!(rtt.rto(5) > Duration::from_secs(5));
}

#[test]
fn histogram_is_empty_then_tells_its_samples() {
    let mut histogram = RttHistogram::new();
    assert_eq!(histogram.summary(), RttSummary::default());
    for ms in 1..=100 {
        histogram.record(MS * ms);
    }
    histogram.record(Duration::from_secs(3_600));
    let summary = histogram.summary();
    assert_eq!(summary.samples, 101);
    assert!((50_000_000..=52_000_000).contains(&summary.p50_ns), "{summary:?}");
    assert!(summary.max_ns >= 60_000_000_000, "{summary:?}");
}
