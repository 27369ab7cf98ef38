use super::{Times, ticks};

#[test]
fn the_name_may_hold_anything() {
    let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 1234 56 7 8 20 0 4 0 9 10 11";
    assert_eq!(ticks(stat), Some((1234, 56)));
    assert_eq!(ticks("42 (cut) S 1"), None);
}

#[test]
fn this_process_has_times_and_an_unknown_one_an_error() {
    assert!(Times::of(std::process::id()).unwrap().total_s() >= 0.0);
    assert!(Times::of(u32::MAX).unwrap_err().to_string().contains("/proc/"));
}
