//! A model: every message ends up received, told as unconfirmed, or still queued.

use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Message(usize),
    Ping,
    Write(usize),
    Pong,
    Break,
    Preamble(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1usize..50).prop_map(Step::Message),
        2 => Just(Step::Ping),
        5 => (1usize..120).prop_map(Step::Write),
        2 => Just(Step::Pong),
        1 => Just(Step::Break),
        1 => (1usize..30).prop_map(Step::Preamble),
    ]
}

proptest! {
    #[test]
    fn every_message_is_confirmed_told_or_queued(steps in vec(step(), 0..200)) {
        let mut ledger = Ledger::default();
        let mut positions = Vec::new();
        let mut told = 0;
        let (mut queue, mut preamble) = (0, 0);
        for step in steps {
            match step {
                Step::Message(bytes) => {
                    positions.push(ledger.accept_message(bytes, bytes));
                    queue += bytes;
                }
                Step::Ping => {
                    ledger.accept_line(6);
                    ledger.push_mark(Purpose::Confirm);
                    prop_assert!(ledger.is_marked(ledger.end()));
                    queue += 6;
                }
                Step::Write(most) => {
                    let bytes = most.min(queue + preamble);
                    ledger.record_written(bytes);
                    let of_preamble = bytes.min(preamble);
                    preamble -= of_preamble;
                    queue -= bytes - of_preamble;
                }
                // Also a PONG that the server makes up.
                Step::Pong => {
                    ledger.pong();
                    while ledger.next_answered().is_some() {}
                }
                Step::Break => {
                    let broken = ledger.break_off();
                    told += broken.unconfirmed.messages;
                    prop_assert!(broken.stale_bytes <= queue + preamble);
                    queue -= broken.stale_bytes - preamble;
                    preamble = 0;
                    prop_assert_eq!(ledger.unconfirmed(), broken.queued);
                }
                // A connection starts with one.
                Step::Preamble(bytes) => {
                    told += ledger.break_off().unconfirmed.messages;
                    queue = ledger.queued().bytes as usize;
                    preamble = bytes;
                    ledger.begin_preamble(bytes, &[Purpose::Subscribe(1)]);
                }
            }
            prop_assert_eq!(ledger.queued().bytes as usize, queue);
            prop_assert!(ledger.confirmed <= ledger.written);
        }
        let count = |fate| positions.iter().filter(|p| ledger.fate(**p) == fate).count() as u64;
        prop_assert_eq!(count(Fate::Lost), told);
        prop_assert_eq!(count(Fate::Queued), ledger.queued().messages);
        prop_assert_eq!(count(Fate::Queued) + count(Fate::Written), ledger.unconfirmed().messages);
    }
}

#[test]
fn a_message_that_was_cut_is_told_and_its_rest_is_stale() {
    let mut ledger = Ledger::default();
    let first = ledger.accept_message(10, 10);
    let second = ledger.accept_message(10, 10);
    ledger.record_written(4);
    let broken = ledger.break_off();
    assert_eq!(broken.unconfirmed, Amount { messages: 1, bytes: 10 });
    assert_eq!(broken.queued, Amount { messages: 1, bytes: 10 });
    assert_eq!(broken.stale_bytes, 6);
    assert_eq!((ledger.fate(first), ledger.fate(second)), (Fate::Lost, Fate::Queued));
}

#[test]
fn many_breaks_are_remembered_in_bounded_memory() {
    let mut ledger = Ledger::default();
    let mut positions = Vec::new();
    for _ in 0..1_000 {
        positions.push(ledger.accept_message(5, 5));
        ledger.record_written(5);
        ledger.break_off();
    }
    assert!(ledger.lost.len() <= LOST_RANGES_MAX);
    assert!(positions.iter().all(|position| ledger.fate(*position) == Fate::Lost));
}

#[test]
fn the_largest_message_that_is_not_confirmed_is_known() {
    let mut ledger = Ledger::default();
    for size in [5, 50, 7] {
        ledger.accept_message(size, size);
        ledger.accept_line(6);
        ledger.push_mark(Purpose::Confirm);
    }
    assert_eq!(ledger.largest_unconfirmed(), 50);
    ledger.pong();
    ledger.pong();
    assert!(ledger.next_answered().is_none(), "nothing is written");
    ledger.record_written(1_000);
    while ledger.next_answered().is_some() {}
    assert_eq!(ledger.largest_unconfirmed(), 7);
}

#[test]
fn a_leave_that_was_not_written_is_an_ordinary_ping_on_the_next_connection() {
    let mut ledger = Ledger::default();
    ledger.accept_message(10, 10);
    ledger.accept_line(6);
    ledger.push_mark(Purpose::Leave);
    ledger.break_off();
    ledger.record_written(16);
    ledger.pong();
    assert_eq!(ledger.next_answered().map(|mark| mark.purpose), Some(Purpose::Confirm));
}
