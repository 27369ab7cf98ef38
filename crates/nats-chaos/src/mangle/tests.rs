use bytes::BufMut;

use super::*;
use crate::split::{Origin, Splitter};

/// `count` messages on `subject`, each with its number as its payload.
fn messages(subject: &str, count: u32) -> Vec<Unit> {
    let mut splitter = Splitter::new(Origin::Client);
    for n in 0..count {
        splitter.buffer().put_slice(format!("PUB {subject} 6\r\n{n:06}\r\n").as_bytes());
    }
    std::iter::from_fn(|| splitter.next_unit().unwrap()).collect()
}

/// What comes out: the numbers, in the order of their coming.
fn run(seed: u64, faults: &Faults, units: Vec<Unit>) -> (Vec<String>, crate::Counts) {
    let (mut mangler, counters) = (Mangler::new(seed), Counters::default());
    let mut out = BytesMut::new();
    for unit in units {
        mangler.pass(unit, faults, &counters, &mut out);
    }
    mangler.let_go(&mut out);
    assert!(!mangler.holds_any());
    let mut splitter = Splitter::new(Origin::Client);
    splitter.buffer().put_slice(&out);
    let mut passed = Vec::new();
    while let Some(Unit::Message(message)) = splitter.next_unit().unwrap() {
        passed.push(String::from_utf8_lossy(&message.bytes[message.payload]).into_owned());
    }
    assert!(splitter.buffer().is_empty(), "what comes out is whole");
    (passed, counters.snapshot())
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("{n:06}")).collect()
}

#[test]
fn without_faults_nothing_changes() {
    let (passed, counts) = run(1, &Faults::default(), messages("a", 100));
    assert_eq!(passed, numbers(0..100));
    assert_eq!(counts, crate::Counts { messages: 100, ..Default::default() });
}

#[test]
fn the_rates_are_kept_and_counted() {
    let n = 10_000;
    for (name, faults) in [
        ("dropped", Faults { drop: 0.1, ..Faults::default() }),
        ("duplicated", Faults { duplicate: 0.1, ..Faults::default() }),
        ("reordered", Faults { reorder: 0.1, ..Faults::default() }),
        ("corrupted", Faults { corrupt: 0.1, ..Faults::default() }),
    ] {
        let (passed, counts) = run(7, &faults, messages("a", n));
        let happened: u64 = counts.by_kind().iter().map(|(_, count)| count).sum();
        let of_kind = counts.by_kind().into_iter().find(|(kind, _)| *kind == name).unwrap().1;
        assert_eq!(of_kind, happened, "{name} and nothing else: {counts:?}");
        assert!((800..1200).contains(&of_kind), "{name}: {of_kind}");
        let expected = u64::from(n) - counts.dropped + counts.duplicated;
        assert_eq!(passed.len() as u64, expected, "{name}");
        let mut sorted = passed.clone();
        sorted.sort_unstable();
        sorted.dedup();
        match name {
            "reordered" => {
                assert_ne!(passed, numbers(0..n));
                assert_eq!(sorted, numbers(0..n));
            }
            "duplicated" => assert_eq!(sorted, numbers(0..n)),
            "corrupted" => {
                let changed = passed.iter().zip(numbers(0..n)).filter(|(a, b)| **a != *b).count();
                assert_eq!(changed as u64, of_kind);
            }
            _ => assert!(passed.is_sorted()),
        }
    }
}

#[test]
fn a_message_is_overtaken_by_eight_others_at_most() {
    let (passed, _) = run(3, &Faults { reorder: 0.2, ..Faults::default() }, messages("a", 10_000));
    for (at, n) in passed.iter().enumerate() {
        let n: usize = n.parse().unwrap();
        // Later ones that were held back themselves do not move it further.
        assert!(at <= n + OVERTAKEN_BY_MAX as usize, "{n} came at {at}");
    }
}

#[test]
fn one_seed_is_one_fate() {
    let faults = Faults::all(0.1);
    let first = run(5, &faults, messages("a", 1000));
    assert_eq!(run(5, &faults, messages("a", 1000)), first);
    assert_ne!(run(6, &faults, messages("a", 1000)), first);
}

#[test]
fn only_the_subjects_named_are_touched() {
    let faults = Faults { drop: 1.0, subjects: vec!["swp.data".to_owned()], ..Faults::default() };
    assert_eq!(run(1, &faults, messages("swp.data.x", 10)).1.dropped, 10);
    let (passed, counts) = run(1, &faults, messages("swp.ctl.x", 10));
    assert_eq!((passed, counts.dropped), (numbers(0..10), 0));
}

#[test]
fn delays_are_within_their_bound() {
    let (mut mangler, counters) = (Mangler::new(1), Counters::default());
    let faults = Faults { delay: 1.0, delay_max: Duration::from_millis(3), ..Faults::default() };
    for unit in messages("a", 100) {
        let delay = mangler.delay(&unit, &faults, &counters).unwrap();
        assert!(delay <= faults.delay_max);
    }
    assert_eq!(counters.snapshot().delayed, 100);
    let none = mangler.delay(&messages("a", 1)[0], &Faults::default(), &counters);
    assert_eq!(none, None);
}
