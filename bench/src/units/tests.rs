use std::time::Duration;

use super::{bytes, duration, show_ns, show_rate, show_size};

#[test]
fn sizes_have_units() {
    assert_eq!(bytes("64"), Ok(64));
    assert_eq!(bytes("1KiB"), Ok(1024));
    assert_eq!(bytes("5MB"), Ok(5_000_000));
    assert!(bytes("0").is_err());
    assert!(bytes("many").unwrap_err().contains("'many'"));
}

#[test]
fn durations_have_units() {
    assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
    assert!(duration("0s").is_err());
    assert!(duration("5").is_err());
}

#[test]
fn numbers_are_shown_short() {
    assert_eq!(show_size(64), "64 B");
    assert_eq!(show_size(16 << 10), "16 KiB");
    assert_eq!(show_size(16 << 20), "16 MiB");
    assert_eq!(show_size(1000), "1000 B");
    assert_eq!(show_rate(5_912_345.0), "5.91 M");
    assert_eq!(show_rate(48_123.0), "48 k");
    assert_eq!(show_rate(5_712.0), "5.7 k");
    assert_eq!(show_rate(840.4), "840");
    assert_eq!(show_ns(270_400), "270 us");
    assert_eq!(show_ns(12_340_000), "12.3 ms");
}
