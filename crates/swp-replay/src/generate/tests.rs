use std::collections::HashSet;

use tempfile::tempdir;

use super::*;
use crate::capture::{Capture, Ending, Summary, WriterOptions};

fn made(options: &GenerateOptions) -> (Summary, Vec<(u64, String, usize)>) {
    let dir = tempdir().expect("a temporary directory");
    let path = dir.path().join("made");
    let fast = WriterOptions { durable: false, ..WriterOptions::default() };
    let mut writer = CaptureWriter::create(&path, fast).expect("creates");
    generate(options, &mut writer).expect("generates");
    let summary = writer.finish(Ending::default()).expect("finishes");
    let records = Capture::open(&path).expect("opens").records().map(|record| {
        let record = record.expect("intact");
        let record = record.decode().expect("a record");
        (record.timestamp_ns, record.subject.to_owned(), record.payload.len())
    });
    (summary, records.collect())
}

fn few() -> GenerateOptions {
    GenerateOptions { messages: 500, min_bytes: 0, max_bytes: 700, ..GenerateOptions::default() }
}

#[test]
fn the_stream_is_as_ordered() {
    let (summary, records) = made(&GenerateOptions { rate: 3, subjects: 7, ..few() });
    assert_eq!((summary.totals.messages, records.len()), (500, 500));
    let start = few().start_ns;
    for (number, (timestamp_ns, ..)) in records.iter().enumerate() {
        assert_eq!(*timestamp_ns, start + number as u64 * 1_000_000_000 / 3);
    }
    let subjects: HashSet<&str> = records.iter().map(|(_, subject, _)| subject.as_str()).collect();
    assert_eq!(
        subjects,
        (0..7)
            .map(|n| [
                "made.up.0",
                "made.up.1",
                "made.up.2",
                "made.up.3",
                "made.up.4",
                "made.up.5",
                "made.up.6"
            ][n])
            .collect()
    );
    let lengths = || records.iter().map(|(.., len)| *len);
    assert!(lengths().max() <= Some(700) && lengths().max() > Some(600));
    assert!(lengths().min() < Some(50));
    let (_, fixed) = made(&GenerateOptions { min_bytes: 64, max_bytes: 64, ..few() });
    assert!(fixed.iter().all(|(.., len)| *len == 64));
}

#[test]
fn a_seed_makes_one_stream_and_always_the_same() {
    let (first, _) = made(&few());
    let (again, _) = made(&few());
    let (other, _) = made(&GenerateOptions { seed: 2, ..few() });
    assert_eq!(first.totals, again.totals);
    assert_ne!(first.totals.content, other.totals.content);
    // Held fast, so that captures made by one version can be compared with those of another.
    let content = blake3::Hash::from_bytes(first.totals.content).to_hex();
    assert_eq!(
        content.as_str(),
        "13bedcae1f8a22e06c3737e46b1d3346edc3276738ea311728b2f06f0462ba03"
    );
}

#[test]
fn long_payloads_and_none_at_all() {
    let (summary, records) =
        made(&GenerateOptions { messages: 3, min_bytes: 3_000_000, max_bytes: 3_000_000, ..few() });
    assert_eq!(summary.totals.payload_bytes, 9_000_000);
    assert!(records.iter().all(|(.., len)| *len == 3_000_000));
    let (summary, records) = made(&GenerateOptions { messages: 0, ..few() });
    assert_eq!((summary.totals.messages, records.len()), (0, 0));
}

#[test]
fn the_end_of_time_is_not_passed() {
    let options = GenerateOptions { messages: 3, rate: 1, start_ns: u64::MAX - 1, ..few() };
    let (_, records) = made(&options);
    assert_eq!(records[2].0, u64::MAX);
}

#[test]
fn senseless_orders_are_refused() {
    let dir = tempdir().expect("a temporary directory");
    let path = dir.path().join("made");
    let mut writer = CaptureWriter::create(path, WriterOptions::default()).expect("creates");
    for options in [
        GenerateOptions { min_bytes: 701, ..few() },
        GenerateOptions { max_bytes: MAX_PAYLOAD + 1, ..few() },
        GenerateOptions { subjects: 0, ..few() },
        GenerateOptions { subjects: MAX_SUBJECTS + 1, ..few() },
        GenerateOptions { rate: 0, ..few() },
    ] {
        assert!(matches!(generate(&options, &mut writer), Err(GenerateError::Option(_))));
    }
    assert_eq!(writer.messages(), 0);
}
