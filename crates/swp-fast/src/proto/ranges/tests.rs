use std::collections::BTreeSet;

use proptest::prelude::*;

use super::RangeSet;
use crate::wire::{MAX_SACK_RANGES, Seq};

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

/// The lowest ranges of a set of numbers, as many as an ACK carries.
fn ranges(numbers: &BTreeSet<u64>) -> Vec<(Seq, Seq)> {
    let mut ranges: Vec<(Seq, Seq)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, end)) if *end == seq(number) => *end = seq(number + 1),
            _ => ranges.push((seq(number), seq(number + 1))),
        }
    }
    ranges.truncate(MAX_SACK_RANGES);
    ranges
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64),
    RemoveBelow(u64),
    RemoveFrom(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => (0..200u64).prop_map(Step::Insert),
        1 => (0..200u64).prop_map(Step::RemoveBelow),
        1 => (0..200u64).prop_map(Step::RemoveFrom),
    ]
}

proptest! {
    #[test]
    fn ranges_hold_what_a_set_of_numbers_holds(steps in prop::collection::vec(step(), 0..300)) {
        let mut set = RangeSet::default();
        let mut numbers = BTreeSet::new();
        for step in steps {
            match step {
                Step::Insert(number) if !numbers.contains(&number) => {
                    let alone = (number == 0 || !numbers.contains(&(number - 1)))
                        && !numbers.contains(&(number + 1));
                    prop_assert_eq!(set.insert(seq(number)), alone);
                    numbers.insert(number);
                }
                Step::Insert(_) => {}
                Step::RemoveBelow(number) => {
                    set.remove_below(seq(number));
                    numbers.retain(|&held| held >= number);
                }
                Step::RemoveFrom(number) => {
                    set.remove_from(seq(number));
                    numbers.retain(|&held| held < number);
                }
            }
            prop_assert_eq!(set.to_sack().iter().collect::<Vec<_>>(), ranges(&numbers));
            for number in [0, 1, 50, 100, 199, 1_000] {
                let below = numbers.range(..number).count() as u64;
                prop_assert_eq!(set.count_below(seq(number)), below);
            }
        }
    }
}

#[test]
fn removal_from_a_sequence_number_on_cuts_the_range_that_holds_it() {
    let mut set = RangeSet::default();
    for number in [1, 2, 3, 7, 8, 12] {
        set.insert(seq(number));
    }
    set.remove_from(seq(20));
    assert_eq!(set.to_sack().len(), 3);
    set.remove_from(seq(8));
    assert_eq!(set.to_sack().iter().collect::<Vec<_>>(), [(seq(1), seq(4)), (seq(7), seq(8))]);
    set.remove_from(seq(7));
    assert_eq!(set.to_sack().iter().collect::<Vec<_>>(), [(seq(1), seq(4))]);
    set.remove_from(seq(0));
    assert!(set.to_sack().is_empty());
}
