use super::{lost, rate, render};
use crate::record::Fanout;

fn record(peer: &str, received: Vec<u64>, seconds: f64) -> Fanout {
    Fanout {
        peer: peer.to_owned(),
        integrity: (peer == "swp").then(|| "crc32c".to_owned()),
        size: 1024,
        consumers: received.len(),
        slow: false,
        round: 0,
        sent: 1000,
        received,
        seconds,
        retransmits: 0,
        group_retransmits: 0,
    }
}

#[test]
fn what_a_consumer_did_not_get_is_lost_and_not_in_the_rate() {
    let raw = record("raw", vec![1000, 500], 1.0);
    assert_eq!(lost(&raw), 500);
    assert!((rate(&raw) - 750.0).abs() < 1e-6);
    let swp = record("swp", vec![1000, 1000], 0.5);
    let shown = render(&[raw, swp]);
    let row = shown.lines().nth(2).unwrap();
    assert_eq!(row, "| 1 KiB | 2 | 750 | 500 (25.0 %) | crc32c | 2.0 k | 2.67 | 0 | 0 |");
}
