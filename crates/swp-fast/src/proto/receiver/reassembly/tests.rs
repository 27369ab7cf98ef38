use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::proto::receiver::tests::{fragment_frame, packed_frame, seq};
use crate::wire::{MAX_SACK_RANGES, message_len};

fn place(number: u64, offset: u64) -> Place {
    Place { seq: seq(number), offset }
}

fn empty() -> Reassembly {
    Reassembly::new(place(0, 0))
}

/// A frame whose body has `body_bytes` bytes.
fn frame(number: u64, body_bytes: usize) -> ReadyFrame {
    let message = vec![7; body_bytes - if body_bytes < 258 { 2 } else { 3 }];
    let frame = packed_frame(number, &[&message]);
    assert_eq!(frame.body.len(), body_bytes);
    frame
}

fn read(reassembly: &mut Reassembly) -> Vec<u64> {
    std::iter::from_fn(|| reassembly.read_frame()).map(|frame| frame.seq.get()).collect()
}

fn sack(reassembly: &Reassembly) -> Vec<(u64, u64)> {
    reassembly.sack().iter().map(|(start, end)| (start.get(), end.get())).collect()
}

#[test]
fn each_frame_tells_what_it_did_to_the_gaps() {
    let mut held = empty();
    let steps = [
        (0, Placement::InOrder, 1),
        (5, Placement::OpenedGap, 1),
        (6, Placement::AboveGap, 1),
        (9, Placement::OpenedGap, 1),
        (3, Placement::FilledGap, 1),
        (4, Placement::FilledGap, 1),
        (1, Placement::FilledGap, 2),
        (2, Placement::FilledGap, 7),
        (8, Placement::FilledGap, 7),
        (7, Placement::FilledGap, 10),
        (10, Placement::InOrder, 11),
    ];
    for (number, placement, next) in steps {
        assert_eq!(held.accept(frame(number, 10)), placement, "{number}");
        assert_eq!(held.next(), seq(next), "{number}");
    }
    assert!(!held.has_gap());
    assert_eq!(held.totals().out_of_order, 6);
    assert_eq!(read(&mut held), (0..=10).collect::<Vec<_>>());
}

#[test]
fn what_is_consumed_moves_with_reading_and_not_with_arrival() {
    let mut held = Reassembly::new(place(3, 1_000));
    held.accept(frame(3, 10));
    held.accept(frame(4, 20));
    held.accept(frame(6, 30));
    assert_eq!((held.consumed(), held.next_place()), (place(3, 1_000), place(5, 1_030)));
    assert_eq!(held.held_end(), seq(7));
    assert!(held.read_frame().is_some());
    assert_eq!((held.consumed(), held.next_place()), (place(4, 1_010), place(5, 1_030)));
}

#[test]
fn after_a_late_join_the_rest_of_a_message_that_began_before_is_consumed() {
    let mut held = empty();
    held.start_at(place(5, 500));
    assert!(!held.is_aligned());
    let last = fragment_frame(6, 30, 20, &[2; 10]);
    let (first_bytes, last_bytes) =
        (fragment_frame(5, 30, 10, &[1; 10]).body_bytes(), last.body_bytes());
    assert_eq!(held.accept(last), Placement::OpenedGap);
    assert_eq!(held.consumed(), place(5, 500));
    held.accept(fragment_frame(5, 30, 10, &[1; 10]));
    assert_eq!(held.consumed(), place(7, 500 + first_bytes + last_bytes));
    assert!(!held.has_ready() && !held.is_aligned());
    held.accept(fragment_frame(7, 30, 0, &[3; 10]));
    assert!(held.has_ready() && held.is_aligned());
    assert_eq!(read(&mut held), [7]);
}

#[test]
fn the_beginning_of_the_stream_is_the_beginning_of_a_message() {
    let mut held = empty();
    held.start_at(place(0, 0));
    assert!(held.is_aligned());
    held.start_at(place(1, 10));
    assert!(!held.is_aligned());
}

#[test]
fn a_reserve_counts_for_each_frame_that_is_missing_before() {
    let mut held = empty();
    held.accept(frame(0, 100));
    held.accept(frame(3, 100));
    assert_eq!(held.end_offset_with(seq(5), 50, 0), 250);
    // Frames 1, 2 and 4 are missing.
    assert_eq!(held.end_offset_with(seq(5), 50, 1_000), 3_250);
    assert_eq!(held.end_offset_with(Seq::new(1 << 61).unwrap(), 50, u32::MAX), u64::MAX);
}

#[test]
fn frames_that_leave_no_space_for_missing_ones_are_discarded_from_above() {
    let mut held = empty();
    for (number, body_bytes) in [(0, 100), (2, 100), (8, 50), (9, 900)] {
        held.accept(frame(number, body_bytes));
    }
    assert_eq!(held.discard_beyond(10_000, 1_000), 0);
    // Frame 9 needs space for 1,150 held bytes and six missing frames.
    assert_eq!(held.discard_beyond(7_149, 1_000), 1);
    assert_eq!((sack(&held), held.held_end()), (vec![(2, 3), (8, 9)], seq(9)));
    assert_eq!(held.discard_beyond(6_249, 1_000), 1);
    assert_eq!((sack(&held), held.held_end()), (vec![(2, 3)], seq(3)));
    let Totals { frames, messages, bytes, .. } = held.totals();
    assert_eq!((frames, messages, bytes, held.queued_frames()), (2, 2, 200, 2));
    assert!(!held.is_held(seq(8)) && !held.is_held(seq(9)));
    held.discard_beyond(0, 1_000);
    assert_eq!((read(&mut held), held.has_gap()), (vec![0], false));
}

#[test]
fn the_peak_counts_the_slots_of_missing_frames() {
    let mut held = empty();
    held.accept(frame(0, 10));
    held.accept(frame(3, 10));
    assert_eq!((held.queued_frames(), held.totals().peak_queued_frames), (2, 4));
}

/// Frames of the property test, and how far ahead of what was consumed they may arrive.
const FRAMES: u64 = 40;
const WINDOW: u64 = 12;

/// What a reassembly must hold, kept in the plainest way.
#[derive(Default)]
struct Model {
    held: BTreeMap<u64, u64>,
    consumed: u64,
    consumed_bytes: u64,
    accepted: u64,
}

impl Model {
    fn next(&self) -> u64 {
        (self.consumed..).find(|number| !self.held.contains_key(number)).unwrap_or(FRAMES)
    }

    fn missing_below(&self, number: u64) -> u64 {
        (self.next()..number).filter(|number| !self.held.contains_key(number)).count() as u64
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for &number in self.held.range(self.next()..).map(|(number, _)| number) {
            match ranges.last_mut() {
                Some((_, end)) if *end == number => *end += 1,
                _ => ranges.push((number, number + 1)),
            }
        }
        ranges.truncate(MAX_SACK_RANGES);
        ranges
    }

    /// Reads the next frame, if it is there. Returns its body length in bytes.
    fn read(&mut self) -> Option<u64> {
        let bytes = self.held.remove(&self.consumed)?;
        self.consumed += 1;
        self.consumed_bytes += bytes;
        Some(bytes)
    }

    /// Returns how many frames do not fit `credit`, with 1,000 bytes for each frame missing before.
    fn discard_beyond(&mut self, credit: u64) -> u64 {
        let mut discarded = 0;
        while let Some((&highest, _)) = self.held.range(self.next()..).next_back() {
            let held_bytes: u64 = self.held.values().sum();
            let missing_bytes = self.missing_below(highest) * 1_000;
            if self.consumed_bytes + held_bytes + missing_bytes <= credit {
                break;
            }
            self.held.remove(&highest);
            self.accepted -= 1;
            discarded += 1;
        }
        discarded
    }

    fn check(&self, held: &Reassembly) -> Result<(), TestCaseError> {
        let next = self.next();
        prop_assert_eq!(held.next(), seq(next));
        prop_assert_eq!(held.consumed(), place(self.consumed, self.consumed_bytes));
        let bytes: u64 = self.held.values().sum();
        prop_assert_eq!(held.held_bytes, bytes);
        let ready_bytes: u64 = self.held.range(..next).map(|(_, bytes)| bytes).sum();
        prop_assert_eq!(held.next_place(), place(next, self.consumed_bytes + ready_bytes));
        prop_assert_eq!(held.queued_frames(), self.held.len() as u64);
        prop_assert_eq!(held.totals().frames, self.accepted);
        prop_assert_eq!(held.totals().bytes, self.consumed_bytes + bytes);
        prop_assert_eq!(sack(held), self.ranges());
        prop_assert_eq!(held.has_gap(), self.held.keys().any(|&number| number > next));
        prop_assert_eq!(held.has_ready(), self.consumed < next);
        for number in 0..FRAMES + 2 {
            let is_held = number < self.consumed || self.held.contains_key(&number);
            prop_assert_eq!(held.is_held(seq(number)), is_held, "frame {}", number);
            let missing = self.missing_below(number);
            let end_offset = self.consumed_bytes + bytes + 5 + missing * 1_000;
            prop_assert_eq!(held.end_offset_with(seq(number), 5, 1_000), end_offset);
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// The frame this far ahead of what was consumed arrives, perhaps again.
    Arrive(u64),
    Read,
    /// The consumer joins again, with credit for this many bytes beyond what was consumed.
    Discard(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..WINDOW).prop_map(Step::Arrive),
        4 => Just(Step::Read),
        1 => (0..20_000u64).prop_map(Step::Discard),
    ]
}

proptest! {
    #[test]
    fn any_order_of_arrival_gives_each_frame_once_in_order(
        steps in prop::collection::vec(step(), 0..300),
        sizes in prop::collection::vec(0..600usize, FRAMES as usize),
    ) {
        let (mut held, mut model, mut read) = (empty(), Model::default(), Vec::new());
        // Whatever the steps leave out arrives in the end, the highest frame of each window first.
        let window = || (0..WINDOW).rev().map(Step::Arrive).chain((0..WINDOW).map(|_| Step::Read));
        for step in steps.into_iter().chain((0..FRAMES).flat_map(|_| window())) {
            match step {
                Step::Arrive(ahead) => {
                    let number = model.consumed + ahead;
                    if number < FRAMES && !held.is_held(seq(number)) {
                        let frame = packed_frame(number, &[&vec![7; sizes[number as usize]]]);
                        model.held.insert(number, frame.body_bytes());
                        model.accepted += 1;
                        held.accept(frame);
                    }
                }
                Step::Read => {
                    let frame = held.read_frame();
                    read.extend(frame.iter().map(|frame| frame.seq.get()));
                    prop_assert_eq!(frame.map(|frame| frame.body_bytes()), model.read());
                }
                Step::Discard(bytes) => {
                    let credit = model.consumed_bytes + bytes;
                    let expected = model.discard_beyond(credit);
                    prop_assert_eq!(held.discard_beyond(credit, 1_000), expected);
                }
            }
            model.check(&held)?;
        }
        prop_assert!(read.into_iter().eq(0..FRAMES));
        let bytes: usize = sizes.iter().map(|&len| message_len(len)).sum();
        prop_assert_eq!((held.held_bytes, held.totals().bytes), (0, bytes as u64));
    }
}
