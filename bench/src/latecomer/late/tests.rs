use super::check;
use swp_replay::generate::GenerateOptions;
use swp_replay::record::Record;

fn message(timestamp_ns: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let record =
        Record { timestamp_ns, subject: "a", reply: None, headers: None, payload: b"payload" };
    record.encode(&mut out).unwrap();
    out
}

#[test]
fn a_message_is_known_by_its_number() {
    let made = GenerateOptions { start_ns: 1000, rate: 3, ..GenerateOptions::default() };
    let third_ns = 1_000_000_000 / 3;
    assert!(check(&message(1000), 0, &made).is_ok());
    assert!(check(&message(1000 + third_ns), 1, &made).is_ok());
    assert!(check(&message(1000 + third_ns), 2, &made).is_err(), "one was left out");
    assert!(check(&message(1000), 1, &made).is_err(), "one came twice");
    assert!(check(b"", 0, &made).is_err(), "no record");
}
