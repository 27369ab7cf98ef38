use super::*;

#[test]
fn holds_the_rate_and_forgives_little() {
    let start = Instant::now();
    let mut pace = Pace { bytes_per_s: Some(1_000_000), due: start };
    assert_eq!(pace.took(500_000, start), Some(start + Duration::from_millis(500)));
    assert_eq!(pace.took(500_000, start), Some(start + Duration::from_secs(1)));
    // A pause of an hour is worth no more than the slack.
    let later = start + Duration::from_secs(3600);
    assert_eq!(pace.took(1_000_000, later), Some(later + Duration::from_secs(1) - SLACK));
}

#[test]
fn without_a_rate_nothing_waits() {
    let mut pace = Pace::new(None);
    assert_eq!(pace.took(usize::MAX, Instant::now()), None);
}
