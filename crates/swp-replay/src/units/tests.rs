use super::*;

#[test]
fn sizes_take_units() {
    assert_eq!(bytes("65536"), Ok(65_536));
    assert_eq!(bytes("64KiB"), Ok(65_536));
    assert_eq!(bytes("5MB"), Ok(5_000_000));
    assert_eq!(size_range("64-1KiB"), Ok((64, 1024)));
    assert_eq!(size_range("7"), Ok((7, 7)));
    assert!(size_range("9-7").is_err());
    assert!(bytes("many").is_err());
    assert!(positive_bytes("0").is_err());
}

#[test]
fn durations_take_units() {
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
    assert!(duration("soon").is_err());
}

#[test]
fn numbers_are_shown_for_people() {
    assert_eq!(show_count(0), "0");
    assert_eq!(show_count(999), "999");
    assert_eq!(show_count(336_776), "336,776");
    assert_eq!(show_count(1_000_000), "1,000,000");
    assert_eq!(show_bytes(999.0), "999 B");
    assert_eq!(show_bytes(1_500_000.0), "1.50 MB");
    assert_eq!(hex(&[0, 255]), "00ff");
}
