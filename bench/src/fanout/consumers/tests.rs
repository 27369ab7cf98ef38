use std::time::Duration;

use super::Brake;

#[test]
fn a_consumer_rests_once_it_is_ahead_of_its_rate() {
    let mut brake = Brake::new(1000.0);
    brake.taken = 4;
    assert_eq!(brake.rest(Duration::ZERO), None, "less than a step ahead");
    brake.taken = 100;
    assert_eq!(brake.rest(Duration::from_millis(40)), Some(Duration::from_millis(60)));
    assert_eq!(brake.rest(Duration::from_millis(200)), None, "behind");
}
